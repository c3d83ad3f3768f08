/*
 * auth.session against an app that does what it is told: which request it gets, what serve is told
 * of its answers, and what is answered without asking it.
 */
#include "rig.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <util/macros.h>

#define SECRET "WxFhjC5EAnh30M0JIe0Wa58Xb1BYf8kedTTdKUbbd9Y"
#define TOKEN "Fk0IS7EboknY9PL5ULzENcOywdgwiBPY"
#define SIGNED TOKEN ".0W80iXqZfyNcCfoUHtd3eqTOTi0I8vA1hqkN/VSAGs4="
#define COOKIE                                                                                     \
    "better-auth.session_token=" TOKEN ".0W80iXqZfyNcCfoUHtd3eqTOTi0I8vA1hqkN%2FVSAGs4%3D"
#define TOKEN_HASH                                                                                 \
    "db02cdf435f5224e54ad2e992b2b03f882173eb3560bfdcf8a4533670d9ab570" /* SHA-256                  \
                                                                        */
#define SESSION                                                                                    \
    "{\"session\":{\"token\":\"" TOKEN                                                             \
    "\",\"userId\":\"usr_1\",\"expiresAt\":\"2999-01-01T00:00:00.000Z\"},"                         \
    "\"user\":{\"id\":\"usr_1\",\"email\":\"ada@example.com\",\"emailVerified\":true,"             \
    "\"name\":\"Ada\",\"image\":null,\"stellartools_customer_id\":\"cus_1\"}}"

/* The rig's upstream is the app; StellarTools is nowhere. */
struct app_rig {
    struct upstream_server *app;
    struct rig rig;
    char secret_path[HARNESS_PATH_MAX];
    struct harness_directory directory;
};

static void app_init(struct app_rig *it, const struct upstream_step *steps, size_t count,
                     const char *more)
{
    char text[512];

    harness_directory_init(&it->directory);
    harness_path(&it->directory, "api_key", it->secret_path);
    harness_write_file(it->secret_path, RIG_KEY "\n");
    it->app = upstream_new(steps, count);
    cr_assert_lt(snprintf(text, sizeof text, "api_key_file = %s\n[better_auth]\nurl = %s\n%s",
                          it->secret_path, upstream_url(it->app), more ? more : ""),
                 (int)sizeof text);
    rig_init_with(&it->rig, NULL, 0, "http://127.0.0.1:9", text, NULL);
}

static void app_init_one(struct app_rig *it, const char *answer, const char *more)
{
    struct upstream_step step = {ACT_REPLY, answer};

    app_init(it, &step, 1, more);
}

static void app_deinit(struct app_rig *it)
{
    char *log = harness_process_log(&it->rig.process);

    /* Nothing of a credential is logged. */
    cr_expect_null(strstr(log, TOKEN), "%s", log);
    cr_expect_null(strstr(log, "0W80iXqZ"), "%s", log);
    free(log);
    rig_deinit(&it->rig);
    it->app = upstream_free(it->app);
    harness_directory_deinit(&it->directory);
}

static json_t *ask(struct app_rig *it, const char *session, int timeout)
{
    return harness_call(&it->rig.serve, "auth.session", "{s:s, s:i}", "session", session, "timeout",
                        timeout > 0 ? timeout : 20000);
}

static void expect(json_t *answer, const char *expected, const char *what)
{
    char *text = json_dumps(answer, JSON_COMPACT);

    rig_expect(answer, expected, what);
    /* Nothing of the credential comes back. */
    cr_expect_null(strstr(text, TOKEN), "%s: %s", what, text);
    cr_expect_null(strstr(text, "0W80iXqZ"), "%s: %s", what, text);
    free(text);
    json_decref(answer);
}

Test(sessions, a_valid_one)
{
    char *text = upstream_answer(200, "Set-Cookie: a=b\r\n", SESSION);
    struct app_rig it;

    app_init_one(&it, text, NULL);
    expect(ask(&it, COOKIE, 0),
           "{\"verdict\":\"valid\",\"message\":null,\"http_status\":200,\"offline\":false,"
           "\"valid_for\":60000,\"expires_at\":32472144000000,\"token_hash\":"
           "\"bin:" TOKEN_HASH "\","
           "\"user\":{\"id\":\"usr_1\",\"email\":\"ada@example.com\",\"email_verified\":true,"
           "\"name\":\"Ada\",\"image\":null,\"stellartools_customer_id\":\"cus_1\"}}",
           "valid");
    app_deinit(&it);
    free(text);
}

