/*
 * The promises that a deduction hangs on: one POST for one request, whatever happens; "not sent"
 * only where nothing was; "unanswered" only when the connection is closed.
 */
#include "rig.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <util/macros.h>

#define OK_TEXT "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nnull"

Test(writes, P2_a_post_is_never_sent_twice)
{
    static const enum upstream_act ends[] = {ACT_CLOSE, ACT_RESET};

    for (size_t i = 0; i < ARRAY_SIZE(ends); i++) {
        /* The first leaves a kept connection behind, on which libcurl would repeat by itself. */
        const struct upstream_step steps[] = {{ACT_REPLY, OK_TEXT}, {ends[i], NULL}};
        struct rig rig;
        json_t *answer;

        rig_init(&rig, steps, ARRAY_SIZE(steps), NULL);
        json_decref(rig_balance(&rig, 0));
        answer = rig_deduct(&rig, 0);
        rig_expect(answer, "{\"outcome\":\"unanswered\"}", "closed after reading");
        json_decref(answer);
        cr_expect_eq(upstream_count(rig.upstream), 2);
        cr_expect_neq(upstream_connection_of(rig.upstream, 0),
                      upstream_connection_of(rig.upstream, 1));
        rig_deinit(&rig);
    }
}

Test(writes, reads_share_a_connection_and_writes_do_not)
{
    const struct upstream_step steps[] = {{ACT_REPLY, OK_TEXT}};
    struct rig rig;

    rig_init(&rig, steps, ARRAY_SIZE(steps), NULL);
    json_decref(rig_balance(&rig, 0));
    json_decref(rig_balance(&rig, 0));
    json_decref(rig_deduct(&rig, 0));
    json_decref(rig_deduct(&rig, 0));
    json_decref(rig_balance(&rig, 0));
    cr_expect_eq(upstream_connection_of(rig.upstream, 0), upstream_connection_of(rig.upstream, 1));
    cr_expect_eq(upstream_connection_of(rig.upstream, 0), upstream_connection_of(rig.upstream, 4));
    cr_expect_neq(upstream_connection_of(rig.upstream, 1), upstream_connection_of(rig.upstream, 2));
    cr_expect_neq(upstream_connection_of(rig.upstream, 2), upstream_connection_of(rig.upstream, 3));
    cr_expect(upstream_is_closed(rig.upstream, 2));
    cr_expect(upstream_is_closed(rig.upstream, 3));
    rig_deinit(&rig);
}

Test(writes, P3_unanswered_is_told_when_the_connection_is_closed)
{
    const struct upstream_step steps[] = {{ACT_HANG, NULL}};
    struct rig rig;
    json_t *answer;

    rig_init(&rig, steps, ARRAY_SIZE(steps), NULL);
    answer = rig_deduct(&rig, 1000);
    upstream_wait(rig.upstream, 1);
    cr_expect(upstream_is_closed(rig.upstream, 0));
    rig_expect(answer, "{\"outcome\":\"unanswered\"}", "a deduct");
    json_decref(answer);
    rig_deinit(&rig);
}

static int listen_nowhere(char *url, size_t size)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t length = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    cr_assert_eq(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    cr_assert_eq(getsockname(fd, (struct sockaddr *)&address, &length), 0);
    snprintf(url, size, "http://127.0.0.1:%d", ntohs(address.sin_port));
    return fd;
}

Test(writes, P2_not_sent_where_nobody_listens)
{
    char url[64];
    int fd = listen_nowhere(url, sizeof url); /* bound, so that nobody else takes the port */
    struct rig rig;
    json_t *answer;

    rig_init(&rig, NULL, 0, url);
    answer = rig_deduct(&rig, 0);
    rig_expect(answer, "{\"outcome\":\"not_sent\",\"http_status\":0}", url);
    json_decref(answer);
    rig_deinit(&rig);
    close(fd);
}

/* The peer of a TLS handshake that is no TLS server, or says nothing. */
static void handshake(const struct upstream_step *step, int timeout, const char *expected)
{
    struct upstream_server *peer = upstream_new(step, 1);
    char url[80];
    struct rig rig;
    json_t *answer;

    snprintf(url, sizeof url, "https%s", upstream_url(peer) + 4);
    rig_init(&rig, NULL, 0, url);
    answer = rig_deduct(&rig, timeout);
    rig_expect(answer, expected, url);
    json_decref(answer);
    rig_deinit(&rig);
    upstream_free(peer);
}

Test(writes, P2_not_sent_where_no_handshake_came_about)
{
    /* The server reads lines, which a TLS hello has none of: it hangs. */
    handshake(&(struct upstream_step){ACT_HANG, NULL}, 200, "{\"outcome\":\"not_sent\"}");
}

Test(writes, P2_not_sent_where_its_turn_did_not_come)
{
    const struct upstream_step steps[] = {{ACT_HANG, NULL}};
    struct rig rig;
    struct harness_message message;
    uint32_t last = 0;

    rig_init(&rig, steps, ARRAY_SIZE(steps), NULL);
    for (int i = 0; i < 17; i++)
        last = harness_send(&rig.serve, "upstream.balance", "{s:s, s:s, s:i}", "customer_id",
                            "cus_1", "product_id", "prod_1", "timeout", i < 16 ? 2000 : 50);
    for (int i = 0; i < 17; i++) {
        cr_assert(harness_receive(&rig.serve, &message));
        cr_assert_not_null(message.result);
        cr_expect_str_eq(harness_text(message.result, "outcome"),
                         message.msgid == last ? "not_sent" : "unanswered");
        harness_message_deinit(&message);
    }
    upstream_wait(rig.upstream, 16);
    cr_expect_eq(upstream_count(rig.upstream), 16);
    rig_deinit(&rig);
}

Test(writes, P1_at_most_sixteen_at_once_and_in_order)
{
    const struct upstream_step steps[] = {{ACT_HOLD, OK_TEXT}};
    struct harness_message message;
    struct rig rig;

    rig_init(&rig, steps, ARRAY_SIZE(steps), NULL);
    for (int i = 0; i < 40; i++) {
        char product[16];

        snprintf(product, sizeof product, "prod_%d", i);
        harness_send(&rig.serve, "upstream.balance", "{s:s, s:s}", "customer_id", "cus_1",
                     "product_id", product);
    }
    upstream_wait(rig.upstream, 16);
    for (int i = 16; i < 40; i++) {
        char path[64];

        upstream_release(rig.upstream);
        upstream_wait(rig.upstream, (size_t)i + 1);
        snprintf(path, sizeof path, "GET /customers/cus_1/credits/prod_%d HTTP", i);
        cr_expect_eq(strncmp(upstream_request(rig.upstream, (size_t)i), path, strlen(path)), 0,
                     "%d: %.60s", i, upstream_request(rig.upstream, (size_t)i));
    }
    for (int i = 0; i < 16; i++)
        upstream_release(rig.upstream);
    for (int i = 0; i < 40; i++) {
        cr_assert(harness_receive(&rig.serve, &message));
        cr_expect_str_eq(harness_text(message.result, "outcome"), "no_balance");
        harness_message_deinit(&message);
    }
    cr_expect_eq(upstream_most_at_once(rig.upstream), 16);
    rig_deinit(&rig);
}
