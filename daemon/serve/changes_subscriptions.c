/*
 * Subscriptions are kept as one list for each customer. One that has grown too large to be kept is
 * reduced to what tells of a change, and is partial: compared with, never told, so that whoever
 * asks for the list has it read. It may say all the same that it has all of them.
 */
#include "changes_work.h"
#include "object_compare.h"
#include <proto/message.h>
#include <proto/unpack.h>
#include <string.h>

#define FRAME_MAX 64u /* what is around a reduced list's rows */

static bool became(const msgpack_object *old, const msgpack_object *new)
{
    return (object_text_is(new, "status", "canceled") &&
            !object_text_is(old, "status", "canceled")) ||
           (object_is_true(new, "cancel_at_period_end") &&
            !object_is_true(old, "cancel_at_period_end"));
}

static void tell_changed(struct work *work, const msgpack_object *old, const msgpack_object *new)
{
    bool canceled = became(old, new) ||
                    (work_is_told(work) && work->input->type == CORE_EVENT_SUBSCRIPTION_CANCELED);

    work_tell(work, canceled ? CORE_EVENT_SUBSCRIPTION_CANCELED : CORE_EVENT_SUBSCRIPTION_UPDATED,
              old, new);
}

static bool is_list_known(const struct work *work)
{
    return work->has_old && (!work->stored->partial || work->is_complete);
}

/* What of it is compared with a row that is stored. */
static const msgpack_object *view(struct work *work, const msgpack_object *new,
                                  msgpack_object *reduced)
{
    if (!work->is_reduced)
        return new;
    if (object_reduce(&work->changes->zone, new, reduced) < 0)
        pack_break(&work->body);
    return reduced;
}

/* As many rows as there is room for, the newest first. */
static void pack_reduced(struct work *work, const msgpack_object_array *rows, bool complete)
{
    msgpack_sbuffer bytes;
    msgpack_packer packer;
    msgpack_object row;
    uint32_t count = 0;
    size_t end = 0;

    msgpack_sbuffer_init(&bytes);
    msgpack_packer_init(&packer, &bytes, msgpack_sbuffer_write);
    for (; count < rows->size; count++) {
        if (object_reduce(&work->changes->zone, &rows->ptr[count], &row) < 0)
            pack_break(&packer);
        else
            object_pack(&packer, &row);
        if (bytes.size + FRAME_MAX > BODY_MAX)
            break;
        end = bytes.size;
    }
    pack_map(&work->body, 2);
    pack_kv_bool(&work->body, "complete", complete && count == rows->size);
    pack_key(&work->body, "rows");
    pack_array(&work->body, count);
    if (pack_failed(&packer) ||
        (end > 0 && msgpack_pack_str_body(&work->body, bytes.data, end) != 0))
        pack_break(&work->body);
    msgpack_sbuffer_destroy(&bytes);
}

/* Nothing must be lost because a list has grown: it is kept to be compared with, and read when
 * somebody asks for it. */
static void fit_list(struct work *work, bool complete)
{
    msgpack_sbuffer *body = &work->changes->body, whole = *body;
    msgpack_object rows;

    if ((!work->must_reduce && body->size <= BODY_MAX) || pack_failed(&work->body))
        return;
    if (unpack(&work->changes->zone, body->data, body->size, &rows) < 0) {
        pack_break(&work->body);
        return;
    }
    msgpack_sbuffer_init(body); /* the rows' texts are in the old one */
    pack_reduced(work, &rows.via.array, complete);
    msgpack_sbuffer_destroy(&whole);
    work->changes->partial = true;
    work->changes->keeps_time = false;
}

static void tell_new(struct work *work, const msgpack_object *new)
{
    const struct changes_input *input = work->input;
    bool says_so = input->source == CHANGES_CREATED ||
                   (work_is_told(work) && input->type == CORE_EVENT_SUBSCRIPTION_CREATED);

    if (says_so || is_list_known(work) || (work_is_told(work) && work_is_young(work, new)))
        work_tell(work, CORE_EVENT_SUBSCRIPTION_CREATED, NULL, new);
    if (work_is_told(work) && input->type != CORE_EVENT_SUBSCRIPTION_CREATED)
        work_tell(work, input->type, NULL, new);
}

static const msgpack_object *find_row(const msgpack_object *list, const msgpack_object *row)
{
    struct core_text id = object_id(row, "id");

    for (uint32_t i = 0; id.length > 0 && i < list->via.array.size; i++) {
        struct core_text own = object_id(&list->via.array.ptr[i], "id");

        if (own.length == id.length && memcmp(own.data, id.data, id.length) == 0)
            return &list->via.array.ptr[i];
    }
    return NULL;
}

void work_change_subscription(struct work *work)
{
    const msgpack_object_array *rows = &work->old.via.array;
    uint32_t count = work->has_old ? rows->size : 0;
    const msgpack_object *old = work->has_old ? find_row(&work->old, &work->new) : NULL;
    msgpack_object reduced;
    const msgpack_object *new = view(work, &work->new, &reduced);
    enum compared compared = work_compare(work, old, new);

    if (compared == IS_SAME || compared == IS_OLDER)
        return;
    work->changes->store = true;
    work->must_reduce = work->is_reduced;
    work->changes->partial = !is_list_known(work);
    work->changes->keeps_time = is_list_known(work);
    pack_array(&work->body, count + (old == NULL));
    if (old == NULL) /* newest first, as StellarTools lists them */
        object_pack(&work->body, &work->new);
    for (uint32_t i = 0; i < count; i++)
        if (&rows->ptr[i] == old)
            work_pack_state(work, &work->body, old, &work->new);
        else
            object_pack(&work->body, &rows->ptr[i]);
    fit_list(work, is_list_known(work));
    if (old == NULL)
        tell_new(work, &work->new);
    else
        tell_changed(work, old, &work->new);
}

static uint32_t count_kept(const struct work *work)
{
    uint32_t count = 0;

    for (uint32_t i = 0; work->input->overtaken && work->has_old && i < work->old.via.array.size;
         i++)
        count += find_row(&work->new, &work->old.via.array.ptr[i]) == NULL;
    return count;
}

void work_change_list(struct work *work)
{
    const msgpack_object_array *rows = &work->new.via.array;
    uint32_t kept = count_kept(work);

    work->changes->store = true;
    pack_array(&work->body, rows->size + kept);
    for (uint32_t i = 0; kept > 0 && i < work->old.via.array.size; i++)
        if (find_row(&work->new, &work->old.via.array.ptr[i]) == NULL)
            object_pack(&work->body, &work->old.via.array.ptr[i]);
    work->must_reduce = kept > 0 && work->is_reduced;
    for (uint32_t i = 0; i < rows->size; i++) {
        const msgpack_object *new = &rows->ptr[i];
        const msgpack_object *old = work->has_old ? find_row(&work->old, new) : NULL;
        msgpack_object reduced;
        enum compared compared = work_compare(work, old, view(work, new, &reduced));
        bool stays = compared == IS_OLDER || (compared == IS_SAME && !work->is_reduced);

        object_pack(&work->body, stays ? old : new);
        work->must_reduce |= stays && work->is_reduced;
        if (compared == IS_CHANGED)
            tell_changed(work, old, new);
        else if (compared == IS_NEW && is_list_known(work) && object_id(new, "id").length > 0)
            work_tell(work, CORE_EVENT_SUBSCRIPTION_CREATED, NULL, new);
    }
    fit_list(work, true);
}