Test(sessions, answers_and_their_verdicts)
{
    static const struct {
        const char *name;
        enum upstream_act act;
        int status; /* 0: `body` is all that is sent */
        const char *headers, *body, *verdict;
        int http_status, timeout;
    } table[] = {
        {"null", ACT_REPLY, 200, NULL, "null", "invalid", 200, 0},
        {"500", ACT_REPLY, 500, NULL, "null", "unavailable", 500, 0},
        {"502 HTML", ACT_REPLY, 502, NULL, "<html>", "unavailable", 502, 0},
        {"404", ACT_REPLY, 404, NULL, "", "unavailable", 404, 0},
        {"401", ACT_REPLY, 401, "WWW-Authenticate: Basic realm=x\r\n", "", "unavailable", 401, 0},
        {"HTML", ACT_REPLY, 200, NULL, "<html>" SIGNED, "unavailable", 200, 0},
        {"empty", ACT_REPLY, 200, NULL, "", "unavailable", 200, 0},
        {"a key twice", ACT_REPLY, 200, NULL, "{\"session\":1,\"session\":2}", "unavailable", 200,
         0},
        {"the token quoted", ACT_REPLY, 200, NULL, "\"" TOKEN "\"", "unavailable", 200, 0},
        {"garbage", ACT_REPLY_CLOSE, 0, NULL, "SSH-2.0 " TOKEN "\r\n", "unavailable", 0, 0},
        {"closed", ACT_CLOSE, 0, NULL, NULL, "unavailable", 0, 0},
        {"reset", ACT_RESET, 0, NULL, NULL, "unavailable", 0, 0},
        {"half an answer", ACT_REPLY_CLOSE, 0, NULL,
         "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nnull", "unavailable", 200, 0},
        {"silence", ACT_HANG, 0, NULL, NULL, "unavailable", 0, 1000},
    };

    for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
        char *text = table[i].status
                         ? upstream_answer(table[i].status, table[i].headers, table[i].body)
                         : (table[i].body ? strdup(table[i].body) : NULL);
        struct upstream_step step = {table[i].act, text};
        struct app_rig it;
        char expected[128];

        snprintf(expected, sizeof expected, "{\"verdict\":\"%s\",\"http_status\":%d}",
                 table[i].verdict, table[i].http_status);
        app_init(&it, &step, 1, NULL);
        expect(ask(&it, COOKIE, table[i].timeout), expected, table[i].name);
        app_deinit(&it);
        free(text);
    }
}

