/*
 * Events: numbered, put into the record of their cause, and kept in memory until the store has
 * them.
 *
 * A record's events are rows of it like all others, made before there is room for the record, so
 * that nothing can fail once it is appended; what is not known until then (number, sequence, place)
 * is filled in while it is written. The bits in its header are those of its rows: there is no other
 * way to an event.
 *
 * In memory are the rows of the latest events, without a gap, oldest first: all that may not be in
 * the store yet. Numbers go on from there, or from the last row of the store. That row is therefore
 * never forgotten, whatever has become of its record.
 */
#include "state.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define CAPACITY_FIRST 64u
#define FORGET_STEP 200u

struct event_row {
    struct event_row *next; /* of the same record */
    uint64_t number, sequence;
    enum core_event_type type;
    uint32_t length;
    uint8_t key[CORE_EVENT_KEY_SIZE];
    uint8_t value[]; /* struct event_image, customer, product */
};

/* --- rows --- */

void core_event_key(uint64_t number, uint8_t ret_key[CORE_EVENT_KEY_SIZE])
{
    for (unsigned i = 0; i < CORE_EVENT_KEY_SIZE; i++)
        ret_key[i] = (uint8_t)(number >> (56 - 8 * i));
}

static int number_of(const void *key, size_t key_length, uint64_t *ret_number)
{
    const uint8_t *bytes = key;
    uint64_t number = 0;

    if (key_length != CORE_EVENT_KEY_SIZE)
        return -EBADMSG;
    for (unsigned i = 0; i < CORE_EVENT_KEY_SIZE; i++)
        number = number << 8 | bytes[i];
    *ret_number = number;
    return number > 0 ? 0 : -EBADMSG;
}

int core_event_decode(const void *key, size_t key_length, const void *value, size_t value_length,
                      struct core_event *ret_event)
{
    struct event_image image;
    uint64_t number;

    int r = number_of(key, key_length, &number);
    if (r < 0)
        return r;
    if (value_length < sizeof(image))
        return -EBADMSG;
    memcpy(&image, value, sizeof(image));
    if (image.type >= CORE_EVENT_COUNT_ ||
        value_length != sizeof(image) + image.customer_length + image.product_length)
        return -EBADMSG;
    const char *text = (const char *)value + sizeof(image);
    *ret_event = (struct core_event){
        .number = number,
        .sequence = image.sequence,
        .place = image.place,
        .epoch = image.epoch,
        .type = (enum core_event_type)image.type,
        .created = image.created,
        .value = image.value,
        .livemode = image.livemode != 0,
        .data_offset = image.data_offset,
        .data_length = image.data_length,
        .customer = {text, image.customer_length},
        .product = {text + image.customer_length, image.product_length},
    };
    return 0;
}

/* --- memory --- */

static struct event_row *row_at(const struct event_log *log, size_t index)
{
    return log->rows[(log->head + index) & (log->capacity - 1)];
}

static uint64_t kept_from(const struct event_log *log)
{
    return log->count ? row_at(log, 0)->number : log->last + 1;
}

static int reserve(struct event_log *log, size_t count)
{
    size_t capacity = log->capacity ? log->capacity : CAPACITY_FIRST;

    if (count <= log->capacity)
        return 0;
    while (capacity < count)
        capacity *= 2;
    struct event_row **rows = calloc(capacity, sizeof(*rows));
    if (!rows)
        return -ENOMEM;
    for (size_t i = 0; i < log->count; i++)
        rows[i] = row_at(log, i);
    free(log->rows);
    log->rows = rows;
    log->capacity = capacity;
    log->head = 0;
    return 0;
}

static void keep(struct event_log *log, struct event_row *row)
{
    log->rows[(log->head + log->count++) & (log->capacity - 1)] = row;
    if (row->number > log->last)
        log->last = row->number;
}

static void drop_first(struct event_log *log)
{
    free(row_at(log, 0));
    log->head = (log->head + 1) & (log->capacity - 1);
    log->count--;
}

