/*
 * The helper: takes exchanges, sends them when their record is durable, and tells the engine how
 * they ended. A request goes three ways: out (SENT), to upstream (ARRIVE, where it executes), and
 * back (ANSWER); each may fail. What was sent may execute after its connection was closed.
 */
#include "world.h"

#include "need.h"
#include <stdlib.h>
#include <string.h>

static bool is_push(const struct exchange *exchange)
{
    return exchange->kind == EXCHANGE_PUSH;
}

static bool is_write(const struct exchange *exchange)
{
    return is_push(exchange) || exchange->kind == EXCHANGE_CREATE;
}

/* About customers and what they have, not about balances. */
static bool is_of_registry(const struct exchange *exchange)
{
    return exchange->kind >= EXCHANGE_CUSTOMER && exchange->kind <= EXCHANGE_CREATE;
}

static int column_of(const struct sim *sim, const struct exchange *exchange)
{
    for (int column = 0; column < SIM_COLUMNS; column++)
        if (strlen(sim->pairs[column].product) == exchange->product_length &&
            memcmp(sim->pairs[column].product, exchange->product, exchange->product_length) == 0)
            return column;
    return -1;
}

/* P1: one exchange at a time for a balance, and few writes in all. */
static void check_company(struct sim *sim, const struct wire *wire)
{
    int writes = is_write(&wire->exchange);
    for (size_t i = 0; i < SIM_WIRES; i++) {
        const struct wire *other = &sim->wires[i];
        if (!other->active || other == wire)
            continue;
        writes += is_write(&other->exchange);
        if (wire->pair >= 0 && other->pair == wire->pair)
            sim_fail(sim, "two exchanges at once for %s %s", wire->customer, wire->product);
        if (wire->exchange.kind == EXCHANGE_PRODUCT && other->exchange.kind == EXCHANGE_PRODUCT &&
            other->column == wire->column)
            sim_fail(sim, "two exchanges at once for product %s", wire->product);
        if (other->exchange.id == wire->exchange.id)
            sim_fail(sim, "an exchange id is used twice");
    }
    if (writes > 8)
        sim_fail(sim, "%d writes are under way", writes);
}

/* Never resend blindly (P3). */
static void check_resend(struct sim *sim, const struct push *push)
{
    bool known_limit = sim->scenario.late_beyond;
    if (!known_limit && push->executed > 0)
        sim_fail(sim, "%s is sent again, though it has run", push->id);
    /* Without a Date any row of the last minutes may account for the movement. */
    if (push->moved > 0 && sim->drawn.elsewhere_every == 0 && sim->drawn.no_date_chance == 0)
        sim_fail(sim, "%s is sent again, though the balance has moved", push->id);
    for (size_t i = 0; i < sim->late_count; i++) {
        if (sim->lates[i].done || strcmp(sim->lates[i].push_id, push->id) != 0)
            continue;
        if (!known_limit)
            sim_fail(sim, "%s is sent again, while a copy may still execute", push->id);
        else if (prng_chance(&sim->prng, 500)) /* the worst moment: right before its successor */
            wire_late(sim, i);
    }
}

/* P1: a new push is of what is pending and upstream has; none is where P has overtaken D. */
static void check_size(struct sim *sim, const struct record *record, const struct core_push *push)
{
    struct record_image image;
    struct core_row row;
    for (size_t position = 0; record_next_image(record, &position, &image);) {
        if (image.table != TABLE_BALANCE || push->kind != CORE_PUSH_DEDUCT || push->attempt != 1)
            continue;
        memcpy(&row, image.value, sizeof(row));
        if (push->credits > row.deducted - row.pushed || push->credits > row.upstream)
            sim_fail(sim, "a push of %lld credits, of %lld pending and %lld upstream",
                     (long long)push->credits, (long long)(row.deducted - row.pushed),
                     (long long)row.upstream);
    }
}

