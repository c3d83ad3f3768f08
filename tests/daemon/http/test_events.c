/*
 * /v1/events: server-sent events as they come about, from a place on, over a restart of serve, to
 * slow clients, and to those who leave.
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

TestSuite(events, .fini = teardown, .timeout = 500);

#define EVENT_TEST(name) HTTP_TEST(events, name, &fixture, NULL, NULL)
#define LINKED 2 /* events that the fixture has made: customer.linked of u_1 and u_2 */

/* --- reading a stream --- */

struct sse {
    int fd;
    size_t left; /* of the chunk */
    size_t begin, end;
    char input[1024];
    char line[8192];
};

struct sse_event {
    long long id;
    char type[64];
    json_t *data;
};

static bool sse_byte(struct sse *sse, char *ret_byte)
{
    struct pollfd poller = {.fd = sse->fd, .events = POLLIN};
    ssize_t n;

    if (sse->begin == sse->end) {
        cr_assert_eq(poll(&poller, 1, HARNESS_TIMEOUT_MS), 1, "nothing came");
        n = recv(sse->fd, sse->input, sizeof(sse->input), 0);
        if (n <= 0)
            return false;
        sse->begin = 0;
        sse->end = (size_t)n;
    }
    *ret_byte = sse->input[sse->begin++];
    return true;
}

static bool raw_line(struct sse *sse, char *line, size_t size)
{
    size_t length = 0;

    while (length < size - 1 && sse_byte(sse, line + length)) {
        if (line[length] == '\n') {
            line[length > 0 && line[length - 1] == '\r' ? length - 1 : length] = '\0';
            return true;
        }
        length++;
    }
    return false;
}

static bool chunk_begin(struct sse *sse)
{
    char line[64] = "";

    while (line[0] == '\0') /* the end of the chunk before */
        if (!raw_line(sse, line, sizeof(line)))
            return false;
    sse->left = strtoul(line, NULL, 16);
    return sse->left > 0;
}

/* False at the end of the stream. */
static bool sse_line(struct sse *sse)
{
    size_t length = 0;

    for (;;) {
        if (sse->left == 0 && !chunk_begin(sse))
            return false;
        cr_assert_lt(length, sizeof(sse->line) - 1);
        if (!sse_byte(sse, sse->line + length))
            return false;
        sse->left--;
        if (sse->line[length] == '\n') {
            sse->line[length] = '\0';
            return true;
        }
        length++;
    }
}

static void sse_open(struct sse *sse, const char *target, const char *headers)
{
    char line[1024];
    unsigned status = 0;

    *sse = (struct sse){.fd = http_connect(&fixture)};
    http_send_request(sse->fd, "GET", target, headers, NULL);
    cr_assert(raw_line(sse, line, sizeof(line)));
    cr_assert_eq(sscanf(line, "HTTP/1.1 %u", &status), 1);
    cr_assert_eq(status, 200, "%s", line);
    while (line[0] != '\0')
        cr_assert(raw_line(sse, line, sizeof(line)));
    cr_assert(sse_line(sse));
    cr_assert_str_eq(sse->line, "retry: 1000");
}

/* The next one, without comments. */
static bool sse_next(struct sse *sse, struct sse_event *ret_event)
{
    struct sse_event event = {.id = -1};

    for (;;) {
        if (!sse_line(sse))
            return false;
        if (strncmp(sse->line, "id: ", 4) == 0)
            event.id = atoll(sse->line + 4);
        else if (strncmp(sse->line, "event: ", 7) == 0)
            snprintf(event.type, sizeof(event.type), "%.63s", sse->line + 7);
        else if (strncmp(sse->line, "data: ", 6) == 0)
            event.data = json_loads(sse->line + 6, 0, NULL);
        else if (sse->line[0] == '\0' && event.data)
            break;
    }
    cr_assert_neq(event.type[0], '\0');
    *ret_event = event;
    return true;
}

static void expect(struct sse *sse, long long id, const char *type)
{
    struct sse_event event;

    cr_assert(sse_next(sse, &event), "the stream has ended before %lld", id);
    cr_assert_eq(event.id, id, "%lld in place of %lld", event.id, id);
    cr_assert_str_eq(event.type, type);
    if (strcmp(type, "gap") != 0) {
        cr_assert_eq(harness_int(event.data, "sequence"), id);
        cr_assert_str_eq(harness_text(event.data, "type"), type);
    }
    json_decref(event.data);
}

/* --- making events --- */

