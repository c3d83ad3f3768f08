/* Subscriptions, driven without a socket: which events reach the hooks, what is acknowledged, and
 * where the stream goes on after each kind of trouble. */
#include "stream.h"
#include "fake.h"
#include <criterion/criterion.h>
#include <errno.h>
#include <poll.h>
#include <string.h>

#define GIVEN_MAX 512

struct seen {
    int64_t given[GIVEN_MAX];
    size_t count;
    int own, refuse; /* runs of on_credits_low; so many more are refused */
    enum creditd_stream_change changes[64];
    int64_t after, last; /* of the last change */
    size_t change_count;
    int status;
    char message[128];
    enum { NOTHING, UNSUBSCRIBE, CLOSE, PAUSE } then; /* what on_event does */
};

static struct fake fake;
static struct creditd *c;
static struct seen seen;

static void setup(void)
{
    fake_init(&fake);
    memset(&seen, 0, sizeof seen);
    cr_assert_eq(engine_open(&c, "/nowhere", 0, &fake_io, &fake), 0);
}

static void teardown(void)
{
    c = creditd_close(c);
    fake_deinit(&fake);
}

TestSuite(stream, .init = setup, .fini = teardown);

static int on_event(struct creditd *connection, const struct creditd_event *event, void *data)
{
    cr_assert_eq(data, &seen);
    if (seen.refuse > 0) {
        seen.refuse--;
        return -1;
    }
    cr_assert_lt(seen.count, GIVEN_MAX);
    seen.given[seen.count++] = event->sequence;
    if (seen.then == UNSUBSCRIBE)
        creditd_unsubscribe(connection);
    else if (seen.then == CLOSE)
        c = creditd_close(connection);
    else if (seen.then == PAUSE)
        creditd_pause(connection);
    return 0;
}

static int on_low(struct creditd *connection, const struct creditd_event *event, void *data)
{
    (void)connection;
    (void)data;
    cr_assert_str_eq(event->type, "credits.low");
    seen.own++;
    return 0;
}

static void on_stream(struct creditd *connection, const struct creditd_stream *stream, void *data)
{
    (void)connection;
    cr_assert_eq(data, &seen);
    cr_assert_lt(seen.change_count, 64);
    seen.changes[seen.change_count++] = stream->change;
    seen.after = stream->after;
    seen.last = stream->last;
    seen.status = stream->status;
    snprintf(seen.message, sizeof seen.message, "%s", stream->message);
}

static void subscribe_with(struct creditd_subscribe_request request)
{
    if (!request.hooks.on_credits_low)
        request.hooks.on_event = on_event;
    request.hooks.on_stream = on_stream;
    request.data = &seen;
    cr_assert_eq(creditd_subscribe(c, &request), 0);
}

static void turn(void)
{
    fake_turn(&fake, c);
    fake_take(&fake);
}

static void advance(uint64_t ms)
{
    fake.now += ms;
    fake.wall += ms;
}

static const struct fake_request *last_request(void)
{
    cr_assert_gt(fake.count, 0);
    return &fake.requests[fake.count - 1];
}

/* Subscribes, and lets the daemon answer. */
static void begin(struct creditd_subscribe_request request, int64_t after, int64_t last)
{
    subscribe_with(request);
    turn();
    fake_answer_subscribed(&fake, last_request(), after, last);
    turn();
}

static void assert_given(const int64_t *expected, size_t count)
{
    cr_assert_eq(seen.count, count, "%zu were given, not %zu", seen.count, count);
    for (size_t i = 0; i < count; i++)
        cr_assert_eq(seen.given[i], expected[i], "the %zu. was %lld", i, (long long)seen.given[i]);
}

#define GIVEN(...)                                                                                 \
    assert_given((const int64_t[]){__VA_ARGS__}, sizeof(const int64_t[]){__VA_ARGS__} / 8)

