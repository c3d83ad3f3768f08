/* See envelope.h. */
#include "envelope.h"
#include "words.h"
#include <core/link.h>
#include <errno.h>
#include <inttypes.h>
#include <proto/events.h>
#include <proto/message.h>
#include <stdio.h>
#include <string.h>

#define OBJECT_HEAD_SIZE 8u /* of a CUSTOMER row's image: when it was read; the object follows */

/* What an envelope is made of. */
struct source {
    const struct core_event *event;
    const struct record *record;
    uint32_t instance;
};

/* The next image of that table that is not deleted, unless that is asked for. */
static bool next_image(const struct record *record, enum record_table table, bool deleted,
                       size_t *position, struct record_image *ret_image)
{
    while (record_next_image(record, position, ret_image))
        if (ret_image->table == table && (ret_image->value_length == 0) == deleted)
            return true;
    return false;
}

static bool find_image(const struct record *record, enum record_table table,
                       struct record_image *ret_image)
{
    size_t position = 0;

    return next_image(record, table, false, &position, ret_image);
}

/* A row of a fixed size. */
static bool find_row(const struct record *record, enum record_table table, void *row, size_t size)
{
    struct record_image image;

    if (!find_image(record, table, &image) || image.value_length != size)
        return false;
    memcpy(row, image.value, size);
    return true;
}

static void pack_kv_id(msgpack_packer *packer, const char *key, struct core_text id)
{
    pack_key(packer, key);
    if (id.length > 0)
        pack_text_n(packer, id.data, id.length);
    else
        pack_nil(packer);
}

/* --- credits.* --- */

static bool has_threshold(enum core_event_type type)
{
    return type == CORE_EVENT_CREDITS_LOW || type == CORE_EVENT_CREDITS_RECOVERED;
}

static int pack_balance(msgpack_packer *packer, const struct source *source)
{
    const struct core_event *event = source->event;
    struct core_row row;
    int64_t pending, available;

    if (!find_row(source->record, TABLE_BALANCE, &row, sizeof(row)))
        return -EBADMSG;
    pending = row.deducted - row.pushed;
    available = row.upstream - pending - row.held;
    if ((row.flags & CORE_ROW_REVOKED) != 0 && available > 0)
        available = 0;
    pack_map(packer, 8);
    pack_kv_text(packer, "object", "credit_balance");
    pack_kv_id(packer, "customer_id", event->customer);
    pack_kv_id(packer, "product_id", event->product);
    pack_kv_int(packer, "balance", available);
    pack_kv_int(packer, "upstream", row.upstream);
    pack_kv_int(packer, "pending", pending);
    pack_kv_int(packer, "held", row.held);
    if (has_threshold(event->type))
        pack_kv_int(packer, "threshold", event->value);
    else
        pack_kv_nil(packer, "threshold");
    return 0;
}

/* --- push.* --- */

/* A push, or (no `push`) a product, whose pushes all wait. */
struct told_push {
    const struct core_push *push;
    const char *state, *reason;
    size_t reason_length;
};

static void pack_told_push(msgpack_packer *packer, const struct source *source,
                           const struct told_push *told)
{
    char id[EXCHANGE_PUSH_ID_SIZE];

    pack_map(packer, 8);
    pack_kv_text(packer, "object", "push");
    if (told->push != NULL) {
        snprintf(id, sizeof(id), "psh_%08" PRIx32 "_%" PRIu32 "_%" PRIu64, source->instance,
                 told->push->epoch, told->push->sequence);
        pack_kv_text(packer, "id", id);
    } else {
        pack_kv_nil(packer, "id");
    }
    pack_kv_id(packer, "customer_id", source->event->customer);
    pack_kv_id(packer, "product_id", source->event->product);
    pack_kv_text(packer, "type", told->push != NULL ? words_push_kind(told->push->kind) : NULL);
    if (told->push != NULL)
        pack_kv_int(packer, "credits", told->push->credits);
    else
        pack_kv_nil(packer, "credits");
    pack_kv_text(packer, "state", told->state);
    pack_kv_id(packer, "reason", (struct core_text){told->reason, told->reason_length});
}

static void set_reason(struct told_push *told, const char *reason)
{
    told->reason = reason;
    told->reason_length = reason != NULL ? strlen(reason) : 0;
}