static void send_link(void)
{
    static int last;
    char user[32], customer[32];

    last++;
    snprintf(user, sizeof(user), "w_%d", last);
    snprintf(customer, sizeof(customer), "cus_w_%d", last);
    harness_send(&fixture.serve.client, "customer.link", "{s:s, s:s}", "user_id", user,
                 "customer_id", customer);
}

/* So many customer.linked; `count` at most what may be in flight. A disk that is slow for a moment
 * refuses some. */
static void link_users(int count)
{
    for (int i = 0; i < count; i++)
        send_link();
    while (count > 0) {
        struct harness_message message;

        cr_assert(harness_receive(&fixture.serve.client, &message));
        if (message.result)
            count--;
        else if (strcmp(harness_text(message.error, "code"), "busy") == 0)
            send_link();
        else
            cr_assert_fail("%s", json_dumps(message.error, 0));
        harness_message_deinit(&message);
    }
}

static int64_t metric(const char *name)
{
    struct http_answer answer;
    const char *place;
    int64_t value;

    http_ask(&fixture, &answer, "GET", "/metrics", NULL, NULL);
    place = strstr(answer.body, name);
    cr_assert_not_null(place, "%s", answer.body);
    value = atoll(place + strlen(name));
    http_answer_deinit(&answer);
    return value;
}

#define streams() metric("\ncreditd_http_streams ")

/* --- the tests --- */

EVENT_TEST(as_they_come_about)
{
    struct sse sse;

    sse_open(&sse, "/v1/events", NULL);
    link_users(3);
    for (int i = 1; i <= 3; i++)
        expect(&sse, LINKED + i, "customer.linked");
    close(sse.fd);
}

EVENT_TEST(from_a_place_on)
{
    struct sse sse;

    sse_open(&sse, "/v1/events?after=0", NULL);
    expect(&sse, 1, "customer.linked");
    expect(&sse, 2, "customer.linked");
    link_users(1);
    expect(&sse, 3, "customer.linked");
    close(sse.fd);
    /* As a browser comes back: to the same address, and says where it was. */
    sse_open(&sse, "/v1/events?after=0", "Last-Event-ID: 2\r\n");
    expect(&sse, 3, "customer.linked");
    close(sse.fd);
}

EVENT_TEST(of_some_types)
{
    struct sse sse;

    sse_open(&sse, "/v1/events?after=0&types=credits.*,push.parked", NULL);
    json_decref(harness_call(&fixture.serve.client, "credits.consume", "{s:s, s:s, s:i}",
                             "customer_id", "cus_1", "product_id", "prod_1", "raw_amount", 9950));
    expect(&sse, LINKED + 1, "credits.low");
    close(sse.fd);
}

EVENT_TEST(a_subscriber_acknowledges)
{
    struct http_answer answer;
    struct sse sse;

    sse_open(&sse, "/v1/events?subscriber=mailer&after=0", NULL);
    expect(&sse, 1, "customer.linked");
    http_ask(&fixture, &answer, "POST", "/v1/event.ack", JSON,
             "{\"subscriber\": \"mailer\", \"sequence\": 1}");
    http_check(&answer, 200, NULL);
    close(sse.fd);
    sse_open(&sse, "/v1/events?subscriber=mailer", NULL);
    expect(&sse, 2, "customer.linked");
    close(sse.fd);
}

/* Nobody has looked for its end yet; its name is its own. */
EVENT_TEST(one_that_comes_back_at_once)
{
    for (int i = 0; i < 50; i++) {
        struct sse sse;

        sse_open(&sse, "/v1/events?subscriber=mailer&after=0", NULL);
        expect(&sse, 1, "customer.linked");
        if (i % 2)
            link_users(1); /* it may leave with events on their way, too */
        close(sse.fd);
    }
}

/* Of two that live, the first keeps the name: events are not acknowledged by who has not had them.
 */
EVENT_TEST(a_name_is_not_taken_from_who_lives)
{
    struct http_answer answer;
    struct sse sse;

    sse_open(&sse, "/v1/events?subscriber=mailer", NULL);
    shutdown(sse.fd, SHUT_WR); /* it sends no more, and has not gone */
    for (int i = 0; i < 3; i++) {
        http_ask(&fixture, &answer, "GET", "/v1/events?subscriber=mailer", NULL, NULL);
        http_check(&answer, 409, "conflict");
    }
    link_users(1);
    expect(&sse, LINKED + 1, "customer.linked");
    close(sse.fd);
}