static void check_push(struct sim *sim, const struct wire *wire)
{
    const struct exchange *exchange = &wire->exchange;
    const struct ledger_record *entry = ledger_at(&sim->ledger, exchange->after_sequence);
    struct push *push = invariants_push(sim, exchange->push_id);
    struct record_push detail;
    if (push == NULL || entry == NULL || entry->record.header.type != RECORD_PUSH_BEGUN ||
        entry->record.header.detail_length < sizeof(detail)) {
        sim_fail(sim, "a push without its record (P1): %s", exchange->push_id);
        return;
    }
    memcpy(&detail, entry->record.detail, sizeof(detail));
    if (detail.push.sequence != push->sequence || detail.push.epoch != push->epoch)
        sim_fail(sim, "a push waits for the record of another push");
    struct core_product product = {0};
    rowset_read(&sim->ledger.latest, TABLE_PRODUCT, exchange->product, exchange->product_length,
                &product, sizeof(product));
    if (detail.push.credits <= 0 || detail.push.credits > INT32_MAX ||
        exchange->amount > (INT64_C(1) << 53) - 1 ||
        (detail.push.attempt == 1 && detail.push.units != product.units_per_credit) ||
        exchange->amount != detail.push.credits * detail.push.units)
        sim_fail(sim, "a push of %lld credits sends %lld", (long long)detail.push.credits,
                 (long long)exchange->amount);
    check_size(sim, &entry->record, &detail.push);
    if (detail.push.attempt > 1)
        check_resend(sim, push);
    for (size_t i = 0; i < sim->upstream.row_count; i++)
        if (detail.push.attempt == 1 &&
            strcmp(sim->upstream.rows[i].push_id, exchange->push_id) == 0)
            sim_fail(sim, "a first attempt under an id that upstream has already");
}

static void count_exchange(struct sim *sim)
{
    if (sim->now < sim->blocked_until)
        sim_fail(sim, "an exchange %lld ms before a 429 allows it",
                 (long long)(sim->blocked_until - sim->now));
    if (sim->now >= sim->minute + 60000) {
        sim->minute = sim->now;
        sim->exchanges_in_minute = 0;
    }
    sim->exchanges++;
    if (++sim->exchanges_in_minute > 400 + 400 * sim->scenario.customers * sim->scenario.products)
        sim_fail(sim, "%lld exchanges within a minute", (long long)sim->exchanges_in_minute);
}

void wire_take(struct sim *sim, const struct exchange *exchange)
{
    struct wire *wire = NULL;
    for (size_t i = 0; i < SIM_WIRES && wire == NULL; i++)
        if (!sim->wires[i].active)
            wire = &sim->wires[i];
    if (wire == NULL || !sim->helper) {
        sim_fail(sim, wire == NULL ? "too many exchanges" : "an exchange without a helper");
        return;
    }
    *wire = (struct wire){.active = true,
                          .generation = wire->generation + 1,
                          .exchange = *exchange,
                          .column = column_of(sim, exchange),
                          .pair = -1};
    if (is_of_registry(exchange)) {
        check_company(sim, wire);
        registry_take(sim, wire);
        count_exchange(sim);
        return;
    }
    if (exchange->kind != EXCHANGE_PRODUCT)
        wire->pair = sim_pair_of(sim, exchange->customer, exchange->customer_length,
                                 exchange->product, exchange->product_length);
    if (wire->column < 0 || (exchange->kind != EXCHANGE_PRODUCT && wire->pair < 0)) {
        sim_fail(sim, "an exchange for a name that nobody used");
        return;
    }
    if (wire->pair >= 0)
        strcpy(wire->customer, sim->pairs[wire->pair].customer);
    strcpy(wire->product, sim->pairs[wire->column].product);
    check_company(sim, wire);
    if (is_push(exchange))
        check_push(sim, wire);
    count_exchange(sim);
    sim->push_exchanges += is_write(exchange);
    sim_trace(sim, "exchange %llu kind %d %s %s %s amount %lld after %llu",
              (unsigned long long)exchange->id, (int)exchange->kind, wire->customer, wire->product,
              is_write(exchange) ? exchange->idempotency_key : "",
              is_write(exchange) ? (long long)exchange->amount : 0,
              (unsigned long long)exchange->after_sequence);
}