Test(stream, subscribing_does_no_io_and_keeps_a_loop_alive)
{
    subscribe_with((struct creditd_subscribe_request){0});
    cr_assert_eq(fake.connections, 0);
    cr_assert_eq(creditd_pending(c), 1);
    cr_assert_eq(creditd_timeout(c), 0);
    turn();
    cr_assert_str_eq(last_request()->method, "event.subscribe");
    cr_assert_eq(last_request()->after, -1);
    cr_assert_eq(last_request()->types, 0);
    cr_assert_str_empty(last_request()->subscriber);
    fake_answer_subscribed(&fake, last_request(), 7, 9);
    turn();
    cr_assert_eq(seen.change_count, 1);
    cr_assert_eq(seen.changes[0], CREDITD_STREAM_BEGUN);
    cr_assert_eq(seen.after, 7);
    cr_assert_eq(seen.last, 9);
    cr_assert_eq(creditd_pending(c), 1);
    cr_assert_eq(creditd_timeout(c), -1);
    cr_assert_eq(creditd_wanted(c), POLLIN);
}

Test(stream, what_is_asked_for)
{
    static const char *const types[] = {"push.*", "credits.low", NULL};

    subscribe_with((struct creditd_subscribe_request){
        .subscriber = "mailer", .types = types, .from = CREDITD_FROM_AFTER, .after = 12});
    turn();
    cr_assert_eq(last_request()->after, 12);
    cr_assert_str_eq(last_request()->subscriber, "mailer");
    cr_assert_eq(last_request()->types, 2);
    cr_assert_str_eq(last_request()->type, "push.*");
}

Test(stream, hooks_alone_ask_for_their_own_types)
{
    begin((struct creditd_subscribe_request){.hooks = {.on_credits_low = on_low}}, 0, 0);
    cr_assert_eq(last_request()->types, 1);
    cr_assert_str_eq(last_request()->type, "credits.low");
    fake_event(&fake, 1, "credits.low");
    turn();
    cr_assert_eq(seen.own, 1);
    cr_assert_eq(seen.count, 0);
}

Test(stream, on_event_gets_all_and_the_hook_of_a_type_gets_its_own)
{
    begin((struct creditd_subscribe_request){.hooks = {.on_credits_low = on_low,
                                                       .on_event = on_event}},
          0, 0);
    cr_assert_eq(last_request()->types, 0);
    fake_event(&fake, 1, "credits.low");
    fake_event(&fake, 2, "credits.exhausted");
    turn();
    cr_assert_eq(seen.own, 1);
    GIVEN(1, 2);
}

Test(stream, requests_that_cannot_be_right)
{
    static const char *const none[] = {NULL};
    struct creditd_subscribe_request bad[] = {
        {.subscriber = "not an id"},
        {.subscriber = ""},
        {.types = none},
        {.from = CREDITD_FROM_AFTER, .after = -1},
        {.from = 3},
    };

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        cr_assert_eq(creditd_subscribe(c, &bad[i]), -EINVAL, "%zu", i);
    cr_assert_eq(creditd_pending(c), 0);
    subscribe_with((struct creditd_subscribe_request){0});
    cr_assert_eq(creditd_subscribe(c, &bad[0]), -EINVAL);
    cr_assert_eq(creditd_subscribe(c, &(struct creditd_subscribe_request){0}), -EBUSY);
}

Test(stream, an_event_is_opened)
{
    struct creditd_value *value = NULL;
    struct creditd_event event;

    cr_assert_eq(creditd_event_open(value, &event), -EPROTO);
    begin((struct creditd_subscribe_request){0}, 0, 0);
    fake_event(&fake, 3, "credits.low");
    turn();
    GIVEN(3);
}

Test(stream, other_notifications_are_ignored)
{
    begin((struct creditd_subscribe_request){0}, 0, 0);
    message_pack_notification(&fake.answers, "weather");
    fake_answer_bytes(&fake, "\x80", 1);
    fake_event(&fake, 1, "a.type.that.nobody.knows");
    turn();
    GIVEN(1);
    cr_assert_eq(fake.connections, 1);
}

Test(stream, without_a_subscription_events_are_ignored)
{
    struct creditd_subscribe_request request = {0};

    begin(request, 0, 0);
    creditd_unsubscribe(c);
    fake_event(&fake, 1, "credits.low");
    turn();
    cr_assert_eq(seen.count, 0);
    cr_assert_eq(creditd_pending(c), 0);
    /* The next one begins behind its own answer. */
    subscribe_with(request);
    fake_event(&fake, 2, "credits.low");
    turn();
    fake_event(&fake, 3, "credits.low");
    turn();
    fake_answer_subscribed(&fake, last_request(), 3, 3);
    fake_event(&fake, 4, "credits.low");
    turn();
    GIVEN(4);
}

