/*
 * What must hold after every step (ledger.md section 7). The figures come from three places that
 * must agree: the simulation's own books, the rows that the ledger's images add up to, and what the
 * engine says.
 */
#include "world.h"

#include "need.h"
#include <string.h>

static struct push *find(struct sim *sim, const char *id)
{
    for (size_t i = sim->push_count; i > 0; i--)
        if (strcmp(sim->pushes[i - 1].id, id) == 0)
            return &sim->pushes[i - 1];
    return NULL;
}

static int pair_of_id(const struct sim *sim, uint32_t id)
{
    for (int pair = 0; pair < SIM_PAIRS; pair++)
        if (sim->pairs[pair].id == id && id != 0)
            return pair;
    return -1;
}

static struct push *add(struct sim *sim, const char *id, const struct core_push *push)
{
    if (sim->push_count == sim->push_capacity) {
        sim->push_capacity = sim->push_capacity > 0 ? 2 * sim->push_capacity : 64;
        sim->pushes = need_array(sim->pushes, sim->push_capacity, sizeof(*sim->pushes));
    }
    struct push *books = &sim->pushes[sim->push_count++];
    *books = (struct push){.sequence = push->sequence,
                           .epoch = push->epoch,
                           .pair = pair_of_id(sim, push->balance),
                           .kind = push->kind,
                           .open = true};
    memcpy(books->id, id, sizeof(books->id));
    if (books->pair < 0)
        sim_fail(sim, "a push of a balance without a name");
    return books;
}

/* Ids of balances come with the records that name them. */
static void note_names(struct sim *sim, const struct record *record)
{
    struct record_image image;
    for (size_t position = 0; record_next_image(record, &position, &image);) {
        struct name_image name;
        if (image.table != TABLE_NAME || image.value_length < sizeof(name))
            continue;
        memcpy(&name, image.value, sizeof(name));
        const char *text = (const char *)image.value + sizeof(name);
        int pair = sim_pair_of(sim, text, name.customer_length, text + name.customer_length,
                               name.product_length);
        if (pair < 0)
            sim_fail(sim, "a balance was named that nobody asked for");
        else
            memcpy(&sim->pairs[pair].id, image.key, sizeof(sim->pairs[pair].id));
        if (pair >= 0) /* the chain of its records begins here, though the record is no change */
            sim->pairs[pair].last_sequence = record->header.sequence;
    }
}

static void note_records(struct sim *sim)
{
    for (; sim->noted < sim->ledger.settled; sim->noted++) {
        const struct record *record = &sim->ledger.records[sim->noted].record;
        note_names(sim, record);
        holds_note(sim, record);
        people_note(sim, record);
        events_note(sim, &sim->ledger.records[sim->noted]);
        int pair = pair_of_id(sim, record->header.balance);
        if (record->header.balance != 0 && pair < 0)
            sim_fail(sim, "a record of a balance without a name");
        if (pair < 0)
            continue;
        const struct ledger_record *previous =
            ledger_at(&sim->ledger, sim->pairs[pair].last_sequence);
        uint64_t place = previous != NULL ? previous->place : 0;
        if (record->header.previous != place)
            sim_fail(sim, "record %llu names place %llu as its previous, it is %llu (J1)",
                     (unsigned long long)record->header.sequence,
                     (unsigned long long)record->header.previous, (unsigned long long)place);
        sim->pairs[pair].last_sequence = record->header.sequence;
        gives_note(sim, pair, record);
        if (record->header.type == RECORD_PUSH_DOUBT)
            sim->doubts++;
        if (record->header.type == RECORD_PUSH_PARKED)
            sim->parked++;
    }
}

void invariants_forget(struct sim *sim)
{
    sim->noted = 0;
    gives_forget(sim);
    for (int pair = 0; pair < SIM_PAIRS; pair++) {
        sim->pairs[pair].id = 0;
        sim->pairs[pair].last_sequence = 0;
    }
    uint64_t doubts = sim->doubts, parked = sim->parked;
    note_records(sim);
    sim->doubts = doubts;
    sim->parked = parked;
}

void invariants_look(struct sim *sim, int pair)
{
    for (size_t i = 0; i < sim->push_count; i++)
        if (sim->pushes[i].pair == pair)
            sim->pushes[i].unseen = 0;
}

struct push *invariants_push(struct sim *sim, const char *id)
{
    struct push *found = find(sim, id);
    if (found != NULL)
        return found;
    struct core_push push;
    uint32_t slot;
    char text[EXCHANGE_PUSH_ID_SIZE];
    note_records(sim);
    for (size_t position = 0; core_next_push(sim->core, &position, &push, &slot);) {
        memset(text, 0, sizeof(text));
        core_push_id(sim->core, push.epoch, push.sequence, text);
        if (strcmp(text, id) == 0)
            return add(sim, text, &push);
    }
    return NULL;
}

/* Without a Date, rows cannot be told apart by their age when clocks differ: then it parks. */
static bool blind(const struct scenario *s)
{
    return s->no_date_chance > 0;
}

