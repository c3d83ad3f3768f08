/*
 * Whose turn it is to talk to upstream (ledger.md P1, P6, P7).
 *
 * Each balance has at most one exchange under way and at most one next need: what it should ask
 * upstream next, in which class, and not before when. plan() works that out from the balance's
 * state whenever something about it changes; a need that is not due waits among the timers, one
 * that is due waits in its class. core_next_exchange gives a turn to a class: doubts, cold
 * balances, pushes, refreshes, in this order, but a class that was passed over nine times while
 * something waited in it goes first: also where it could not have gone, since others had all of
 * upstream's attention. Pushes go by turns to the oldest and to the largest, so that none starves
 * behind a busy one.
 *
 * When an exchange goes unanswered no push begins until a read has succeeded: one probe at a time,
 * with growing delays, takes whatever read is due, and reads a balance that would push where
 * nothing else is (trouble.c).
 */
#include "state.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <util/macros.h>

#define STARVED 9u
#define DELAY_FIRST_MS 500
#define DELAY_MOST_MS 60000

struct need {
    enum turn turn;
    enum exchange_kind kind;
    struct push *push;
    int64_t due;
};

static int64_t later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* --- what a balance needs --- */

static struct need need_reading(const struct core *core, const struct balance *balance)
{
    const struct product *product = &core->products[balance->product];

    return (struct need){
        .turn = TURN_COLD,
        .kind = product->known ? EXCHANGE_BALANCE : EXCHANGE_PRODUCT,
        .due = product->known ? balance->read_at : later(balance->read_at, product->read_at),
    };
}

static bool wants_push(const struct core *core, const struct balance *balance)
{
    if (balance->push || core->products[balance->product].row.parked)
        return false;
    return balance->own || push_size(core, balance) > 0 ||
           (row_pending(balance->row) > 0 && (balance->row->flags & CORE_ROW_READ_FIRST));
}

/* A gift needs no reading before it; the deduction after it does, and so does a grant: with two of
 * them since the last reading nobody could tell which of them has moved the counter. */
static bool wants_reading(const struct balance *balance)
{
    uint32_t flags = balance->row->flags;

    if (!balance->own)
        return flags & CORE_ROW_READ_FIRST;
    return balance->own->row.kind == CORE_PUSH_GRANT && (flags & CORE_ROW_GIVEN);
}

static struct need balance_need(const struct core *core, const struct balance *balance)
{
    struct need need = {.turn = TURN_NONE, .due = INT64_MAX};
    int64_t due;

    if (lookup_wants_resend(balance))
        return (struct need){TURN_PUSH, EXCHANGE_PUSH, NULL, balance->push_at};
    struct push *doubtful = lookup_due(balance, &due);
    if (due < INT64_MAX) {
        need = (struct need){TURN_DOUBT, EXCHANGE_HISTORY, doubtful, later(due, balance->read_at)};
        if (balance->push && balance->push->row.state != CORE_PUSH_PARKED)
            return need; /* in doubt: nothing else is asked, so that no reading is mistaken (P5) */
    }
    if (balance->wanted) {
        struct need reading = need_reading(core, balance);
        if (reading.due < need.due)
            need = reading;
    }
    if (wants_push(core, balance)) {
        int64_t since = balance->own ? balance->own->row.begun_at
                                     : balance->pending_since + core->policy.push_interval;
        int64_t push_due = later(since, balance->push_at);
        bool read_first = wants_reading(balance);
        push_due = read_first ? balance->read_at : push_due;
        if (push_due < need.due)
            need = (struct need){TURN_PUSH, read_first ? EXCHANGE_BALANCE : EXCHANGE_PUSH, NULL,
                                 push_due};
    }
    bool refreshed = balance->used || balance->outdated || row_pending(balance->row) > 0;
    if (refreshed && balance->knowledge == KNOWN) {
        int64_t last = later(balance->row->synced_at, balance->read_tried);
        int64_t refresh_due = balance->outdated ? 0 : last + core->policy.refresh_interval;
        refresh_due = later(refresh_due, balance->read_at);
        if (refresh_due < need.due)
            need = (struct need){TURN_REFRESH, EXCHANGE_BALANCE, NULL, refresh_due};
    }
    return need;
}

/* --- queues --- */

static void queue_add(struct queue *queue, struct balance *balance)
{
    balance->queue_next = NULL;
    balance->queue_previous = queue->last;
    if (queue->last)
        queue->last->queue_next = balance;
    else
        queue->first = balance;
    queue->last = balance;
}

static void queue_remove(struct queue *queue, struct balance *balance)
{
    if (balance->queue_previous)
        balance->queue_previous->queue_next = balance->queue_next;
    else
        queue->first = balance->queue_next;
    if (balance->queue_next)
        balance->queue_next->queue_previous = balance->queue_previous;
    else
        queue->last = balance->queue_previous;
    balance->queue_next = balance->queue_previous = NULL;
}