void event_log_trim(struct core *core)
{
    struct event_log *log = &core->events;

    while (log->count > 0 && row_at(log, 0)->sequence <= core->stored)
        drop_first(log);
}

void event_log_init(struct core *core)
{
    core->events = (struct event_log){.first = 1};
}

void event_log_deinit(struct core *core)
{
    struct event_log *log = &core->events;

    while (log->count > 0)
        drop_first(log);
    free(log->rows);
}

/* --- in a record --- */

int event_log_add(struct core *core, struct append *append, const struct event_note *note)
{
    size_t length = sizeof(struct event_image) + note->customer.length + note->product.length;
    struct event_row *row = NULL;

    if (reserve(&core->events, core->events.count + append->event_count + 1) == 0)
        row = malloc(sizeof(*row) + length);
    if (!row) {
        event_log_drop(append);
        return -ENOMEM;
    }
    struct event_image image = {
        .value = note->value,
        .type = note->type,
        .epoch = core->epoch,
        .data_offset = note->data_offset,
        .data_length = note->data_length,
        .customer_length = (uint16_t)note->customer.length,
        .product_length = (uint16_t)note->product.length,
        .livemode = core->livemode,
    };
    row->next = NULL;
    row->type = note->type;
    row->length = (uint32_t)length;
    char *to = mempcpy(row->value, &image, sizeof(image));
    if (note->customer.length)
        to = mempcpy(to, note->customer.data, note->customer.length);
    if (note->product.length)
        memcpy(to, note->product.data, note->product.length);
    append_image(append, TABLE_EVENT, row->key, sizeof(row->key), row->value, length);
    if (append->last_event)
        append->last_event->next = row;
    else
        append->events = row;
    append->last_event = row;
    append->event_count++;
    return 0;
}

void event_log_drop(struct append *append)
{
    for (struct event_row *row = append->events, *next; row; row = next) {
        next = row->next;
        free(row);
    }
    append->events = append->last_event = NULL;
    append->event_count = 0;
}

uint32_t event_log_number(struct core *core, struct append *append, int64_t now)
{
    uint32_t bits = 0;

    for (struct event_row *row = append->events; row; row = row->next) {
        struct event_image image;
        memcpy(&image, row->value, sizeof(image));
        image.sequence = row->sequence = append->sequence;
        image.place = append->place;
        image.created = now;
        memcpy(row->value, &image, sizeof(image));
        row->number = core->events.last + 1;
        core_event_key(row->number, row->key);
        keep(&core->events, row);
        bits |= 1u << row->type;
    }
    return bits;
}

void event_log_tell(const struct core *core, const struct append *append, uint32_t slot)
{
    if (!core->effects.event)
        return;
    for (const struct event_row *row = append->events; row; row = row->next)
        core->effects.event(core->effects.userdata, row->type, slot, append->sequence);
}

/* --- start --- */

int core_event_load(struct core *core, uint64_t first, uint64_t last)
{
    if (first > last)
        return 0;
    if (first == 0)
        return -EBADMSG;
    core->events.first = first;
    core->events.last = last;
    return 0;
}

static int forget_row(struct event_log *log, uint64_t number)
{
    while (log->count > 0 && row_at(log, 0)->number <= number)
        drop_first(log);
    if (log->first <= number)
        log->first = number + 1;
    return 0;
}

/* The store may be ahead of its own sequence (a checkpoint that was interrupted), so the first that
 * come may be known; from there on they follow one another. */
int event_log_load(struct core *core, const void *key, size_t key_length, const void *value,
                   size_t value_length)
{
    struct event_log *log = &core->events;
    struct core_event event;
    uint64_t number;

    int r = number_of(key, key_length, &number);
    if (r < 0)
        return r;
    if (value_length == 0)
        return forget_row(log, number);
    r = core_event_decode(key, key_length, value, value_length, &event);
    if (r < 0)
        return r;
    uint64_t next = log->count ? kept_from(log) + log->count : log->last + 1;
    if (log->count && number < next)
        return 0; /* this record was replayed before */
    if (number > next)
        return -EBADMSG;
    r = reserve(log, log->count + 1);
    struct event_row *row = r == 0 ? malloc(sizeof(*row) + value_length) : NULL;
    if (!row)
        return -ENOMEM;
    *row = (struct event_row){.number = number,
                              .sequence = event.sequence,
                              .type = event.type,
                              .length = (uint32_t)value_length};
    core_event_key(number, row->key);
    memcpy(row->value, value, value_length);
    keep(log, row);
    return 0;
}