static void answer_later(struct sim *sim, struct wire *wire, int64_t at)
{
    wire->close_at = at;
    queue_push(&sim->queue, at, EVENT_ANSWER, (uint64_t)(wire - sim->wires), wire->generation);
}

static void end_with(struct sim *sim, struct wire *wire, enum exchange_outcome outcome, int status,
                     int64_t at)
{
    wire->answer.outcome = outcome;
    wire->answer.http_status = status;
    answer_later(sim, wire, at);
}

/* The first look comes when in_doubt_delay has passed, the second a quarter of it later: what
 * executes between the two must still be seen. */
static int64_t late_bound(const struct sim *sim)
{
    int64_t delay = sim->scenario.policy.in_doubt_delay;
    return sim->scenario.late_beyond ? 3 * delay : delay * 12 / 10;
}

static void order_late(struct sim *sim, const struct wire *wire, int64_t closed_at, int64_t at)
{
    if (sim->late_count == sim->late_capacity) {
        sim->late_capacity = sim->late_capacity > 0 ? 2 * sim->late_capacity : 16;
        sim->lates = need_array(sim->lates, sim->late_capacity, sizeof(*sim->lates));
    }
    struct late_order *order = &sim->lates[sim->late_count];
    *order = (struct late_order){.pair = wire->pair,
                                 .amount = wire->exchange.amount,
                                 .closed_at = closed_at,
                                 .push_kind = (int)wire->exchange.push_kind,
                                 .intent_kind = wire->exchange.intent_kind};
    memcpy(order->subject, wire->subject, sizeof(order->subject));
    memcpy(order->push_id, wire->exchange.push_id, sizeof(order->push_id));
    memcpy(order->key, wire->exchange.idempotency_key, sizeof(order->key));
    queue_push(&sim->queue, at, EVENT_LATE, sim->late_count++, 0);
}

static void send_out(struct sim *sim, struct wire *wire)
{
    const struct scenario *s = &sim->scenario;
    wire->sent = true;
    wire->answer = (struct exchange_answer){.rate = {-1, -1, -1, -1}};
    wire->fate = faults_draw(sim, wire);
    int64_t there = prng_wait(&sim->prng, s->latency);
    wire->arrive_at = sim->now + (there < 2000 ? there : 2000);
    if (wire->fate == FATE_NOT_SENT) {
        end_with(sim, wire, EXCHANGE_NOT_SENT, 0, wire->arrive_at);
    } else if (wire->fate == FATE_LOST_BEFORE) {
        end_with(sim, wire, EXCHANGE_UNANSWERED, 0, sim->now + s->timeout);
    } else if (wire->fate == FATE_LATE) {
        end_with(sim, wire, EXCHANGE_UNANSWERED, 0, sim->now + s->timeout);
        wire->late_at = wire->close_at + prng_range(&sim->prng, 1, late_bound(sim));
        wire->late = sim->late_count;
        order_late(sim, wire, wire->close_at, wire->late_at);
    } else {
        queue_push(&sim->queue, wire->arrive_at, EVENT_ARRIVE, (uint64_t)(wire - sim->wires),
                   wire->generation);
    }
}

void wire_release(struct sim *sim)
{
    for (size_t i = 0; i < SIM_WIRES; i++) {
        struct wire *wire = &sim->wires[i];
        if (wire->active && !wire->sent && wire->exchange.after_sequence <= sim->ledger.durable)
            send_out(sim, wire);
    }
}

