/*
 * The exchanges about objects in the channel's words: customers, subscriptions, refunds. Objects
 * are passed on whole; of what is in them only what linking and looking up need is read.
 */
#include "upstream_words.h"
#include "writes.h"
#include <core/link.h>
#include <errno.h>
#include <proto/limits.h>
#include <proto/message.h>
#include <proto/upstream.h>
#include <string.h>

#define PAGE_LIMIT EXCHANGE_HISTORY_LIMIT

bool upstream_has_objects(enum exchange_kind kind)
{
    return kind == EXCHANGE_CUSTOMER || kind == EXCHANGE_CUSTOMERS ||
           kind == EXCHANGE_SUBSCRIPTIONS || kind == EXCHANGE_CREATE;
}

const char *upstream_object_method(const struct exchange *exchange)
{
    switch (exchange->kind) {
    case EXCHANGE_CUSTOMERS:
        return UPSTREAM_METHOD_CUSTOMERS;
    case EXCHANGE_SUBSCRIPTIONS:
        return UPSTREAM_METHOD_SUBSCRIPTIONS;
    case EXCHANGE_CREATE:
        return exchange->intent_kind == CORE_INTENT_SUBSCRIPTION
                   ? UPSTREAM_METHOD_SUBSCRIPTION_CREATE
               : exchange->intent_kind == CORE_INTENT_REFUND ? UPSTREAM_METHOD_REFUND_CREATE
                                                             : UPSTREAM_METHOD_CUSTOMER_CREATE;
    default:
        return UPSTREAM_METHOD_CUSTOMER;
    }
}

/* --- what is asked --- */

static void pack_kv_text_n(msgpack_packer *packer, const char *key, const char *text, size_t length)
{
    pack_key(packer, key);
    if (length > 0)
        pack_text_n(packer, text, length);
    else
        pack_nil(packer);
}

static void pack_page(msgpack_packer *packer, const struct exchange *exchange)
{
    const char *cursor = exchange->cursor != NULL ? exchange->cursor : "";

    pack_kv_int(packer, "limit", PAGE_LIMIT);
    pack_kv_text_n(packer, "starting_after", cursor, strlen(cursor));
}

/* What the engine has made of a user: see struct core_customer_payload. */
static void pack_person(msgpack_packer *packer, const struct exchange *exchange)
{
    struct core_customer_payload head = {0};
    const char *text = (const char *)exchange->payload + sizeof(head);

    if (exchange->payload_length >= sizeof(head))
        memcpy(&head, exchange->payload, sizeof(head));
    pack_kv_text_n(packer, "email", text, head.email_length);
    pack_kv_text_n(packer, "name", text + head.email_length, head.name_length);
    pack_kv_text_n(packer, "image", text + head.email_length + head.name_length, head.image_length);
}

static void pack_create(msgpack_packer *packer, const struct exchange *exchange,
                        const struct upstream_common *common)
{
    bool subscription = exchange->intent_kind == CORE_INTENT_SUBSCRIPTION;
    const void *members;
    size_t length, count;

    if (exchange->intent_kind == CORE_INTENT_CUSTOMER) {
        pack_map(packer, 5 + UPSTREAM_COMMON_MEMBERS);
        pack_person(packer, exchange);
    } else {
        count =
            write_payload_members(exchange->payload, exchange->payload_length, &members, &length);
        pack_map(packer, count + 2 + UPSTREAM_COMMON_MEMBERS + subscription);
        if (length > 0)
            msgpack_pack_str_body(packer, members, length);
        if (subscription)
            pack_kv_text_n(packer, "customer_id", exchange->customer, exchange->customer_length);
    }
    pack_kv_text(packer, "intent_id", exchange->push_id);
    pack_kv_text(packer, "idempotency_key", exchange->idempotency_key);
    upstream_pack_common(packer, common);
}