Test(stream, a_lost_connection_goes_on_after_the_last_event)
{
    begin((struct creditd_subscribe_request){0}, 0, 0);
    fake_event(&fake, 1, "credits.low");
    fake_event(&fake, 2, "credits.low");
    fake.is_ended = true;
    turn();
    turn();
    cr_assert_eq(seen.changes[seen.change_count - 1], CREDITD_STREAM_CUT);
    cr_assert_eq(seen.status, -ECONNRESET);
    cr_assert_str_eq(seen.message, "the daemon closed it");
    cr_assert_eq(fake.connections, 2);
    cr_assert_eq(last_request()->after, 2);
    fake_answer_subscribed(&fake, last_request(), 2, 5);
    fake_event(&fake, 2, "credits.low"); /* once more, which is one too many */
    fake_event(&fake, 3, "credits.low");
    turn();
    cr_assert_eq(seen.changes[seen.change_count - 1], CREDITD_STREAM_BEGUN);
    GIVEN(1, 2, 3);
}

Test(stream, half_an_event_is_none)
{
    size_t whole;

    begin((struct creditd_subscribe_request){0}, 0, 0);
    fake_event(&fake, 1, "credits.low");
    whole = fake.answers.size;
    fake_event(&fake, 2, "credits.low");
    fake.answers.size = whole + 20;
    fake.is_ended = true;
    turn();
    turn();
    cr_assert_eq(last_request()->after, 1);
    GIVEN(1);
}

Test(stream, a_connection_lost_while_asking_asks_again_once)
{
    subscribe_with((struct creditd_subscribe_request){0});
    turn();
    fake.is_ended = true;
    turn();
    advance(ENGINE_DELAY_MAX);
    turn();
    cr_assert_eq(fake.count, 2);
    cr_assert_eq(seen.change_count, 0, "it had not begun");
    fake_answer_subscribed(&fake, last_request(), 4, 4);
    fake_event(&fake, 5, "credits.low");
    turn();
    GIVEN(5);
}

Test(stream, no_daemon_is_waited_for_and_with_no_wait_it_ends)
{
    begin((struct creditd_subscribe_request){0}, 0, 0);
    fake.is_ended = true;
    fake.connect_error = -ECONNREFUSED;
    for (int i = 0; i < 20; i++) {
        turn();
        advance(ENGINE_DELAY_MAX);
    }
    cr_assert_eq(creditd_pending(c), 2, "the subscription, and its call");
    cr_assert_geq(creditd_timeout(c), 0);
    fake.connect_error = 0;
    turn();
    cr_assert_eq(last_request()->after, 0);
    creditd_close(c);
    fake_deinit(&fake);

    setup();
    creditd_close(c);
    cr_assert_eq(engine_open(&c, "/nowhere", CREDITD_NO_WAIT, &fake_io, &fake), 0);
    begin((struct creditd_subscribe_request){0}, 0, 0);
    fake.is_ended = true;
    fake.connect_error = -ECONNREFUSED;
    turn();
    turn();
    cr_assert_eq(seen.changes[seen.change_count - 1], CREDITD_STREAM_ENDED);
    cr_assert_eq(seen.status, -ENOTCONN);
    cr_assert_eq(creditd_pending(c), 0);
}

Test(stream, a_refused_event_comes_again_and_nothing_before_it)
{
    begin((struct creditd_subscribe_request){.subscriber = "s"}, 0, 0);
    fake_event(&fake, 1, "credits.low");
    turn();
    fake_answer_acked(&fake, last_request());
    turn();
    seen.refuse = 2;
    for (int i = 0; i < 2; i++) {
        size_t before = fake.count;

        fake_event(&fake, 2, "credits.low");
        fake_event(&fake, 3, "credits.low");
        turn();
        GIVEN(1);
        cr_assert_eq(fake.count, before, "not acknowledged, and not asked for at once");
        cr_assert_eq(creditd_timeout(c), STREAM_DELAY_MIN << i);
        advance(STREAM_DELAY_MIN << i);
        turn();
        cr_assert_str_eq(last_request()->method, "event.subscribe");
        cr_assert_eq(last_request()->after, 1);
        fake_event(&fake, 4, "credits.low"); /* still of the one before */
        fake_answer_subscribed(&fake, last_request(), 1, 4);
        turn();
    }
    cr_assert_eq(fake.connections, 1);
    for (int i = 2; i <= 4; i++)
        fake_event(&fake, i, "credits.low");
    turn();
    GIVEN(1, 2, 3, 4);
}

