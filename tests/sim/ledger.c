/* See ledger.h. Places are offsets into an imagined file: after a crash they are used again, as
 * they would be there. */
#include "ledger.h"

#include "need.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_PLACE 4096

void ledger_init(struct ledger *ledger)
{
    *ledger = (struct ledger){.next_place = FIRST_PLACE};
}

static void forget(struct ledger *ledger, size_t from)
{
    for (size_t i = from; i < ledger->count; i++)
        free(ledger->records[i].bytes);
    ledger->count = from;
}

void ledger_deinit(struct ledger *ledger)
{
    forget(ledger, 0);
    free(ledger->records);
    rowset_deinit(&ledger->latest);
    rowset_deinit(&ledger->rows);
    *ledger = (struct ledger){0};
}

static int append(void *userdata, size_t size, int use_reserve, uint8_t **ret_buffer,
                  uint64_t *ret_sequence, uint64_t *ret_place)
{
    struct ledger *ledger = userdata;
    if (ledger->full || (ledger->no_space && !use_reserve)) {
        ledger->refused++;
        return -ENOSPC;
    }
    if (size > RECORD_SIZE_MAX || size % 8 != 0)
        abort();
    if (ledger->count == ledger->capacity) {
        ledger->capacity = ledger->capacity > 0 ? 2 * ledger->capacity : 256;
        ledger->records = need_array(ledger->records, ledger->capacity, sizeof(*ledger->records));
    }
    struct ledger_record *entry = &ledger->records[ledger->count++];
    *entry = (struct ledger_record){
        .bytes = need(size), .size = size, .place = ledger->next_place, .batch = ledger->batch};
    memset(entry->bytes, 0xa5, size); /* what is not filled in shows */
    ledger->next_place += size;
    *ret_buffer = entry->bytes;
    *ret_sequence = ledger->count;
    *ret_place = entry->place;
    return 0;
}

struct core_sink ledger_sink(struct ledger *ledger)
{
    return (struct core_sink){.userdata = ledger, .append = append};
}

static const char *settle_one(struct ledger *ledger, struct ledger_record *entry, int64_t now,
                              uint32_t epoch)
{
    struct record *record = &entry->record;
    if (record_decode(entry->bytes, entry->size, record) < 0)
        return "a record cannot be decoded";
    if (record->header.sequence != ledger->settled + 1)
        return "a record has another sequence than its place in the ledger";
    if (record->header.epoch != epoch)
        return "a record has another epoch";
    if (record->header.time > now)
        return "a record is from the future";
    if (ledger->settled > 0 &&
        record->header.time < ledger->records[ledger->settled - 1].record.header.time)
        return "ledger time went back";
    rowset_apply(&ledger->latest, record);
    return NULL;
}

const char *ledger_settle(struct ledger *ledger, int64_t now, uint32_t epoch)
{
    for (; ledger->settled < ledger->count; ledger->settled++) {
        const char *wrong = settle_one(ledger, &ledger->records[ledger->settled], now, epoch);
        if (wrong != NULL)
            return wrong;
    }
    return NULL;
}

void ledger_flush(struct ledger *ledger)
{
    if (ledger->count > 0 && ledger->records[ledger->count - 1].batch == ledger->batch)
        ledger->batch++;
}

void ledger_sync(struct ledger *ledger, bool all)
{
    if (ledger->durable >= ledger->count)
        return;
    uint64_t batch = all ? ledger->batch - 1 : ledger->records[ledger->durable].batch;
    while (ledger->durable < ledger->count && ledger->records[ledger->durable].batch <= batch &&
           ledger->records[ledger->durable].batch < ledger->batch)
        ledger->durable++;
}

void ledger_checkpoint(struct ledger *ledger, uint64_t sequence)
{
    if (sequence > ledger->durable)
        sequence = ledger->durable;
    for (; ledger->stored < sequence; ledger->stored++)
        rowset_apply(&ledger->rows, &ledger->records[ledger->stored].record);
}

/* A checkpoint round that ends in its middle: the images of some tables, in the order in which the
 * store writes them, are there, and the store's sequence has not moved. */
static void interrupted_checkpoint(struct ledger *ledger, struct prng *prng)
{
    uint64_t until = (uint64_t)prng_range(prng, (int64_t)ledger->stored, (int64_t)ledger->durable);
    enum record_table tables = (enum record_table)prng_range(prng, 0, TABLE_COUNT_);

    for (uint64_t i = ledger->stored; i < until; i++)
        rowset_apply_tables(&ledger->rows, &ledger->records[i].record, tables);
    if (until > ledger->covered)
        ledger->covered = until;
}

void ledger_crash(struct ledger *ledger, struct prng *prng)
{
    if (prng_range(prng, 0, 3) == 0)
        interrupted_checkpoint(ledger, prng);
    size_t keep = (size_t)prng_range(prng, (int64_t)ledger->durable, (int64_t)ledger->count);
    while (keep > ledger->durable && keep < ledger->count &&
           ledger->records[keep].batch == ledger->records[keep - 1].batch)
        keep--;
    forget(ledger, keep);
    ledger->durable = keep;
    ledger->settled = keep;
    ledger->batch++;
    ledger->next_place =
        keep > 0 ? ledger->records[keep - 1].place + ledger->records[keep - 1].size : FIRST_PLACE;
    rowset_deinit(&ledger->latest);
    for (size_t i = 0; i < keep; i++)
        rowset_apply(&ledger->latest, &ledger->records[i].record);
}

const struct ledger_record *ledger_at(const struct ledger *ledger, uint64_t sequence)
{
    return sequence >= 1 && sequence <= ledger->settled ? &ledger->records[sequence - 1] : NULL;
}
