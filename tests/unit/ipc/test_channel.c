/* Two channels at the ends of one socket pair, on one loop. */
#include "splitmix.h"
#include "world.h"
#include <criterion/criterion.h>
#include <errno.h>
#include <ipc/channel.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A callback's record: how often it was called, and with what. */
struct outcome {
    unsigned calls;
    enum ipc_reply_kind kind;
    int64_t value;
    char code[32];
};

/* The serving end: what it does with a request is told by the request's method:
 * "double" answers 2n, "refuse" refuses, "hold" keeps it, "bad" packs no value, "huge" too much. */
struct ends {
    struct world world;
    struct ipc_channel *near, *far;
    unsigned near_closed, far_closed, requests, notifications;
    enum ipc_close_reason near_reason;
    uint32_t held[2048];
    unsigned held_count;
    unsigned outstanding_at_end;
    int far_answer; /* what the last ipc_channel_answer() returned */
};

static void pack_number(msgpack_packer *packer, void *context)
{
    const int64_t *number = context;

    pack_map(packer, 1);
    pack_kv_int(packer, "n", *number);
}

static void pack_huge(msgpack_packer *packer, void *context)
{
    static const char text[5000];

    (void)context;
    pack_text_n(packer, text, sizeof(text));
}

static void pack_nothing(msgpack_packer *packer, void *context)
{
    (void)packer;
    (void)context;
}

static void pack_two(msgpack_packer *packer, void *context)
{
    (void)context;
    pack_nil(packer);
    pack_nil(packer);
}

static void on_reply(const struct ipc_reply *reply, void *userdata)
{
    struct outcome *outcome = userdata;
    const char *code = "";
    size_t length = 0;

    outcome->calls++;
    outcome->kind = reply->kind;
    cr_assert_eq(reply->result != NULL, reply->kind == IPC_REPLY_RESULT);
    cr_assert_eq(reply->error != NULL, reply->kind == IPC_REPLY_ERROR);
    if (reply->result != NULL)
        map_get_int(reply->result, "n", &outcome->value);
    if (reply->error != NULL && map_get_text(reply->error, "code", &code, &length) == 1)
        snprintf(outcome->code, sizeof(outcome->code), "%.*s", (int)length, code);
}

static void on_request(struct ipc_channel *channel, uint32_t msgid, const char *method,
                       size_t length, const msgpack_object *params, void *userdata)
{
    struct ends *ends = userdata;
    int64_t number = 0;

    ends->requests++;
    if (length == 6 && memcmp(method, "double", 6) == 0) {
        cr_assert_eq(map_get_int(params, "n", &number), 1);
        number *= 2;
        ends->far_answer = ipc_channel_answer(channel, msgid, pack_number, &number);
    } else if (length == 6 && memcmp(method, "refuse", 6) == 0) {
        ipc_channel_refuse(channel, msgid, PROTO_ERROR_BUSY, "not now");
    } else if (length == 3 && memcmp(method, "bad", 3) == 0) {
        ends->far_answer = ipc_channel_answer(channel, msgid, pack_nothing, NULL);
    } else if (length == 4 && memcmp(method, "huge", 4) == 0) {
        ends->far_answer = ipc_channel_answer(channel, msgid, pack_huge, NULL);
    } else {
        ends->held[ends->held_count++] = msgid;
    }
}

static void on_notification(struct ipc_channel *channel, const char *method, size_t length,
                            const msgpack_object *params, void *userdata)
{
    struct ends *ends = userdata;

    (void)channel;
    cr_assert_eq(length, 10);
    cr_assert_arr_eq(method, "sync.hello", 10);
    cr_assert_eq(params->type, MSGPACK_OBJECT_MAP);
    ends->notifications++;
}

static void on_near_closed(struct ipc_channel *channel, enum ipc_close_reason reason,
                           void *userdata)
{
    struct ends *ends = userdata;

    ends->near_closed++;
    ends->near_reason = reason;
    ends->outstanding_at_end = ipc_channel_outstanding(channel);
    ipc_channel_close(channel); /* to no effect */
}

static void on_far_closed(struct ipc_channel *channel, enum ipc_close_reason reason, void *userdata)
{
    struct ends *ends = userdata;

    (void)channel;
    (void)reason;
    ends->far_closed++;
}

