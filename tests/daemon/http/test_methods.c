/*
 * POST /v1/METHOD, probes, preflights, and who may do what: a session, a process at the local
 * socket, a proxy (test_sockets.c has the others). And creditd-serve going away.
 */
#include "http_fixture.h"
#include <criterion/criterion.h>
#include <proto/methods.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct http_fixture fixture;

static void teardown(void)
{
    http_fixture_deinit(&fixture);
}

TestSuite(methods, .fini = teardown, .timeout = 500);

#define METHOD_TEST(name) HTTP_TEST(methods, name, &fixture, NULL, NULL)
#define BALANCE "{\"product_id\": \"prod_1\"}"
#define BALANCE_OF_CUSTOMER "{\"product_id\": \"prod_1\", \"customer_id\": \"cus_2\"}"
#define BALANCE_OF_USER "{\"product_id\": \"prod_1\", \"user_id\": \"u_2\"}"

static void post(struct http_answer *ret_answer, const char *method, const char *headers,
                 const char *body)
{
    char target[128];

    snprintf(target, sizeof(target), "/v1/%s", method);
    http_ask(&fixture, ret_answer, "POST", target, headers, body);
}

static void check_post(const char *method, const char *headers, const char *body, unsigned status,
                       const char *code)
{
    struct http_answer answer;

    post(&answer, method, headers, body);
    http_check(&answer, status, code);
}

METHOD_TEST(any_method_by_name)
{
    struct http_answer answer;

    post(&answer, "ping", NULL, NULL);
    cr_assert(harness_bool(answer.json, "pong"));
    http_check(&answer, 200, NULL);
    post(&answer, "credits.reserve", BEARER("u_1") JSON,
         "{\"product_id\": \"prod_1\", \"raw_amount\": 50, \"metadata\": {\"job\": \"7\"}}");
    cr_assert_eq(harness_int(answer.json, "credits_held"), 5);
    http_check(&answer, 200, NULL);
    check_post("credits.balance", BEARER("u_1") JSON, BALANCE, 200, NULL);
    check_post("nothing", NULL, NULL, 404, "not_found");
    check_post("event.subscribe", NULL, NULL, 404, "not_found");
    check_post("ping/", NULL, NULL, 404, "not_found");
    http_ask(&fixture, &answer, "GET", "/v1/ping", NULL, NULL);
    http_check(&answer, 405, "invalid_request");
    check_post("ping", "Content-Type: text/plain\r\n", "{}", 415, "invalid_request");
}

static void check_unknown(const char *method, const char *headers, const char *body,
                          const char *name)
{
    struct http_answer answer;
    char text[256];

    post(&answer, method, headers, body);
    snprintf(text, sizeof(text), "%s takes no parameter %s; it takes ", method,
             name ? name : "of so long a name");
    cr_assert_not_null(strstr(answer.body, text), "%s", answer.body);
    if (name)
        cr_assert_str_eq(
            harness_text(json_object_get(json_object_get(answer.json, "error"), "data"),
                         "parameter"),
            name);
    http_check(&answer, 400, "invalid_parameter");
}

/* It would be as if it had not been given; nothing is done. */
METHOD_TEST(a_misspelt_parameter_is_told)
{
    static const char misspelt[] = "{\"product_id\": \"prod_1\", \"raw_amount\": 10, "
                                   "\"idempotancy_key\": \"k\"}";
    static const char named[] = "{\"product_id\": \"prod_1\", \"customer_id\": \"cus_1\", "
                                "\"raw_amout\": 10}";
    struct http_answer answer;
    char body[256];

    check_unknown("credits.consume", BEARER("u_1") JSON, misspelt, "idempotancy_key");
    check_unknown("credits.consume", JSON, named, "raw_amout");
    check_unknown("ping", JSON, "{\"a\": 1}", "a");
    snprintf(body, sizeof(body), "{\"%0200d\": 1}", 7);
    check_unknown("ping", JSON, body, NULL);
    check_post("credits.consume", JSON, misspelt, 401, "unauthenticated");
    /* The adapter passes over what it does not take. */
    http_ask(&fixture, &answer, "POST", "/api/auth/stellar/credits/consume", BEARER("u_1") JSON,
             misspelt);
    cr_assert_eq(harness_int(answer.json, "balance"), 999, "%s", answer.body);
    http_check(&answer, 200, NULL);
}