Test(stream, acknowledgements_follow_the_hooks_one_at_a_time)
{
    begin((struct creditd_subscribe_request){.subscriber = "s"}, 0, 0);
    for (int i = 1; i <= 9; i++)
        fake_event(&fake, i, "credits.low");
    turn();
    cr_assert_eq(fake.count, 2);
    cr_assert_str_eq(last_request()->method, "event.ack");
    cr_assert_str_eq(last_request()->subscriber, "s");
    cr_assert_eq(last_request()->sequence, 1);
    fake_answer_acked(&fake, last_request());
    turn();
    cr_assert_eq(fake.count, 3);
    cr_assert_eq(last_request()->sequence, 9);
    fake_answer_acked(&fake, last_request());
    turn();
    cr_assert_eq(fake.count, 3);
    cr_assert_eq(creditd_pending(c), 1);
}

Test(stream, nothing_is_acknowledged_without_a_name_or_where_the_app_does_it)
{
    begin((struct creditd_subscribe_request){0}, 0, 0);
    fake_event(&fake, 1, "credits.low");
    turn();
    cr_assert_eq(fake.count, 1);
    creditd_unsubscribe(c);
    begin((struct creditd_subscribe_request){.subscriber = "s", .no_ack = true}, 1, 1);
    fake_event(&fake, 2, "credits.low");
    turn();
    cr_assert_eq(fake.count, 2);
    GIVEN(1, 2);
}

Test(stream, an_acknowledgement_survives_its_connection)
{
    begin((struct creditd_subscribe_request){.subscriber = "s"}, 0, 0);
    fake_event(&fake, 1, "credits.low");
    turn();
    fake.is_ended = true;
    turn();
    turn();
    cr_assert_eq(fake.connections, 2);
    cr_assert_eq(fake.count, 4);
    cr_assert_str_eq(fake.requests[2].method, "event.ack");
    cr_assert_eq(fake.requests[2].sequence, 1);
    cr_assert_str_eq(fake.requests[3].method, "event.subscribe");
    cr_assert_eq(fake.requests[3].after, 1);
}

Test(stream, a_place_that_cannot_be_kept_ends_it)
{
    begin((struct creditd_subscribe_request){.subscriber = "s"}, 0, 0);
    fake_event(&fake, 1, "credits.low");
    turn();
    fake_answer_error(&fake, last_request(), PROTO_ERROR_PERMISSION_DENIED, NULL, NULL);
    turn();
    cr_assert_eq(seen.changes[seen.change_count - 1], CREDITD_STREAM_ENDED);
    cr_assert_eq(seen.status, CREDITD_PERMISSION_DENIED);
    cr_assert_str_eq(seen.message, "because of that");
}

Test(stream, an_acknowledgement_that_failed_is_made_up_for_with_the_next)
{
    begin((struct creditd_subscribe_request){.subscriber = "s"}, 0, 0);
    fake_event(&fake, 1, "credits.low");
    turn();
    fake_answer_error(&fake, last_request(), PROTO_ERROR_BUSY, NULL, NULL);
    turn();
    cr_assert_eq(fake.count, 2);
    fake_event(&fake, 2, "credits.low");
    turn();
    cr_assert_eq(fake.count, 3);
    cr_assert_eq(last_request()->sequence, 2);
}

Test(stream, a_refusal_ends_it_and_another_may_begin)
{
    subscribe_with((struct creditd_subscribe_request){0});
    turn();
    fake_answer_error(&fake, last_request(), PROTO_ERROR_PERMISSION_DENIED, "role", "read");
    turn();
    cr_assert_eq(seen.changes[0], CREDITD_STREAM_ENDED);
    cr_assert_eq(seen.status, CREDITD_PERMISSION_DENIED);
    cr_assert_eq(creditd_pending(c), 0);
    cr_assert_eq(creditd_timeout(c), -1);
    begin((struct creditd_subscribe_request){0}, 0, 0);
    cr_assert_eq(seen.changes[1], CREDITD_STREAM_BEGUN);
}