static void ends_init(struct ends *ends, unsigned outgoing, unsigned incoming)
{
    struct ipc_channel_options options = {
        .stream = {.message_size = 4096}, .outgoing_limit = outgoing, .incoming_limit = incoming};
    struct ipc_channel_callbacks near = {.on_closed = on_near_closed};
    struct ipc_channel_callbacks far = {
        .on_request = on_request, .on_notification = on_notification, .on_closed = on_far_closed};
    int fds[2];

    memset(ends, 0, sizeof(*ends));
    world_init(&ends->world);
    pair_new(fds);
    cr_assert_eq(ipc_channel_new(&ends->world.loop, fds[0], &options, &near, ends, &ends->near), 0);
    cr_assert_eq(ipc_channel_new(&ends->world.loop, fds[1], &options, &far, ends, &ends->far), 0);
}

static void ends_deinit(struct ends *ends)
{
    if (ends->near_closed == 0)
        ipc_channel_close(ends->near);
    world_until(&ends->world, &ends->near_closed, 1);
    world_until(&ends->world, &ends->far_closed, 1);
    world_settle(&ends->world);
    cr_assert_eq(ends->near_closed, 1);
    cr_assert_eq(ends->far_closed, 1);
    cr_assert_eq(ends->outstanding_at_end, 0);
    world_deinit(&ends->world);
}

static uint32_t request(struct ends *ends, const char *method, int64_t number, uint64_t timeout,
                        struct outcome *outcome)
{
    uint32_t id = 0;

    cr_assert_eq(ipc_channel_request(ends->near, method, pack_number, &number, timeout, on_reply,
                                     outcome, &id),
                 0);
    cr_assert_eq(outcome->calls, 0, "called back from within the request");
    return id;
}

Test(channel, a_request_is_answered)
{
    struct outcome outcome = {0};
    struct ends ends;

    ends_init(&ends, 0, 0);
    request(&ends, "double", 21, 0, &outcome);
    cr_expect_eq(ipc_channel_outstanding(ends.near), 1);
    world_until(&ends.world, &outcome.calls, 1);
    cr_expect_eq(outcome.kind, IPC_REPLY_RESULT);
    cr_expect_eq(outcome.value, 42);
    cr_expect_eq(ipc_channel_outstanding(ends.near), 0);
    cr_expect_eq(ipc_channel_peer(ends.near)->pid, getpid());
    ends_deinit(&ends);
    cr_expect_eq(outcome.calls, 1);
}

Test(channel, parameters_that_were_packed_before)
{
    struct outcome outcome = {0};
    msgpack_sbuffer params;
    msgpack_packer packer;
    struct ends ends;
    int64_t number = 4;

    ends_init(&ends, 0, 0);
    msgpack_sbuffer_init(&params);
    msgpack_packer_init(&packer, &params, msgpack_sbuffer_write);
    pack_number(&packer, &number);
    cr_expect_eq(
        ipc_channel_request_packed(ends.near, "double", &params, 0, on_reply, &outcome, NULL), 0);
    world_until(&ends.world, &outcome.calls, 1);
    cr_expect_eq(outcome.value, 8);
    msgpack_sbuffer_destroy(&params);
    ends_deinit(&ends);
}

Test(channel, a_refusal_is_an_error)
{
    struct outcome outcome = {0};
    struct ends ends;

    ends_init(&ends, 0, 0);
    request(&ends, "refuse", 1, 0, &outcome);
    world_until(&ends.world, &outcome.calls, 1);
    cr_expect_eq(outcome.kind, IPC_REPLY_ERROR);
    cr_expect_str_eq(outcome.code, "busy");
    ends_deinit(&ends);
}

Test(channel, who_takes_no_requests_knows_no_method)
{
    struct outcome outcome = {0};
    struct ends ends;

    ends_init(&ends, 0, 0);
    cr_assert_eq(ipc_channel_request(ends.far, "x", NULL, NULL, 0, on_reply, &outcome, NULL), 0);
    world_until(&ends.world, &outcome.calls, 1);
    cr_expect_eq(outcome.kind, IPC_REPLY_ERROR);
    cr_expect_str_eq(outcome.code, "unknown_method");
    ends_deinit(&ends);
}

