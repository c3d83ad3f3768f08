/* creditd_event_next: the queue, and how it waits. */
#include "fake.h"
#include "stream.h"
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

static struct fake fake;
static struct creditd *c;
static int64_t ledger; /* the daemon's events: 1 to this */
static int waits, cut_at;
static size_t answered;

static void setup(void)
{
    fake_init(&fake);
    ledger = 0;
    waits = 0;
    cut_at = 0;
    answered = 0;
    cr_assert_eq(engine_open(&c, "/nowhere", 0, &fake_io, &fake), 0);
}

static void teardown(void)
{
    c = creditd_close(c);
    fake_deinit(&fake);
}

TestSuite(stream_next, .init = setup, .fini = teardown);

/* The daemon: answers what has come, and streams all it has behind a subscription's answer. */
static void serve(struct fake *f)
{
    cr_assert_lt(++waits, 100000, "it waits for ever");
    if (f->is_ended)
        return;
    fake_take(f);
    for (; answered < f->count; answered++) {
        const struct fake_request *request = &f->requests[answered];
        int64_t after = request->after < 0 ? 0 : request->after;

        if (request->connection != f->connections)
            continue;
        if (strcmp(request->method, "event.ack") == 0) {
            fake_answer_acked(f, request);
            continue;
        }
        fake_answer_subscribed(f, request, after, ledger);
        for (int64_t i = after + 1; i <= ledger; i++)
            fake_event(f, i, "credits.low");
    }
    if (waits == cut_at) { /* in the middle of something */
        f->answers.size = f->read + (f->answers.size - f->read) / 2;
        f->is_ended = true;
    }
}

static void subscribe(struct creditd_subscribe_request request)
{
    fake.on_wait = serve;
    cr_assert_eq(creditd_subscribe(c, &request), 0);
}

Test(stream_next, gives_one_event_after_the_other)
{
    struct creditd_event event;

    ledger = 3;
    subscribe((struct creditd_subscribe_request){0});
    for (int64_t i = 1; i <= 3; i++) {
        cr_assert_eq(creditd_event_next(c, &event, -1), 0);
        cr_assert_eq(event.sequence, i);
    }
    cr_assert_str_eq(event.id, "evt_1_3");
    cr_assert_str_eq(event.type, "credits.low");
    cr_assert_eq(event.created, 1700000000003);
    cr_assert(event.livemode);
    cr_assert_str_eq(event.customer_id, "cus_3");
    cr_assert_str_eq(event.product_id, "prod_1");
    cr_assert_null(event.previous);
    cr_assert_eq(creditd_value_int(creditd_value_get(event.object, "balance"), 0), 30);
    cr_assert_eq(creditd_value_int(creditd_value_get(event.value, "sequence"), 0), 3);
    cr_assert_eq(creditd_event_next(c, &event, 50), -ETIMEDOUT);
    cr_assert_eq(creditd_reply_status(creditd_last(c)), -ETIMEDOUT);
}

Test(stream_next, more_than_the_queue_holds_comes_all_the_same)
{
    struct creditd_event event;

    ledger = 3 * STREAM_QUEUE_MAX + 7;
    subscribe((struct creditd_subscribe_request){.from = CREDITD_FROM_OLDEST});
    for (int64_t i = 1; i <= ledger; i++) {
        cr_assert_eq(creditd_event_next(c, &event, 1000), 0);
        cr_assert_eq(event.sequence, i);
    }
    cr_assert_eq(creditd_event_next(c, &event, 0), -ETIMEDOUT);
    cr_assert_eq(fake.count, 4, "asked for four times");
    cr_assert_eq(fake.connections, 1);
}

Test(stream_next, a_cut_loses_and_repeats_nothing)
{
    struct creditd_event event;

    for (cut_at = 2; cut_at < 400; cut_at += 7) {
        fake.on_wait = NULL;
        ledger = 2 * STREAM_QUEUE_MAX;
        fake.read_chunk = 200;
        subscribe((struct creditd_subscribe_request){.from = CREDITD_FROM_OLDEST});
        for (int64_t i = 1; i <= ledger; i++) {
            cr_assert_eq(creditd_event_next(c, &event, -1), 0);
            cr_assert_eq(event.sequence, i, "cut at %d: %lld in place of %lld", cut_at,
                         (long long)event.sequence, (long long)i);
        }
        cr_assert_eq(fake.connections, 2, "cut at %d of %d: %d", cut_at, waits, fake.connections);
        teardown();
        fake_init(&fake);
        waits = 0;
        answered = 0;
        cr_assert_eq(engine_open(&c, "/nowhere", 0, &fake_io, &fake), 0);
    }
}

