/* See writes.h. */
#include "writes.h"
#include "command.h"
#include "connection.h"
#include "object_compare.h"
#include "objects.h"
#include "serve.h"
#include <errno.h>
#include <inttypes.h>
#include <msgpack.h>
#include <proto/unpack.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ATTEMPTS_MAX 15

/* --- plain writes --- */

static void refuse_late_write(struct request *request)
{
    bool taken_back = errands_cancel(&request->serve->errands, request->parked->waits);

    request_refuse(request, PROTO_ERROR_UPSTREAM_UNAVAILABLE,
                   taken_back ? "StellarTools could not be asked in time; nothing was changed"
                              : "StellarTools has not answered in time: it may be done, or not",
                   NULL, NULL);
}

const struct errand_answer *write_run(struct request *request, const struct errand_order *order,
                                      write_pack_function pack, int *ret_result)
{
    const struct parked *parked = request->parked;
    struct errand_params params;
    int r;

    *ret_result = REQUEST_ANSWERED;
    if (parked != NULL && parked->stage == WAIT_WRITE) {
        if (parked->answer != NULL && parked->answer->outcome == EXCHANGE_OK)
            return parked->answer;
        if (parked->answer != NULL)
            objects_refuse(request, parked->answer);
        else
            refuse_late_write(request);
        return NULL;
    }
    errand_params_init(&params);
    pack(request, &params);
    r = errands_begin(&request->serve->errands, order, &params, &request->wait_key);
    errand_params_deinit(&params);
    if (r != CORE_OK) {
        request_refuse_status(request, r);
        return NULL;
    }
    request->wait_stage = WAIT_WRITE;
    *ret_result = REQUEST_WAIT;
    return NULL;
}

/* --- intents --- */

/* The payload: how many members, in one byte, and their bytes. */
static int pack_payload(struct request *request, write_pack_function pack, uint8_t *payload,
                        size_t *ret_length)
{
    struct errand_params params;
    int r = 0;

    errand_params_init(&params);
    pack(request, &params);
    if (pack_failed(&params.packer))
        r = -ENOMEM;
    else if (params.members.size + 1 > CORE_PAYLOAD_MAX)
        r = -E2BIG;
    if (r == 0) {
        payload[0] = (uint8_t)params.count;
        memcpy(payload + 1, params.members.data, params.members.size);
        *ret_length = params.members.size + 1;
    }
    errand_params_deinit(&params);
    return r;
}

size_t write_payload_members(const void *payload, size_t length, const void **ret_members,
                             size_t *ret_length)
{
    *ret_members = length > 0 ? (const uint8_t *)payload + 1 : payload;
    *ret_length = length > 0 ? length - 1 : 0;
    return length > 0 ? *(const uint8_t *)payload : 0;
}

struct core_text write_payload_text(const struct serve *serve, const struct core_intent *intent,
                                    const char *name)
{
    struct core_text payload = core_intent_payload(serve->core, intent->sequence);
    struct core_text text = {"", 0};
    msgpack_object key, value;
    const void *members;
    msgpack_zone zone;
    size_t length, offset = 0;
    size_t count = write_payload_members(payload.data, payload.length, &members, &length);

    if (!msgpack_zone_init(&zone, 1024))
        return text;
    for (size_t i = 0; i < count && text.length == 0; i++)
        if (msgpack_unpack(members, length, &offset, &zone, &key) < 0 ||
            msgpack_unpack(members, length, &offset, &zone, &value) < 0)
            break;
        else if (key.type == MSGPACK_OBJECT_STR && value.type == MSGPACK_OBJECT_STR &&
                 key.via.str.size == strlen(name) &&
                 memcmp(key.via.str.ptr, name, key.via.str.size) == 0)
            text = (struct core_text){value.via.str.ptr, value.via.str.size};
    msgpack_zone_destroy(&zone); /* texts point into the payload */
    return text;
}

/* An app's key counts for its uid. */
static struct core_text scoped_key(const struct request *request, struct core_text key, int attempt,
                                   char *buffer, size_t size)
{
    int length;

    if (key.length == 0)
        return key;
    length = snprintf(buffer, size, "%" PRIu32 " %d:%.*s", request->connection->peer.uid, attempt,
                      (int)key.length, key.data);
    return (struct core_text){buffer, (size_t)length};
}

/* Under the first name of the key's whose intent is not to be tried again. */
static int run_intent(struct request *request, const struct write_order *order, bool begin,
                      struct core_intent *ret_intent)
{
    struct serve *serve = request->serve;
    uint8_t bytes[CORE_PAYLOAD_MAX];
    struct core_text payload = {(const char *)bytes, 0};
    char buffer[PROTO_KEY_MAX + 32];
    int r = pack_payload(request, order->pack, bytes, &payload.length);

    for (int attempt = 0; r == 0; attempt++) {
        struct core_text key = scoped_key(request, order->key, attempt, buffer, sizeof(buffer));

        if (begin)
            r = core_intent_begin(serve->core, order->kind, request_customer(request), key, payload,
                                  request->connection->peer.uid, serve_now(serve), ret_intent);
        else
            r = core_intent_find(serve->core, order->kind, request_customer(request), key, payload,
                                 ret_intent);
        if (r != CORE_OK || order->again == NULL || !order->again(request, ret_intent) ||
            attempt == ATTEMPTS_MAX)
            break;
    }
    return r;
}

int write_find(struct request *request, const struct write_order *order)
{
    struct core_intent intent;

    return run_intent(request, order, false, &intent);
}

