/* See objects.h. */
#include "objects.h"
#include "apply.h"
#include "command.h"
#include "connection.h"
#include "errands.h"
#include "object_load.h"
#include "serve.h"
#include "writes.h"
#include <errno.h>
#include <proto/message.h>
#include <proto/unpack.h>
#include <stdio.h>
#include <string.h>

struct hash128 objects_key(const struct core *core, enum record_table table,
                           struct core_text customer, struct core_text product)
{
    char buffer[OBJECT_KEY_MAX];

    return object_waits(core, table, object_key(table, customer, product, buffer));
}

/* --- reading --- */

int objects_load(struct request *request, enum record_table table, struct core_text key,
                 unsigned stage)
{
    struct serve *serve = request->serve;
    int r = request_is_late(request) ? 0 : object_load(serve, table, key);

    request->wait_key = object_waits(serve->core, table, key);
    request->wait_stage = stage;
    if (r == 0)
        return REQUEST_WAIT;
    request_refuse_status(request, r);
    return REQUEST_ANSWERED;
}

int64_t objects_at_least(struct request *request)
{
    const struct errand_answer *answer;

    if (!request_has(request, PROTO_BIT(FRESH)) ||
        !request->params.values[PROTO_PARAMETER_FRESH].boolean)
        return 0;
    answer = request_errand_answer(request, WAIT_OBJECT);
    return answer != NULL && answer->outcome == EXCHANGE_OK ? 0 : INT64_MAX;
}

static bool is_denied(enum exchange_outcome outcome)
{
    return outcome == EXCHANGE_NOT_FOUND || outcome == EXCHANGE_NO_BALANCE;
}

static bool is_due(struct serve *serve, int64_t synced_at)
{
    return synced_at + serve->config->credits.refresh_interval < serve_now(serve);
}

static bool is_stale(struct serve *serve, int64_t synced_at)
{
    const struct core_summary *summary;

    if (is_due(serve, synced_at))
        return true;
    summary = serve_summary(serve);
    return summary->paused || !summary->reachable;
}

/* What has been asked for, and did not come: the object as it is, if there is one. */
static bool give_up(struct request *request, const struct errand_answer *answer, bool there,
                    int *ret_result)
{
    *ret_result = REQUEST_ANSWERED;
    if (answer != NULL && is_denied(answer->outcome)) {
        request_refuse(request, PROTO_ERROR_UNKNOWN_CUSTOMER,
                       "StellarTools does not know that customer", NULL, NULL);
        return false;
    }
    if (there)
        return true;
    request_refuse(request, PROTO_ERROR_UPSTREAM_UNAVAILABLE,
                   "this is not known here and StellarTools could not be asked in time", NULL,
                   NULL);
    return false;
}

/* Has it read, and waits for that. */
static bool wait_for_it(struct request *request, enum record_table table, int *ret_result)
{
    struct serve *serve = request->serve;
    int r = errands_refresh(&serve->errands, table, request_customer(request),
                            table == TABLE_ACCESS ? request_product(request)
                                                  : (struct core_text){"", 0},
                            request->connection->peer.uid, &request->wait_key);

    *ret_result = REQUEST_WAIT;
    request->wait_stage = WAIT_OBJECT;
    if (r == CORE_OK)
        return false;
    request_refuse_status(request, r);
    *ret_result = REQUEST_ANSWERED;
    return false;
}

static void refresh_behind(struct request *request, enum record_table table)
{
    struct serve *serve = request->serve;
    struct hash128 key;

    /* Nobody waits for it: what hinders it now will not the next time. */
    (void)errands_refresh(&serve->errands, table, request_customer(request),
                          table == TABLE_ACCESS ? request_product(request)
                                                : (struct core_text){"", 0},
                          request->connection->peer.uid, &key);
}

bool objects_get(struct request *request, enum record_table table, int64_t at_least,
                 struct object_view *ret_object, int *ret_result)
{
    const struct errand_answer *answer = request_errand_answer(request, WAIT_OBJECT);
    struct serve *serve = request->serve;
    struct core_text product =
        table == TABLE_ACCESS ? request_product(request) : (struct core_text){"", 0};
    char buffer[OBJECT_KEY_MAX];
    struct core_text name = object_key(table, request_customer(request), product, buffer);
    struct core_object object = {0};
    int r = core_object_get(serve->core, table, name, &object);
    /* What has no time is to be compared with, not to be told. */
    bool there = r == CORE_OK && object.synced_at != 0, late = request_is_late(request);

    request->wait_late =
        (struct refusal){.error = PROTO_ERROR_UPSTREAM_UNAVAILABLE,
                         .text = "this is not known here and StellarTools could not be asked in "
                                 "time"};
    if (r == CORE_LOAD) {
        *ret_result = objects_load(request, table, name, WAIT_OTHER);
        return false;
    }
    if (answer != NULL && answer->outcome == EXCHANGE_OK &&
        (!there || object.synced_at < request->parked->since)) {
        /* Too large to be kept: it is answered as it came. */
        *ret_object = (struct object_view){answer->body, answer->length, serve_now(serve), false};
        if (answer->reveals > request->reveals) /* the events that it has brought about */
            request->reveals = answer->reveals;
        return true;
    }
    if (!there || object.synced_at < at_least) {
        if (answer == NULL && !late)
            return wait_for_it(request, table, ret_result);
        if (!give_up(request, answer, there, ret_result))
            return false;
    }
    *ret_object = (struct object_view){
        .body = object.body,
        .length = object.body_length,
        .synced_at = object.synced_at,
        .stale = object.synced_at < at_least || is_stale(serve, object.synced_at),
    };
    if (object.reveals > request->reveals)
        request->reveals = object.reveals;
    if (is_due(serve, object.synced_at) && answer == NULL && !late)
        refresh_behind(request, table);
    return true;
}