static void stop_waiting_for_product(struct core *core, struct balance *balance)
{
    if (!balance->waits_for_product)
        return;
    struct balance **link = &core->products[balance->product].waiters;
    while (*link != balance)
        link = &(*link)->product_next;
    *link = balance->product_next;
    balance->product_next = NULL;
    balance->waits_for_product = false;
}

void plan_withdraw(struct core *core, struct balance *balance)
{
    heap_remove(&core->timers, &balance->by_time);
    heap_remove(&core->oldest, &balance->by_age);
    heap_remove(&core->largest, &balance->by_size);
    if (balance->queued != TURN_NONE && balance->queued != TURN_PUSH)
        queue_remove(&core->ready[balance->queued], balance);
    balance->queued = TURN_NONE;
    stop_waiting_for_product(core, balance);
}

void plan(struct core *core, struct balance *balance, int64_t now)
{
    plan_withdraw(core, balance);
    if (!core->started || balance->exchange)
        return;
    struct need need = balance_need(core, balance);
    if (need.turn == TURN_NONE) {
        if (balance->knowledge != KNOWN && balance->unknown_until < INT64_MAX)
            heap_set(&core->timers, &balance->by_time, balance->unknown_until);
        return;
    }
    if (need.kind == EXCHANGE_PRODUCT && core->products[balance->product].fetching) {
        struct product *product = &core->products[balance->product];
        balance->product_next = product->waiters;
        product->waiters = balance;
        balance->waits_for_product = true;
        return;
    }
    if (need.due > now) {
        heap_set(&core->timers, &balance->by_time, need.due);
        return;
    }
    balance->queued = need.turn;
    if (need.turn != TURN_PUSH) {
        queue_add(&core->ready[need.turn], balance);
        return;
    }
    heap_set(&core->oldest, &balance->by_age,
             balance->own ? balance->own->row.begun_at : balance->pending_since);
    heap_set(&core->largest, &balance->by_size, -row_pending(balance->row));
}

void plan_grown(struct core *core, struct balance *balance)
{
    heap_set(&core->largest, &balance->by_size, -row_pending(balance->row));
}

void plan_spent(struct core *core, struct balance *balance, bool was_pending, int64_t now)
{
    balance->used = true;
    if (balance->queued == TURN_PUSH)
        plan_grown(core, balance);
    else if (!was_pending)
        plan(core, balance, now);
}

void plan_want(struct core *core, struct balance *balance, int64_t now)
{
    if (balance->wanted)
        return;
    balance->wanted = true;
    balance->unknown_until = INT64_MAX;
    plan(core, balance, now);
}

void plan_failed(struct core *core, struct balance *balance, int64_t now)
{
    (void)core;
    balance->delay = balance->delay ? earlier(balance->delay * 2, DELAY_MOST_MS) : DELAY_FIRST_MS;
    balance->read_at = now + balance->delay;
    balance->push_at = later(balance->push_at, now + balance->delay);
}

void plan_succeeded(struct core *core, struct balance *balance, int64_t now)
{
    (void)core;
    balance->delay = 0;
    balance->read_at = now;
}

/* --- turns --- */

static struct balance *first_of(const struct core *core, enum turn turn)
{
    if (turn != TURN_PUSH)
        return core->ready[turn].first;
    struct heap_node *node = heap_first(core->take_largest ? &core->largest : &core->oldest);
    if (!node)
        return NULL;
    return core->take_largest ? CONTAINER_OF(node, struct balance, by_size)
                              : CONTAINER_OF(node, struct balance, by_age);
}

/* Whoever among the jobs of that class could go right now. */
static struct job *eligible_job(const struct core *core, enum turn turn)
{
    if (plan_troubled(core)) { /* as a probe: what would write then reads */
        bool idle = core->reads + core->writes == 0;
        return job_first(core, turn, idle, idle);
    }
    return job_first(core, turn, core->reads < READS_MAX, core->writes < WRITES_MAX);
}

/* Whether the class has a balance that could go right now. */
static bool eligible_balance(const struct core *core, enum turn turn)
{
    const struct balance *balance = first_of(core, turn);

    if (!balance)
        return false;
    if (plan_troubled(core))
        return core->reads + core->writes == 0; /* as a probe: a push then reads */
    if (turn != TURN_PUSH)
        return core->reads < READS_MAX;
    return core->writes < WRITES_MAX;
}

static bool eligible(const struct core *core, enum turn turn)
{
    return eligible_balance(core, turn) || eligible_job(core, turn);
}

