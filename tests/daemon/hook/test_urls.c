/* URLs: what is posted, what counts as done, and what is not sent at all. */
#include "rig.h"
#include "upstream_server.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <util/macros.h>
#include <web/signature.h>

#define SECRET "whsec_test"

static struct rig rig;

static void set_up(void)
{
    rig_init(&rig);
}

static void tear_down(void)
{
    rig_deinit(&rig);
}

TestSuite(urls, .init = set_up, .fini = tear_down);

static struct upstream_server *start_with(const struct upstream_step *steps, size_t count,
                                          const char *path, const char *more)
{
    struct upstream_server *server = upstream_new(steps, count);
    char lines[512];

    snprintf(lines, sizeof lines, "on_event = %s%s\n%s", upstream_url(server), path, more);
    rig_configure(&rig, lines);
    rig_start(&rig);
    return server;
}

/* The caller frees it. */
static char *header_of(const char *request, const char *name)
{
    char start[64];
    const char *found;

    snprintf(start, sizeof start, "\r\n%s: ", name);
    found = strcasestr(request, start);
    cr_assert_not_null(found, "no %s in %s", name, request);
    found += strlen(start);
    return strndup(found, strcspn(found, "\r"));
}

static void expect_header(const char *request, const char *name, const char *value)
{
    char *found = header_of(request, name);

    cr_expect_str_eq(found, value, "%s", name);
    free(found);
}

static void expect_signed(const char *request, const char *body)
{
    char *signature = header_of(request, "X-Creditd-Signature");
    int64_t made = strtoll(signature + 2, NULL, 10);

    cr_expect_eq(signature_check(SECRET, signature, strlen(signature), body, strlen(body), made),
                 SIGNATURE_VALID, "%s", signature);
    /* What "t" is. */
    cr_expect_gt(made, 1700000000);
    free(signature);
}

Test(urls, posts_the_event_with_a_signature)
{
    char *ok = upstream_answer(204, NULL, ""), secret[HARNESS_PATH_MAX], more[256], *json;
    const struct upstream_step steps[] = {{ACT_REPLY, ok}};
    struct upstream_server *server;
    json_t *event = rig_event();
    const char *request;

    harness_path(&rig.directory, "secret", secret);
    harness_write_file(secret, SECRET "\n");
    snprintf(more, sizeof more, "secret_file = %s", secret);
    server = start_with(steps, 1, "/a/b?c=d", more);
    rig_expect(rig_run(&rig, "on_event", 2), "done", 204, NULL);
    request = upstream_request(server, 0);
    json = json_dumps(event, JSON_COMPACT);
    cr_expect(strncmp(request, "POST /a/b?c=d HTTP/1.1\r\n", 24) == 0, "%s", request);
    cr_expect_str_eq(strstr(request, "\r\n\r\n") + 4, json);
    expect_header(request, "Content-Type", "application/json");
    expect_header(request, "User-Agent", "creditd/" CREDITD_VERSION);
    expect_header(request, "X-Creditd-Hook", "on_event");
    expect_header(request, "X-Creditd-Event-Id", RIG_EVENT_ID);
    expect_header(request, "X-Creditd-Event-Type", "credits.low");
    expect_header(request, "X-Creditd-Attempt", "2");
    expect_signed(request, json);
    free(json);
    json_decref(event);
    upstream_free(server);
    free(ok);
}

Test(urls, every_answer)
{
    static const struct {
        int status;
        const char *headers;
        const char *outcome, *message;
    } table[] = {
        {200, NULL, "done", NULL},
        {201, NULL, "done", NULL},
        {299, NULL, "done", NULL},
        {301, "Location: /elsewhere\r\n", "failed", "301: redirects are not followed"},
        {307, "Location: http://127.0.0.1:1/\r\n", "failed", "307: redirects are not followed"},
        {400, NULL, "failed", "HTTP status 400"},
        {404, NULL, "failed", "HTTP status 404"},
        {429, "Retry-After: 1\r\n", "failed", "HTTP status 429"},
        {500, NULL, "failed", "HTTP status 500"},
        {503, NULL, "failed", "HTTP status 503"},
    };
    struct upstream_step steps[ARRAY_SIZE(table)];
    struct upstream_server *server;

    for (size_t i = 0; i < ARRAY_SIZE(table); i++)
        steps[i] = (struct upstream_step){
            ACT_REPLY, upstream_answer(table[i].status, table[i].headers, "body")};
    server = start_with(steps, ARRAY_SIZE(steps), "/", "");
    for (size_t i = 0; i < ARRAY_SIZE(table); i++)
        rig_expect(rig_run(&rig, "on_event", 1), table[i].outcome, table[i].status,
                   table[i].message);
    cr_expect_eq(upstream_count(server), ARRAY_SIZE(table)); /* nothing followed, nothing again */
    cr_expect_null(strcasestr(upstream_request(server, 0), "X-Creditd-Signature"));
    upstream_free(server);
    for (size_t i = 0; i < ARRAY_SIZE(table); i++)
        free((char *)(uintptr_t)steps[i].text);
}