/* --- questions --- */

void core_event_range(const struct core *core, uint64_t *ret_first, uint64_t *ret_last)
{
    *ret_first = core->events.first;
    *ret_last = core->events.last;
}

uint64_t core_event_through(const struct core *core, uint64_t sequence)
{
    const struct event_log *log = &core->events;
    size_t low = 0,
           high = log->count; /* rows below `low` are through, from `high` on they are not */

    if (log->count == 0 || row_at(log, log->count - 1)->sequence <= sequence)
        return log->last;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (row_at(log, middle)->sequence <= sequence)
            low = middle + 1;
        else
            high = middle;
    }
    return kept_from(log) + low - 1;
}

int core_event_get(const struct core *core, uint64_t number, struct core_event *ret_event)
{
    const struct event_log *log = &core->events;

    if (number < log->first || number > log->last)
        return CORE_NOT_FOUND;
    if (number < kept_from(log))
        return CORE_LOAD;
    const struct event_row *row = row_at(log, number - kept_from(log));
    int r = core_event_decode(row->key, sizeof(row->key), row->value, row->length, ret_event);
    assert(r == 0);
    return r;
}

/* --- forgetting --- */

int core_event_forget(struct core *core, uint64_t through, int64_t now)
{
    struct event_log *log = &core->events;
    uint8_t keys[FORGET_STEP][CORE_EVENT_KEY_SIZE];
    uint64_t end = kept_from(log); /* not this one: the store has not got it, or it is the last */
    struct append append;

    end = end > log->last ? log->last : end;
    end = end > through ? through + 1 : end;
    if (log->first >= end)
        return CORE_OK;
    size_t count = end - log->first < FORGET_STEP ? (size_t)(end - log->first) : FORGET_STEP;
    append_init(&append);
    for (size_t i = 0; i < count; i++) {
        core_event_key(log->first + i, keys[i]);
        append_image(&append, TABLE_EVENT, keys[i], sizeof(keys[i]), NULL, 0);
    }
    int r = append_begin(core, &append, 0, true);
    if (r < 0)
        return r;
    append_finish(core, &append, RECORD_FORGET, NULL, UID_SELF, 0, NULL, now);
    log->first += count;
    return log->first < end ? CORE_LOAD : CORE_OK;
}

const char *event_log_check(const struct core *core)
{
    const struct event_log *log = &core->events;
    uint64_t sequence = 0;

    if (log->first == 0 || log->first > log->last + 1)
        return "the oldest event comes after the latest";
    for (size_t i = 0; i < log->count; i++) {
        const struct event_row *row = row_at(log, i);
        if (row->number != kept_from(log) + i)
            return "a number is missing among the events";
        if (row->sequence < sequence || row->sequence > core->sequence)
            return "an event is not of its time";
        sequence = row->sequence;
    }
    if (core->started && log->count && kept_from(log) + log->count - 1 != log->last)
        return "the latest event is not in memory";
    return NULL;
}

/* --- the kind of key that creditd-sync holds --- */

bool core_livemode(const struct core *core)
{
    return core->livemode;
}

int core_set_livemode(struct core *core, bool livemode, int64_t now)
{
    uint8_t value = livemode;
    struct append append;

    if (core->livemode == livemode)
        return CORE_OK;
    append_init(&append);
    append_image(&append, TABLE_META, CORE_META_LIVEMODE, strlen(CORE_META_LIVEMODE), &value,
                 sizeof(value));
    int r = append_begin(core, &append, 0, true);
    if (r < 0)
        return r;
    append_finish(core, &append, RECORD_SETTING, NULL, UID_SELF, 0, NULL, now);
    core->livemode = livemode;
    return CORE_OK;
}