static void read_upstream(struct sim *sim, struct wire *wire)
{
    const struct exchange *exchange = &wire->exchange;
    switch (exchange->kind) {
    case EXCHANGE_PRODUCT:
        upstream_read_product(&sim->upstream, wire->column, &wire->answer);
        break;
    case EXCHANGE_BALANCE:
        upstream_read_balance(&sim->upstream, wire->pair, &wire->answer);
        break;
    case EXCHANGE_HISTORY:
        if (exchange->limit < 1 || exchange->limit > EXCHANGE_HISTORY_LIMIT)
            sim_fail(sim, "a history of %lld rows is asked for", (long long)exchange->limit);
        if (exchange->offset == 0)
            invariants_look(sim, wire->pair);
        upstream_read_history(&sim->upstream, wire->pair, exchange->limit, exchange->offset,
                              &wire->answer);
        break;
    case EXCHANGE_PUSH:
        faults_deduct(sim, wire->pair, (int)exchange->push_kind, exchange->push_id,
                      exchange->idempotency_key, exchange->amount, wire->fate == FATE_ERROR_AFTER,
                      false, &wire->answer);
        if (wire->fate == FATE_TWICE)
            faults_deduct(sim, wire->pair, (int)exchange->push_kind, exchange->push_id,
                          exchange->idempotency_key, exchange->amount, false, false, &wire->answer);
        break;
    case EXCHANGE_CUSTOMER:
    case EXCHANGE_CUSTOMERS:
    case EXCHANGE_SUBSCRIPTIONS:
    case EXCHANGE_CREATE:
        registry_read(sim, wire);
        break;
    default:
        sim_fail(sim, "an exchange of kind %d, which nobody here asks for", (int)exchange->kind);
    }
}

/* With a body of upstream's own, or without. */
static enum exchange_outcome error_or_not(struct sim *sim)
{
    return prng_chance(&sim->prng, 500) ? EXCHANGE_ERROR : EXCHANGE_FAILED;
}

/* What comes back, when it is not what was done. */
static void spoil(struct sim *sim, struct wire *wire, int64_t back)
{
    int64_t gone = wire->arrive_at + sim->scenario.timeout;
    switch (wire->fate) {
    case FATE_LOST_AFTER:
    case FATE_TWICE:
        end_with(sim, wire, EXCHANGE_UNANSWERED, 0, gone);
        break;
    case FATE_ERROR_AFTER:
        end_with(sim, wire, error_or_not(sim), 500, back);
        break;
    default:
        answer_later(sim, wire, back);
    }
}

void wire_arrive(struct sim *sim, size_t index, uint64_t generation)
{
    struct wire *wire = &sim->wires[index];
    if (!wire->active || wire->generation != generation)
        return;
    int64_t back = prng_wait(&sim->prng, sim->scenario.latency);
    back = sim->now + (back < 2000 ? back : 2000);
    wire->arrived = true;
    if (!prng_chance(&sim->prng, sim->scenario.no_date_chance))
        wire->answer.server_time = upstream_clock(&sim->upstream, sim->now) / 1000 * 1000;
    if (faults_weather(sim, wire) || !upstream_admit(&sim->upstream, sim->now, &wire->answer)) {
        answer_later(sim, wire, back);
    } else if (wire->fate == FATE_ERROR_BEFORE) {
        end_with(sim, wire, error_or_not(sim), 500, back);
    } else if (wire->fate == FATE_STUCK) {
        end_with(sim, wire, error_or_not(sim), 409, back);
    } else if (wire->fate == FATE_REFUSED) {
        end_with(sim, wire, EXCHANGE_REFUSED, 422, back);
    } else {
        read_upstream(sim, wire);
        spoil(sim, wire, back);
    }
}

static void free_answer(struct wire *wire)
{
    if (wire->exchange.kind == EXCHANGE_HISTORY && wire->arrived)
        free((void *)(uintptr_t)wire->answer.history.rows);
    if (is_of_registry(&wire->exchange) && wire->arrived)
        free((void *)(uintptr_t)wire->answer.objects.rows);
    wire->answer = (struct exchange_answer){0};
}

