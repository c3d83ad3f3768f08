/*
 * Connections: many at once, slow ones, ones that send no HTTP, more than may be, and the end of
 * the process while requests wait.
 */
#include "http_fixture.h"
#include <criterion/criterion.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static struct http_fixture fixture;

static void teardown(void)
{
    http_fixture_deinit(&fixture);
}

TestSuite(connections, .fini = teardown, .timeout = 500);

#define CONNECTION_TEST(name) HTTP_TEST(connections, name, &fixture, NULL, NULL)
#define MANY 200
#define ROUNDS 5
#define CONSUME "{\"product_id\": \"prod_1\", \"raw_amount\": 10, \"customer_id\": \"cus_1\"}"

static void check_ping(int fd)
{
    struct http_answer answer;

    http_send_request(fd, "POST", "/v1/ping", NULL, NULL);
    http_receive(fd, false, &answer);
    http_check(&answer, 200, NULL);
}

/* Until that line is among the figures. */
static void wait_metric(const char *line)
{
    bool is_there = false;

    while (!is_there) {
        struct http_answer answer;

        http_ask(&fixture, &answer, "GET", "/metrics", NULL, NULL);
        is_there = strstr(answer.body, line) != NULL;
        http_answer_deinit(&answer);
    }
}

static int64_t balance(void)
{
    json_t *result = harness_call(&fixture.serve.client, "credits.balance", "{s:s, s:s}",
                                  "customer_id", "cus_1", "product_id", "prod_1");
    int64_t available = harness_int(result, "balance");

    json_decref(result);
    return available;
}

CONNECTION_TEST(many_at_once_each_deducts_once)
{
    int fds[MANY];
    struct http_answer answer;

    for (int i = 0; i < MANY; i++)
        fds[i] = http_connect(&fixture);
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < MANY; i++)
            http_send_request(fds[i], "POST", "/v1/credits.consume", JSON, CONSUME);
        for (int i = 0; i < MANY; i++) {
            http_receive(fds[i], false, &answer);
            http_check(&answer, 200, NULL);
        }
    }
    for (int i = 0; i < MANY; i++)
        close(fds[i]);
    cr_assert_eq(balance(), 0);
}

CONNECTION_TEST(several_on_one_connection)
{
    struct http_answer answer;
    int fd = http_connect_tcp(&fixture);

    for (int i = 0; i < 100; i++) /* pipelined */
        http_send_request(fd, "POST", "/v1/ping", JSON, i % 2 ? "{}" : NULL);
    for (int i = 0; i < 100; i++) {
        http_receive(fd, false, &answer);
        http_check(&answer, 200, NULL);
    }
    close(fd);
}

CONNECTION_TEST(a_request_byte_by_byte_holds_nobody_up)
{
    static const char text[] = "POST /v1/credits.consume HTTP/1.1\r\nHost: x\r\nContent-Type: "
                               "application/json\r\nTransfer-Encoding: chunked\r\n\r\n";
    struct http_answer answer;
    int slow = http_connect(&fixture), other = http_connect(&fixture);
    char chunk[16];

    for (const char *c = text; *c; c++)
        http_send(slow, c, 1);
    for (const char *c = CONSUME; *c; c++) {
        snprintf(chunk, sizeof(chunk), "1\r\n%c\r\n", *c);
        http_send(slow, chunk, 6);
        check_ping(other);
    }
    http_send(slow, "0\r\n\r\n", 5);
    http_receive(slow, false, &answer);
    http_check(&answer, 200, NULL);
    close(slow);
    close(other);
}

static char *filled(size_t length)
{
    char *text = malloc(length + 1);

    memset(text, ' ', length);
    text[length] = '\0';
    return text;
}

HTTP_TEST(connections, a_body_has_a_limit, &fixture, NULL, "body_size = 2KiB\n")
{
    static const size_t lengths[] = {2048, 2049, 100000, 5000000};
    struct http_answer answer;

    for (size_t i = 0; i < 4; i++) {
        char *body = filled(lengths[i]);

        memcpy(body, "{}", 2);
        http_ask(&fixture, &answer, "POST", "/v1/ping", JSON, body);
        http_check(&answer, i == 0 ? 200 : 413, i == 0 ? NULL : "invalid_request");
        free(body);
    }
}

/* In a message it is more than serve takes, which would end the connection that all requests share.
 */