Test(channel, answers_may_come_later_and_out_of_order)
{
    struct outcome outcomes[3] = {{0}};
    struct ends ends;

    ends_init(&ends, 0, 0);
    for (int i = 0; i < 3; i++)
        request(&ends, "hold", i, 0, &outcomes[i]);
    world_until(&ends.world, &ends.held_count, 3);
    for (int i = 2; i >= 0; i--) {
        int64_t number = 10 + i;
        cr_assert_eq(ipc_channel_answer(ends.far, ends.held[i], pack_number, &number), 0);
        world_until(&ends.world, &outcomes[i].calls, 1);
        cr_expect_eq(outcomes[i].value, 10 + i);
    }
    ends_deinit(&ends);
    for (int i = 0; i < 3; i++)
        cr_expect_eq(outcomes[i].calls, 1);
}

Test(channel, a_deadline_passes_once_and_a_late_answer_is_dropped)
{
    struct outcome late = {0}, patient = {0}, next = {0};
    struct ends ends;

    ends_init(&ends, 0, 0);
    request(&ends, "hold", 1, 0, &patient);
    request(&ends, "hold", 1, 5, &late);
    world_until(&ends.world, &late.calls, 1);
    cr_expect_eq(late.kind, IPC_REPLY_TIMEOUT);
    cr_expect_eq(patient.calls, 0);
    world_until(&ends.world, &ends.held_count, 2);
    /* Takes the slot of the one that timed out: the late answer must not be its own. */
    request(&ends, "hold", 1, 0, &next);
    cr_assert_eq(ipc_channel_answer(ends.far, ends.held[1], NULL, NULL), 0);
    cr_assert_eq(ipc_channel_answer(ends.far, ends.held[0], NULL, NULL), 0);
    world_until(&ends.world, &patient.calls, 1);
    cr_expect_eq(next.calls, 0);
    ends_deinit(&ends);
    cr_expect_eq(late.calls, 1);
    cr_expect_eq(patient.calls, 1);
    cr_expect_eq(next.calls, 1);
    cr_expect_eq(next.kind, IPC_REPLY_GONE);
}

Test(channel, deadlines_pass_in_their_order)
{
    struct outcome long_one = {0}, short_one = {0};
    struct ends ends;

    ends_init(&ends, 0, 0);
    request(&ends, "hold", 1, 30, &long_one);
    request(&ends, "hold", 1, 1, &short_one);
    world_until(&ends.world, &short_one.calls, 1);
    cr_expect_eq(long_one.calls, 0);
    world_until(&ends.world, &long_one.calls, 1);
    cr_expect_eq(long_one.kind, IPC_REPLY_TIMEOUT);
    ends_deinit(&ends);
}

Test(channel, a_cancelled_request_is_never_called_back)
{
    struct outcome cancelled = {0}, other = {0};
    struct ends ends;
    uint32_t id;

    ends_init(&ends, 0, 0);
    id = request(&ends, "double", 1, 5, &cancelled);
    request(&ends, "double", 2, 0, &other);
    cr_expect_eq(ipc_channel_cancel(ends.near, id), 0);
    cr_expect_eq(ipc_channel_cancel(ends.near, id), -ENOENT);
    cr_expect_eq(ipc_channel_cancel(ends.near, 12345), -ENOENT);
    world_until(&ends.world, &other.calls, 1);
    ends_deinit(&ends);
    cr_expect_eq(cancelled.calls, 0);
}

Test(channel, what_is_outstanding_is_gone_once)
{
    struct outcome outcomes[100] = {{0}};
    struct ends ends;

    ends_init(&ends, 0, 0);
    for (int i = 0; i < 100; i++)
        request(&ends, "hold", i, i % 2 ? 60000 : 0, &outcomes[i]);
    world_until(&ends.world, &ends.held_count, 100);
    ipc_channel_close(ends.far);
    world_until(&ends.world, &ends.near_closed, 1);
    cr_expect_eq(ends.near_reason, IPC_CLOSED_PEER);
    ends_deinit(&ends);
    for (int i = 0; i < 100; i++) {
        cr_expect_eq(outcomes[i].calls, 1);
        cr_expect_eq(outcomes[i].kind, IPC_REPLY_GONE);
    }
}