static void heard(struct sim *sim, const struct wire *wire)
{
    if (wire->pair < 0)
        return;
    struct pair *pair = &sim->pairs[wire->pair];
    if (wire->answer.outcome == EXCHANGE_OK || wire->answer.outcome == EXCHANGE_NO_BALANCE ||
        wire->answer.outcome == EXCHANGE_INSUFFICIENT)
        pair->spent_unheard = 0;
    if (wire->answer.outcome == EXCHANGE_NOT_FOUND && wire->exchange.kind == EXCHANGE_BALANCE) {
        if (sim->now - pair->asked_unknown < sim->scenario.policy.unknown_ttl / 2 &&
            pair->asked_unknown > sim->started_at)
            sim_fail(sim, "an unknown name was asked for again too soon");
        pair->asked_unknown = sim->now;
    }
}

static bool is_resend(struct sim *sim, const struct wire *wire)
{
    const struct push *push =
        is_push(&wire->exchange) ? invariants_push(sim, wire->exchange.push_id) : NULL;
    size_t length = strlen(wire->exchange.idempotency_key);
    if (wire->exchange.kind == EXCHANGE_CREATE)
        return length < 2 || strcmp(wire->exchange.idempotency_key + length - 2, "-1") != 0;
    return push != NULL && push->attempt > 1;
}

static bool is_doubtful(const struct sim *sim, uint32_t id)
{
    struct core_push push;
    uint32_t slot;
    for (size_t position = 0; core_next_push(sim->core, &position, &push, &slot);)
        if (push.balance == id &&
            (push.state == CORE_PUSH_SENDING || push.state == CORE_PUSH_DOUBT))
            return true;
    return false;
}

/* P5: while a push is in doubt no reading becomes `upstream`. */
static void tell_reading(struct sim *sim, const struct wire *wire)
{
    uint32_t id = sim->pairs[wire->pair].id;
    struct core_row before = {0}, after = {0};
    bool doubtful = id != 0 && is_doubtful(sim, id);
    rowset_read(&sim->ledger.latest, TABLE_BALANCE, &id, sizeof(id), &before, sizeof(before));
    int result = core_exchange_done(sim->core, wire->exchange.id, &wire->answer, sim->now);
    if (result != 0 && !process_may_fail(sim, result))
        sim_fail(sim, "core_exchange_done: %d", result);
    process_settle(sim);
    rowset_read(&sim->ledger.latest, TABLE_BALANCE, &id, sizeof(id), &after, sizeof(after));
    if (doubtful && is_doubtful(sim, id) && before.upstream != after.upstream)
        sim_fail(sim, "a reading became upstream, while a push is in doubt (P5)");
}

/* Of a first answer. A refusal that could not be recorded, the disk being full, is asked for again.
 */
static bool proves_nothing_happened(enum exchange_outcome outcome)
{
    switch (outcome) {
    case EXCHANGE_INSUFFICIENT:
    case EXCHANGE_NO_BALANCE:
    case EXCHANGE_NOT_FOUND:
    case EXCHANGE_REFUSED:
    case EXCHANGE_UNAUTHORIZED:
    case EXCHANGE_FORBIDDEN:
    case EXCHANGE_RATE_LIMITED:
    case EXCHANGE_NOT_SENT:
        return true;
    default:
        return false;
    }
}