/* Two that wait for one another's end would both ask for ever. */
Test(stream, a_name_that_is_in_use_ends_it)
{
    subscribe_with((struct creditd_subscribe_request){.subscriber = "s"});
    turn();
    fake_answer_error(&fake, last_request(), PROTO_ERROR_CONFLICT, "parameter", "subscriber");
    turn();
    cr_assert_eq(seen.changes[0], CREDITD_STREAM_ENDED);
    cr_assert_eq(seen.status, CREDITD_CONFLICT);
    cr_assert_eq(creditd_timeout(c), -1);
    cr_assert_eq(fake.count, 1);
}

Test(stream, a_busy_daemon_is_asked_again_later)
{
    subscribe_with((struct creditd_subscribe_request){0});
    turn();
    fake_answer_error(&fake, last_request(), PROTO_ERROR_BUSY, NULL, NULL);
    turn();
    cr_assert_eq(creditd_timeout(c), STREAM_DELAY_MIN);
    cr_assert_eq(fake.count, 1);
    advance(STREAM_DELAY_MIN);
    turn();
    cr_assert_eq(fake.count, 2);
    cr_assert_eq(seen.change_count, 0);
}

Test(stream, a_gap_is_told_and_gone_over)
{
    subscribe_with((struct creditd_subscribe_request){.from = CREDITD_FROM_AFTER, .after = 3});
    turn();
    fake_answer_gap(&fake, last_request(), 11);
    turn();
    cr_assert_eq(seen.change_count, 1);
    cr_assert_eq(seen.changes[0], CREDITD_STREAM_GAP);
    cr_assert_eq(seen.after, 3);
    cr_assert_eq(seen.last, 10);
    turn();
    cr_assert_eq(last_request()->after, 10);
    fake_answer_subscribed(&fake, last_request(), 10, 12);
    fake_event(&fake, 11, "credits.low");
    turn();
    GIVEN(11);
}

Test(stream, from_the_oldest_is_no_gap)
{
    subscribe_with((struct creditd_subscribe_request){.from = CREDITD_FROM_OLDEST});
    turn();
    cr_assert_eq(last_request()->after, 0);
    fake_answer_gap(&fake, last_request(), 11);
    turn();
    turn();
    cr_assert_eq(seen.change_count, 0);
    cr_assert_eq(last_request()->after, 10);
    fake_answer_subscribed(&fake, last_request(), 10, 12);
    turn();
    /* Later it would be one. */
    fake.is_ended = true;
    turn();
    turn();
    fake_answer_gap(&fake, last_request(), 21);
    turn();
    cr_assert_eq(seen.changes[seen.change_count - 1], CREDITD_STREAM_GAP);
    cr_assert_eq(seen.last, 20);
}

Test(stream, a_gap_that_says_not_where_ends_it)
{
    static const int64_t oldest[] = {0, -5, 4}; /* 4: after 3 nothing is missing */

    for (size_t i = 0; i < 3; i++) {
        subscribe_with((struct creditd_subscribe_request){.from = CREDITD_FROM_AFTER, .after = 3});
        turn();
        fake_answer_gap(&fake, last_request(), oldest[i]);
        turn();
        cr_assert_eq(seen.changes[seen.change_count - 1], CREDITD_STREAM_ENDED);
        cr_assert_eq(seen.status, -EPROTO);
    }
}

Test(stream, an_older_ledger_is_told_as_a_gap)
{
    begin((struct creditd_subscribe_request){.from = CREDITD_FROM_AFTER, .after = 100}, 100, 40);
    cr_assert_eq(seen.changes[0], CREDITD_STREAM_GAP);
    cr_assert_eq(seen.after, 100);
    cr_assert_eq(seen.last, 40);
    turn();
    cr_assert_eq(last_request()->after, 40);
    fake_answer_subscribed(&fake, last_request(), 40, 40);
    fake_event(&fake, 41, "credits.low");
    turn();
    GIVEN(41);
}