/* --- writing --- */

void objects_put(struct serve *serve, const struct errand_order *order,
                 struct errand_answer *answer)
{
    char buffer[OBJECT_KEY_MAX];
    const struct apply apply = {
        .input = {.table = order->table,
                  .source = order->is_write ? CHANGES_WRITTEN : CHANGES_READ,
                  .body = answer->body,
                  .length = answer->length,
                  .is_list = order->is_list,
                  .overtaken = order->overtaken},
        .key = object_key(order->table, order->customer, order->product, buffer),
    };

    apply_soon(serve, &apply, &answer->reveals);
}

void objects_put_created(struct serve *serve, enum core_intent_kind kind, struct core_text customer,
                         const struct exchange_object *object, uint64_t *reveals)
{
    bool is_refund = kind == CORE_INTENT_REFUND;
    const struct apply apply = {
        .input = {.table = is_refund ? TABLE_REFUND : TABLE_SUBSCRIPTIONS,
                  .source = CHANGES_CREATED,
                  .body = object->body,
                  .length = object->body_length},
        .key = is_refund ? (struct core_text){object->id, object->id_length} : customer,
    };

    if (kind != CORE_INTENT_CUSTOMER) /* which goes with its link */
        apply_soon(serve, &apply, reveals);
}

/* --- answering --- */

const msgpack_object *objects_find(const msgpack_object *list, struct core_text id)
{
    for (uint32_t i = 0; list->type == MSGPACK_OBJECT_ARRAY && i < list->via.array.size; i++) {
        const msgpack_object *row = &list->via.array.ptr[i];
        struct core_text own;

        if (row->type == MSGPACK_OBJECT_MAP &&
            map_get_text(row, "id", &own.data, &own.length) == 1 && own.length == id.length &&
            memcmp(own.data, id.data, id.length) == 0)
            return row;
    }
    return NULL;
}

/* Two members of that name would be read differently by different readers: ours counts. */
static bool is_ours(const msgpack_object *key)
{
    static const char *const names[] = {"synced_at", "stale"};

    for (size_t i = 0; i < 2; i++)
        if (key->type == MSGPACK_OBJECT_STR && key->via.str.size == strlen(names[i]) &&
            memcmp(key->via.str.ptr, names[i], key->via.str.size) == 0)
            return true;
    return false;
}

static void pack_members(struct request *request, const msgpack_object *object, int64_t synced_at,
                         bool stale)
{
    const msgpack_object_map *map = &object->via.map;
    msgpack_packer *packer;
    uint32_t count = 2;

    for (uint32_t i = 0; i < map->size; i++)
        count += !is_ours(&map->ptr[i].key);
    packer = request_result(request, count);
    for (uint32_t i = 0; i < map->size; i++)
        if (!is_ours(&map->ptr[i].key)) {
            msgpack_pack_object(packer, map->ptr[i].key);
            msgpack_pack_object(packer, map->ptr[i].val);
        }
    pack_kv_int(packer, "synced_at", synced_at);
    pack_kv_bool(packer, "stale", stale);
}

void objects_answer(struct request *request, const void *body, size_t length, int64_t synced_at,
                    bool stale, uint64_t reveals)
{
    msgpack_object object;
    msgpack_zone zone;
    int r = -ENOMEM;

    if (msgpack_zone_init(&zone, 4096)) {
        r = unpack(&zone, body, length, &object);
        if (r == 0 && object.type != MSGPACK_OBJECT_MAP)
            r = -EBADMSG;
        if (r == 0) {
            pack_members(request, &object, synced_at, stale);
            request_reply(request, reveals);
        }
        msgpack_zone_destroy(&zone);
    }
    if (r < 0)
        request_refuse_status(request, r);
}

void objects_refuse(struct request *request, const struct errand_answer *answer)
{
    char text[300];

    switch (answer->outcome) {
    case EXCHANGE_NOT_FOUND:
        request_refuse(request, PROTO_ERROR_NOT_FOUND, "StellarTools does not know that", NULL,
                       NULL);
        break;
    case EXCHANGE_REFUSED:
    case EXCHANGE_INSUFFICIENT:
    case EXCHANGE_NO_BALANCE:
        snprintf(text, sizeof(text), "StellarTools refused: %s", answer->message);
        request_refuse(request, PROTO_ERROR_CONFLICT, text, NULL, NULL);
        break;
    case EXCHANGE_ERROR:
        snprintf(text, sizeof(text),
                 "StellarTools answered with an error, so that it may have been done, or not: %s",
                 answer->message);
        request_refuse(request, PROTO_ERROR_UPSTREAM_UNAVAILABLE, text, NULL, NULL);
        break;
    case EXCHANGE_FAILED:
    case EXCHANGE_UNANSWERED:
        request_refuse(request, PROTO_ERROR_UPSTREAM_UNAVAILABLE,
                       "StellarTools did not answer well: it may have been done, or not", NULL,
                       NULL);
        break;
    default:
        request_refuse(request, PROTO_ERROR_UPSTREAM_UNAVAILABLE,
                       "StellarTools could not be asked; nothing was changed", NULL, NULL);
        break;
    }
}