static void tell(struct sim *sim, struct wire *wire)
{
    if (wire->answer.outcome == EXCHANGE_RATE_LIMITED && !is_resend(sim, wire)) {
        int64_t wait = wire->answer.rate.retry_after;
        wait = wire->answer.rate.reset_in > wait ? wire->answer.rate.reset_in : wait;
        sim->blocked_until = sim->now + (wait > 0 ? wait : 1000);
    }
    if (wire->answer.outcome == EXCHANGE_UNANSWERED || wire->answer.outcome == EXCHANGE_NOT_SENT)
        wire->answer.rate.limit = wire->answer.rate.remaining = wire->answer.rate.reset_in =
            wire->answer.rate.retry_after = -1;
    heard(sim, wire);
    struct booked_intent *intent =
        wire->exchange.kind == EXCHANGE_CREATE ? people_intent(sim, wire->exchange.push_id) : NULL;
    if (intent != NULL && proves_nothing_happened(wire->answer.outcome))
        intent->may_have_run = wire->ran_before;
    sim_trace(sim, "answer %llu kind %d %s %s: outcome %d http %d",
              (unsigned long long)wire->exchange.id, (int)wire->exchange.kind, wire->customer,
              wire->product, (int)wire->answer.outcome, wire->answer.http_status);
    wire->active = false;
    if (wire->exchange.kind == EXCHANGE_BALANCE) {
        tell_reading(sim, wire);
    } else {
        int result = core_exchange_done(sim->core, wire->exchange.id, &wire->answer, sim->now);
        if (result != 0 && !process_may_fail(sim, result))
            sim_fail(sim, "core_exchange_done: %d", result);
        process_settle(sim);
    }
    free_answer(wire);
}

void wire_answer(struct sim *sim, size_t index, uint64_t generation)
{
    struct wire *wire = &sim->wires[index];
    if (wire->active && wire->generation == generation)
        tell(sim, wire);
}

void wire_late(struct sim *sim, size_t index)
{
    struct late_order order = sim->lates[index];
    if (order.done)
        return;
    sim->lates[index].done = true;
    struct exchange_answer answer = {0};
    sim_trace(sim, "executes late: %s", order.key);
    if (order.intent_kind != 0) {
        registry_create(sim, order.intent_kind, order.push_id, order.key, order.subject, false,
                        &answer);
        free((void *)(uintptr_t)answer.objects.rows);
        return;
    }
    const struct push *push = invariants_push(sim, order.push_id);
    int64_t before = push != NULL ? push->executed : 0;
    faults_deduct(sim, order.pair, order.push_kind, order.push_id, order.key, order.amount, false,
                  true, &answer);
    bool beyond = sim->now - order.closed_at > sim->scenario.policy.in_doubt_delay;
    struct push *books = beyond ? invariants_push(sim, order.push_id) : NULL;
    if (books != NULL && books->open)
        books->unseen += books->executed - before;
}

static void cut_one(struct sim *sim, struct wire *wire)
{
    if (wire->sent && wire->fate == FATE_LATE && wire->late_at > sim->now + late_bound(sim)) {
        /* Its connection closes earlier than was thought, and how late it may be counts from then.
         */
        sim->lates[wire->late].done = true;
        order_late(sim, wire, sim->now, sim->now + prng_range(&sim->prng, 1, late_bound(sim)));
        return;
    }
    if (wire->sent && wire->fate == FATE_LATE)
        sim->lates[wire->late].closed_at = sim->now;
    if (!wire->sent || wire->arrived || !is_write(&wire->exchange) || wire->fate == FATE_NOT_SENT ||
        wire->fate == FATE_LATE || wire->fate == FATE_LOST_BEFORE)
        return;
    /* On its way: it may come to nothing, arrive as it would have, or lie somewhere for a while. */
    if (prng_chance(&sim->prng, 500))
        order_late(sim, wire, sim->now, wire->arrive_at);
    else if (sim->scenario.late > 0 && prng_chance(&sim->prng, 500))
        order_late(sim, wire, sim->now, sim->now + prng_range(&sim->prng, 1, late_bound(sim)));
}

void wire_cut(struct sim *sim, bool tell_engine)
{
    for (size_t i = 0; i < SIM_WIRES; i++) {
        struct wire *wire = &sim->wires[i];
        if (!wire->active)
            continue;
        cut_one(sim, wire);
        bool sent = wire->sent;
        free_answer(wire);
        wire->answer = (struct exchange_answer){
            .outcome = sent ? EXCHANGE_UNANSWERED : EXCHANGE_NOT_SENT, .rate = {-1, -1, -1, -1}};
        wire->arrived = false;
        if (tell_engine)
            tell(sim, wire);
        wire->active = false;
    }
}
