/* Calls and connections, driven without a socket: what is sent when, and how each call ends. */
#include "fake.h"
#include <criterion/criterion.h>
#include <errno.h>
#include <poll.h>
#include <string.h>

struct ended {
    int runs, status;
    bool in_doubt, has_stamp, is_replayed;
    struct creditd_stamp stamp;
    int64_t balance;
    int order;
};

static struct fake fake;
static struct creditd *c;
static int order;

static void start(unsigned flags)
{
    fake_init(&fake);
    order = 0;
    cr_assert_eq(engine_open(&c, "/nowhere", flags, &fake_io, &fake), 0);
}

static void setup(void)
{
    start(0);
}

static void teardown(void)
{
    c = creditd_close(c);
    fake_deinit(&fake);
}

TestSuite(engine, .init = setup, .fini = teardown);

static void done(struct creditd *connection, const struct creditd_reply *reply, void *data)
{
    struct ended *ended = data;
    struct creditd_consume_result result;

    cr_assert_eq(connection, c);
    ended->runs++;
    ended->status = creditd_reply_status(reply);
    ended->in_doubt = creditd_reply_in_doubt(reply);
    ended->has_stamp = creditd_reply_stamp(reply) != NULL;
    if (ended->has_stamp)
        ended->stamp = *creditd_reply_stamp(reply);
    if (creditd_read_consume(reply, &result) == 0) {
        ended->balance = result.balance;
        ended->is_replayed = result.replayed;
    }
    ended->order = ++order;
}

static int consume_with(struct creditd_consume_request request, struct ended *ended)
{
    request.who.customer_id = "cus_1";
    request.product_id = "prod_1";
    return creditd_consume_async(c, &request, done, ended);
}