Test(stream, what_is_no_answer_and_no_event_ends_it)
{
    subscribe_with((struct creditd_subscribe_request){0});
    turn();
    fake_answer_nil(&fake, last_request());
    turn();
    cr_assert_eq(seen.status, -EPROTO);
    begin((struct creditd_subscribe_request){0}, 0, 0);
    message_pack_notification(&fake.answers, "event");
    fake_answer_bytes(&fake, "\x80", 1);
    turn();
    cr_assert_eq(seen.changes[seen.change_count - 1], CREDITD_STREAM_ENDED);
    cr_assert_eq(seen.status, -EPROTO);
    cr_assert_eq(seen.count, 0);
}

Test(stream, a_hook_may_unsubscribe)
{
    seen.then = UNSUBSCRIBE;
    begin(
        (struct creditd_subscribe_request){
            .subscriber = "s", .hooks = {.on_event = on_event, .on_credits_low = on_low}},
        0, 0);
    fake_event(&fake, 1, "credits.low");
    fake_event(&fake, 2, "credits.low");
    turn();
    GIVEN(1);
    cr_assert_eq(creditd_pending(c), 0);
    cr_assert_eq(fake.count, 1, "nothing is acknowledged for a stream that is gone");
}

Test(stream, unsubscribing_still_acknowledges_what_was_dealt_with)
{
    begin((struct creditd_subscribe_request){.subscriber = "s"}, 0, 0);
    for (int i = 1; i <= 3; i++)
        fake_event(&fake, i, "credits.low");
    turn();
    cr_assert_eq(fake.count, 2);
    creditd_unsubscribe(c);
    cr_assert_eq(creditd_pending(c), 2, "the first acknowledgement, and the last");
    turn();
    cr_assert_eq(last_request()->sequence, 3);
    fake_answer_acked(&fake, &fake.requests[1]);
    fake_answer_acked(&fake, &fake.requests[2]);
    turn();
    cr_assert_eq(creditd_pending(c), 0);
    /* What is on its way already is not sent twice. */
    begin((struct creditd_subscribe_request){.subscriber = "s"}, 3, 3);
    fake_event(&fake, 4, "credits.low");
    turn();
    creditd_unsubscribe(c);
    cr_assert_eq(creditd_pending(c), 1);
}

Test(stream, a_hook_may_close_the_connection)
{
    seen.then = CLOSE;
    begin((struct creditd_subscribe_request){0}, 0, 0);
    fake_event(&fake, 1, "credits.low");
    fake_event(&fake, 2, "credits.low");
    creditd_dispatch(c, POLLIN);
    GIVEN(1);
}

Test(stream, a_pause_holds_everything_up_and_loses_nothing)
{
    begin((struct creditd_subscribe_request){0}, 0, 0);
    seen.then = PAUSE;
    for (int i = 1; i <= 3; i++)
        fake_event(&fake, i, "credits.low");
    turn();
    GIVEN(1);
    cr_assert_eq(creditd_timeout(c), -1);
    fake.is_ended = true;
    turn();
    turn();
    cr_assert_eq(fake.connections, 1, "nothing is asked for");
    seen.then = NOTHING;
    creditd_resume(c);
    cr_assert_eq(creditd_timeout(c), 0);
    turn();
    cr_assert_eq(last_request()->after, 1);
    fake_answer_subscribed(&fake, last_request(), 1, 3);
    fake_event(&fake, 2, "credits.low");
    fake_event(&fake, 3, "credits.low");
    turn();
    GIVEN(1, 2, 3);
}

Test(stream, a_hook_that_pauses_may_refuse_its_event)
{
    begin((struct creditd_subscribe_request){0}, 0, 0);
    creditd_pause(c);
    fake_event(&fake, 1, "credits.low");
    turn();
    cr_assert_eq(seen.count, 0);
    creditd_resume(c);
    turn();
    cr_assert_eq(last_request()->after, 0);
}

Test(stream, a_child_has_no_subscription)
{
    begin((struct creditd_subscribe_request){0}, 0, 0);
    fake.process = 43;
    cr_assert_eq(creditd_dispatch(c, 0), 0);
    cr_assert_eq(creditd_pending(c), 0);
    cr_assert_eq(seen.change_count, 1);
}
