/*
 * Which events there must be: told from the records of the ledger alone, by a model that knows
 * thresholds as numbers that have been told or have not. The rows that stand in each record, what
 * the engine says of them, and what it tells by its effects must all be the same, after every crash
 * and replay as well.
 */
#include "world.h"

#include "need.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXPECTED_MOST 32

/* --- thresholds as they are, and as they were --- */

static bool same_list(const struct sim_thresholds *a, const struct sim_thresholds *b)
{
    return a->count == b->count && memcmp(a->items, b->items, a->count * sizeof(a->items[0])) == 0;
}

static void draw_list(struct prng *prng, size_t least, struct sim_thresholds *list)
{
    int64_t item = 0;
    *list = (struct sim_thresholds){.count = (size_t)prng_range(prng, (int64_t)least, 4)};
    for (size_t i = list->count; i > 0; i--) {
        list->items[i - 1] = item;
        item += prng_range(prng, 1, 60);
    }
    if (list->count > 0 && prng_chance(prng, 700)) /* not all end with zero */
        for (size_t i = 0; i < list->count; i++)
            list->items[i] += 3;
}

static struct sim_lists *now_set(struct sim *sim)
{
    return &sim->events.lists[sim->events.list_count - 1];
}

/* The policy's list stands behind the products'. */
void events_draw_lists(struct sim *sim)
{
    struct event_books *books = &sim->events;
    books->lists = need_array(books->lists, books->list_count + 1, sizeof(*books->lists));
    struct sim_lists *lists = &books->lists[books->list_count++];
    *lists = (struct sim_lists){.from = sim->ledger.count};
    for (int column = 0; column < SIM_COLUMNS; column++)
        if (prng_chance(&sim->side, 300))
            draw_list(&sim->side, 1, &lists->of[column]);
    draw_list(&sim->side, 0, &lists->of[SIM_COLUMNS]);
    struct sim_thresholds *policy = &lists->of[SIM_COLUMNS];
    memcpy(sim->scenario.policy.thresholds, policy->items, sizeof(policy->items));
    sim->scenario.policy.threshold_count = policy->count;
}

void events_set_lists(struct sim *sim, struct core *core)
{
    core_thresholds_reset(core);
    for (int column = 0; column < SIM_COLUMNS; column++) {
        const struct sim_thresholds *list = &now_set(sim)->of[column];
        if (core_thresholds_set(core, sim_text(sim->pairs[column].product), list->items,
                                list->count) != CORE_OK)
            sim_fail(sim, "core_thresholds_set failed");
    }
}

static const struct sim_thresholds *list_at(const struct sim *sim, int pair, uint64_t sequence)
{
    const struct event_books *books = &sim->events;
    size_t i = books->list_count - 1;
    while (i > 0 && books->lists[i].from >= sequence)
        i--;
    const struct sim_thresholds *own = &books->lists[i].of[pair % SIM_COLUMNS];
    return own->count > 0 ? own : &books->lists[i].of[SIM_COLUMNS];
}

/* --- what a record must raise --- */

struct expected {
    struct {
        enum core_event_type type;
        int64_t value;
    } items[EXPECTED_MOST];
    size_t count;
    const char *customer, *product;
};

static void expect(struct expected *expected, enum core_event_type type, int64_t value)
{
    expected->items[expected->count].type = type;
    expected->items[expected->count++].value = value;
}

static int64_t available_of(const struct core_row *row)
{
    int64_t available = row->upstream - (row->deducted - row->pushed) - row->held;
    return (row->flags & CORE_ROW_REVOKED) != 0 && available > 0 ? 0 : available;
}

/* Under another list than before, what is at or below is known to be low, if anything was. */
static void change_list(struct pair_events *pair, const struct sim_thresholds *list)
{
    bool any = false;
    for (size_t i = 0; i < pair->list.count; i++)
        any |= pair->told[i];
    if (same_list(&pair->list, list))
        return;
    pair->list = *list;
    for (size_t i = 0; i < list->count; i++)
        pair->told[i] = any && pair->available <= list->items[i];
}

