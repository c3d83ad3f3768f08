/* See changes.h. */
#include "changes.h"
#include "changes_work.h"
#include "object_compare.h"
#include <errno.h>
#include <proto/message.h>
#include <proto/unpack.h>
#include <stdlib.h>
#include <string.h>

enum record_table changes_table(enum core_event_type type)
{
    switch (type) {
    case CORE_EVENT_CUSTOMER_CREATED:
    case CORE_EVENT_CUSTOMER_UPDATED:
    case CORE_EVENT_CUSTOMER_DELETED:
        return TABLE_CUSTOMER;
    case CORE_EVENT_SUBSCRIPTION_CREATED:
    case CORE_EVENT_SUBSCRIPTION_UPDATED:
    case CORE_EVENT_SUBSCRIPTION_CANCELED:
        return TABLE_SUBSCRIPTIONS;
    case CORE_EVENT_REFUND_CREATED:
    case CORE_EVENT_REFUND_SUCCEEDED:
    case CORE_EVENT_REFUND_FAILED:
        return TABLE_REFUND;
    case CORE_EVENT_PAYMENT_PENDING:
    case CORE_EVENT_PAYMENT_CONFIRMED:
    case CORE_EVENT_PAYMENT_FAILED:
        return TABLE_PAYMENT;
    default:
        return TABLE_COUNT_;
    }
}

bool work_is_told(const struct work *work)
{
    return work->input->source == CHANGES_TOLD;
}

/* --- comparing --- */

static bool is_text(struct core_text text, const char *other)
{
    return text.length == strlen(other) && memcmp(text.data, other, text.length) == 0;
}

static bool is_pending(const msgpack_object *object)
{
    return object_text_is(object, "status", "pending");
}

/* A refund or a payment that has ended is not pending again. */
static bool is_older(const struct work *work, const msgpack_object *old, const msgpack_object *new)
{
    enum record_table table = work->input->table;
    int64_t before, now;

    if (object_time(old, "updated_at", &before) && object_time(new, "updated_at", &now) &&
        now != before)
        return now < before;
    return (table == TABLE_REFUND || table == TABLE_PAYMENT) &&
           object_text(old, "status").length > 0 && !is_pending(old) && is_pending(new);
}

enum compared work_compare(const struct work *work, const msgpack_object *old,
                           const msgpack_object *new)
{
    if (old == NULL)
        return IS_NEW;
    if (is_older(work, old, new)) {
        work->changes->is_older = !work->input->is_list;
        return IS_OLDER;
    }
    if (work_is_told(work) ? object_includes(old, new) : object_equal(old, new))
        return IS_SAME;
    return IS_CHANGED;
}

bool work_is_young(const struct work *work, const msgpack_object *object)
{
    int64_t created;

    return work->input->told_at > 0 && object_time(object, "created_at", &created) &&
           work->input->told_at - created < CHANGES_YOUNG_MS;
}

/* --- telling --- */

void work_pack_state(const struct work *work, msgpack_packer *packer, const msgpack_object *old,
                     const msgpack_object *new)
{
    if (old != NULL && work_is_told(work))
        object_pack_merged(packer, old, new);
    else
        object_pack(packer, new);
}

static void pack_previous(const struct work *work, msgpack_packer *packer,
                          enum core_event_type type, const msgpack_object *old,
                          const msgpack_object *new)
{
    bool created = type == CORE_EVENT_CUSTOMER_CREATED || type == CORE_EVENT_SUBSCRIPTION_CREATED ||
                   type == CORE_EVENT_REFUND_CREATED;

    msgpack_object reduced;

    if (old != NULL && work->is_reduced) { /* what is not stored says nothing */
        if (object_reduce(&work->changes->zone, new, &reduced) < 0)
            pack_break(packer);
        new = &reduced;
    }
    if (old != NULL)
        object_pack_previous(packer, old, new, work_is_told(work));
    else if (work->has_previous && !created)
        object_pack(packer, &work->previous);
    else
        pack_nil(packer);
}

/* Where an event's data are is known once all are there: until then, how far in. */
void work_tell(struct work *work, enum core_event_type type, const msgpack_object *old,
               const msgpack_object *new)
{
    struct changes *changes = work->changes;
    bool is_customer = changes_table(type) == TABLE_CUSTOMER;

    if (changes->event_count == changes->event_capacity) {
        size_t capacity = changes->event_capacity > 0 ? 2 * changes->event_capacity : 4;
        struct core_event_data *events = reallocarray(changes->events, capacity, sizeof(*events));

        if (events == NULL) {
            pack_break(&work->data);
            return;
        }
        changes->events = events;
        changes->event_capacity = capacity;
    }
    changes->events[changes->event_count++] = (struct core_event_data){
        .type = type,
        .customer = object_id(new, is_customer ? "id" : "customer_id"),
        .product = object_id(new, "product_id"),
        .length = changes->data.size,
    };
    pack_map(&work->data, 2);
    pack_key(&work->data, "object");
    work_pack_state(work, &work->data, old, new);
    pack_key(&work->data, "previous_attributes");
    pack_previous(work, &work->data, type, old, new);
}