METHOD_TEST(a_session_has_no_role_and_names_nobody)
{
    static const char *const headers[] = {BEARER("u_1") JSON, COOKIE("u_1") ORIGIN JSON};

    for (size_t i = 0; i < 2; i++) {
        check_post("credits.balance", headers[i], BALANCE, 200, NULL);
        check_post("credits.balance", headers[i], BALANCE_OF_CUSTOMER, 400, "invalid_parameter");
        check_post("credits.balance", headers[i], BALANCE_OF_USER, 400, "invalid_parameter");
        check_post("push.list", headers[i], NULL, 403, "permission_denied");
        check_post("customer.link", headers[i],
                   "{\"user_id\": \"u_1\", \"customer_id\": \"cus_2\"}", 403, "permission_denied");
        check_post("user.created", headers[i],
                   "{\"user_id\": \"u_9\", \"email\": \"x@example.com\"}", 403,
                   "permission_denied");
        check_post("credits.grant", headers[i], "{\"product_id\": \"prod_1\", \"raw_amount\": 1}",
                   403, "permission_denied");
        check_post("credits.refund", headers[i],
                   "{\"product_id\": \"prod_1\", \"transaction_id\": \"t_1\"}", 403,
                   "permission_denied");
    }
    check_post("credits.balance", JSON, "{\"product_id\": \"prod_1\", \"session\": \"good:u_1\"}",
               400, "invalid_parameter");
    check_post("credits.balance", JSON COOKIE("u_1"), BALANCE, 403, "permission_denied");
}

/* We are the daemon's own user, or root. */
METHOD_TEST(a_process_at_the_local_socket_has_its_own_roles)
{
    static const char *const proxies[] = {
        "X-Forwarded-For: 1.2.3.4\r\n", "X-Forwarded-Host: x\r\n", "Forwarded: for=1.2.3.4\r\n",
        "X-Forwarded-Proto: https\r\n", "X-Real-IP: 1.2.3.4\r\n",  "Via: 1.1 proxy\r\n",
        "x-forwarded-whatever:\r\n",
    };

    check_post("credits.balance", JSON, BALANCE_OF_CUSTOMER, 200, NULL);
    check_post("credits.balance", JSON, BALANCE_OF_USER, 200, NULL);
    check_post("credits.balance", JSON, BALANCE, 401, "unauthenticated");
    check_post("push.list", NULL, NULL, 200, NULL);
    for (size_t i = 0; i < sizeof(proxies) / sizeof(proxies[0]); i++) {
        char headers[256];

        snprintf(headers, sizeof(headers), "%s%s", proxies[i], JSON);
        check_post("credits.balance", headers, BALANCE_OF_CUSTOMER, 401, "unauthenticated");
        check_post("push.list", headers, NULL, 403, "permission_denied");
        check_post("ping", headers, NULL, 200, NULL);
        snprintf(headers, sizeof(headers), "%s%s%s", proxies[i], JSON, BEARER("u_1"));
        check_post("credits.balance", headers, BALANCE, 200, NULL);
    }
}

#define READER 12345
#define STRANGER 12347

/* The kernel keeps the effective ids of connect(). */
static void post_as(uid_t uid, const char *method, const char *body, unsigned status,
                    const char *code)
{
    struct http_answer answer;
    char target[128];
    int fd;

    cr_assert_eq(setegid(uid), 0);
    cr_assert_eq(seteuid(uid), 0);
    fd = http_connect(&fixture);
    cr_assert_eq(seteuid(0), 0);
    cr_assert_eq(setegid(0), 0);
    snprintf(target, sizeof(target), "/v1/%s", method);
    http_send_request(fd, "POST", target, JSON, body);
    http_receive(fd, false, &answer);
    http_check(&answer, status, code);
    close(fd);
}