static void expect_thresholds(struct pair_events *pair, int64_t available, bool spent,
                              struct expected *expected)
{
    for (size_t i = 0; i < pair->list.count; i++)
        if (spent && !pair->told[i] && available <= pair->list.items[i]) {
            expect(expected, CORE_EVENT_CREDITS_LOW, pair->list.items[i]);
            pair->told[i] = true;
        }
    for (size_t i = pair->list.count; i > 0; i--)
        if (pair->told[i - 1] && available > pair->list.items[i - 1]) {
            expect(expected, CORE_EVENT_CREDITS_RECOVERED, pair->list.items[i - 1]);
            pair->told[i - 1] = false;
        }
}

static void expect_limits(struct pair_events *pair, int64_t available, bool spent,
                          struct expected *expected)
{
    if (available > 0)
        pair->exhausted = false;
    else if (spent && !pair->exhausted) {
        pair->exhausted = true;
        expect(expected, CORE_EVENT_CREDITS_EXHAUSTED, 0);
    }
    if (available >= 0)
        pair->overdrawn = false;
    else if (!pair->overdrawn) {
        pair->overdrawn = true;
        expect(expected, CORE_EVENT_CREDITS_OVERDRAWN, 0);
    }
}

static void expect_of_row(struct sim *sim, const struct record *record, const struct core_row *row,
                          int index, struct expected *expected)
{
    struct pair_events *pair = &sim->events.pairs[index];
    unsigned type = record->header.type;
    int64_t available = available_of(row);
    if (record->header.balance != 0) {
        bool spent = type == RECORD_CONSUME || type == RECORD_SETTLE || type == RECORD_RESERVE;
        change_list(pair, list_at(sim, index, record->header.sequence));
        expect_thresholds(pair, available, spent, expected);
        expect_limits(pair, available, spent, expected);
    }
    pair->available = available;
    struct record_push push = {0};
    if (type == RECORD_PUSH_RESOLVED)
        memcpy(&push, record->detail, sizeof(push));
    if (type == RECORD_PUSH_PARKED)
        expect(expected, CORE_EVENT_PUSH_PARKED, 0);
    if (type == RECORD_WRITE_OFF || (type == RECORD_PUSH_RESOLVED && push.outcome == -1))
        expect(expected, CORE_EVENT_PUSH_RESUMED, 0);
    expected->customer = sim->pairs[index].customer;
    expected->product = sim->pairs[index].product;
}

static int person_of(const struct sim *sim, const struct record_image *image)
{
    for (int i = 0; i < sim->scenario.persons; i++)
        if (strlen(sim->persons[i].user_id) == image->key_length &&
            memcmp(sim->persons[i].user_id, image->key, image->key_length) == 0)
            return i;
    return -1;
}

/* Whether its maker told of it is known by the row alone; that it may is judged here: a customer
 * that we have made, and by the record that first knows it. */
static void expect_of_link(struct sim *sim, const struct record *record,
                           const struct record_image *image, int person, struct expected *expected)
{
    char *linked = sim->events.linked[person], customer[SIM_NAME_SIZE] = {0};
    const struct registered *made;
    memcpy(customer, image->value, image->value_length);
    made = registry_find(sim, customer, strlen(customer));
    bool tells = (record->header.events & CORE_EVENT_BIT(CUSTOMER_CREATED)) != 0;
    if (tells && (made == NULL || made->intent[0] == '\0'))
        sim_fail(sim, "customer.created of %s, which is not of our making", customer);
    if (tells)
        expect(expected, CORE_EVENT_CUSTOMER_CREATED, 0);
    if (strcmp(linked, customer) != 0)
        expect(expected, CORE_EVENT_CUSTOMER_LINKED, 0);
    memcpy(linked, customer, sizeof(customer));
    expected->customer = linked;
    expected->product = "";
}

static void expect_of_unlink(struct sim *sim, int person, struct expected *expected)
{
    struct event_books *books = &sim->events;
    expect(expected, CORE_EVENT_CUSTOMER_UNLINKED, 0);
    memcpy(books->unlinked, books->linked[person], sizeof(books->unlinked));
    books->linked[person][0] = '\0';
    expected->customer = books->unlinked;
    expected->product = "";
}