Test(channel, requests_that_never_left_are_gone_too)
{
    struct outcome outcome = {0};
    struct ends ends;

    ends_init(&ends, 0, 0);
    request(&ends, "double", 1, 0, &outcome);
    ipc_channel_close(ends.near);
    cr_expect_eq(outcome.calls, 0, "called back from within close");
    ends_deinit(&ends);
    cr_expect_eq(outcome.calls, 1);
    cr_expect_eq(outcome.kind, IPC_REPLY_GONE);
    cr_expect_eq(ends.requests, 0);
}

struct again {
    struct ends *ends;
    struct outcome outcome;
    int r;
};

static void on_gone_ask_again(const struct ipc_reply *reply, void *userdata)
{
    struct again *again = userdata;

    cr_assert_eq(reply->kind, IPC_REPLY_GONE);
    ipc_channel_close(again->ends->near);
    again->r = ipc_channel_request(again->ends->near, "double", NULL, NULL, 0, on_reply,
                                   &again->outcome, NULL);
}

Test(channel, a_request_on_what_is_closed_fails_and_calls_nobody)
{
    struct ends ends;
    struct again again = {.ends = &ends};
    struct outcome outcome = {0};

    ends_init(&ends, 0, 0);
    cr_assert_eq(
        ipc_channel_request(ends.near, "hold", NULL, NULL, 0, on_gone_ask_again, &again, NULL), 0);
    ipc_channel_close(ends.near);
    cr_expect_eq(ipc_channel_request(ends.near, "x", NULL, NULL, 0, on_reply, &outcome, NULL),
                 -ENOTCONN);
    cr_expect_eq(ipc_channel_notify(ends.near, "x", NULL, NULL), -ENOTCONN);
    ends_deinit(&ends);
    cr_expect_eq(again.r, -ENOTCONN);
    cr_expect_eq(again.outcome.calls + outcome.calls, 0);
}

Test(channel, there_is_a_limit_to_what_is_outstanding)
{
    struct outcome outcomes[20] = {{0}}, refused = {0};
    struct ends ends;

    ends_init(&ends, 20, 0);
    for (int i = 0; i < 20; i++)
        request(&ends, "double", i, 0, &outcomes[i]);
    cr_expect_eq(ipc_channel_request(ends.near, "x", NULL, NULL, 0, on_reply, &refused, NULL),
                 -EBUSY);
    for (int i = 0; i < 20; i++)
        world_until(&ends.world, &outcomes[i].calls, 1);
    memset(&outcomes[0], 0, sizeof(outcomes[0]));
    request(&ends, "double", 1, 0, &outcomes[0]);
    world_until(&ends.world, &outcomes[0].calls, 1);
    ends_deinit(&ends);
    cr_expect_eq(refused.calls, 0);
}

Test(channel, what_cannot_be_packed_leaves_no_trace)
{
    struct outcome outcome = {0}, good = {0};
    struct ends ends;

    ends_init(&ends, 0, 0);
    cr_expect_eq(ipc_channel_request(ends.near, "x", pack_huge, NULL, 0, on_reply, &outcome, NULL),
                 -EMSGSIZE);
    cr_expect_eq(
        ipc_channel_request(ends.near, "x", pack_nothing, NULL, 0, on_reply, &outcome, NULL),
        -EBADMSG);
    cr_expect_eq(ipc_channel_request(ends.near, "x", pack_two, NULL, 0, on_reply, &outcome, NULL),
                 -EBADMSG);
    cr_expect_eq(ipc_channel_notify(ends.near, "x", pack_two, NULL), -EBADMSG);
    cr_expect_eq(ipc_channel_outstanding(ends.near), 0);
    request(&ends, "double", 3, 0, &good);
    world_until(&ends.world, &good.calls, 1);
    cr_expect_eq(good.value, 6);
    ends_deinit(&ends);
    cr_expect_eq(outcome.calls, 0);
}