static void consume(int64_t amount, struct ended *ended)
{
    struct creditd_consume_request request = {.raw_amount = amount};

    cr_assert_eq(consume_with(request, ended), 0);
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

Test(engine, making_a_call_does_no_io)
{
    struct ended ended = {0};

    consume(1, &ended);
    cr_assert_eq(fake.connections, 0);
    cr_assert_eq(creditd_fd(c), -1);
    cr_assert_eq(creditd_timeout(c), 0, "connecting is due");
    turn();
    cr_assert_eq(fake.count, 1);
    cr_assert_str_eq(fake.requests[0].method, "credits.consume");
    cr_assert_eq(creditd_wanted(c), POLLIN);
    cr_assert_eq(creditd_timeout(c), CREDITD_TIMEOUT_DEFAULT);
}

Test(engine, many_calls_leave_together_and_are_answered_in_any_order)
{
    struct ended ended[3] = {0};

    for (int i = 0; i < 3; i++)
        consume(i + 1, &ended[i]);
    turn();
    cr_assert_eq(fake.count, 3);
    for (int i = 2; i >= 0; i--)
        fake_answer_consume(&fake, &fake.requests[i], 10 + i, false);
    turn();
    for (int i = 0; i < 3; i++) {
        cr_assert_eq(ended[i].runs, 1);
        cr_assert_eq(ended[i].status, 0);
        cr_assert_eq(ended[i].balance, 10 + i);
        cr_assert_eq(ended[i].order, 3 - i);
    }
    cr_assert_eq(creditd_pending(c), 0);
    cr_assert_eq(creditd_timeout(c), -1);
}

Test(engine, bytes_may_come_and_go_one_at_a_time)
{
    struct ended ended = {0};

    fake.read_chunk = 1;
    fake.write_chunk = 1;
    consume(5, &ended);
    turn();
    cr_assert_eq(fake.count, 1);
    fake_answer_consume(&fake, &fake.requests[0], 3, false);
    for (int i = 0; i < 1000 && !ended.runs; i++)
        turn();
    cr_assert_eq(ended.status, 0);
    cr_assert_eq(ended.balance, 3);
}

Test(engine, a_full_socket_is_waited_for)
{
    struct ended ended = {0};

    fake.write_room = 10;
    consume(5, &ended);
    turn();
    cr_assert_eq(fake.count, 0);
    cr_assert_eq(creditd_wanted(c), POLLIN | POLLOUT);
    fake.write_room = -1;
    turn();
    cr_assert_eq(fake.count, 1);
    cr_assert_eq(creditd_wanted(c), POLLIN);
}

Test(engine, K1_counters_rise_within_one_client_id)
{
    struct ended ended[3] = {0};

    for (int i = 0; i < 3; i++)
        consume(1, &ended[i]);
    turn();
    for (int i = 0; i < 3; i++) {
        cr_assert(fake.requests[i].has_stamp);
        cr_assert_eq(stamp_counter(&fake.requests[i].stamp), i + 1);
        cr_assert_arr_eq(fake.requests[i].stamp.bytes, fake.requests[0].stamp.bytes, 16);
    }
}

Test(engine, K1_an_app_key_takes_the_stamps_place)
{
    struct creditd_consume_request request = {.raw_amount = 1, .idempotency_key = "order-7"};
    struct ended ended = {0};

    cr_assert_eq(consume_with(request, &ended), 0);
    turn();
    cr_assert_not(fake.requests[0].has_stamp);
    cr_assert_str_eq(fake.requests[0].key, "order-7");
    request.stamp = &fake.requests[0].stamp;
    cr_assert_eq(consume_with(request, &ended), -EINVAL);
}

Test(engine, K1_a_lost_connection_replays_the_same_stamps_in_order_once)
{
    struct ended ended[4] = {0};

    for (int i = 0; i < 4; i++)
        consume(i + 1, &ended[i]);
    turn();
    cr_assert_eq(fake.count, 4);
    fake_answer_consume(&fake, &fake.requests[1], 9, false);
    fake.is_ended = true;
    turn();
    turn();
    cr_assert_eq(fake.connections, 2, "a daemon that had answered is tried again at once");
    cr_assert_eq(fake.count, 7);
    for (int i = 0, replayed = 4; i < 4; i++) {
        if (i == 1)
            continue;
        cr_assert_eq(fake.requests[replayed].connection, 2);
        cr_assert_eq(fake.requests[replayed].raw_amount, i + 1);
        cr_assert_arr_eq(&fake.requests[replayed].stamp, &fake.requests[i].stamp,
                         sizeof(struct creditd_stamp));
        fake_answer_consume(&fake, &fake.requests[replayed++], 8, true);
    }
    turn();
    for (int i = 0; i < 4; i++) {
        cr_assert_eq(ended[i].runs, 1);
        cr_assert_eq(ended[i].status, 0);
        cr_assert_eq(ended[i].is_replayed, i != 1);
    }
    cr_assert_eq(fake.count, 7);
}

/* The daemon's side of K1: what a stamp has bought, it has bought once. */
static int64_t serve_once(struct creditd_stamp *seen, size_t *count, size_t from)
{
    int64_t deducted = 0;

    for (size_t i = from; i < fake.count; i++) {
        bool is_known = false;

        for (size_t k = 0; k < *count; k++)
            is_known |= memcmp(&seen[k], &fake.requests[i].stamp, sizeof *seen) == 0;
        if (!is_known) {
            seen[(*count)++] = fake.requests[i].stamp;
            deducted += fake.requests[i].raw_amount;
        }
        fake_answer_consume(&fake, &fake.requests[i], 1, is_known);
    }
    return deducted;
}

static void lose_after(size_t bytes)
{
    struct creditd_stamp seen[8];
    struct ended ended[2] = {0};
    size_t count = 0;
    int64_t deducted;

    start(0);
    consume(3, &ended[0]);
    consume(4, &ended[1]);
    turn();
    deducted = serve_once(seen, &count, 0);
    fake.answers.size = bytes; /* the rest is lost with the connection */
    fake.is_ended = true;
    for (int i = 0; i < 20 && (!ended[0].runs || !ended[1].runs); i++) {
        size_t from = fake.count;

        turn();
        deducted += serve_once(seen, &count, from);
        advance(ENGINE_DELAY_MAX);
    }
    cr_assert_eq(deducted, 7, "after %zu bytes", bytes);
    cr_assert_eq(ended[0].runs + ended[1].runs, 2);
    cr_assert_eq(ended[0].status + ended[1].status, 0);
    teardown();
}

Test(lost, K1_at_every_byte_of_two_answers_each_is_deducted_once)
{
    size_t length;
    struct ended ended[2] = {0};

    start(0);
    consume(3, &ended[0]);
    consume(4, &ended[1]);
    turn();
    fake_answer_consume(&fake, &fake.requests[0], 1, false);
    fake_answer_consume(&fake, &fake.requests[1], 1, false);
    length = fake.answers.size;
    teardown();
    for (size_t bytes = 0; bytes < length; bytes++)
        lose_after(bytes);
}

Test(engine, K3_a_deadline_hands_the_stamp_back_and_it_can_be_asked_with_again)
{
    struct creditd_consume_request request = {.raw_amount = 2, .timeout = 50};
    struct ended ended = {0}, again = {0};

    cr_assert_eq(consume_with(request, &ended), 0);
    turn();
    cr_assert_eq(creditd_timeout(c), 50);
    advance(50);
    turn();
    cr_assert_eq(ended.runs, 1);
    cr_assert_eq(ended.status, -ETIMEDOUT);
    cr_assert(ended.in_doubt);
    cr_assert(ended.has_stamp);
    request.stamp = &ended.stamp;
    cr_assert_eq(consume_with(request, &again), 0);
    turn();
    cr_assert_eq(fake.count, 2);
    cr_assert_arr_eq(&fake.requests[1].stamp, &fake.requests[0].stamp, sizeof ended.stamp);
    fake_answer_consume(&fake, &fake.requests[0], 1, false); /* late: to nobody */
    fake_answer_consume(&fake, &fake.requests[1], 1, true);
    turn();
    cr_assert_eq(ended.runs, 1);
    cr_assert_eq(again.status, 0);
    cr_assert(again.is_replayed);
    cr_assert_eq(fake.connections, 1, "a late answer is no reason to hang up");
}

Test(engine, what_never_left_is_not_in_doubt)
{
    struct ended ended = {0};

    fake.connect_error = -ENOENT;
    consume(1, &ended);
    for (int i = 0; i < 100 && !ended.runs; i++) {
        turn();
        advance(200);
    }
    cr_assert_eq(ended.status, -ENOTCONN);
    cr_assert_not(ended.in_doubt);
}

Test(engine, what_left_once_stays_in_doubt_after_the_daemon_is_gone)
{
    struct ended ended = {0};

    consume(1, &ended);
    turn();
    fake.is_ended = true;
    fake.connect_error = -ECONNREFUSED;
    turn();
    cr_assert_eq(ended.runs, 0);
    advance(CREDITD_TIMEOUT_DEFAULT);
    turn();
    cr_assert_eq(ended.status, -ETIMEDOUT);
    cr_assert(ended.in_doubt);
}

Test(engine, half_a_request_cannot_have_been_executed)
{
    struct ended ended = {0};

    fake.write_room = 20;
    consume(1, &ended);
    turn();
    fake.is_ended = true;
    fake.connect_error = -ECONNREFUSED;
    turn();
    advance(CREDITD_TIMEOUT_DEFAULT);
    turn();
    cr_assert_eq(ended.status, -ENOTCONN);
    cr_assert_not(ended.in_doubt);
}

Test(engine, delays_grow_and_are_bounded)
{
    struct ended ended = {0};
    struct creditd_consume_request request = {.raw_amount = 1, .timeout = CREDITD_FOREVER};
    int longest = 0;

    fake.connect_error = -ECONNREFUSED;
    cr_assert_eq(consume_with(request, &ended), 0);
    for (int i = 0; i < 20; i++) {
        int wait;

        turn();
        wait = creditd_timeout(c);
        cr_assert_gt(wait, 0);
        cr_assert_leq(wait, ENGINE_DELAY_MAX);
        if (i == 0)
            cr_assert_leq(wait, ENGINE_DELAY_MIN);
        longest = wait > longest ? wait : longest;
        advance((uint64_t)wait);
    }
    cr_assert_geq(longest, ENGINE_DELAY_MAX / 2);
    fake.connect_error = 0;
    turn();
    cr_assert_eq(fake.count, 1);
}

Test(engine, a_daemon_that_hangs_up_unanswered_is_not_hammered)
{
    struct ended ended = {0};

    consume(1, &ended);
    turn();
    for (int i = 0; i < 100; i++) {
        fake.is_ended = true;
        turn();
    }
    cr_assert_eq(fake.connections, 1);
}

Test(engine, an_idle_connection_may_be_closed_by_the_daemon)
{
    struct ended ended[2] = {0};

    consume(1, &ended[0]);
    turn();
    fake_answer_consume(&fake, &fake.requests[0], 1, false);
    turn();
    fake.is_ended = true;
    turn();
    cr_assert_eq(fake.fd, -1);
    cr_assert_eq(creditd_timeout(c), -1);
    consume(1, &ended[1]);
    cr_assert_eq(creditd_timeout(c), 0);
    turn();
    cr_assert_eq(fake.count, 2);
}

Test(engine, what_must_not_be_sent_twice_is_not)
{
    struct creditd_call_options never = {.repeat = CREDITD_REPEAT_NEVER};
    struct ended sent = {0}, cut = {0}, read = {0};

    cr_assert_eq(creditd_call_async(c, "push.drop", NULL, &never, done, &sent), 0);
    turn();
    fake.write_room = 5;
    cr_assert_eq(creditd_call_async(c, "push.retry", NULL, &never, done, &cut), 0);
    turn();
    cr_assert_eq(creditd_ping_async(c, done, &read), 0);
    fake.write_room = -1;
    fake.read_error = -ECONNRESET;
    turn();
    cr_assert_eq(sent.status, -ECONNRESET);
    cr_assert(sent.in_doubt);
    cr_assert_eq(cut.runs, 0, "five bytes are no request");
    advance(ENGINE_DELAY_MAX);
    turn();
    cr_assert_eq(fake.count, 3);
    cr_assert_str_eq(fake.requests[1].method, "push.retry");
    cr_assert_str_eq(fake.requests[2].method, "ping");
}

Test(engine, the_window_is_never_exceeded)
{
    static struct ended ended[ENGINE_SLOTS + 10];

    memset(ended, 0, sizeof ended);
    for (size_t i = 0; i < ENGINE_SLOTS + 10; i++)
        cr_assert_eq(creditd_ping_async(c, done, &ended[i]), 0);
    turn();
    cr_assert_eq(fake.count, ENGINE_SLOTS);
    cr_assert_eq(creditd_wanted(c), POLLIN);
    fake_answer_nil(&fake, &fake.requests[5]);
    turn();
    cr_assert_eq(fake.count, ENGINE_SLOTS + 1);
}

Test(engine, what_was_given_up_on_counts_until_the_daemon_is_done_with_it)
{
    static struct ended ended[ENGINE_SLOTS + 1];

    memset(ended, 0, sizeof ended);
    for (size_t i = 0; i < ENGINE_SLOTS; i++)
        cr_assert_eq(creditd_ping_async(c, done, &ended[i]), 0);
    turn();
    advance(CREDITD_TIMEOUT_DEFAULT);
    turn();
    cr_assert_eq(creditd_pending(c), 0);
    cr_assert_eq(creditd_ping_async(c, done, &ended[ENGINE_SLOTS]), 0);
    turn();
    cr_assert_eq(fake.count, ENGINE_SLOTS);
    fake_answer_nil(&fake, &fake.requests[0]);
    turn();
    cr_assert_eq(fake.count, ENGINE_SLOTS + 1);
}

Test(engine, too_many_calls_are_refused)
{
    static struct ended ended;

    for (int i = 0; i < CREDITD_CALLS_MAX; i++)
        cr_assert_eq(creditd_ping_async(c, done, &ended), 0);
    cr_assert_eq(creditd_ping_async(c, done, &ended), -EAGAIN);
    c = creditd_close(c);
    cr_assert_eq(ended.runs, CREDITD_CALLS_MAX);
    cr_assert_eq(ended.status, -ECANCELED);
}

Test(engine, K2_a_straggler_never_falls_out_of_its_clients_window)
{
    static struct ended ended[3 * STAMP_WINDOW];
    struct creditd_stamp first, last;

    memset(ended, 0, sizeof ended);
    consume(1, &ended[0]);
    turn();
    first = fake.requests[0].stamp;
    for (size_t i = 1; i < STAMP_WINDOW + 1; i++) {
        consume(1, &ended[i]);
        turn();
        if (fake.count == i + 1)
            fake_answer_consume(&fake, &fake.requests[i], 1, false);
    }
    cr_assert_eq(fake.count, STAMP_WINDOW, "the window is full, and the id is young");
    turn();
    cr_assert_eq(creditd_wanted(c), POLLIN);
    cr_assert_eq(creditd_timeout(c), STAMP_TURN_MIN);
    advance(STAMP_TURN_MIN);
    turn();
    cr_assert_eq(fake.count, STAMP_WINDOW + 1);
    last = fake.requests[STAMP_WINDOW].stamp;
    cr_assert_neq(memcmp(first.bytes, last.bytes, 16), 0);
    cr_assert_eq(stamp_counter(&last), 1);
}

Test(engine, K2_a_stamp_in_doubt_stays_within_its_clients_window)
{
    static struct ended ended[STAMP_WINDOW + 1];
    struct creditd_consume_request request = {.raw_amount = 2, .timeout = 50};

    memset(ended, 0, sizeof ended);
    cr_assert_eq(consume_with(request, &ended[0]), 0);
    turn();
    advance(5000);
    turn();
    cr_assert_eq(ended[0].status, -ETIMEDOUT);
    for (size_t i = 1; i <= STAMP_WINDOW; i++) {
        consume(1, &ended[i]);
        turn();
        fake_answer_consume(&fake, &fake.requests[i], 1, false);
        turn();
        if (memcmp(fake.requests[i].stamp.bytes, ended[0].stamp.bytes, 16) == 0)
            cr_assert_lt(stamp_counter(&fake.requests[i].stamp), 1 + STAMP_WINDOW);
    }
    cr_assert_neq(memcmp(fake.requests[STAMP_WINDOW].stamp.bytes, ended[0].stamp.bytes, 16), 0);
}

Test(engine, K2_an_id_is_not_used_for_longer_than_the_daemon_remembers)
{
    struct ended ended[5] = {0};

    consume(1, &ended[0]);
    turn();
    advance(STAMP_AGE_MAX - 1);
    consume(1, &ended[1]);
    turn();
    cr_assert_arr_eq(fake.requests[1].stamp.bytes, fake.requests[0].stamp.bytes, 16);
    advance(1);
    consume(1, &ended[2]);
    turn();
    cr_assert_neq(memcmp(fake.requests[2].stamp.bytes, fake.requests[0].stamp.bytes, 16), 0);
    fake.wall += 2 * STAMP_AGE_MAX; /* somebody set the clock */
    consume(1, &ended[3]);
    turn();
    cr_assert_neq(memcmp(fake.requests[3].stamp.bytes, fake.requests[2].stamp.bytes, 16), 0);
    cr_assert_eq(stamp_counter(&fake.requests[3].stamp), 1);
    fake.now += STAMP_AGE_MAX; /* or it stands still */
    consume(1, &ended[4]);
    turn();
    cr_assert_neq(memcmp(fake.requests[4].stamp.bytes, fake.requests[3].stamp.bytes, 16), 0);
}

Test(engine, K2_an_id_that_the_daemon_does_not_remember_is_not_used_again)
{
    struct ended ended[2] = {0};

    consume(1, &ended[0]);
    turn();
    fake_answer_error(&fake, &fake.requests[0], PROTO_ERROR_OUTCOME_UNKNOWN, NULL, NULL);
    turn();
    cr_assert_eq(ended[0].status, CREDITD_OUTCOME_UNKNOWN);
    consume(1, &ended[1]);
    turn();
    cr_assert_neq(memcmp(fake.requests[1].stamp.bytes, fake.requests[0].stamp.bytes, 16), 0);
}

Test(engine, the_client_id_begins_with_its_time)
{
    struct ended ended = {0};
    uint64_t time = 0;

    consume(1, &ended);
    turn();
    for (int i = 0; i < 6; i++)
        time = time << 8 | fake.requests[0].stamp.bytes[i];
    cr_assert_eq(time, fake.wall);
}

Test(engine, K2_a_forked_child_draws_its_own_id_and_forgets_the_parents_calls)
{
    struct ended parent = {0}, child = {0};

    consume(1, &parent);
    turn();
    fake.process = 43;
    cr_assert_eq(creditd_fd(c), -1);
    cr_assert_eq(creditd_timeout(c), -1);
    consume(2, &child);
    turn();
    cr_assert_eq(fake.connections, 2);
    cr_assert_eq(fake.closes, 1);
    cr_assert_eq(fake.count, 2);
    cr_assert_eq(fake.requests[1].raw_amount, 2);
    cr_assert_neq(memcmp(fake.requests[1].stamp.bytes, fake.requests[0].stamp.bytes, 16), 0);
    fake_answer_consume(&fake, &fake.requests[1], 1, false);
    turn();
    cr_assert_eq(child.status, 0);
    c = creditd_close(c);
    cr_assert_eq(parent.runs, 0);
    cr_assert_eq(child.runs, 1);
}

Test(engine, without_randomness_nothing_is_sent)
{
    struct ended ended = {0};

    fake.random_error = -EIO;
    consume(1, &ended);
    turn();
    cr_assert_eq(fake.count, 0);
    cr_assert_eq(ended.status, -EIO);
    cr_assert_not(ended.in_doubt);
}

Test(engine, a_stopping_daemon_is_left_and_asked_again_later)
{
    struct ended ended[3] = {0};

    for (int i = 0; i < 3; i++)
        consume(i + 1, &ended[i]);
    turn();
    fake_answer_error(&fake, &fake.requests[1], PROTO_ERROR_SHUTTING_DOWN, NULL, NULL);
    fake_answer_consume(&fake, &fake.requests[0], 1, false);
    turn();
    cr_assert_eq(ended[1].runs, 0);
    cr_assert_eq(ended[0].runs, 1);
    cr_assert_eq(fake.connections, 1, "the third may still be answered");
    fake_answer_consume(&fake, &fake.requests[2], 1, false);
    turn();
    cr_assert_eq(ended[2].runs, 1);
    cr_assert_eq(fake.closes, 1);
    advance(ENGINE_DELAY_MAX);
    turn();
    cr_assert_eq(fake.connections, 2);
    cr_assert_eq(fake.count, 4);
    cr_assert_arr_eq(&fake.requests[3].stamp, &fake.requests[1].stamp, 24);
}

Test(engine, what_a_stopping_daemon_refused_is_not_in_doubt)
{
    struct ended ended = {0};

    consume(1, &ended);
    turn();
    fake_answer_error(&fake, &fake.requests[0], PROTO_ERROR_SHUTTING_DOWN, NULL, NULL);
    fake.connect_error = -ENOENT;
    turn();
    advance(CREDITD_TIMEOUT_DEFAULT);
    turn();
    cr_assert_eq(ended.status, -ENOTCONN);
    cr_assert_not(ended.in_doubt);
}

Test(engine, closing_ends_calls_and_says_which_may_have_been_done)
{
    struct ended sent = {0}, waiting = {0};

    consume(1, &sent);
    turn();
    fake.write_room = 10;
    consume(2, &waiting);
    turn();
    c = creditd_close(c);
    cr_assert_eq(sent.status, -ECANCELED);
    cr_assert(sent.in_doubt);
    cr_assert(sent.has_stamp);
    cr_assert_eq(waiting.status, -ECANCELED);
    cr_assert_not(waiting.in_doubt);
}

static void close_it(struct creditd *connection, const struct creditd_reply *reply, void *data)
{
    size_t pending = creditd_pending(connection);

    cr_assert_eq(creditd_reply_status(reply), 0);
    cr_assert_eq(creditd_dispatch(connection, 0), -EDEADLK);
    cr_assert_eq(creditd_ping(connection, data), -EDEADLK);
    cr_assert_eq(creditd_pending(connection), pending, "queued after all");
    creditd_close(connection);
    cr_assert_eq(creditd_ping_async(connection, NULL, NULL), -ECANCELED);
}

Test(engine, a_callback_may_close)
{
    struct creditd_ping_result result;
    struct ended other = {0};

    cr_assert_eq(creditd_ping_async(c, close_it, &result), 0);
    consume(1, &other);
    turn();
    fake_answer_nil(&fake, &fake.requests[0]);
    fake_turn(&fake, c);
    c = NULL;
    cr_assert_eq(other.runs, 1);
    cr_assert_eq(other.status, -ECANCELED);
    cr_assert(other.in_doubt);
}

static void ask_more(struct creditd *connection, const struct creditd_reply *reply, void *data)
{
    (void)reply;
    cr_assert_eq(creditd_ping_async(connection, done, data), 0);
}

Test(engine, a_callback_may_ask_more)
{
    struct ended ended = {0};

    cr_assert_eq(creditd_ping_async(c, ask_more, &ended), 0);
    turn();
    fake_answer_nil(&fake, &fake.requests[0]);
    turn();
    cr_assert_eq(fake.count, 2);
    fake_answer_nil(&fake, &fake.requests[1]);
    turn();
    cr_assert_eq(ended.runs, 1);
}

Test(engine, no_wait_ends_calls_at_once)
{
    struct ended ended = {0}, sent = {0};

    c = creditd_close(c);
    start(CREDITD_NO_WAIT);
    fake.connect_error = -ENOENT;
    consume(1, &ended);
    turn();
    cr_assert_eq(ended.status, -ENOTCONN);
    fake.connect_error = 0;
    advance(ENGINE_DELAY_MAX);
    consume(1, &sent);
    turn();
    fake.is_ended = true;
    fake.connect_error = -ENOENT;
    turn();
    advance(ENGINE_DELAY_MAX);
    turn();
    cr_assert_eq(sent.status, -ECONNRESET);
    cr_assert(sent.in_doubt);
}

static void count_change(struct creditd *connection, void *data)
{
    cr_assert_eq(connection, c);
    ++*(int *)data;
}

Test(engine, adapters_are_told_of_new_calls)
{
    struct ended ended = {0};
    int changes = 0;

    creditd_on_change(c, count_change, &changes);
    consume(1, &ended);
    cr_assert_eq(changes, 1);
    turn();
    cr_assert_eq(changes, 1);
}

/* --- blocking calls whose wait fails --- */

static int consume_blocking(int64_t amount, const struct creditd_stamp *stamp,
                            struct creditd_consume_result *ret_result)
{
    struct creditd_consume_request request = {
        .who.customer_id = "cus_1", .product_id = "prod_1", .raw_amount = amount, .stamp = stamp};

    return creditd_consume(c, &request, ret_result);
}

static void answer_all(struct fake *to)
{
    size_t answered = to->count;

    fake_take(to);
    for (size_t i = answered == 1 ? 0 : answered; i < to->count; i++)
        fake_answer_consume(to, &to->requests[i], 1000 + to->requests[i].raw_amount, i > 1);
}

Test(engine, K3_a_blocking_call_whose_wait_fails_is_over)
{
    struct creditd_consume_result result;
    struct creditd_stamp stamp;

    fake.wait_error = -ENOMEM;
    cr_assert_eq(consume_blocking(1, NULL, &result), -ENOMEM);
    cr_assert_eq(creditd_pending(c), 0, "it is left behind");
    cr_assert(creditd_reply_in_doubt(creditd_last(c)));
    cr_assert_not_null(creditd_reply_stamp(creditd_last(c)));
    stamp = *creditd_reply_stamp(creditd_last(c));
    fake_take(&fake);
    cr_assert_eq(fake.count, 1);

    /* Its late answer comes first, and is not the next call's. */
    fake.wait_error = 0;
    fake.on_wait = answer_all;
    cr_assert_eq(consume_blocking(2, NULL, &result), 0);
    cr_assert_eq(result.balance, 1002);
    cr_assert_eq(fake.count, 2);
    cr_assert_eq(fake.closes, 0);
    cr_assert_eq(consume_blocking(1, &stamp, &result), 0);
    cr_assert(result.replayed);
    cr_assert_arr_eq(fake.requests[2].stamp.bytes, fake.requests[0].stamp.bytes,
                     sizeof stamp.bytes);
}

Test(engine, K3_a_failed_wait_for_a_connection_leaves_no_doubt)
{
    struct creditd_consume_result result;

    fake.connect_error = -ECONNREFUSED;
    fake.wait_error = -EINVAL;
    cr_assert_eq(consume_blocking(1, NULL, &result), -EINVAL);
    cr_assert_eq(creditd_pending(c), 0);
    cr_assert_not(creditd_reply_in_doubt(creditd_last(c)));
    cr_assert_null(creditd_reply_stamp(creditd_last(c)));
}

Test(engine, a_failed_wait_ends_no_other_call)
{
    struct creditd_consume_result result;
    struct ended other = {0};

    consume(7, &other);
    fake.wait_error = -ENOMEM;
    cr_assert_eq(consume_blocking(1, NULL, &result), -ENOMEM);
    cr_assert_eq(other.runs, 0);
    cr_assert_eq(creditd_pending(c), 1);
    fake_take(&fake);
    fake_answer_consume(&fake, &fake.requests[0], 3, false);
    turn();
    cr_assert_eq(other.runs, 1);
    cr_assert_eq(other.balance, 3);
}