#define CONSUME_OF_CUSTOMER                                                                        \
    "{\"product_id\": \"prod_1\", \"raw_amount\": 10, \"customer_id\": \"cus_2\"}"

/* creditd-http itself runs as root here, who may do everything. */
Test(methods, others_do_not_get_the_roles_of_creditd_http)
{
    if (geteuid() != 0)
        cr_skip_test("only root can be another user");
    http_fixture_start(&fixture, NULL, "[access]\nread = 12345\n");
    cr_assert_eq(chmod(fixture.serve.directory.path, 0711), 0);
    cr_assert_eq(chmod(fixture.socket, 0666), 0);
    post_as(READER, "credits.balance", BALANCE_OF_CUSTOMER, 200, NULL);
    post_as(READER, "credits.consume", CONSUME_OF_CUSTOMER, 403, "permission_denied");
    post_as(READER, "push.list", NULL, 403, "permission_denied");
    post_as(STRANGER, "credits.balance", BALANCE_OF_CUSTOMER, 403, "permission_denied");
    post_as(STRANGER, "ping", NULL, 200, NULL);
    http_fixture_deinit(&fixture);
}

#define WEBHOOK                                                                                    \
    "{\"id\": \"wh_evt_1\", \"type\": \"customer.updated\", \"created\": \"2026-01-20\", "         \
    "\"livemode\": false, \"data\": {\"object\": {\"id\": \"cus_1\", \"name\": \"New\", "          \
    "\"updated_at\": \"2026-01-20T00:00:00.000Z\"}}}"

/* By its signature alone: no session, no origin, no type of content. */
METHOD_TEST(a_webhook_is_signed)
{
    static const char *const paths[] = {"/v1/webhook", "/api/auth/stellar/webhook"};
    static const char *const signatures[] = {"X-StellarTools-Signature: good\r\n",
                                             "X-Stellar-Signature: good\r\n"};
    struct http_answer answer;

    for (size_t i = 0; i < 2; i++) {
        http_ask_tcp(&fixture, &answer, "POST", paths[i], signatures[i], WEBHOOK);
        http_check(&answer, 200, NULL);
        http_ask_tcp(&fixture, &answer, "POST", paths[i],
                     "X-StellarTools-Signature: wrong\r\n" COOKIE("u_1"), WEBHOOK);
        http_check(&answer, 403, "permission_denied");
        http_ask_tcp(&fixture, &answer, "POST", paths[i], COOKIE("u_1"), "{}");
        http_check(&answer, 400, "invalid_parameter");
        http_ask_tcp(&fixture, &answer, "POST", paths[i], signatures[i], NULL);
        http_check(&answer, 400, "invalid_parameter");
        http_ask_tcp(&fixture, &answer, "GET", paths[i], NULL, NULL);
        http_check(&answer, 405, "invalid_request");
    }
    cr_assert_eq(fixture.serve.sync.webhooks, 4);
}

METHOD_TEST(probes)
{
    static const char *const paths[] = {"/livez", "/readyz"};
    struct http_answer answer;

    for (size_t i = 0; i < 2; i++) {
        http_ask_tcp(&fixture, &answer, "GET", paths[i], NULL, NULL);
        cr_assert_str_eq(harness_text(answer.json, "status"), "ok");
        http_check(&answer, 200, NULL);
        http_ask_tcp(&fixture, &answer, "HEAD", paths[i], NULL, NULL);
        http_check(&answer, 200, NULL);
    }
    http_ask_tcp(&fixture, &answer, "GET", "/metrics", NULL, NULL);
    cr_assert_not_null(strstr(answer.body, "\ncreditd_http_answers_total{status=\"2xx\"} "));
    http_check(&answer, 200, NULL);
}