Test(sessions, the_request_carries_the_session_and_nothing_else)
{
    static const char first_line[] = "GET /api/auth/get-session?disableCookieCache=true"
                                     "&disableRefresh=true HTTP/1.1\r\n";
    static const struct {
        const char *session, *cookie, *authorization;
    } table[] = {
        {"theme=dark; " COOKIE "; better-auth.session_data=abc; other=secret; "
         "better-auth.dont_remember=x",
         "\r\nCookie: " COOKIE "\r\n", NULL},
        {SIGNED, "\r\nCookie: " COOKIE "; __Secure-" COOKIE "\r\n", NULL},
        {"Bearer " TOKEN, NULL, "\r\nAuthorization: Bearer " TOKEN "\r\n"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
        char *text = upstream_answer(200, NULL, "null");
        struct app_rig it;
        const char *request;

        app_init_one(&it, text, NULL);
        expect(ask(&it, table[i].session, 0), "{\"verdict\":\"invalid\"}", table[i].session);
        request = upstream_request(it.app, 0);
        cr_assert_not_null(request);
        cr_expect_eq(strncmp(request, first_line, strlen(first_line)), 0, "%s", request);
        cr_expect_eq(strstr(request, "\r\nCookie:") != NULL, table[i].cookie != NULL);
        if (table[i].cookie)
            cr_expect_not_null(strstr(request, table[i].cookie), "%s", request);
        cr_expect_eq(strstr(request, "\r\nAuthorization:") != NULL, table[i].authorization != NULL);
        if (table[i].authorization)
            cr_expect_not_null(strstr(request, table[i].authorization), "%s", request);
        cr_expect_null(strcasestr(request, "x-api-key"));
        cr_expect_null(strstr(request, RIG_KEY));
        cr_expect_null(strcasestr(request, "Idempotency-Key"));
        cr_expect_null(strcasestr(request, "StellarTools-Version"));
        cr_expect_null(strstr(request, "theme"));
        cr_expect_null(strstr(request, "secret"));
        cr_expect_null(strstr(request, "session_data"));
        app_deinit(&it);
        free(text);
    }
}

Test(sessions, a_redirect_carries_the_session_nowhere)
{
    struct upstream_step elsewhere_step = {ACT_REPLY,
                                           "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nnull"};
    struct upstream_server *elsewhere = upstream_new(&elsewhere_step, 1);
    static const int statuses[] = {301, 302, 303, 307, 308};

    for (size_t i = 0; i < ARRAY_SIZE(statuses); i++) {
        char headers[128], *text;
        struct app_rig it;

        snprintf(headers, sizeof headers, "Location: %s/x\r\n", upstream_url(elsewhere));
        text = upstream_answer(statuses[i], headers, "");
        app_init_one(&it, text, NULL);
        expect(ask(&it, COOKIE, 0), "{\"verdict\":\"unavailable\"}", headers);
        app_deinit(&it);
        free(text);
    }
    cr_expect_eq(upstream_count(elsewhere), 0);
    upstream_free(elsewhere);
}

static void secret_line(char line[HARNESS_PATH_MAX + 20], struct harness_directory *directory,
                        const char *secret)
{
    char path[HARNESS_PATH_MAX];

    harness_directory_init(directory);
    harness_path(directory, "secret", path);
    harness_write_file(path, secret);
    snprintf(line, HARNESS_PATH_MAX + 20, "secret_file = %s", path);
}

Test(sessions, what_is_wrongly_signed_is_refused_without_a_request)
{
    char line[HARNESS_PATH_MAX + 20], *text = upstream_answer(200, NULL, SESSION);
    struct harness_directory directory;
    struct app_rig it;

    secret_line(line, &directory, SECRET "\n");
    app_init_one(&it, text, line);
    expect(ask(&it,
               "better-auth.session_token=X" TOKEN ".0W80iXqZfyNcCfoUHtd3eqTOTi0I8vA1hqkN/"
               "VSAGs4=",
               0),
           "{\"verdict\":\"invalid\",\"http_status\":0}", "another token");
    expect(ask(&it, "better-auth.session_token=" TOKEN, 0),
           "{\"verdict\":\"invalid\",\"http_status\":0,\"token_hash\":null}", "no signature");
    expect(ask(&it, "theme=dark", 0), "{\"verdict\":\"invalid\",\"http_status\":0}", "no cookie");
    cr_expect_eq(upstream_count(it.app), 0);
    expect(ask(&it, SIGNED, 0), "{\"verdict\":\"valid\",\"offline\":false}", "rightly signed");
    cr_expect_eq(upstream_count(it.app), 1);
    app_deinit(&it);
    harness_directory_deinit(&directory);
    free(text);
}

Test(sessions, without_a_url_nobody_can_be_asked)
{
    struct rig rig;
    json_t *answer;

    rig_init(&rig, NULL, 0, "http://127.0.0.1:9");
    answer = harness_call(&rig.serve, "auth.session", "{s:s}", "session", COOKIE);
    expect(answer, "{\"verdict\":\"unavailable\",\"http_status\":0}", "no url");
    answer = harness_call(&rig.serve, "auth.session", "{s:s}", "session", "theme=dark");
    expect(answer, "{\"verdict\":\"invalid\"}", "no session in it");
    rig_deinit(&rig);
}

Test(sessions, they_need_no_api_key_and_no_secret_that_can_be_read)
{
    char *text = upstream_answer(200, NULL, SESSION), configuration[256];
    struct upstream_step step = {ACT_REPLY, text};
    struct upstream_server *app = upstream_new(&step, 1);
    struct rig rig;
    json_t *answer;

    snprintf(configuration, sizeof configuration,
             "[better_auth]\nurl = %s/\nsecret_file = /nonexistent/secret", upstream_url(app));
    rig_init_with(&rig, NULL, 0, "http://127.0.0.1:9", configuration, NULL);
    answer = harness_call(&rig.serve, "auth.session", "{s:s}", "session", COOKIE);
    expect(answer, "{\"verdict\":\"valid\"}", "no key");
    cr_expect_eq(strncmp(upstream_request(app, 0), "GET /api/auth/get-session?", 26), 0);
    rig_deinit(&rig);
    upstream_free(app);
    free(text);
}

Test(sessions, an_app_that_hangs_keeps_no_exchange_waiting)
{
    struct upstream_step hang = {ACT_HANG, NULL};
    char *good = upstream_answer(200, NULL, "null"), configuration[256];
    struct upstream_step reply = {ACT_REPLY, good};
    struct upstream_server *app = upstream_new(&hang, 1);
    struct rig rig;
    json_t *answer;

    snprintf(configuration, sizeof configuration, "[better_auth]\nurl = %s", upstream_url(app));
    rig_init_with(&rig, &reply, 1, NULL, configuration,
                  (const char *const[]){"STELLAR_TOOLS_API_KEY=" RIG_KEY, NULL});
    for (int i = 0; i < 40; i++)
        harness_send(&rig.serve, "auth.session", "{s:s, s:i}", "session", COOKIE, "timeout", 20000);
    upstream_wait(app, 16);
    answer = rig_balance(&rig, 0);
    rig_expect(answer, "{\"outcome\":\"no_balance\"}", "an exchange meanwhile");
    json_decref(answer);
    cr_expect_eq(upstream_most_at_once(app), 16);
    rig_deinit(&rig);
    upstream_free(app);
    free(good);
}

Test(sessions, bad_requests_are_refused_by_name)
{
    static const struct {
        const char *format, *key, *value, *culprit;
    } table[] = {
        {"{s:s}", "other", "x", "session"},
        {"{s:s}", "session", "", "session"},
        {"{s:s, s:s}", "session", COOKIE, "fresh"},
    };
    struct rig rig;

    rig_init(&rig, NULL, 0, "http://127.0.0.1:9");
    for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
        json_t *error = harness_call_error(&rig.serve, "auth.session", table[i].format,
                                           table[i].key, table[i].value, "fresh", "yes");

        cr_expect_str_eq(harness_text(error, "code"), "invalid_parameter");
        cr_expect_str_eq(harness_text(error, "message"), table[i].culprit);
        json_decref(error);
    }
    rig_deinit(&rig);
}