static enum turn choose_class(const struct core *core)
{
    enum turn chosen = TURN_NONE;
    unsigned most = STARVED - 1;

    for (enum turn turn = 0; turn < TURN_COUNT; turn++) {
        if (!eligible(core, turn))
            continue;
        if (chosen == TURN_NONE)
            chosen = turn;
        if (core->starved[turn] > most) {
            most = core->starved[turn];
            chosen = turn;
        }
    }
    return chosen;
}

static bool waits(const struct core *core, enum turn turn)
{
    return first_of(core, turn) || job_first(core, turn, true, true);
}

/* A probe is no turn: what would write only reads. */
static void count_turn(struct core *core, enum turn chosen)
{
    bool probe = plan_troubled(core);

    for (enum turn turn = 0; turn < TURN_COUNT; turn++) {
        if (turn != chosen)
            core->starved[turn] = waits(core, turn) ? core->starved[turn] + 1 : 0;
        else if (!probe)
            core->starved[turn] = 0;
    }
}

/* Whoever has the turn: a balance or a job, by turns where a class has both. What a balance needs
 * may have changed since it was queued (its product is being asked for by another balance, a delay
 * has begun, the policy is another): then it is planned anew, and the next one is looked at. */
static enum turn choose(struct core *core, int64_t now, struct balance **ret_balance,
                        struct job **ret_job)
{
    for (;;) {
        enum turn turn = choose_class(core);
        if (turn == TURN_NONE)
            return TURN_NONE;
        *ret_job = eligible_job(core, turn);
        if (*ret_job && (core->take_job[turn] || !eligible_balance(core, turn)))
            return turn;
        *ret_job = NULL;
        *ret_balance = first_of(core, turn);
        struct need need = balance_need(core, *ret_balance);
        bool asked =
            need.kind == EXCHANGE_PRODUCT && core->products[(*ret_balance)->product].fetching;
        if (need.turn == turn && need.due <= now && !asked)
            return turn;
        plan(core, *ret_balance, now);
    }
}

static void fire_timers(struct core *core, int64_t now)
{
    for (;;) {
        struct heap_node *node = heap_first(&core->timers);
        if (!node || node->key > now)
            return;
        struct balance *balance = CONTAINER_OF(node, struct balance, by_time);
        heap_remove(&core->timers, node);
        bool idle =
            balance->knowledge != KNOWN && !balance->wanted && !balance->exchange && !balance->push;
        if (idle && balance->unknown_until <= now)
            balance_forget(core, balance);
        else
            plan(core, balance, now);
    }
}

static void describe(struct core *core, struct balance *balance, enum exchange_kind kind,
                     struct exchange *exchange)
{
    struct core_text customer = balance_customer(balance), product = balance_product(balance);

    *exchange = (struct exchange){
        .id = core->last_exchange + 1,
        .kind = kind,
        .customer = customer.data,
        .customer_length = kind == EXCHANGE_PRODUCT ? 0 : customer.length,
        .product = product.data,
        .product_length = product.length,
    };
}

static int begin(struct core *core, struct balance *balance, int64_t now, struct exchange *exchange)
{
    struct need need = balance_need(core, balance);
    int r = 0;

    assert(need.turn != TURN_NONE && need.due <= now);
    if (need.kind == EXCHANGE_PUSH && plan_troubled(core))
        need.kind = EXCHANGE_BALANCE;
    describe(core, balance, need.kind, exchange);
    if (need.kind == EXCHANGE_PUSH)
        r = push_begin(core, balance, exchange, now);
    else if (need.kind == EXCHANGE_HISTORY)
        r = lookup_begin(core, balance, need.push, exchange);
    return r;
}

static int begin_balance(struct core *core, struct balance *balance, enum turn turn, int64_t now,
                         struct exchange *ret_exchange)
{
    if (map_put(&core->exchanges, hash_number(core->last_exchange + 1), balance->slot) < 0)
        return -ENOMEM;
    int r = begin(core, balance, now, ret_exchange);
    if (r < 0) {
        map_remove(&core->exchanges, hash_number(core->last_exchange + 1));
        plan_failed(core, balance, now);
        plan(core, balance, now);
        return r;
    }
    if (turn == TURN_PUSH)
        core->take_largest = !core->take_largest;
    plan_withdraw(core, balance);
    balance->outdated_meanwhile = false;
    balance->exchange = ret_exchange->id;
    balance->exchange_kind = (uint8_t)ret_exchange->kind;
    if (ret_exchange->kind == EXCHANGE_PRODUCT)
        core->products[balance->product].fetching = true;
    return 0;
}