void upstream_pack_object_params(msgpack_packer *packer, const struct exchange *exchange,
                                 const struct upstream_common *common)
{
    switch (exchange->kind) {
    case EXCHANGE_CREATE:
        pack_create(packer, exchange, common);
        return;
    case EXCHANGE_CUSTOMERS:
        pack_map(packer, 3 + UPSTREAM_COMMON_MEMBERS);
        pack_kv_text_n(packer, "email", exchange->email, exchange->email_length);
        pack_page(packer, exchange);
        break;
    case EXCHANGE_SUBSCRIPTIONS:
        pack_map(packer, 3 + UPSTREAM_COMMON_MEMBERS);
        pack_kv_text_n(packer, "customer_id", exchange->customer, exchange->customer_length);
        pack_page(packer, exchange);
        break;
    default:
        pack_map(packer, 1 + UPSTREAM_COMMON_MEMBERS);
        pack_kv_text_n(packer, "customer_id", exchange->customer, exchange->customer_length);
        break;
    }
    upstream_pack_common(packer, common);
}

/* --- what is answered --- */

static int read_object(const msgpack_object *map, struct upstream_scratch *scratch,
                       struct exchange_object *object)
{
    const msgpack_object *metadata;
    size_t begin = scratch->bodies.size;
    msgpack_packer packer;

    if (map->type != MSGPACK_OBJECT_MAP)
        return -EBADMSG;
    memset(object, 0, sizeof(*object));
    object->id = object->email = object->intent = "";
    if (map_get_text(map, "id", &object->id, &object->id_length) != 1 ||
        !proto_id_valid(object->id, object->id_length))
        return -EBADMSG;
    if (map_get_text(map, "email", &object->email, &object->email_length) != 1)
        object->email_length = 0;
    metadata = map_find(map, "metadata");
    if (metadata == NULL || metadata->type != MSGPACK_OBJECT_MAP ||
        map_get_text(metadata, "creditd_intent", &object->intent, &object->intent_length) != 1)
        object->intent_length = 0;
    msgpack_packer_init(&packer, &scratch->bodies, msgpack_sbuffer_write);
    if (msgpack_pack_object(&packer, *map) != 0)
        return -ENOMEM;
    object->body_length = scratch->bodies.size - begin;
    return 0;
}

/* Where the bodies are: once the last of them is there, since the buffer moves as it grows. */
static void place_bodies(struct upstream_scratch *scratch, size_t count)
{
    const char *at = scratch->bodies.data;

    for (size_t i = 0; i < count; i++) {
        scratch->objects[i].body = at;
        at += scratch->objects[i].body_length;
    }
}

static int read_page(const msgpack_object *page, struct upstream_scratch *scratch,
                     struct exchange_answer *answer)
{
    const msgpack_object *rows = map_find(page, "rows");
    int more = 0;

    if (rows == NULL || rows->type != MSGPACK_OBJECT_ARRAY ||
        rows->via.array.size > EXCHANGE_HISTORY_LIMIT || map_get_bool(page, "has_more", &more) != 1)
        return -EBADMSG;
    for (uint32_t i = 0; i < rows->via.array.size; i++) {
        int r = read_object(&rows->via.array.ptr[i], scratch, &scratch->objects[i]);

        if (r < 0)
            return r;
    }
    answer->objects.count = rows->via.array.size;
    answer->objects.has_more = more;
    answer->objects.cursor = "";
    if (more &&
        map_get_text(page, "next", &answer->objects.cursor, &answer->objects.cursor_length) != 1)
        return -EBADMSG;
    return 0;
}

int upstream_read_objects(enum exchange_kind kind, int intent_kind, const msgpack_object *map,
                          struct upstream_scratch *scratch, struct exchange_answer *answer)
{
    bool create = kind == EXCHANGE_CREATE;
    const char *key = kind == EXCHANGE_CUSTOMERS                          ? "customers"
                      : kind == EXCHANGE_SUBSCRIPTIONS                    ? "subscriptions"
                      : create && intent_kind == CORE_INTENT_SUBSCRIPTION ? "subscription"
                      : create && intent_kind == CORE_INTENT_REFUND       ? "refund"
                                                                          : "customer";
    const msgpack_object *details = map_find(map, key);
    int r;

    msgpack_sbuffer_clear(&scratch->bodies);
    if (details == NULL || details->type != MSGPACK_OBJECT_MAP)
        return -EBADMSG;
    if (kind == EXCHANGE_CUSTOMERS || kind == EXCHANGE_SUBSCRIPTIONS) {
        r = read_page(details, scratch, answer);
    } else {
        r = read_object(details, scratch, &scratch->objects[0]);
        answer->objects.count = 1;
    }
    if (r < 0)
        return r;
    place_bodies(scratch, answer->objects.count);
    answer->objects.rows = scratch->objects;
    return 0;
}