Test(stream_next, asking_for_the_next_acknowledges_the_last)
{
    struct creditd_event event;

    ledger = 2;
    subscribe((struct creditd_subscribe_request){.subscriber = "s"});
    cr_assert_eq(creditd_event_next(c, &event, -1), 0);
    cr_assert_eq(fake.count, 1);
    cr_assert_eq(creditd_event_next(c, &event, -1), 0);
    creditd_wait(c, 10);
    fake_take(&fake);
    cr_assert_eq(fake.count, 2);
    cr_assert_str_eq(fake.requests[1].method, "event.ack");
    cr_assert_eq(fake.requests[1].sequence, 1);
    cr_assert_eq(creditd_event_next(c, &event, 10), -ETIMEDOUT);
    fake_take(&fake);
    cr_assert_eq(fake.requests[fake.count - 1].sequence, 2);
}

static void serve_gap(struct fake *f)
{
    fake_take(f);
    for (; answered < f->count; answered++) {
        if (f->requests[answered].after < 9) {
            fake_answer_gap(f, &f->requests[answered], 10);
            continue;
        }
        fake_answer_subscribed(f, &f->requests[answered], 9, 10);
        fake_event(f, 10, "credits.low");
    }
}

Test(stream_next, a_gap_is_told_once_and_in_its_place)
{
    struct creditd_subscribe_request request = {.from = CREDITD_FROM_AFTER, .after = 3};
    struct creditd_event event;

    fake.on_wait = serve_gap;
    cr_assert_eq(creditd_subscribe(c, &request), 0);
    cr_assert_eq(creditd_event_next(c, &event, -1), CREDITD_GAP);
    cr_assert_str_eq(creditd_reply_message(creditd_last(c)),
                     "the events up to 9 are no longer kept");
    cr_assert_eq(creditd_event_next(c, &event, -1), 0);
    cr_assert_eq(event.sequence, 10);
}

static void refuse(struct fake *f)
{
    fake_take(f);
    for (; answered < f->count; answered++)
        fake_answer_error(f, &f->requests[answered], PROTO_ERROR_PERMISSION_DENIED, NULL, NULL);
}

Test(stream_next, the_end_is_told_each_time)
{
    struct creditd_subscribe_request request = {0};
    struct creditd_event event;

    fake.on_wait = refuse;
    cr_assert_eq(creditd_event_next(c, &event, 0), -EINVAL, "no subscription");
    cr_assert_eq(creditd_subscribe(c, &request), 0);
    for (int i = 0; i < 2; i++) {
        cr_assert_eq(creditd_event_next(c, &event, i == 0 ? -1 : 0), CREDITD_PERMISSION_DENIED);
        cr_assert_str_eq(creditd_reply_message(creditd_last(c)), "because of that");
    }
}

Test(stream_next, a_signal_ends_the_wait)
{
    struct creditd_event event;

    subscribe((struct creditd_subscribe_request){0});
    cr_assert_eq(creditd_event_next(c, &event, 1), -ETIMEDOUT);
    fake.wait_error = -EINTR;
    cr_assert_eq(creditd_event_next(c, &event, -1), -EINTR);
    fake.wait_error = 0;
    cr_assert_eq(creditd_event_next(c, &event, 1), -ETIMEDOUT);
}

static int next_from_within(struct creditd *connection, const struct creditd_event *event,
                            void *data)
{
    struct creditd_event other;

    (void)event;
    *(int *)data = creditd_event_next(connection, &other, 0);
    return 0;
}

Test(stream_next, not_from_a_hook_and_not_beside_hooks)
{
    int result = 0;
    struct creditd_event event;

    ledger = 1;
    subscribe((struct creditd_subscribe_request){.hooks = {.on_event = next_from_within},
                                                 .data = &result});
    cr_assert_eq(creditd_event_next(c, &event, 0), -EINVAL);
    for (int i = 0; i < 5; i++)
        creditd_wait(c, 10);
    cr_assert_eq(result, -EDEADLK);
}

static void on_reply(struct creditd *connection, const struct creditd_reply *reply, void *data)
{
    (void)reply;
    (void)data;
    creditd_unsubscribe(connection);
}

static void answer_ping(struct fake *f)
{
    fake_take(f);
    for (; answered < f->count; answered++)
        if (strcmp(f->requests[answered].method, "ping") == 0)
            fake_answer_nil(f, &f->requests[answered]);
}

Test(stream_next, a_callback_may_end_the_subscription_that_is_waited_for)
{
    struct creditd_subscribe_request request = {0};
    struct creditd_event event;

    fake.on_wait = answer_ping;
    cr_assert_eq(creditd_subscribe(c, &request), 0);
    cr_assert_eq(creditd_ping_async(c, on_reply, NULL), 0);
    cr_assert_eq(creditd_event_next(c, &event, -1), -ECANCELED);
}