int core_next_exchange(struct core *core, int64_t now, struct exchange *ret_exchange)
{
    struct balance *balance = NULL;
    struct job *job = NULL;
    int r;

    fire_timers(core, now);
    jobs_fire(core, now);
    if (!core->helper || !budget_allows(core, now) || (plan_troubled(core) && now < core->probe_at))
        return -EAGAIN;
    enum turn turn = choose(core, now, &balance, &job);
    if (turn == TURN_NONE)
        return -EAGAIN;
    count_turn(core, turn);

    bool write = false;
    if (job) {
        *ret_exchange = (struct exchange){.id = core->last_exchange + 1};
        r = job_begin(core, job, now, ret_exchange);
        write = job->is_write;
    } else {
        r = begin_balance(core, balance, turn, now, ret_exchange);
        write = r == 0 && ret_exchange->kind == EXCHANGE_PUSH;
    }
    if (r < 0)
        return r;
    core->last_exchange++;
    core->take_job[turn] = !job;
    budget_take(core, now);
    if (write)
        core->writes++;
    else
        core->reads++;
    return 0;
}

int64_t core_wakeup(const struct core *core)
{
    int64_t at =
        earlier(earlier(dedupe_wakeup(core), hold_wakeup(core)), webhook_seen_wakeup(core));
    struct heap_node *timer = heap_first(&core->timers);

    at = earlier(at, earlier(deliveries_wakeup(core), subscribers_wakeup(core)));
    at = earlier(at, refresh_wakeup(core));
    if (timer)
        at = earlier(at, timer->key);
    timer = heap_first(&core->job_timers);
    if (timer)
        at = earlier(at, timer->key);
    for (enum turn turn = 0; core->helper && turn < TURN_COUNT; turn++) {
        if (!eligible(core, turn))
            continue;
        int64_t open = budget_opens_at(core);
        at = earlier(at, plan_troubled(core) ? later(open, core->probe_at) : open);
        break;
    }
    return at;
}

/* --- ends of exchanges --- */

static void learn_clock(struct core *core, const struct exchange_answer *answer, int64_t now)
{
    if (answer->server_time <= 0)
        return;
    core->server_ahead = answer->server_time - now;
    core->server_known = true;
}

static int balance_done(struct core *core, struct balance *balance,
                        const struct exchange_answer *answer, int64_t now)
{
    switch ((enum exchange_kind)balance->exchange_kind) {
    case EXCHANGE_PRODUCT:
        reading_product_done(core, balance, answer, now);
        return 0;
    case EXCHANGE_PUSH:
        return push_done(core, balance, answer, now);
    case EXCHANGE_HISTORY:
        return lookup_history_done(core, balance, answer, now);
    default:
        if (balance->lookup && balance->lookup->want_balance)
            return lookup_balance_done(core, balance, answer, now);
        return reading_balance_done(core, balance, answer, now);
    }
}

/* What an answer says of upstream as a whole. That to a resend may be a replay of an old one. */
static void learn(struct core *core, enum exchange_kind kind, bool is_read, bool resent,
                  uint32_t slot, const struct exchange_answer *answer, int64_t now)
{
    if (is_read)
        core->reads--;
    else
        core->writes--;
    if (!resent) {
        budget_learn(core, answer, now);
        learn_clock(core, answer, now);
    }
    learn_trouble(core, kind, is_read, slot, answer, now);
}

int core_exchange_done(struct core *core, uint64_t exchange_id,
                       const struct exchange_answer *answer, int64_t now)
{
    const uint64_t *found = map_get(&core->job_exchanges, hash_number(exchange_id));

    if (found) {
        struct job *job = (struct job *)(uintptr_t)*found;
        bool resent = job->kind == JOB_INTENT && intent_is_resent(job);
        learn(core, job->exchange_kind, !job->is_write, resent, NO_SLOT, answer, now);
        return job_done(core, job, answer, now);
    }
    found = map_get(&core->exchanges, hash_number(exchange_id));
    struct balance *balance = found ? balance_at(core, (uint32_t)*found) : NULL;
    if (!balance || balance->exchange != exchange_id)
        return -ENOENT;
    enum exchange_kind kind = balance->exchange_kind;
    bool is_push = kind == EXCHANGE_PUSH;
    map_remove(&core->exchanges, hash_number(exchange_id));
    balance->exchange = 0;
    learn(core, kind, !is_push, is_push && balance->push->row.attempt > 1, balance->slot, answer,
          now);
    int r = balance_done(core, balance, answer, now);
    plan(core, balance, now);
    return r;
}

int core_tick(struct core *core, int64_t now)
{
    fire_timers(core, now);
    refresh_tick(core, now);
    int r = hold_tick(core, now);
    if (r == 0)
        r = dedupe_tick(core, now);
    if (r == 0)
        r = webhook_seen_tick(core, now);
    if (r == 0)
        r = subscribers_tick(core, now);
    return r < 0 ? r : deliveries_tick(core, now);
}
