/* See objects.h. */
#include "objects.h"
#include "command.h"
#include "connection.h"
#include "errands.h"
#include "serve.h"
#include "writes.h"
#include <errno.h>
#include <proto/message.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <util/log.h>

#define KEY_MAX (2 * PROTO_ID_MAX + 1)

/* --- from the store --- */

struct object_load {
    struct serve *serve;
    uv_work_t work;
    enum record_table table;
    struct hash128 waits;
    char key[KEY_MAX];
    size_t key_length, length;
    int result;
    uint8_t value[RECORD_SIZE_MAX];
};

static struct core_text object_name(enum record_table table, struct core_text customer,
                                    struct core_text product, char buffer[KEY_MAX])
{
    memcpy(buffer, customer.data, customer.length);
    if (table != TABLE_ACCESS)
        return (struct core_text){buffer, customer.length};
    buffer[customer.length] = '/';
    memcpy(buffer + customer.length + 1, product.data, product.length);
    return (struct core_text){buffer, customer.length + 1 + product.length};
}

struct hash128 objects_key(const struct core *core, enum record_table table,
                           struct core_text customer, struct core_text product)
{
    const char *prefix = record_table_name(table);
    char buffer[KEY_MAX], scope[32];
    struct core_text name = object_name(table, customer, product, buffer);

    snprintf(scope, sizeof(scope), "/%s", prefix); /* no id has a slash */
    return core_balance_hash(core, name, (struct core_text){scope, strlen(scope)});
}

static void load_work(uv_work_t *work)
{
    struct object_load *load = work->data;

    load->result = store_get(load->serve->store, load->table, load->key, load->key_length,
                             load->value, sizeof(load->value), &load->length);
}

static void load_done(uv_work_t *work, int status)
{
    struct object_load *load = work->data;
    struct serve *serve = load->serve;
    struct core_text name = {load->key, load->key_length};
    int r = status < 0 ? status : load->result;

    (void)serve_now(serve);
    serve->waiting.loads--;
    if (r == 0 || r == -ENOENT)
        r = core_object_load(serve->core, load->table, name, r == 0 ? load->value : NULL,
                             load->length);
    if (r < 0) /* those who wait ask again until their deadline */
        log_error("reading an object from the store: %s", strerror(-r));
    waiting_wake(&serve->waiting, load->waits);
    free(load);
}

static int load_begin(struct serve *serve, enum record_table table, struct core_text name,
                      struct hash128 waits)
{
    struct object_load *load;
    int r;

    if (waiting_find(&serve->waiting, waits) != NULL)
        return 0; /* under way */
    load = calloc(1, sizeof(*load));
    if (load == NULL)
        return -ENOMEM;
    load->serve = serve;
    load->work.data = load;
    load->table = table;
    load->waits = waits;
    load->key_length = name.length;
    memcpy(load->key, name.data, name.length);
    r = uv_queue_work(&serve->loop, &load->work, load_work, load_done);
    if (r < 0) {
        free(load);
        return -EAGAIN;
    }
    serve->waiting.loads++;
    return 0;
}

/* --- reading --- */

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
    char buffer[KEY_MAX];
    struct core_text name = object_name(table, request_customer(request), product, buffer);
    struct core_object object = {0};
    int r = core_object_get(serve->core, table, name, &object);
    bool there = r == CORE_OK, late = request_is_late(request);

    request->wait_late =
        (struct refusal){.error = PROTO_ERROR_UPSTREAM_UNAVAILABLE,
                         .text = "this is not known here and StellarTools could not be asked in "
                                 "time"};
    if (r == CORE_LOAD) {
        request->wait_key = objects_key(serve->core, table, request_customer(request), product);
        request->wait_stage = WAIT_OTHER;
        r = late ? 0 : load_begin(serve, table, name, request->wait_key);
        *ret_result = REQUEST_WAIT;
        if (r < 0) {
            request_refuse_status(request, r);
            *ret_result = REQUEST_ANSWERED;
        }
        return false;
    }
    if (answer != NULL && answer->outcome == EXCHANGE_OK &&
        (!there || object.synced_at < request->parked->since)) {
        /* Too large to be kept: it is answered as it came. */
        *ret_object = (struct object_view){answer->body, answer->length, serve_now(serve), false};
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

static void put(struct serve *serve, enum record_table table, struct core_text name,
                const void *body, size_t length, uint64_t *reveals)
{
    uint64_t sequence = 0;
    int r = core_object_put(serve->core, table, name, body, length, serve_now(serve), &sequence);

    if (r == -E2BIG)
        return;
    if (r < 0)
        log_error("keeping an object of StellarTools: %s", strerror(-r));
    else if (sequence > *reveals)
        *reveals = sequence;
}

void objects_put(struct serve *serve, const struct errand_order *order,
                 struct errand_answer *answer)
{
    char buffer[KEY_MAX];

    if (order->table == TABLE_SUBSCRIPTIONS && !order->is_list) {
        objects_put_subscription(serve, order->customer, answer->body, answer->length,
                                 &answer->reveals);
        return;
    }
    put(serve, order->table, object_name(order->table, order->customer, order->product, buffer),
        answer->body, answer->length, &answer->reveals);
}

static void pack_merged(msgpack_packer *packer, const msgpack_object *list,
                        const msgpack_object *row, struct core_text id)
{
    const msgpack_object *old = objects_find(list, id);
    uint32_t count = list->via.array.size;

    pack_array(packer, count + (old == NULL));
    if (old == NULL) /* newest first, as StellarTools lists them */
        msgpack_pack_object(packer, *row);
    for (uint32_t i = 0; i < count; i++)
        msgpack_pack_object(packer, &list->via.array.ptr[i] == old ? *row : list->via.array.ptr[i]);
}

void objects_put_subscription(struct serve *serve, struct core_text customer, const void *body,
                              size_t length, uint64_t *reveals)
{
    struct core_object object;
    struct core_text id;
    msgpack_object list, row;
    msgpack_sbuffer buffer;
    msgpack_packer packer;
    msgpack_zone zone;

    /* What is not in memory is read anew when it is asked for. */
    if (core_object_get(serve->core, TABLE_SUBSCRIPTIONS, customer, &object) != CORE_OK ||
        !msgpack_zone_init(&zone, 4096))
        return;
    msgpack_sbuffer_init(&buffer);
    msgpack_packer_init(&packer, &buffer, msgpack_sbuffer_write);
    if (objects_unpack(&zone, object.body, object.body_length, &list) == 0 &&
        objects_unpack(&zone, body, length, &row) == 0 && list.type == MSGPACK_OBJECT_ARRAY &&
        row.type == MSGPACK_OBJECT_MAP && map_get_text(&row, "id", &id.data, &id.length) == 1) {
        pack_merged(&packer, &list, &row, id);
        if (!pack_failed(&packer))
            put(serve, TABLE_SUBSCRIPTIONS, customer, buffer.data, buffer.size, reveals);
    }
    msgpack_sbuffer_destroy(&buffer);
    msgpack_zone_destroy(&zone);
}

/* --- answering --- */

int objects_unpack(msgpack_zone *zone, const void *body, size_t length, msgpack_object *ret_object)
{
    size_t offset = 0;

    switch (msgpack_unpack(body, length, &offset, zone, ret_object)) {
    case MSGPACK_UNPACK_SUCCESS:
        return offset == length ? 0 : -EBADMSG;
    case MSGPACK_UNPACK_NOMEM_ERROR:
        return -ENOMEM;
    default:
        return -EBADMSG;
    }
}

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
        r = objects_unpack(&zone, body, length, &object);
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
