/*
 * From a change to its record: the one way in which anything here changes. The record is appended
 * first, and memory follows only when that has succeeded, so a full disk or a full queue leaves
 * everything as it was.
 */
#include "state.h"

#include <assert.h>
#include <string.h>

void append_init(struct append *append)
{
    append->image_count = 0;
    append->events = append->last_event = NULL;
    append->event_count = 0;
}

void append_image(struct append *append, enum record_table table, const void *key,
                  size_t key_length, const void *value, size_t value_length)
{
    assert(append->image_count < RECORD_IMAGES_MAX);
    append->images[append->image_count++] = (struct record_image){
        .table = table,
        .key = key,
        .key_length = (uint16_t)key_length,
        .value = value,
        .value_length = (uint32_t)value_length,
    };
}

int append_begin(struct core *core, struct append *append, size_t detail_length, bool use_reserve)
{
    size_t size = record_size(append->images, append->image_count, detail_length);

    append->detail_length = detail_length;
    int r = core->sink.append(core->sink.userdata, size, use_reserve, &append->buffer,
                              &append->sequence, &append->place);
    if (r < 0) {
        event_log_drop(append);
        return r;
    }
    core->sequence = append->sequence;
    return 0;
}

void append_finish(struct core *core, struct append *append, enum record_type type,
                   const struct balance *balance, uint32_t uid, uint32_t pid, const void *detail,
                   int64_t now)
{
    struct record_header header = {
        .sequence = append->sequence,
        .time = now,
        .previous = balance ? balance->row->last_place : 0,
        .balance = balance ? balance->row->id : 0,
        .uid = uid,
        .pid = pid,
        .type = (uint16_t)type,
        .epoch = core->epoch,
        .events = append->events ? event_log_number(core, append, now) : 0,
    };
    record_encode(append->buffer, &header, append->images, append->image_count, detail,
                  append->detail_length);
}

static void change_images(struct append *append, struct change *change)
{
    append_init(append);
    append_image(append, TABLE_BALANCE, &change->row.id, sizeof(change->row.id), &change->row,
                 sizeof(change->row));
    if (change->reading)
        append_image(append, TABLE_READING, &change->row.id, sizeof(change->row.id),
                     change->reading, sizeof(*change->reading));
    if (change->push)
        append_image(append, TABLE_PUSH, &change->push->sequence, sizeof(change->push->sequence),
                     change->push, change->push->state ? sizeof(*change->push) : 0);
    for (size_t i = 0; i < change->extra_count; i++)
        append->images[append->image_count++] = change->extra[i];
    if (change->request)
        dedupe_append_images(append, change->request, change->images);
}

int change_append(struct core *core, struct change *change, int64_t now, uint64_t *ret_sequence)
{
    struct balance *balance = change->balance;
    struct append append;
    int r = 0;

    change->events |= crossing(core, balance, &change->row, change->spent);
    change_images(&append, change);
    if (change->events)
        r = crossing_add(core, &append, balance, &change->row, change->events);
    if (r == 0)
        r = append_begin(core, &append, change->detail_length, change->use_reserve);
    if (r < 0)
        return r;

    change->row.last_place = append.place;
    for (size_t i = 0; i < change->sequence_count; i++)
        *change->sequences[i] = append.sequence;
    append_finish(core, &append, change->type, balance, change->uid, change->pid, change->detail,
                  now);
    balance_set_row(core, balance, &change->row, now);
    balance->last_sequence = append.sequence;
    if (change->reading)
        balance->reading = *change->reading;
    if (change->request)
        dedupe_remember(core, change->request, &change->images->entry);
    event_log_tell(core, &append, balance->slot);
    if (ret_sequence)
        *ret_sequence = append.sequence;
    return 0;
}
