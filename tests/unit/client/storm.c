/*
 * Random weather: calls of all ages, answers in any order and cut at any byte, daemons that come
 * and go, short writes, deadlines. One seed, one run; a failure names its seed, and
 * CREDITD_TEST_SEED replays it.
 *
 * Each call asks for an amount of its own, so that the daemon's side knows whose it is, and then:
 *   a call ends exactly once; "done" means executed once; a failure that is not in doubt, never;
 * one in doubt at most once, and exactly once after it has been asked again with its stamp.
 */
#include "fake.h"
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define STEPS 400
#define CALLS (STEPS * 8)

struct purchase {
    int ends, status, executed;
    bool in_doubt, has_stamp;
    struct creditd_stamp stamp;
};

struct window {
    unsigned char id[16];
    uint64_t highest;
};

static struct fake fake;
static struct creditd *c;
static struct purchase purchases[CALLS];
static size_t count, executed_count, window_count, answered;
static struct {
    struct creditd_stamp stamp;
    int64_t amount;
} executed[CALLS];
static struct window windows[CALLS];
static uint64_t state, seed;

static uint64_t draw(uint64_t below)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (state >> 33) % below;
}

static void done(struct creditd *connection, const struct creditd_reply *reply, void *data)
{
    struct purchase *purchase = data;

    (void)connection;
    purchase->ends++;
    purchase->status = creditd_reply_status(reply);
    purchase->in_doubt = creditd_reply_in_doubt(reply);
    purchase->has_stamp = creditd_reply_stamp(reply) != NULL;
    if (purchase->has_stamp)
        purchase->stamp = *creditd_reply_stamp(reply);
}

static void ask(struct purchase *purchase, uint32_t timeout)
{
    struct creditd_consume_request request = {
        .who = {.customer_id = "c"},
        .product_id = "p",
        .raw_amount = purchase - purchases + 1,
        .timeout = timeout,
        .stamp = purchase->has_stamp ? &purchase->stamp : NULL,
    };

    cr_assert_eq(creditd_consume_async(c, &request, done, purchase), 0);
}

/* K2: a counter below the window is refused. */
static bool is_remembered(const struct creditd_stamp *stamp)
{
    size_t i = 0;

    while (i < window_count && memcmp(windows[i].id, stamp->bytes, 16) != 0)
        i++;
    if (i == window_count)
        memcpy(windows[window_count++].id, stamp->bytes, 16);
    if (stamp_counter(stamp) > windows[i].highest)
        windows[i].highest = stamp_counter(stamp);
    return stamp_counter(stamp) + STAMP_WINDOW > windows[i].highest;
}

static void execute(const struct fake_request *request)
{
    bool is_known = false;

    cr_assert(request->has_stamp);
    cr_assert(is_remembered(&request->stamp), "seed %zu: out of the window", (size_t)seed);
    for (size_t i = 0; i < executed_count && !is_known; i++) {
        is_known = memcmp(&executed[i].stamp, &request->stamp, 24) == 0;
        if (is_known)
            cr_assert_eq(executed[i].amount, request->raw_amount, "seed %zu", (size_t)seed);
    }
    if (!is_known) {
        executed[executed_count].stamp = request->stamp;
        executed[executed_count++].amount = request->raw_amount;
        purchases[request->raw_amount - 1].executed++;
    }
    fake_answer_consume(&fake, request, 1, is_known);
}

/* Takes what has arrived, and answers some of it, in any order. */
static void serve(uint64_t most)
{
    static int connection;

    fake_take(&fake);
    if (connection != fake.connections) {
        connection = fake.connections;
        while (answered < fake.count && fake.requests[answered].connection != connection)
            answered++;
    }
    for (uint64_t n = draw(most + 1); n > 0 && answered < fake.count && fake.fd >= 0; n--) {
        size_t other = answered + draw(fake.count - answered);
        struct fake_request swapped = fake.requests[other];

        fake.requests[other] = fake.requests[answered];
        fake.requests[answered++] = swapped;
        execute(&swapped);
    }
    if (answered == fake.count)
        answered = fake.count = 0;
}

static void cut_off(void)
{
    size_t left = fake.answers.size - fake.read;

    if (fake.fd < 0)
        return;
    fake.answers.size -= draw(left + 1);
    fake.is_ended = draw(2) == 0;
    fake.read_error = fake.is_ended ? 0 : -ECONNRESET;
}

static void step(void)
{
    switch (draw(10)) {
    case 0:
    case 1:
        for (uint64_t n = draw(8) + 1; n > 0 && count < CALLS; n--)
            ask(&purchases[count++], (uint32_t)draw(3000) + 1);
        break;
    case 2:
        fake.connect_error = draw(4) == 0 ? -ECONNREFUSED : 0;
        break;
    case 3:
        cut_off();
        break;
    case 4:
        fake.write_room = draw(3) == 0 ? (int64_t)draw(300) : -1;
        fake.read_chunk = draw(2) == 0 ? draw(40) : 0;
        break;
    case 5:
        fake.now += draw(700);
        fake.wall += draw(700);
        break;
    default:
        serve(20);
    }
    fake_turn(&fake, c);
}

static bool is_anybody_waiting(void)
{
    for (size_t i = 0; i < count; i++)
        if (purchases[i].ends == 0)
            return true;
    return false;
}

/* The weather clears: all that was in doubt is asked again, and all is answered. */
static void settle(void)
{
    fake.connect_error = 0;
    fake.write_room = -1;
    fake.read_chunk = 0;
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 1000 && is_anybody_waiting(); i++) {
            fake_turn(&fake, c);
            fake.now += 20;
            serve(10000);
        }
        for (size_t i = 0; i < count && round == 0; i++) {
            cr_assert_eq(purchases[i].ends, 1, "seed %zu: call %zu", (size_t)seed, i);
            if (!purchases[i].in_doubt)
                continue;
            cr_assert(purchases[i].has_stamp);
            cr_assert_leq(purchases[i].executed, 1);
            purchases[i].ends = 0;
            ask(&purchases[i], 0);
        }
    }
}

static void run(void)
{
    fake_init(&fake);
    memset(purchases, 0, sizeof purchases);
    count = executed_count = window_count = answered = 0;
    state = seed;
    cr_assert_eq(engine_open(&c, "/nowhere", 0, &fake_io, &fake), 0);
    for (int i = 0; i < STEPS; i++)
        step();
    settle();
    for (size_t i = 0; i < count; i++) {
        cr_assert_eq(purchases[i].ends, 1, "seed %zu: call %zu", (size_t)seed, i);
        cr_assert(purchases[i].status == 0 || purchases[i].status == -ENOTCONN ||
                      purchases[i].status == -ETIMEDOUT,
                  "seed %zu: call %zu: %d", (size_t)seed, i, purchases[i].status);
        cr_assert_eq(purchases[i].executed, purchases[i].status == 0, "seed %zu: call %zu: %d",
                     (size_t)seed, i, purchases[i].status);
    }
    creditd_close(c);
    fake_deinit(&fake);
}

Test(storm, K1_K3_each_purchase_is_executed_as_often_as_its_reply_says)
{
    const char *chosen = getenv("CREDITD_TEST_SEED");

    if (chosen) {
        seed = strtoull(chosen, NULL, 10);
        run();
        return;
    }
    for (seed = 1; seed <= 200; seed++)
        run();
}