static void check_push_row(struct sim *sim, const struct core_push *push)
{
    struct core_push row;
    if (!rowset_read(&sim->ledger.latest, TABLE_PUSH, &push->sequence, sizeof(push->sequence), &row,
                     sizeof(row)))
        sim_fail(sim, "an open push has no row: %llu", (unsigned long long)push->sequence);
    else if (row.counted != push->counted || row.credits != push->credits ||
             row.attempt != push->attempt || row.epoch != push->epoch)
        sim_fail(sim, "the row of push %llu is not as it is in memory",
                 (unsigned long long)push->sequence);
    if (push->state == CORE_PUSH_PARKED && push->reason == CORE_PARK_STORIES && sim->alone &&
        !sim->calm && !blind(&sim->scenario) && !sim->scenario.late_beyond)
        sim_fail(sim, "parked for its stories, though nobody else writes");
}

/* Which pushes are open now; *ret_uncounted: by pair, what upstream has of them and P has not. */
static void walk_pushes(struct sim *sim, int64_t *uncounted, int64_t *given, bool *lost)
{
    struct core_push push;
    uint32_t slot;
    char id[EXCHANGE_PUSH_ID_SIZE];
    for (size_t i = 0; i < sim->push_count; i++)
        sim->pushes[i].seen = false;
    for (size_t position = 0; core_next_push(sim->core, &position, &push, &slot);) {
        memset(id, 0, sizeof(id));
        core_push_id(sim->core, push.epoch, push.sequence, id);
        struct push *books = find(sim, id);
        if (books == NULL)
            books = add(sim, id, &push);
        if (books->seen)
            sim_fail(sim, "a push is listed twice");
        books->seen = true;
        if (!books->open || books->dropped) { /* open again, after a crash */
            books->dropped = false;
            books->lost = 0;
        }
        books->counted = push.counted;
        books->state = push.state;
        books->attempt = push.attempt;
        check_push_row(sim, &push);
        if (books->pair < 0)
            continue;
        (push.kind == CORE_PUSH_DEDUCT ? uncounted : given)[books->pair] +=
            books->executed - push.counted;
        /* Of a parked push nobody knows whether a reading has its credits already. */
        lost[books->pair] |= push.state == CORE_PUSH_PARKED && books->executed != push.counted;
    }
    for (size_t i = 0; i < sim->push_count; i++) {
        struct push *books = &sim->pushes[i];
        if (books->open && !books->seen && !books->dropped && books->attempt > 1 &&
            books->state != CORE_PUSH_WATCHED)
            sim_fail(sim, "%s was sent again, and then not looked up once more (P3)", books->id);
        /* The known limit: what upstream executes later than agreed may come after the last look
         * has read the history, and before it has ended. */
        if (books->open && !books->seen && !books->dropped)
            books->lost += books->unseen;
        books->open = books->seen;
        if (books->pair < 0)
            continue;
        if (!books->open)
            (books->kind == CORE_PUSH_DEDUCT ? uncounted : given)[books->pair] += books->lost;
        lost[books->pair] |= books->lost != 0;
    }
}

static void check_upstream(struct sim *sim, int pair, const struct core_row *row,
                           const struct core_reading *reading, int64_t uncounted, bool lost)
{
    const struct upstream_balance *upstream = &sim->upstream.balances[pair];
    int64_t counted = row->pushed - reading->written_off - reading->returned;
    if (sim->scenario.balance_alone == 0 && upstream->executed != counted + uncounted)
        sim_fail(sim,
                 "%s %s: upstream holds %lld as taken by us; P is %lld (%lld of it written off), "
                 "and open pushes have %lld",
                 sim->pairs[pair].customer, sim->pairs[pair].product, (long long)upstream->executed,
                 (long long)row->pushed, (long long)reading->written_off, (long long)uncounted);
    if (!sim->alone || row->synced_at == 0)
        return;
    int64_t real = upstream->balance + upstream->executed - upstream->given;
    counted -= sim->pairs[pair].gifts_counted;
    /* What was given and not counted yet may be in a reading: its push is parked, or came late. */
    bool known_limit = lost || sim->scenario.late_beyond;
    int64_t unknown = upstream->given - sim->pairs[pair].gifts_counted;
    if (row->upstream + counted > real + (known_limit ? unknown : 0) ||
        (!lost && !sim->calm && !sim->scenario.late_beyond && row->upstream + counted != real))
        sim_fail(sim, "%s %s: upstream %lld and %lld pushed are not the %lld that there were (P5)",
                 sim->pairs[pair].customer, sim->pairs[pair].product, (long long)row->upstream,
                 (long long)counted, (long long)real);
}