static void place_events(struct changes *changes)
{
    size_t end = changes->data.size;

    for (size_t i = changes->event_count; i-- > 0;) {
        size_t begin = changes->events[i].length;

        changes->events[i].data = changes->data.data + begin;
        changes->events[i].length = end - begin;
        end = begin;
    }
}

/* --- one object --- */

static void store(struct work *work, const msgpack_object *old, const msgpack_object *new)
{
    work->changes->store = true;
    work_pack_state(work, &work->body, old, new);
}

/* What was read is true of now, also where it says nothing new. */
static void store_again(struct work *work, const msgpack_object *old)
{
    if (work_is_told(work))
        return;
    work->changes->store = true;
    object_pack(&work->body, old);
}

static void delete_customer(struct work *work)
{
    struct core_text id = object_id(&work->new, "id");

    if (work->has_old && work->stored->partial) /* it is known */
        return;
    work->changes->store = work->changes->partial = true;
    pack_map(&work->body, 3);
    pack_key(&work->body, "id");
    pack_text_n(&work->body, id.data, id.length);
    pack_kv_text(&work->body, "object", "customer");
    pack_kv_bool(&work->body, "deleted", true);
    work_tell(work, CORE_EVENT_CUSTOMER_DELETED, NULL, &work->new);
}

static void change_customer(struct work *work)
{
    const struct changes_input *input = work->input;
    const msgpack_object *old = work->has_old && !work->stored->partial ? &work->old : NULL;
    bool is_gone = work->has_old && work->stored->partial;

    if (work_is_told(work) && input->type == CORE_EVENT_CUSTOMER_DELETED) {
        delete_customer(work);
        return;
    }
    if (work_is_told(work) && is_gone)
        return;
    switch (work_compare(work, old, &work->new)) {
    case IS_SAME:
    case IS_OLDER:
        store_again(work, old);
        return;
    case IS_CHANGED:
        store(work, old, &work->new);
        work_tell(work, CORE_EVENT_CUSTOMER_UPDATED, old, &work->new);
        return;
    case IS_NEW:
        break;
    }
    store(work, NULL, &work->new);
    if (!work_is_told(work))
        return;
    if (input->type == CORE_EVENT_CUSTOMER_CREATED || work_is_young(work, &work->new))
        work_tell(work, CORE_EVENT_CUSTOMER_CREATED, NULL, &work->new);
    if (input->type == CORE_EVENT_CUSTOMER_UPDATED)
        work_tell(work, CORE_EVENT_CUSTOMER_UPDATED, NULL, &work->new);
}

static void change_refund(struct work *work)
{
    const msgpack_object *old = work->has_old ? &work->old : NULL;
    struct core_text status = object_text(&work->new, "status");
    enum compared compared = work_compare(work, old, &work->new);
    bool is_final = is_text(status, "succeeded") || is_text(status, "failed");

    if (compared == IS_SAME || compared == IS_OLDER)
        return;
    store(work, old, &work->new);
    if (old == NULL)
        work_tell(work, CORE_EVENT_REFUND_CREATED, NULL, &work->new);
    if (!is_final ||
        (old != NULL &&
         object_text_is(old, "status", is_text(status, "failed") ? "failed" : "succeeded")))
        return;
    work_tell(work,
              is_text(status, "failed") ? CORE_EVENT_REFUND_FAILED : CORE_EVENT_REFUND_SUCCEEDED,
              old, &work->new);
}

/* Nothing but webhooks tells of payments, so that each of them is news. */
static void change_payment(struct work *work)
{
    const msgpack_object *old = work->has_old ? &work->old : NULL;
    enum compared compared = work_compare(work, old, &work->new);

    if (compared == IS_OLDER)
        return;
    if (compared != IS_SAME)
        store(work, old, &work->new);
    work_tell(work, work->input->type, old, &work->new);
}

/* --- what a webhook's type says --- */

/* The status that it tells of; NULL: none. */
static const char *status_told(const struct work *work)
{
    if (work_is_told(work))
        switch (work->input->type) {
        case CORE_EVENT_REFUND_SUCCEEDED:
            return "succeeded";
        case CORE_EVENT_REFUND_FAILED:
        case CORE_EVENT_PAYMENT_FAILED:
            return "failed";
        case CORE_EVENT_PAYMENT_CONFIRMED:
            return "confirmed";
        case CORE_EVENT_PAYMENT_PENDING:
            return "pending";
        default:
            break;
        }
    return NULL;
}

static bool is_status(const msgpack_object *key)
{
    return key->type == MSGPACK_OBJECT_STR && key->via.str.size == 6 &&
           memcmp(key->via.str.ptr, "status", 6) == 0;
}