CONNECTION_TEST(a_body_that_grows_disturbs_nobody)
{
    struct http_answer answer;
    char *body = filled(60000);
    int fd = http_connect(&fixture), other = http_connect(&fixture);
    size_t length = (size_t)snprintf(body, 60000, "{\"reason\": [");

    body[length] = ' ';
    while (length < 59990) {
        memcpy(body + length, "1.0,", 4);
        length += 4;
    }
    memcpy(body + length - 1, "]}", 3);
    kill(fixture.serve.serve.pid, SIGSTOP); /* so that the other waits meanwhile */
    http_send_request(other, "POST", "/v1/customer.link", JSON,
                      "{\"user_id\": \"u_7\", \"customer_id\": \"cus_7\"}");
    http_send_request(fd, "POST", "/v1/push.drop", JSON, body);
    http_receive(fd, false, &answer);
    http_check(&answer, 413, "invalid_request");
    kill(fixture.serve.serve.pid, SIGCONT);
    http_receive(other, false, &answer);
    http_check(&answer, 200, NULL); /* not sent twice, so it would be in doubt */
    free(body);
    close(fd);
    close(other);
}

CONNECTION_TEST(what_is_no_http_ends_its_connection_alone)
{
    static const struct {
        const char *bytes;
        size_t length;
        unsigned status; /* 0: it ends without an answer */
    } noise[] = {
#define NOISE(text, status) {text, sizeof(text) - 1, status}
#define PING "POST /v1/ping HTTP/1.1\r\nHost: x\r\n"
        NOISE("GARBAGE\r\n\r\n", 0),
        NOISE("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 0),
        NOISE("GET /livez\r\n\r\n", 400),
        NOISE("GET  HTTP/1.1\r\n\r\n", 400),
        NOISE("GET /livez HTTP/9.9\r\nHost: x\r\n\r\n", 505),
        NOISE(PING "Content-Length: -1\r\n\r\n", 400),
        NOISE(PING "Content-Length: x\r\n\r\n", 400),
        NOISE(PING "Content-Length: 99999999999999999999\r\n\r\n", 413),
        NOISE(PING "Transfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
        NOISE(PING "Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n", 413),
        NOISE("GET /livez HTTP/1.1\r\nHost: x\r\n no: thing\r\n:\r\n\r\n", 400),
        NOISE("GET /livez HTTP/1.1\r\n\r\n", 400), /* no Host */
    };
    int other = http_connect(&fixture);

    for (size_t i = 0; i < sizeof(noise) / sizeof(noise[0]); i++) {
        struct http_answer answer;
        int fd = http_connect_tcp(&fixture);

        http_send(fd, noise[i].bytes, noise[i].length);
        http_receive(fd, false, &answer);
        cr_assert_eq(answer.status, noise[i].status, "%zu: %u", i, answer.status);
        http_answer_deinit(&answer);
        close(fd);
        check_ping(other);
    }
    close(other);
}

CONNECTION_TEST(a_head_has_a_limit)
{
    char *cookies = filled(200000), *headers = NULL;
    struct http_answer answer;

    memset(cookies, 'a', 200000);
    memcpy(cookies, "forged:", 7);
    cr_assert_gt(asprintf(&headers, "Cookie: %s\r\n", cookies), 0);
    http_ask(&fixture, &answer, "GET", "/livez", headers, NULL);
    cr_assert(answer.status == 431 || answer.status == 0, "%u", answer.status);
    http_answer_deinit(&answer);
    /* A session of the largest size is taken as far as serve, and judged there. */
    headers[8 + 16 * 1024] = '\0';
    strcat(headers, "\r\n");
    http_ask(&fixture, &answer, "GET", "/api/auth/stellar/customer/retrieve", headers, NULL);
    http_check(&answer, 401, "unauthenticated");
    free(cookies);
    free(headers);
}

HTTP_TEST(connections, at_the_limit_new_ones_wait, &fixture, NULL, "connections = 3\n")
{
    struct http_answer answer;
    int fds[4];

    for (int i = 0; i < 3; i++) {
        fds[i] = http_connect(&fixture);
        check_ping(fds[i]);
    }
    fds[3] = http_connect(&fixture);
    http_send_request(fds[3], "POST", "/v1/ping", NULL, NULL);
    check_ping(fds[0]);
    cr_assert_eq(poll(&(struct pollfd){.fd = fds[3], .events = POLLIN}, 1, 0), 0);
    close(fds[1]);
    http_receive(fds[3], false, &answer);
    http_check(&answer, 200, NULL);
    close(fds[0]);
    close(fds[2]);
    close(fds[3]);
}

/* Those who leave while their requests wait take nothing with them. */
CONNECTION_TEST(clients_that_leave)
{
    int other = http_connect(&fixture);

    kill(fixture.serve.serve.pid, SIGSTOP);
    for (int i = 0; i < MANY; i++) {
        int fd = http_connect(&fixture);

        http_send_request(fd, "POST", "/v1/ping", NULL, NULL);
        close(fd);
    }
    kill(fixture.serve.serve.pid, SIGCONT);
    check_ping(other);
    close(other);
}

/* Half a close is not the end of who waits. */
CONNECTION_TEST(one_that_sends_no_more_gets_its_answer)
{
    for (int i = 0; i < 60; i++) {
        int fd = i % 2 ? http_connect_tcp(&fixture) : http_connect(&fixture);
        struct http_answer answer;

        http_send_request(fd, i % 4 < 2 ? "GET" : "POST", i % 4 < 2 ? "/readyz" : "/v1/ping", JSON,
                          i % 4 < 2 ? NULL : "{}");
        shutdown(fd, SHUT_WR);
        http_receive(fd, false, &answer);
        http_check(&answer, 200, NULL);
        http_receive(fd, false, &answer);
        cr_assert_eq(answer.status, 0, "its connection ends behind it");
        close(fd);
    }
}

/* What they have asked for is still under way, and their places are a bound on that; they come back
 * also where there is never an answer. */
HTTP_TEST(connections, places_of_those_who_have_gone_come_back, &fixture, NULL, "connections = 2\n")
{
    struct http_answer answer;

    kill(fixture.serve.serve.pid, SIGSTOP);
    for (int i = 0; i < 2; i++) {
        int fd = http_connect(&fixture);

        http_send_request(fd, "POST", "/v1/credits.balance", JSON,
                          "{\"product_id\": \"prod_1\", \"customer_id\": \"cus_1\"}");
        close(fd);
    }
    http_ask(&fixture, &answer, "GET", "/livez", NULL, NULL);
    http_check(&answer, 200, NULL);
    kill(fixture.serve.serve.pid, SIGCONT);
}

HTTP_TEST(connections, an_idle_one_is_closed, &fixture, NULL, "timeout = 3s\n")
{
    struct http_answer answer;
    int idle = http_connect(&fixture), half = http_connect(&fixture);

    http_send(half, "GET /livez HT", 13);
    check_ping(idle);
    http_receive(idle, false, &answer);
    cr_assert_eq(answer.status, 0);
    http_receive(half, false, &answer);
    cr_assert(answer.status == 0 || answer.status == 408, "%u", answer.status);
    http_answer_deinit(&answer);
    close(idle);
    close(half);
}

/* What waits when it is told to end is still answered. */
CONNECTION_TEST(it_ends_when_what_waits_is_answered)
{
    struct http_answer answer;
    int fd = http_connect(&fixture);

    kill(fixture.serve.serve.pid, SIGSTOP);
    http_send_request(fd, "POST", "/v1/credits.consume", JSON, CONSUME);
    wait_metric("\ncreditd_http_waiting 2\n");
    kill(fixture.http.pid, SIGTERM);
    kill(fixture.serve.serve.pid, SIGCONT);
    http_receive(fd, false, &answer);
    http_check(&answer, 200, NULL);
    cr_assert_eq(harness_process_wait(&fixture.http), 0);
    close(fd);
    cr_assert_eq(balance(), 999);
}

/* Whoever sends on without waiting keeps requests in the server's buffers: at the end they are
 * refused, and nothing is asked for them. */
CONNECTION_TEST(it_ends_with_requests_behind_one_that_waits)
{
    struct http_answer answer;
    int fd = http_connect(&fixture);

    kill(fixture.serve.serve.pid, SIGSTOP);
    for (int i = 0; i < MANY; i++)
        http_send_request(fd, "POST", "/v1/ping", JSON, "{}");
    http_ask(&fixture, &answer, "GET", "/livez", NULL, NULL); /* the first waits by now */
    http_check(&answer, 200, NULL);
    kill(fixture.http.pid, SIGTERM);
    http_receive(fd, false, &answer);
    http_check(&answer, 503, "canceled");
    http_receive(fd, false, &answer);
    cr_assert_eq(answer.status, 0, "the connection is closed behind it");
    cr_assert_eq(harness_process_wait(&fixture.http), 0);
    kill(fixture.serve.serve.pid, SIGCONT);
    close(fd);
}

/* Also those who never let go: the limit is looked at before libmicrohttpd resets what is beyond.
 */
HTTP_TEST(connections, many_wait_at_the_limit, &fixture, NULL, "connections = 2\n")
{
    struct http_answer answer;
    int fds[30];

    for (int i = 0; i < 30; i++) {
        fds[i] = http_connect(&fixture);
        http_send_request(fds[i], "POST", "/v1/ping", NULL, NULL);
    }
    for (int i = 0; i < 30; i++) {
        http_receive(fds[i], false, &answer);
        http_check(&answer, 200, NULL);
        /* Longer than the delay after a failure, at the end of which all would be let in. */
        if (i == 0)
            cr_assert_eq(poll(&(struct pollfd){.fd = fds[29], .events = POLLIN}, 1, 500), 0);
        close(fds[i]);
    }
}

/* Every byte begins libmicrohttpd's timeout anew. */
HTTP_TEST(connections, drop_by_drop_is_too_slow, &fixture, NULL, "timeout = 3s\n")
{
    static const char *const begins[] = {"GET /livez HTTP/1.1\r\nHost: x\r\nX: ",
                                         "POST /v1/ping HTTP/1.1\r\nHost: x\r\n"
                                         "Content-Length: 60000\r\n" JSON "\r\n"};

    for (int i = 0; i < 2; i++) {
        int fd = http_connect(&fixture), tries = 0;

        http_send(fd, begins[i], strlen(begins[i]));
        while (poll(&(struct pollfd){.fd = fd, .events = POLLIN}, 1, 100) == 0) {
            cr_assert_lt(++tries, HARNESS_TIMEOUT_MS / 100, "nobody ends it");
            http_send(fd, "a", 1);
        }
        close(fd);
    }
}

/* What a proxy may have read otherwise: the rest of the connection is not taken for requests. */
CONNECTION_TEST(what_can_be_read_in_two_ways_ends_its_connection)
{
#define TWO(headers, body) "POST /v1/ping HTTP/1.1\r\nHost: x\r\n" JSON headers "\r\n" body
    static const char *const requests[] = {
        TWO("Content-Length: 2\r\nContent-Length: 3\r\n", "{} "),
        TWO("Content-Length: 7\r\nTransfer-Encoding: chunked\r\n", "2\r\n{}\r\n0\r\n\r\n"),
        TWO("Content-Length: 2\r\nTransfer-Encoding: xchunked\r\n", "{}"),
        TWO("Transfer-Encoding: chunked, chunked\r\n", "0\r\n\r\n"),
        TWO("Host: y\r\nContent-Length: 2\r\n", "{}"),
        TWO("Cookie: a=b\r\nCookie: c=d\r\n", ""),
        TWO("Authorization: Bearer a\r\nAuthorization: Bearer b\r\n", ""),
        TWO("X-Forwarded-For : 1\r\n", ""),
    };

    for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
        struct http_answer answer;
        int fd = http_connect(&fixture);

        http_send(fd, requests[i], strlen(requests[i]));
        http_send_request(fd, "GET", "/livez", NULL, NULL);
        http_receive(fd, false, &answer);
        cr_assert_eq(answer.status, 400, "%zu: %u", i, answer.status);
        http_answer_deinit(&answer);
        http_receive(fd, false, &answer);
        cr_assert_eq(answer.status, 0, "%zu: %u", i, answer.status);
        http_answer_deinit(&answer);
        close(fd);
    }
}

/* [http] body_size may be more than serve takes in one message, which is refused here. */
HTTP_TEST(connections, a_webhook_that_is_too_large_disturbs_nobody, &fixture, NULL,
          "body_size = 512KiB\n")
{
    static const size_t lengths[] = {100 * 1024, 128 * 1024, 500 * 1024};
    static const unsigned statuses[] = {403, 413, 413}; /* serve judges the first */
    struct http_answer answer;
    int other = http_connect(&fixture);

    for (size_t i = 0; i < 3; i++) {
        char *body = filled(lengths[i]);

        kill(fixture.serve.serve.pid, SIGSTOP);
        http_send_request(other, "POST", "/v1/credits.consume", JSON, CONSUME);
        if (i == 0)
            kill(fixture.serve.serve.pid, SIGCONT);
        http_ask(&fixture, &answer, "POST", "/v1/webhook",
                 JSON "X-StellarTools-Signature: t=1,v1=00\r\n", body);
        cr_assert_eq(answer.status, statuses[i], "%zu: %s %s", i, answer.head, answer.body);
        http_answer_deinit(&answer);
        kill(fixture.serve.serve.pid, SIGCONT);
        http_receive(other, false, &answer);
        http_check(&answer, 200, NULL);
        free(body);
    }
    close(other);
}