static void check_header(const struct http_answer *answer, const char *name, const char *value)
{
    char *found = http_answer_header(answer, name);

    if (value == NULL)
        cr_assert_null(found, "%s: %s", name, found);
    else
        cr_assert(found != NULL && strcmp(found, value) == 0, "%s: %s", name, found);
    free(found);
}

METHOD_TEST(headers_of_answers)
{
    struct http_answer answer;

    http_ask(&fixture, &answer, "GET", "/livez", "Origin: http://evil.example\r\n", NULL);
    check_header(&answer, "Content-Type", "application/json; charset=utf-8");
    check_header(&answer, "Cache-Control", "no-store");
    check_header(&answer, "X-Content-Type-Options", "nosniff");
    check_header(&answer, "Vary", "Origin");
    check_header(&answer, "Access-Control-Allow-Origin", NULL);
    http_check(&answer, 200, NULL);
    http_ask(&fixture, &answer, "GET", "/livez", "Referer: " APP_ORIGIN "/\r\n", NULL);
    check_header(&answer, "Access-Control-Allow-Origin", NULL);
    http_check(&answer, 200, NULL);
    http_ask(&fixture, &answer, "GET", "/livez", ORIGIN, NULL);
    check_header(&answer, "Access-Control-Allow-Origin", APP_ORIGIN);
    check_header(&answer, "Access-Control-Allow-Credentials", "true");
    http_check(&answer, 200, NULL);
    http_ask(&fixture, &answer, "OPTIONS", "/v1/credits.consume", ORIGIN, NULL);
    check_header(&answer, "Access-Control-Allow-Origin", APP_ORIGIN);
    check_header(&answer, "Access-Control-Allow-Methods", "POST, OPTIONS");
    check_header(&answer, "Allow", "POST, OPTIONS");
    cr_assert_eq(answer.status, 204);
    http_answer_deinit(&answer);
    http_ask(&fixture, &answer, "OPTIONS", "/v1/credits.consume", "Origin: http://evil.example\r\n",
             NULL);
    check_header(&answer, "Access-Control-Allow-Origin", NULL);
    check_header(&answer, "Access-Control-Allow-Methods", NULL);
    cr_assert_eq(answer.status, 204);
    http_answer_deinit(&answer);
    http_ask(&fixture, &answer, "OPTIONS", "/nothing", ORIGIN, NULL);
    http_check(&answer, 404, "not_found");
}

METHOD_TEST(serve_is_away_and_comes_back)
{
    struct http_answer answer;

    check_post("credits.balance", BEARER("u_1") JSON, BALANCE, 200, NULL);
    harness_process_stop(&fixture.serve.serve, SIGKILL);
    http_ask(&fixture, &answer, "GET", "/readyz", NULL, NULL);
    cr_assert_eq(answer.status, 503);
    http_answer_deinit(&answer);
    http_ask(&fixture, &answer, "GET", "/livez", NULL, NULL);
    http_check(&answer, 200, NULL);
    http_ask(&fixture, &answer, "GET", "/metrics", NULL, NULL);
    cr_assert_not_null(strstr(answer.body, "\ncreditd_http_up 0\n"));
    http_check(&answer, 200, NULL);
    post(&answer, "ping", NULL, NULL);
    cr_assert_eq(answer.status, 503, "%s", answer.body);
    http_answer_deinit(&answer);
    fixture_start_serve(&fixture.serve);
    check_post("ping", NULL, NULL, 200, NULL);
    http_ask(&fixture, &answer, "GET", "/readyz", NULL, NULL);
    http_check(&answer, 200, NULL);
}

/* serve's socket stays where it is, as a supervisor keeps it: requests wait for the next serve. */
METHOD_TEST(requests_wait_while_serve_is_started_anew)
{
    struct http_answer answer;
    int fd = http_connect(&fixture);

    harness_process_stop(&fixture.serve.serve, SIGKILL);
    http_send_request(fd, "POST", "/v1/credits.consume", JSON, CONSUME_OF_CUSTOMER);
    fixture_start_serve(&fixture.serve);
    fake_sync_stop(&fixture.serve.sync);
    fake_sync_start(&fixture.serve.sync, fixture.serve.sync_path);
    http_receive(fd, false, &answer);
    http_check(&answer, 200, NULL);
    close(fd);
}