EVENT_TEST(what_is_refused)
{
    static const char *const wrong[] = {"after=x",
                                        "after=-1",
                                        "after=",
                                        "types=nothing",
                                        "types=,",
                                        "types=*&types=*",
                                        "subscriber=a%20b",
                                        "subscriber=",
                                        "after=%",
                                        "after=99999999999999999",
                                        "typ=*",
                                        "after=1&subscribr=a"};
    struct http_answer answer;
    char target[128];

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        snprintf(target, sizeof(target), "/v1/events?%s", wrong[i]);
        http_ask(&fixture, &answer, "GET", target, NULL, NULL);
        http_check(&answer, 400, "invalid_parameter");
    }
    http_ask(&fixture, &answer, "GET", "/v1/events", "Last-Event-ID: x\r\n", NULL);
    http_check(&answer, 400, "invalid_parameter");
    http_ask_tcp(&fixture, &answer, "GET", "/v1/events", NULL, NULL);
    http_check(&answer, 403, "permission_denied");
    http_ask(&fixture, &answer, "GET", "/v1/events", BEARER("u_1"), NULL);
    http_check(&answer, 403, "permission_denied");
    http_ask(&fixture, &answer, "GET", "/v1/events", "X-Forwarded-For: 1.2.3.4\r\n", NULL);
    http_check(&answer, 403, "permission_denied");
    http_ask(&fixture, &answer, "POST", "/v1/events", NULL, NULL);
    http_check(&answer, 405, "invalid_request");
    http_ask(&fixture, &answer, "HEAD", "/v1/events", NULL, NULL);
    http_check(&answer, 200, NULL);
    cr_assert_eq(streams(), 0);
}

EVENT_TEST(over_a_restart_of_serve)
{
    struct sse sse;

    sse_open(&sse, "/v1/events?after=0", NULL);
    expect(&sse, 1, "customer.linked");
    expect(&sse, 2, "customer.linked");
    harness_connection_deinit(&fixture.serve.client);
    harness_process_stop(&fixture.serve.serve, SIGKILL);
    fixture_start_serve(&fixture.serve);
    fixture_connect(&fixture.serve, &fixture.serve.client);
    link_users(2);
    expect(&sse, 3, "customer.linked");
    expect(&sse, 4, "customer.linked");
    close(sse.fd);
}

#define MANY 6000 /* more than all buffers hold */

/* One that reads nothing holds nobody up, and misses nothing. */
EVENT_TEST(a_slow_reader)
{
    struct sse slow, quick;

    sse_open(&slow, "/v1/events?after=0", NULL);
    sse_open(&quick, "/v1/events?after=0", NULL);
    for (int i = 0; i < MANY; i += 500) {
        link_users(500);
        for (int n = i + 1; n <= i + 500; n++)
            expect(&quick, n, "customer.linked");
    }
    for (int n = 1; n <= MANY + LINKED; n++)
        expect(&slow, n, "customer.linked");
    close(slow.fd);
    close(quick.fd);
}

EVENT_TEST(those_who_leave_are_noticed)
{
    struct sse sse[20];

    for (int i = 0; i < 20; i++)
        sse_open(&sse[i], "/v1/events", NULL);
    cr_assert_eq(streams(), 20);
    for (int i = 0; i < 20; i++)
        close(sse[i].fd);
    while (streams() > 0) /* at the latest when something is to be sent */
        link_users(1);
}

EVENT_TEST(they_end_with_creditd_http)
{
    struct sse_event event;
    struct sse sse;

    sse_open(&sse, "/v1/events", NULL);
    http_fixture_stop_http(&fixture);
    cr_assert_not(sse_next(&sse, &event));
    close(sse.fd);
}

EVENT_TEST(they_are_not_waited_for_for_ever)
{
    struct http_answer answer;
    char *wait;

    http_fixture_deinit(&fixture);
    http_fixture_start_alone(&fixture); /* a serve that never answers */
    http_ask(&fixture, &answer, "GET", "/v1/events", NULL, NULL);
    wait = http_answer_header(&answer, "Retry-After");
    cr_assert_str_eq(wait, "1");
    free(wait);
    http_check(&answer, 503, "timeout");
    cr_assert_eq(streams(), 0);
}

/* With nothing to send them, and before they have begun. */
EVENT_TEST(those_who_leave_silently_are_noticed)
{
    struct sse begun;
    int fd;

    sse_open(&begun, "/v1/events", NULL);
    kill(fixture.serve.serve.pid, SIGSTOP);
    fd = http_connect(&fixture);
    http_send_request(fd, "GET", "/v1/events", NULL, NULL);
    while (streams() < 2)
        ;
    close(begun.fd);
    close(fd);
    /* Sooner than the next keep-alive, and than serve is given up. */
    for (int tries = 0; streams() > 0; tries++)
        cr_assert_lt(tries, 2);
    kill(fixture.serve.serve.pid, SIGCONT);
}