static int pack_product(msgpack_packer *packer, const struct source *source)
{
    struct told_push told = {.state = "resumed"};
    struct core_product row;
    char reason[160];

    if (!find_row(source->record, TABLE_PRODUCT, &row, sizeof(row)))
        return -EBADMSG;
    if (row.parked != 0) {
        snprintf(reason, sizeof(reason),
                 "StellarTools counts this product's units otherwise than we do; its answer "
                 "suggests %" PRId64 " units per credit",
                 row.suggested);
        told.state = words_push_state(CORE_PUSH_PARKED);
        set_reason(&told, reason);
    }
    pack_told_push(packer, source, &told);
    return 0;
}

static bool find_parked(const struct record *record, struct core_push *ret_push)
{
    struct record_image image;
    size_t position = 0;

    while (next_image(record, TABLE_PUSH, false, &position, &image)) {
        if (image.value_length != sizeof(*ret_push))
            return false;
        memcpy(ret_push, image.value, sizeof(*ret_push));
        if (ret_push->state == CORE_PUSH_PARKED)
            return true;
    }
    return false;
}

/* A create stands among the pushes; it moves no credits. */
static int pack_intent(msgpack_packer *packer, const struct source *source,
                       const struct record_image *image)
{
    struct core_text owner, payload;
    char id[EXCHANGE_PUSH_ID_SIZE];
    struct core_intent intent;
    const char *reason = words_intent_reason(CORE_INTENT_PARKED);
    int r = core_intent_decode(image->value, image->value_length, &intent, &owner, &payload);

    if (r < 0)
        return r;
    snprintf(id, sizeof(id), "int_%08" PRIx32 "_%" PRIu32 "_%" PRIu64, source->instance,
             intent.epoch, intent.sequence);
    pack_map(packer, 8);
    pack_kv_text(packer, "object", "push");
    pack_kv_text(packer, "id", id);
    pack_kv_id(packer, "customer_id", source->event->customer);
    pack_kv_id(packer, "product_id", source->event->product);
    pack_kv_text(packer, "type", words_intent_kind(intent.kind));
    pack_kv_int(packer, "credits", 0);
    pack_kv_text(packer, "state", words_intent_state(intent.state));
    pack_kv_id(packer, "reason", (struct core_text){reason, strlen(reason)});
    return 0;
}

static int pack_parked(msgpack_packer *packer, const struct source *source)
{
    struct told_push told = {.state = words_push_state(CORE_PUSH_PARKED)};
    struct record_image image;
    struct core_push push;

    if (find_image(source->record, TABLE_INTENT, &image))
        return pack_intent(packer, source, &image);
    if (!find_parked(source->record, &push))
        return pack_product(packer, source);
    told.push = &push;
    set_reason(&told, words_park_reason(push.reason));
    pack_told_push(packer, source, &told);
    return 0;
}

/* The push as it was: its row is gone. The operator's words follow it, where it was dropped. */
static int pack_resumed(msgpack_packer *packer, const struct source *source)
{
    const struct record_header *header = &source->record->header;
    struct told_push told = {.state = "retried"};
    struct record_push detail;

    if (header->type != RECORD_PUSH_RESOLVED && header->type != RECORD_WRITE_OFF)
        return pack_product(packer, source);
    if (header->detail_length < sizeof(detail))
        return -EBADMSG;
    memcpy(&detail, source->record->detail, sizeof(detail));
    told.push = &detail.push;
    if (header->type == RECORD_WRITE_OFF) {
        told.state = "dropped";
        told.reason = (const char *)source->record->detail + sizeof(detail);
        told.reason_length = header->detail_length - sizeof(detail);
    }
    pack_told_push(packer, source, &told);
    return 0;
}

/* --- customer.* --- */

static bool find_user(const struct record *record, bool unlinked, struct core_text *ret_user)
{
    struct record_image image;
    size_t position = 0;

    if (!next_image(record, TABLE_LINK, unlinked, &position, &image))
        return false;
    *ret_user = (struct core_text){image.key, image.key_length};
    return true;
}

static int pack_link(msgpack_packer *packer, const struct source *source)
{
    struct core_text user;

    if (!find_user(source->record, source->event->type == CORE_EVENT_CUSTOMER_UNLINKED, &user))
        return -EBADMSG;
    pack_map(packer, 3);
    pack_kv_text(packer, "object", "customer_link");
    pack_kv_id(packer, "user_id", user);
    pack_kv_id(packer, "customer_id", source->event->customer);
    return 0;
}