static void check_engine(struct sim *sim, int pair, const struct core_row *row)
{
    struct core_balance balance;
    struct pair *books = &sim->pairs[pair];
    if (!books->has_slot)
        return;
    if (!core_balance_at(sim->core, books->slot, sim->now, &balance)) {
        books->has_slot = false;
        return;
    }
    if (balance.customer.length != strlen(books->customer) ||
        memcmp(balance.customer.data, books->customer, balance.customer.length) != 0 ||
        balance.product.length != strlen(books->product) ||
        memcmp(balance.product.data, books->product, balance.product.length) != 0)
        sim_fail(sim, "slot %u is another balance now", books->slot);
    if (balance.deducted_total != row->deducted || balance.pushed_total != row->pushed ||
        balance.upstream != row->upstream || balance.held != row->held)
        sim_fail(sim, "%s %s: memory and the ledger's images differ", books->customer,
                 books->product);
    if (balance.pending != row->deducted - row->pushed || /* whatever its sign */
        (balance.available != row->upstream - balance.pending - row->held &&
         (row->flags & CORE_ROW_REVOKED) == 0))
        sim_fail(sim, "%s %s: pending or available do not follow from the row", books->customer,
                 books->product);
    if (balance.reveals < books->last_sequence && books->last_sequence > sim->started_with)
        sim_fail(sim, "%s %s: reveals %llu, its latest record is %llu", books->customer,
                 books->product, (unsigned long long)balance.reveals,
                 (unsigned long long)books->last_sequence);
}

static void check_pair(struct sim *sim, int pair, int64_t uncounted, int64_t given, bool lost,
                       int64_t *pending, int64_t *balances)
{
    struct core_row row = {0};
    struct core_reading reading = {0};
    struct pair *books = &sim->pairs[pair];
    if (books->id == 0) {
        if (books->deducted != 0)
            sim_fail(sim, "deductions of a balance without a name");
        return;
    }
    rowset_read(&sim->ledger.latest, TABLE_BALANCE, &books->id, sizeof(books->id), &row,
                sizeof(row));
    rowset_read(&sim->ledger.latest, TABLE_READING, &books->id, sizeof(books->id), &reading,
                sizeof(reading));
    if (row.deducted != books->deducted)
        sim_fail(sim, "%s %s: D is %lld, the books say %lld", books->customer, books->product,
                 (long long)row.deducted, (long long)books->deducted);
    if (row.held != holds_sum(sim, pair) || row.held < 0)
        sim_fail(sim, "%s %s: held is %lld, the open reservations are %lld", books->customer,
                 books->product, (long long)row.held, (long long)holds_sum(sim, pair));
    gives_check(sim, pair, &reading, given);
    check_upstream(sim, pair, &row, &reading, uncounted, lost);
    check_engine(sim, pair, &row);
    if (row.deducted > row.pushed) {
        *pending += row.deducted - row.pushed;
        *balances += 1;
    }
}

static void check_summary(struct sim *sim, int64_t pending, int64_t balances)
{
    struct core_summary summary;
    const char *what = NULL;
    core_get_summary(sim->core, &summary);
    if (summary.pending_credits != pending || summary.pending_balances != balances)
        sim_fail(sim, "the summary says %lld pending of %lld balances, it is %lld of %lld",
                 (long long)summary.pending_credits, (long long)summary.pending_balances,
                 (long long)pending, (long long)balances);
    if ((summary.oldest_pending != 0) != (balances > 0) || summary.oldest_pending > sim->now)
        sim_fail(sim, "oldest_pending is %lld with %lld balances pending",
                 (long long)summary.oldest_pending, (long long)balances);
    if (core_check(sim->core, &what) != 0)
        sim_fail(sim, "core_check: %s", what != NULL ? what : "?");
}

static void check_told(struct sim *sim)
{
    for (size_t i = 0; i < sim->told_count; i++) {
        const struct ledger_record *entry = ledger_at(&sim->ledger, sim->told[i].sequence);
        if (entry == NULL || (entry->record.header.events >> sim->told[i].event & 1) == 0)
            sim_fail(sim, "event %u was told, and record %llu does not have it",
                     (unsigned)sim->told[i].event, (unsigned long long)sim->told[i].sequence);
    }
}

/* The limit may be overrun by what was under way when it was learned, once; then only where a
 * request crosses the end of a minute. */
static void check_rate(struct sim *sim)
{
    const struct scenario *s = &sim->scenario;
    if (!s->rate_headers || s->others_use_rate || sim->calm)
        return;
    uint64_t limited = sim->upstream.refused_429 - sim->limited_at_start;
    uint64_t minutes = (uint64_t)(sim->now - sim->started_at) / 60000;
    if (limited > 24 + minutes / 10)
        sim_fail(sim, "%llu requests over the limit in %llu minutes", (unsigned long long)limited,
                 (unsigned long long)minutes);
}

void invariants_check(struct sim *sim)
{
    int64_t uncounted[SIM_PAIRS] = {0}, given[SIM_PAIRS] = {0}, pending = 0, balances = 0;
    bool lost[SIM_PAIRS] = {false};
    note_records(sim);
    walk_pushes(sim, uncounted, given, lost);
    for (int pair = 0; pair < SIM_PAIRS && !sim->failed; pair++)
        check_pair(sim, pair, uncounted[pair], given[pair], lost[pair], &pending, &balances);
    if (!sim->failed)
        check_summary(sim, pending, balances);
    holds_check(sim);
    people_check(sim);
    check_told(sim);
    if (!sim->failed)
        events_check(sim);
    if (!sim->failed)
        objects_check(sim);
    check_rate(sim);
}