METHOD_TEST(the_configuration_is_read_anew)
{
    struct http_answer answer;
    char *log;

    check_post("ping", COOKIE("u_1") "Origin: http://new.example\r\n", NULL, 403,
               "permission_denied");
    harness_write_file(fixture.config, "[http]\nprefix = /new\n"
                                       "trusted_origins = http://new.example\n");
    kill(fixture.http.pid, SIGHUP);
    do { /* it is read when its turn comes */
        post(&answer, "ping", COOKIE("u_1") "Origin: http://new.example\r\n", NULL);
    } while (answer.status == 403 && (http_answer_deinit(&answer), true));
    http_check(&answer, 200, NULL);
    http_ask(&fixture, &answer, "GET", "/new/customer/retrieve", BEARER("u_1"), NULL);
    http_check(&answer, 200, NULL);
    log = harness_process_log(&fixture.http);
    cr_assert_not_null(
        strstr(log, "[http] listen, [http] local: what has been changed there counts from"), "%s",
        log);
    free(log);
    harness_write_file(fixture.config, "[http]\nprefix = x\n");
    kill(fixture.http.pid, SIGHUP);
    http_ask(&fixture, &answer, "GET", "/new/customer/retrieve", BEARER("u_1"), NULL);
    http_check(&answer, 200, NULL);
}

/* Nobody who sends credentials is judged without them. */
METHOD_TEST(credentials_that_are_no_session_are_none)
{
    static const char *const wrong[] = {"Basic eDp5", "", "Bearer", "Bearer ", "Bearerx good:u_1"};
    static const char nul[] = "POST /v1/push.list HTTP/1.1\r\nHost: x\r\n"
                              "Authorization: Bea\0rer x\r\n\r\n";
    struct http_answer answer;
    int fd = http_connect(&fixture);

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        char headers[256];

        snprintf(headers, sizeof(headers), "Authorization: %s\r\n" JSON, wrong[i]);
        check_post("push.list", headers, NULL, 401, "unauthenticated");
        check_post("credits.balance", headers, BALANCE_OF_CUSTOMER, 401, "unauthenticated");
        http_ask(&fixture, &answer, "GET", "/v1/events", headers, NULL);
        http_check(&answer, 401, "unauthenticated");
        http_ask(&fixture, &answer, "GET", "/livez", headers, NULL);
        http_check(&answer, 200, NULL);
    }
    http_send(fd, nul, sizeof(nul) - 1);
    http_receive(fd, false, &answer);
    cr_assert(answer.status == 401 || answer.status == 400, "%u", answer.status);
    http_answer_deinit(&answer);
    close(fd);
}

/* A page whose name leads to this machine (DNS rebinding) is of the same origin as we then are. */
METHOD_TEST(over_tcp_the_host_is_looked_at)
{
    static const struct {
        const char *host;
        unsigned status;
    } hosts[] = {{"127.0.0.1", 200},
                 {"localhost:8180", 200},
                 {"[::1]:1", 200},
                 {"app.example:1", 200},
                 {"evil.example", 403},
                 {"127.0.0.1:9.evil.example", 403},
                 {"", 403}};
    struct http_answer answer;
    char request[256];

    for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++) {
        int tcp = http_connect_tcp(&fixture), local = http_connect(&fixture);

        snprintf(request, sizeof(request), "GET /livez HTTP/1.1\r\nHost: %s\r\n\r\n",
                 hosts[i].host);
        http_send(tcp, request, strlen(request));
        http_receive(tcp, false, &answer);
        http_check(&answer, hosts[i].status, hosts[i].status == 200 ? NULL : "permission_denied");
        http_send(local, request, strlen(request));
        http_receive(local, false, &answer);
        http_check(&answer, 200, NULL);
        close(tcp);
        close(local);
    }
}