/* `object`, with that status in place of its own. */
static int with_status(struct work *work, const msgpack_object *object, const char *status,
                       msgpack_object *ret_object)
{
    const msgpack_object_map *map = &object->via.map;
    msgpack_object_kv *members =
        msgpack_zone_malloc(&work->changes->zone, (map->size + 1) * sizeof(*members));
    uint32_t count = 0;

    if (members == NULL)
        return -ENOMEM;
    for (uint32_t i = 0; i < map->size; i++)
        if (!is_status(&map->ptr[i].key))
            members[count++] = map->ptr[i];
    members[count++] = (msgpack_object_kv){
        .key = {.type = MSGPACK_OBJECT_STR, .via.str = {6, "status"}},
        .val = {.type = MSGPACK_OBJECT_STR, .via.str = {(uint32_t)strlen(status), status}},
    };
    *ret_object =
        (msgpack_object){.type = MSGPACK_OBJECT_MAP, .via.map = {.size = count, .ptr = members}};
    return 0;
}

/* Of refunds and payments a webhook's type says more than the object that comes with it, which may
 * have been looked at before, or long after: how it ended counts, and pending is what says nothing
 * else. Where all else that it says is older than what is stored, the end alone is news. */
static int take_status(struct work *work)
{
    const char *status = status_told(work);
    bool ends = status != NULL && strcmp(status, "pending") != 0;
    int r = 0;

    if (status == NULL || (!ends && object_text(&work->new, "status").length > 0))
        return 0;
    r = with_status(work, &work->new, status, &work->new);
    if (r == 0 && ends && work->has_old && is_pending(&work->old) &&
        is_older(work, &work->old, &work->new))
        r = with_status(work, &work->old, status, &work->new);
    return r;
}

/* --- the whole --- */

static void read_reduced(struct work *work)
{
    const msgpack_object *rows = map_find(&work->old, "rows");

    work->is_complete = object_is_true(&work->old, "complete");
    work->is_reduced = rows != NULL && rows->type == MSGPACK_OBJECT_ARRAY;
    if (work->is_reduced)
        work->old = *rows;
}

static int read_all(struct work *work)
{
    const struct changes_input *input = work->input;
    const struct changes_stored *stored = work->stored;
    msgpack_zone *zone = &work->changes->zone;
    bool old_is_list = input->table == TABLE_SUBSCRIPTIONS;
    int r = 0;

    work->new.type = MSGPACK_OBJECT_NIL;
    if (input->body != NULL)
        r = unpack(zone, input->body, input->length, &work->new);
    if (r == 0 && input->previous != NULL) {
        r = unpack(zone, input->previous, input->previous_length, &work->previous);
        work->has_previous = r == 0;
    }
    if (r < 0)
        return r;
    if (input->table == TABLE_COUNT_)
        return 0;
    if (work->new.type != (input->is_list ? MSGPACK_OBJECT_ARRAY : MSGPACK_OBJECT_MAP))
        return -EBADMSG;
    if (input->table != TABLE_ACCESS && !input->is_list && object_id(&work->new, "id").length == 0)
        return -EBADMSG;
    if (stored->body == NULL)
        return 0;
    r = unpack(zone, stored->body, stored->length, &work->old);
    /* What is stored and cannot be read is as good as nothing. */
    if (r == 0 && old_is_list && work->old.type == MSGPACK_OBJECT_MAP)
        read_reduced(work);
    work->has_old =
        r == 0 && work->old.type == (old_is_list ? MSGPACK_OBJECT_ARRAY : MSGPACK_OBJECT_MAP);
    return r == -ENOMEM ? r : 0;
}

static void change(struct work *work)
{
    switch (work->input->table) {
    case TABLE_CUSTOMER:
        change_customer(work);
        break;
    case TABLE_SUBSCRIPTIONS:
        if (work->input->is_list)
            work_change_list(work);
        else
            work_change_subscription(work);
        break;
    case TABLE_REFUND:
        change_refund(work);
        break;
    case TABLE_PAYMENT:
        change_payment(work);
        break;
    case TABLE_COUNT_:
        work_tell(work, work->input->type, NULL, &work->new);
        break;
    default:
        store(work, NULL, &work->new);
        break;
    }
}

int changes_make(const struct changes_input *input, const struct changes_stored *stored,
                 struct changes *ret_changes)
{
    struct work work = {.input = input, .stored = stored, .changes = ret_changes};
    int r;

    memset(ret_changes, 0, sizeof(*ret_changes));
    if (!msgpack_zone_init(&ret_changes->zone, 8192))
        return -ENOMEM;
    msgpack_packer_init(&work.body, &ret_changes->body, msgpack_sbuffer_write);
    msgpack_packer_init(&work.data, &ret_changes->data, msgpack_sbuffer_write);
    r = read_all(&work);
    if (r == 0)
        r = take_status(&work);
    if (r == 0)
        change(&work);
    if (r == 0 && (pack_failed(&work.body) || pack_failed(&work.data)))
        r = -ENOMEM;
    if (r < 0)
        changes_deinit(ret_changes);
    else
        place_events(ret_changes);
    return r;
}

void changes_deinit(struct changes *changes)
{
    msgpack_zone_destroy(&changes->zone);
    msgpack_sbuffer_destroy(&changes->body);
    msgpack_sbuffer_destroy(&changes->data);
    free(changes->events);
}