/* A create that waits for the operator. */
static void expect_of_intent(struct sim *sim, const struct record_image *image,
                             struct expected *expected)
{
    struct core_text owner, payload;
    struct core_intent intent;
    if (image->value_length == 0)
        return;
    if (core_intent_decode(image->value, image->value_length, &intent, &owner, &payload) < 0)
        sim_fail(sim, "the row of an intent cannot be read");
    else if (intent.state == CORE_INTENT_PARKED)
        expect(expected, CORE_EVENT_PUSH_PARKED, 0);
    else
        return;
    expected->customer = expected->product = "";
    for (size_t i = 0; i < sim->intent_count; i++)
        if (sim->intents[i].sequence == intent.sequence && sim->intents[i].epoch == intent.epoch)
            expected->customer = sim->intents[i].customer;
}

static void expect_of(struct sim *sim, const struct record *record, struct expected *expected)
{
    struct record_image image;
    for (size_t position = 0; record_next_image(record, &position, &image);) {
        struct core_row row;
        struct core_product product;
        int person;
        if (image.table == TABLE_BALANCE) {
            memcpy(&row, image.value, sizeof(row));
            for (int pair = 0; pair < SIM_PAIRS; pair++)
                if (sim->pairs[pair].id == row.id)
                    expect_of_row(sim, record, &row, pair, expected);
        } else if (image.table == TABLE_PRODUCT) {
            memcpy(&product, image.value, sizeof(product));
            if (!product.parked)
                continue;
            expect(expected, CORE_EVENT_PUSH_PARKED, 0);
            for (int column = 0; column < SIM_COLUMNS; column++)
                if (sim->pairs[column].product_length == image.key_length &&
                    memcmp(sim->pairs[column].product, image.key, image.key_length) == 0)
                    expected->product = sim->pairs[column].product;
        } else if (image.table == TABLE_LINK && (person = person_of(sim, &image)) >= 0) {
            if (image.value_length > 0)
                expect_of_link(sim, record, &image, person, expected);
            else
                expect_of_unlink(sim, person, expected);
        } else if (image.table == TABLE_INTENT) {
            expect_of_intent(sim, &image, expected);
        } else if (image.table == TABLE_META && image.key_length == strlen(CORE_META_LIVEMODE) &&
                   memcmp(image.key, CORE_META_LIVEMODE, image.key_length) == 0) {
            sim->events.livemode = *(const uint8_t *)image.value != 0;
        }
    }
}

/* --- the rows --- */

static bool is_text(struct core_text text, const char *expected)
{
    return text.length == strlen(expected) && memcmp(text.data, expected, text.length) == 0;
}

static void book(struct sim *sim, const struct core_event *event)
{
    struct event_books *books = &sim->events;
    if (books->count == books->capacity) {
        books->capacity = books->capacity > 0 ? 2 * books->capacity : 64;
        books->items = need_array(books->items, books->capacity, sizeof(*books->items));
    }
    books->items[books->count++] = (struct told_event){event->type, event->sequence};
}

static void check_row(struct sim *sim, const struct ledger_record *entry,
                      const struct core_event *event)
{
    const struct record_header *header = &entry->record.header;
    if (event->number != sim->events.count + 1)
        sim_fail(sim, "record %llu has event %llu, the one before it was %zu",
                 (unsigned long long)header->sequence, (unsigned long long)event->number,
                 sim->events.count);
    if (event->sequence != header->sequence || event->place != entry->place ||
        event->epoch != header->epoch || event->created != header->time ||
        (header->events >> event->type & 1) == 0 || event->livemode != sim->events.livemode)
        sim_fail(sim, "event %llu does not fit its record %llu", (unsigned long long)event->number,
                 (unsigned long long)header->sequence);
    if (event->data_offset + event->data_length > header->detail_length)
        sim_fail(sim, "the data of event %llu lie beyond its record",
                 (unsigned long long)event->number);
}