/* One that was too large to be kept with the change, is named only. */
static int pack_customer(msgpack_packer *packer, const struct source *source)
{
    struct record_image image;

    if (find_image(source->record, TABLE_CUSTOMER, &image) &&
        image.value_length > OBJECT_HEAD_SIZE) {
        if (msgpack_pack_str_body(packer, (const char *)image.value + OBJECT_HEAD_SIZE,
                                  image.value_length - OBJECT_HEAD_SIZE) != 0)
            pack_break(packer);
        return 0;
    }
    pack_map(packer, 2);
    pack_kv_text(packer, "object", "customer");
    pack_kv_id(packer, "id", source->event->customer);
    return 0;
}

/* Whom the user was linked to before: that customer has lost its owner in the same record. */
static void pack_previous(msgpack_packer *packer, const struct source *source)
{
    struct record_image image;
    size_t position = 0;

    if (source->event->type != CORE_EVENT_CUSTOMER_LINKED ||
        !next_image(source->record, TABLE_OWNER, true, &position, &image)) {
        pack_nil(packer);
        return;
    }
    pack_map(packer, 1);
    pack_kv_id(packer, "customer_id", (struct core_text){image.key, image.key_length});
}

/* --- the whole --- */

static int pack_object(msgpack_packer *packer, const struct source *source)
{
    switch (source->event->type) {
    case CORE_EVENT_CREDITS_LOW:
    case CORE_EVENT_CREDITS_RECOVERED:
    case CORE_EVENT_CREDITS_EXHAUSTED:
    case CORE_EVENT_CREDITS_OVERDRAWN:
        return pack_balance(packer, source);
    case CORE_EVENT_PUSH_PARKED:
        return pack_parked(packer, source);
    case CORE_EVENT_PUSH_RESUMED:
        return pack_resumed(packer, source);
    case CORE_EVENT_CUSTOMER_LINKED:
    case CORE_EVENT_CUSTOMER_UNLINKED:
        return pack_link(packer, source);
    case CORE_EVENT_CUSTOMER_CREATED:
        return pack_customer(packer, source);
    default: /* all others come with their data */
        return -EBADMSG;
    }
}

static int pack_data(msgpack_packer *packer, const struct source *source)
{
    const struct core_event *event = source->event;
    const struct record *record = source->record;
    int r;

    if (event->data_length > 0) {
        if (event->data_offset > record->header.detail_length ||
            event->data_length > record->header.detail_length - event->data_offset)
            return -EBADMSG;
        if (msgpack_pack_str_body(packer, record->detail + event->data_offset,
                                  event->data_length) != 0)
            pack_break(packer);
        return 0;
    }
    pack_map(packer, 2);
    pack_key(packer, "object");
    r = pack_object(packer, source);
    pack_key(packer, "previous_attributes");
    pack_previous(packer, source);
    return r;
}

/* All but the value of `data`. */
static void pack_head(msgpack_packer *packer, const struct core_event *event)
{
    char id[WORDS_TRANSACTION_ID_SIZE];

    words_id("evt", event->epoch, event->number, id);
    pack_map(packer, 6);
    pack_kv_text(packer, "id", id);
    pack_kv_text(packer, "type", proto_event_type(event->type));
    pack_kv_int(packer, "created", event->created);
    pack_kv_bool(packer, "livemode", event->livemode);
    pack_kv_int(packer, "sequence", (int64_t)event->number);
    pack_key(packer, "data");
}

int envelope_pack(const struct core_event *event, const struct record *record, uint32_t instance,
                  msgpack_sbuffer *envelope)
{
    const struct source source = {event, record, instance};
    size_t before = envelope->size;
    msgpack_packer packer;
    int r;

    if (record->header.sequence != event->sequence)
        return -EBADMSG;
    msgpack_packer_init(&packer, envelope, msgpack_sbuffer_write);
    pack_head(&packer, event);
    r = pack_data(&packer, &source);
    if (r == 0 && pack_failed(&packer))
        r = -ENOMEM;
    if (r < 0)
        envelope->size = before;
    return r;
}

int envelope_pack_bare(const struct core_event *event, msgpack_sbuffer *envelope)
{
    size_t before = envelope->size;
    msgpack_packer packer;

    msgpack_packer_init(&packer, envelope, msgpack_sbuffer_write);
    pack_head(&packer, event);
    pack_map(&packer, 2);
    pack_kv_nil(&packer, "object");
    pack_kv_nil(&packer, "previous_attributes");
    if (!pack_failed(&packer))
        return 0;
    envelope->size = before;
    return -ENOMEM;
}