Test(channel, an_answer_that_cannot_be_packed_is_an_internal_error)
{
    static const struct {
        const char *method;
        int r;
    } cases[] = {{"bad", -EBADMSG}, {"huge", -EMSGSIZE}};

    for (size_t i = 0; i < 2; i++) {
        struct outcome outcome = {0};
        struct ends ends;

        ends_init(&ends, 0, 0);
        request(&ends, cases[i].method, 3, 0, &outcome);
        world_until(&ends.world, &outcome.calls, 1);
        cr_expect_eq(ends.far_answer, cases[i].r);
        cr_expect_eq(outcome.kind, IPC_REPLY_ERROR);
        cr_expect_str_eq(outcome.code, "internal");
        ends_deinit(&ends);
    }
}

Test(channel, notifications)
{
    struct ends ends;

    ends_init(&ends, 0, 0);
    cr_expect_eq(ipc_channel_notify(ends.near, "sync.hello", NULL, NULL), 0);
    cr_expect_eq(ipc_channel_notify(ends.near, "sync.hello", NULL, NULL), 0);
    cr_expect_eq(ipc_channel_notify(ends.far, "unheard", NULL, NULL), 0);
    world_until(&ends.world, &ends.notifications, 2);
    ends_deinit(&ends);
}

Test(channel, unanswered_requests_stop_the_reading)
{
    struct outcome outcomes[10] = {{0}};
    struct ends ends;

    ends_init(&ends, 0, 3);
    for (int i = 0; i < 10; i++)
        request(&ends, "hold", i, 0, &outcomes[i]);
    world_settle(&ends.world);
    cr_expect_eq(ends.requests, 3);
    for (unsigned i = 0; i < 10; i++) {
        world_until(&ends.world, &ends.held_count, i + 1);
        cr_assert_eq(ipc_channel_answer(ends.far, ends.held[i], NULL, NULL), 0);
        world_settle(&ends.world);
        cr_expect_eq(ends.requests, i + 4 < 10 ? i + 4 : 10);
    }
    ends_deinit(&ends);
    for (int i = 0; i < 10; i++)
        cr_expect_eq(outcomes[i].kind, IPC_REPLY_RESULT);
}

Test(channel, draining_sends_what_is_packed)
{
    struct ends ends;

    ends_init(&ends, 0, 0);
    cr_expect_eq(ipc_channel_notify(ends.near, "sync.hello", NULL, NULL), 0);
    ipc_channel_drain(ends.near);
    world_until(&ends.world, &ends.notifications, 1);
    ends_deinit(&ends);
    cr_expect_eq(ends.near_reason, IPC_CLOSED_LOCAL);
}

/* Requests, answers, cancels and deadlines at random, and an end at a random moment from either
 * side: each is called back once, or was cancelled or refused and never. */
Test(channel, random_histories)
{
    uint64_t seed = 5;

    for (int round = 0; round < 200; round++) {
        struct outcome outcomes[200];
        unsigned expected[200];
        struct ends ends;
        unsigned steps = 1 + (unsigned)random_below(&seed, 200), answered = 0;

        memset(outcomes, 0, sizeof(outcomes));
        ends_init(&ends, 16, 8);
        for (unsigned i = 0; i < steps; i++) {
            uint64_t timeout = random_below(&seed, 4) == 0 ? 1 : 0;
            const char *method = random_below(&seed, 2) ? "hold" : "double";
            int64_t number = (int64_t)i;
            uint32_t id = 0;

            expected[i] = ipc_channel_request(ends.near, method, pack_number, &number, timeout,
                                              on_reply, &outcomes[i], &id) == 0;
            if (expected[i] && random_below(&seed, 10) == 0)
                expected[i] = ipc_channel_cancel(ends.near, id) == 0 ? 0 : 1;
            if (random_below(&seed, 3) == 0)
                uv_run(&ends.world.loop, UV_RUN_NOWAIT);
            if (answered < ends.held_count && random_below(&seed, 2) == 0)
                ipc_channel_answer(ends.far, ends.held[answered++], NULL, NULL);
        }
        if (random_below(&seed, 2))
            ipc_channel_close(ends.far);
        else
            ipc_channel_close(ends.near);
        world_settle(&ends.world);
        if (ends.far_closed == 0) /* it may be paused, and then sees no end */
            ipc_channel_close(ends.far);
        ends_deinit(&ends);
        for (unsigned i = 0; i < steps; i++)
            cr_assert_eq(outcomes[i].calls, expected[i], "round %d, request %u: %u calls", round, i,
                         outcomes[i].calls);
    }
}