static void check_expected(struct sim *sim, const struct record *record, size_t index,
                           const struct core_event *event, const struct expected *expected)
{
    if (record->header.type == RECORD_OBJECT)
        return; /* objects.c knows what it has asked for */
    if (index >= expected->count || event->type != expected->items[index].type ||
        event->value != expected->items[index].value ||
        !is_text(event->customer, expected->customer) ||
        !is_text(event->product, expected->product))
        sim_fail(sim,
                 "event %llu of record %llu: type %u, value %lld; expected type %d, value %lld",
                 (unsigned long long)event->number, (unsigned long long)record->header.sequence,
                 event->type, (long long)event->value,
                 index < expected->count ? (int)expected->items[index].type : -1,
                 index < expected->count ? (long long)expected->items[index].value : 0);
}

static void forgotten(struct sim *sim, const struct record_image *image)
{
    uint8_t key[CORE_EVENT_KEY_SIZE];
    core_event_key(sim->events.first++, key);
    if (memcmp(key, image->key, sizeof(key)) != 0 || sim->events.first > sim->events.count)
        sim_fail(sim, "another event than the oldest was forgotten, or the latest");
}

void events_note(struct sim *sim, const struct ledger_record *entry)
{
    const struct record *record = &entry->record;
    struct expected expected = {.customer = "", .product = ""};
    struct record_image image;
    struct core_event event;
    size_t count = 0;
    uint32_t bits = 0;
    expect_of(sim, record, &expected);
    for (size_t position = 0; record_next_image(record, &position, &image) && !sim->failed;) {
        if (image.table != TABLE_EVENT)
            continue;
        if (image.value_length == 0) {
            forgotten(sim, &image);
            continue;
        }
        if (core_event_decode(image.key, image.key_length, image.value, image.value_length,
                              &event) != 0) {
            sim_fail(sim, "a row of an event cannot be decoded");
            return;
        }
        check_row(sim, entry, &event);
        check_expected(sim, record, count++, &event, &expected);
        book(sim, &event);
        bits |= 1u << event.type;
    }
    if (record->header.type != RECORD_OBJECT && count < expected.count)
        sim_fail(sim,
                 "record %llu has %zu events, expected %zu; the next is of type %u, value %lld",
                 (unsigned long long)record->header.sequence, count, expected.count,
                 (unsigned)expected.items[count].type, (long long)expected.items[count].value);
    if (bits != record->header.events)
        sim_fail(sim, "record %llu has bits %x, its rows are %x",
                 (unsigned long long)record->header.sequence, record->header.events, bits);
}

/* After a crash: the records that are left are noted again, before anything is told. */
void events_forget(struct sim *sim)
{
    struct event_books *books = &sim->events;
    memset(books->pairs, 0, sizeof(books->pairs));
    memset(books->linked, 0, sizeof(books->linked));
    books->count = 0;
    books->first = 1;
    books->livemode = false;
    for (size_t i = 0; i < books->list_count; i++)
        if (books->lists[i].from > sim->ledger.count)
            books->lists[i].from = sim->ledger.count;
}

void events_deinit(struct sim *sim)
{
    free(sim->events.lists);
    free(sim->events.items);
}

/* --- what the engine says --- */

static bool same_row(const struct rowset *rows, const struct core_event *event)
{
    uint8_t key[CORE_EVENT_KEY_SIZE];
    struct core_event stored;
    core_event_key(event->number, key);
    const struct rowset_row *row = rowset_get(rows, TABLE_EVENT, key, sizeof(key));
    return row != NULL &&
           core_event_decode(row->key, row->key_length, row->value, row->value_length, &stored) ==
               0 &&
           stored.sequence == event->sequence && stored.place == event->place &&
           stored.epoch == event->epoch && stored.type == event->type &&
           stored.created == event->created && stored.value == event->value &&
           stored.livemode == event->livemode && stored.data_offset == event->data_offset &&
           stored.data_length == event->data_length &&
           stored.customer.length == event->customer.length &&
           memcmp(stored.customer.data, event->customer.data, event->customer.length) == 0 &&
           stored.product.length == event->product.length &&
           memcmp(stored.product.data, event->product.data, event->product.length) == 0;
}