static void refuse_intent(struct request *request, const struct core_intent *intent)
{
    char text[300];

    switch (intent->state) {
    case CORE_INTENT_REFUSED:
        snprintf(text, sizeof(text), "StellarTools refused: %s", intent->message);
        request_refuse(request, PROTO_ERROR_CONFLICT, text, NULL, NULL);
        break;
    case CORE_INTENT_PARKED:
        request_refuse(request, PROTO_ERROR_CONFLICT,
                       "whether StellarTools did it is not known, and it is not sent twice: an "
                       "operator must look (creditctl push list)",
                       NULL, NULL);
        break;
    default:
        request_refuse(request, PROTO_ERROR_UPSTREAM_UNAVAILABLE,
                       "it is under way and will be brought to an end; asked again with the same "
                       "idempotency_key, this tells how it ended",
                       NULL, NULL);
        break;
    }
}

bool write_intent(struct request *request, const struct write_order *order,
                  struct core_intent *ret_intent, int *ret_result)
{
    struct core_intent intent;
    bool begun = request->parked != NULL && request->parked->intent != 0;
    int r = CORE_OK;

    *ret_result = REQUEST_ANSWERED;
    if (!begun)
        r = run_intent(request, order, true, &intent);
    else if (!core_intent_get(request->serve->core, request->parked->intent, &intent))
        r = CORE_NOT_FOUND;
    if (begun && r == CORE_NOT_FOUND) {
        request_tells_all(request);
        request_refuse(request, PROTO_ERROR_CONFLICT, "an operator has given that up", NULL, NULL);
        return false;
    }
    if (r != CORE_OK) {
        request_refuse_status(request, r);
        return false;
    }
    if (intent.reveals > request->reveals)
        request->reveals = intent.reveals;
    if (intent.state == CORE_INTENT_DONE) {
        *ret_intent = intent;
        return true;
    }
    if ((intent.state != CORE_INTENT_SENDING && intent.state != CORE_INTENT_DOUBT) ||
        request_is_late(request)) {
        refuse_intent(request, &intent);
        return false;
    }
    request->wait_key = waiting_intent_key(intent.sequence);
    request->wait_stage = WAIT_INTENT;
    request->wait_intent = intent.sequence;
    *ret_result = REQUEST_WAIT;
    return false;
}

static bool is_said_to_be(const msgpack_object *map, const char *name, struct core_text expected)
{
    struct core_text own = object_text(map, name);

    return own.length == 0 ||
           (own.length == expected.length && memcmp(own.data, expected.data, own.length) == 0);
}

/* Whoever may write metadata there can put any id into it: whether the row is what was asked for as
 * well. */
static bool is_asked_for(struct serve *serve, const struct core_intent *intent,
                         const struct exchange_object *row)
{
    msgpack_object map;
    msgpack_zone zone;
    bool is;

    if (!msgpack_zone_init(&zone, 4096))
        return false;
    is = unpack(&zone, row->body, row->body_length, &map) == 0 &&
         is_said_to_be(&map, "customer_id", core_intent_owner(serve->core, intent->sequence)) &&
         is_said_to_be(&map, "product_id", write_payload_text(serve, intent, "product_id"));
    msgpack_zone_destroy(&zone);
    return is;
}

/* A create in doubt, found by its id in the metadata of what it has made. */
static void find_created(struct serve *serve, const struct exchange *exchange,
                         struct exchange_object *row)
{
    char id[EXCHANGE_PUSH_ID_SIZE];
    struct core_intent intent;
    uint64_t reveals = 0;
    const char *sequence;

    if (row->intent_length == 0 || row->intent_length >= sizeof(id))
        return;
    memcpy(id, row->intent, row->intent_length);
    id[row->intent_length] = '\0';
    sequence = strrchr(id, '_');
    if (sequence == NULL ||
        !core_intent_get(serve->core, strtoull(sequence + 1, NULL, 10), &intent) ||
        intent.state != CORE_INTENT_DOUBT || intent.kind != CORE_INTENT_SUBSCRIPTION)
        return;
    core_intent_id(serve->core, intent.epoch, intent.sequence, id);
    if (strlen(id) != row->intent_length || memcmp(id, row->intent, row->intent_length) != 0)
        return;
    if (is_asked_for(serve, &intent, row))
        objects_put_created(serve, CORE_INTENT_SUBSCRIPTION,
                            (struct core_text){exchange->customer, exchange->customer_length}, row,
                            &reveals);
    else
        row->intent_length = 0;
}

void write_created(struct serve *serve, const struct exchange *exchange,
                   const struct exchange_answer *answer)
{
    const char *sequence = strrchr(exchange->push_id, '_');
    struct exchange_object *row = answer->objects.rows;
    struct errand_answer *told;

    if (answer->outcome == EXCHANGE_OK && exchange->kind == EXCHANGE_SUBSCRIPTIONS)
        for (size_t i = 0; i < answer->objects.count; i++)
            find_created(serve, exchange, &row[i]);
    if (exchange->kind != EXCHANGE_CREATE || answer->outcome != EXCHANGE_OK ||
        answer->objects.count != 1 || sequence == NULL)
        return;
    told = errand_answer_new(EXCHANGE_OK, NULL, row->body, row->body_length);
    if (told == NULL)
        return;
    objects_put_created(serve, (enum core_intent_kind)exchange->intent_kind,
                        (struct core_text){exchange->customer, exchange->customer_length}, row,
                        &told->reveals);
    errand_attach(serve, waiting_intent_key(strtoull(sequence + 1, NULL, 10)), told);
    errand_answer_unref(told);
}