Test(urls, no_answer)
{
    const struct upstream_step steps[] = {
        {ACT_CLOSE, NULL},
        {ACT_RESET, NULL},
        {ACT_REPLY_CLOSE, "garbage\r\n\r\n"},
        {ACT_REPLY_CLOSE, "HTTP/1.1 200 OK\r\n"}, /* a head that breaks off */
        {ACT_REPLY_CLOSE, "HTTP/1.1 100 Continue\r\n\r\n"},
        {ACT_HANG, NULL},
    };
    struct upstream_server *server = start_with(steps, ARRAY_SIZE(steps), "/", "timeout = 3s");

    for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
        json_t *answer = rig_run(&rig, "on_event", 1);

        cr_expect_str_eq(harness_text(answer, "outcome"), "failed", "%zu", i);
        cr_expect_gt(strlen(harness_text(answer, "message")), 0);
        json_decref(answer);
    }
    cr_expect_eq(upstream_count(server), ARRAY_SIZE(steps));
    upstream_free(server);
}

/* The status is what counts: neither a body without end nor one that never comes undoes it. */
Test(urls, the_body_is_not_waited_for)
{
    char *large = malloc(1000001);
    struct upstream_step steps[] = {
        {ACT_REPLY, NULL},
        {ACT_REPLY, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf"},
        {ACT_REPLY_CLOSE, "HTTP/1.1 202 Accepted\r\nContent-Length: 1000\r\n\r\nhalf"},
    };
    struct upstream_server *server;

    memset(large, 'x', 1000000);
    large[1000000] = '\0';
    steps[0].text = upstream_answer(200, NULL, large);
    server = start_with(steps, ARRAY_SIZE(steps), "/", "timeout = 3s");
    rig_expect(rig_run(&rig, "on_event", 1), "done", 200, NULL);
    rig_expect(rig_run(&rig, "on_event", 1), "done", 200, NULL);
    rig_expect(rig_run(&rig, "on_event", 1), "done", 202, NULL);
    upstream_free(server);
    free((char *)(uintptr_t)steps[0].text);
    free(large);
}

Test(urls, nobody_is_there)
{
    rig_configure(&rig, "on_event = http://127.0.0.1:1/");
    rig_start(&rig);
    rig_expect(rig_run(&rig, "on_event", 1), "failed", 0, "onnect");
}

/* What is to be signed is not sent without. */
Test(urls, nothing_goes_out_unsigned)
{
    char *ok = upstream_answer(200, NULL, "");
    const struct upstream_step steps[] = {{ACT_REPLY, ok}};
    char secret[HARNESS_PATH_MAX], more[256];
    struct upstream_server *server;

    harness_path(&rig.directory, "secret", secret);
    snprintf(more, sizeof more, "secret_file = %s", secret);
    server = start_with(steps, 1, "/", more);
    rig_log(&rig, "the secret cannot be read from");
    rig_expect(rig_run(&rig, "on_event", 1), "failed", 0, "the secret cannot be read from");
    harness_write_file(secret, "\n");
    harness_notify(&rig.serve, "hook.reload");
    rig_expect(rig_run(&rig, "on_event", 2), "failed", 0, "the secret cannot be read from");
    cr_expect_eq(upstream_count(server), 0);
    harness_write_file(secret, SECRET "\n");
    harness_notify(&rig.serve, "hook.reload");
    rig_expect(rig_run(&rig, "on_event", 3), "done", 200, NULL);
    upstream_free(server);
    free(ok);
}

/* At the end of serve nobody waits for a URL. */
Test(urls, the_end_of_serve_ends_a_delivery)
{
    const struct upstream_step steps[] = {{ACT_HANG, NULL}};
    struct upstream_server *server = start_with(steps, 1, "/", "timeout = 1h");

    rig_send(&rig, "on_event", 1);
    upstream_wait(server, 1);
    rig_deinit(&rig);
    upstream_free(server);
    rig_init(&rig);
}