static void check_number(struct sim *sim, const struct core *core, uint64_t number,
                         const struct rowset *store, const struct rowset *latest)
{
    struct core_event event;
    uint8_t key[CORE_EVENT_KEY_SIZE];
    int status = core_event_get(core, number, &event);
    core_event_key(number, key);
    if (status == CORE_OK && (event.number != number || !same_row(latest, &event)))
        sim_fail(sim, "event %llu is not as its row", (unsigned long long)number);
    if (status == CORE_LOAD && rowset_get(store, TABLE_EVENT, key, sizeof(key)) == NULL)
        sim_fail(sim, "event %llu is neither in memory nor in the store",
                 (unsigned long long)number);
    if (status != CORE_OK && status != CORE_LOAD)
        sim_fail(sim, "event %llu is answered with %d", (unsigned long long)number, status);
}

static void check_through(struct sim *sim)
{
    const struct event_books *books = &sim->events;
    uint64_t sequence =
        (uint64_t)prng_range(&sim->side, (int64_t)sim->ledger.durable, (int64_t)sim->ledger.count);
    uint64_t through = core_event_through(sim->core, sequence);
    if (through > books->count || (through > 0 && books->items[through - 1].sequence > sequence) ||
        (through < books->count && books->items[through].sequence <= sequence))
        sim_fail(sim, "events are through to %llu with record %llu", (unsigned long long)through,
                 (unsigned long long)sequence);
}

static void check_told(struct sim *sim)
{
    struct event_books *books = &sim->events;
    if (books->told + sim->told_count != books->count)
        sim_fail(sim, "%zu events were told after %zu, there are %zu", sim->told_count, books->told,
                 books->count);
    for (size_t i = 0; i < sim->told_count && !sim->failed; i++)
        if (sim->told[i].event != books->items[books->told + i].event ||
            sim->told[i].sequence != books->items[books->told + i].sequence)
            sim_fail(sim, "event %zu was told as another", books->told + i + 1);
    books->told = books->count;
    sim->told_count = 0;
}

void events_check(struct sim *sim)
{
    const struct event_books *books = &sim->events;
    uint64_t first, last;
    core_event_range(sim->core, &first, &last);
    if (first != books->first || last != books->count)
        sim_fail(sim, "events %llu to %llu, it is %llu to %zu", (unsigned long long)first,
                 (unsigned long long)last, (unsigned long long)books->first, books->count);
    if (core_livemode(sim->core) != books->livemode)
        sim_fail(sim, "livemode is not as it was set");
    check_told(sim);
    check_through(sim);
    for (int i = 0; i < 2 && books->count >= books->first && !sim->failed; i++)
        check_number(sim, sim->core,
                     (uint64_t)prng_range(&sim->side, (int64_t)books->first, (int64_t)books->count),
                     &sim->ledger.rows, &sim->ledger.latest);
}

/* Of a store: the numbers of the first and the last row; 1 and 0 where there is none. */
static void range_of(const struct rowset *rows, uint64_t *ret_first, uint64_t *ret_last)
{
    *ret_first = 1;
    *ret_last = 0;
    for (size_t i = 0; i < rows->count; i++) {
        const struct rowset_row *row = &rows->rows[i];
        struct core_event event;
        if (row->table != TABLE_EVENT || row->value_length == 0 ||
            core_event_decode(row->key, row->key_length, row->value, row->value_length, &event) !=
                0)
            continue;
        if (*ret_last == 0 || event.number < *ret_first)
            *ret_first = event.number;
        if (event.number > *ret_last)
            *ret_last = event.number;
    }
}

int events_load(struct core *core, const struct rowset *rows)
{
    uint64_t first, last;
    range_of(rows, &first, &last);
    return core_event_load(core, first, last);
}

void events_compare(struct sim *sim, const struct core *core, const struct rowset *store,
                    const struct rowset *rows)
{
    uint64_t first, last, is_first, is_last;
    range_of(rows, &first, &last);
    core_event_range(core, &is_first, &is_last);
    if (first != is_first || last != is_last)
        sim_fail(sim, "replay: events %llu to %llu, its rows are %llu to %llu",
                 (unsigned long long)is_first, (unsigned long long)is_last,
                 (unsigned long long)first, (unsigned long long)last);
    for (uint64_t number = first; number <= last && !sim->failed; number++)
        check_number(sim, core, number, store, rows);
}
