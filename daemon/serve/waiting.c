/*
 * See waiting.h. What is waited for is a target: a balance that a worker thread is bringing in from
 * the store, or a slot of the engine. Nothing is tried from within a callback of the engine: what
 * has become ready is put aside and tried at the end of the turn.
 */
#include "waiting.h"
#include "connection.h"
#include "errands.h"
#include "loader.h"
#include "serve.h"
#include "verdicts.h"
#include "writes.h"
#include <errno.h>
#include <proto/message.h>
#include <stdlib.h>
#include <string.h>
#include <util/log.h>
#include <util/macros.h>

/* Keep these apart from each other, and from hashes of names, in one map. */
#define SLOT_TAG UINT64_C(0x736c6f74)
#define INTENT_TAG UINT64_C(0x696e7465)
#define ERRAND_TAG UINT64_C(0x65727261)
#define SEARCH_TAG UINT64_C(0x73656172)
#define WEBHOOK_TAG UINT64_C(0x77656268)
#define HELPER_TAG UINT64_C(0x68656c70)

struct target {
    struct waiting *waiting;
    struct hash128 key;
    struct list parked;
    /* of a load */
    uv_work_t work;
    struct loaded loaded;
    char customer[PROTO_ID_MAX], product[PROTO_ID_MAX];
    size_t customer_length, product_length;
    int result;
};

static struct hash128 slot_key(uint32_t slot)
{
    return (struct hash128){slot, SLOT_TAG};
}

struct hash128 waiting_intent_key(uint64_t sequence)
{
    return (struct hash128){sequence, INTENT_TAG};
}

struct hash128 waiting_errand_key(uint64_t errand)
{
    return (struct hash128){errand, ERRAND_TAG};
}

struct hash128 waiting_search_key(uint64_t search)
{
    return (struct hash128){search, SEARCH_TAG};
}

struct hash128 waiting_webhook_key(uint64_t check)
{
    return (struct hash128){check, WEBHOOK_TAG};
}

struct hash128 waiting_helper_key(void)
{
    return (struct hash128){0, HELPER_TAG};
}

static void timer_update(struct waiting *waiting);

static void on_timer(uv_timer_t *timer)
{
    struct waiting *waiting = timer->data;
    int64_t now = serve_now(waiting->serve);

    while (!list_is_empty(&waiting->deadlines)) {
        struct parked *parked = CONTAINER_OF(waiting->deadlines.next, struct parked, of_deadline);

        if (parked->deadline > now)
            break;
        parked->expired = true;
        list_remove(&parked->of_deadline);
        list_remove(&parked->of_target);
        list_append(&waiting->ready, &parked->of_target);
    }
    timer_update(waiting);
}

/* Deadlines are in order, since all requests may wait equally long; a reload may change that, and
 * then some wait for the ones before them. */
static void timer_update(struct waiting *waiting)
{
    struct parked *first;
    int64_t delay;

    if (list_is_empty(&waiting->deadlines)) {
        uv_timer_stop(&waiting->timer);
        return;
    }
    if (uv_is_active((uv_handle_t *)&waiting->timer))
        return;
    first = CONTAINER_OF(waiting->deadlines.next, struct parked, of_deadline);
    delay = first->deadline - serve_now(waiting->serve);
    uv_timer_start(&waiting->timer, on_timer, delay > 0 ? (uint64_t)delay : 0, 0);
}

int waiting_init(struct waiting *waiting, struct serve *serve)
{
    memset(waiting, 0, sizeof(*waiting));
    waiting->serve = serve;
    map_init(&waiting->targets);
    list_init(&waiting->ready);
    list_init(&waiting->deadlines);
    waiting->timer.data = waiting;
    return uv_timer_init(&serve->loop, &waiting->timer);
}

void waiting_close(struct waiting *waiting)
{
    uv_close((uv_handle_t *)&waiting->timer, NULL);
}

void waiting_deinit(struct waiting *waiting)
{
    const struct map_entry *entry;
    size_t position = 0;

    while ((entry = map_next(&waiting->targets, &position)) != NULL)
        free((struct target *)(uintptr_t)entry->value);
    map_deinit(&waiting->targets);
}

void parked_free(struct parked *parked)
{
    if (parked == NULL)
        return;
    list_remove(&parked->of_target);
    list_remove(&parked->of_deadline);
    list_remove(&parked->of_connection);
    connection_uncharge(parked->connection, parked->charged);
    free(parked->found);
    verdict_unref(parked->verdict);
    if (parked->stage == WAIT_WRITE && parked->answer == NULL) /* nobody would know of it */
        (void)errands_cancel(&parked->connection->serve->errands, parked->waits);
    errand_answer_unref(parked->answer);
    free(parked);
}

static bool is_credential(const msgpack_object *key)
{
    const char *name = proto_parameter_name(PROTO_PARAMETER_SESSION);

    return key->via.str.size == strlen(name) &&
           memcmp(key->via.str.ptr, name, key->via.str.size) == 0;
}

/* All but the credential, which is not kept: its verdict is, or will be. */
static int pack_params(msgpack_packer *packer, const msgpack_object *params)
{
    int failed = msgpack_pack_map(packer, params->via.map.size);

    for (uint32_t i = 0; i < params->via.map.size && !failed; i++) {
        const msgpack_object_kv *entry = &params->via.map.ptr[i];
        bool hide = entry->key.type == MSGPACK_OBJECT_STR && is_credential(&entry->key) &&
                    entry->val.type != MSGPACK_OBJECT_NIL;

        failed = msgpack_pack_object(packer, entry->key);
        if (!failed && hide)
            pack_text(packer, "*");
        else if (!failed)
            failed = msgpack_pack_object(packer, entry->val);
    }
    return failed || pack_failed(packer) ? -ENOMEM : 0;
}

/* The request's bytes, as they came or as good: what it points to is gone after this turn. */
static int pack_again(const struct request *request, msgpack_sbuffer *buffer)
{
    char method[64];
    msgpack_packer packer;
    int r;

    memcpy(method, request->message->method, request->message->method_length);
    method[request->message->method_length] = '\0';
    r = message_pack_request(buffer, request->msgid, method);
    if (r < 0)
        return r;
    msgpack_packer_init(&packer, buffer, msgpack_sbuffer_write);
    return pack_params(&packer, &request->message->params);
}

static int parked_new(struct waiting *waiting, const struct request *request,
                      const msgpack_sbuffer *frame, struct parked **ret_parked)
{
    size_t size = sizeof(struct parked) + frame->size;
    struct parked *parked;
    int r = connection_charge(request->connection, size);

    if (r < 0)
        return r;
    parked = malloc(size);
    if (parked == NULL) {
        connection_uncharge(request->connection, size);
        return -ENOMEM;
    }
    memset(parked, 0, sizeof(*parked));
    list_init(&parked->of_target);
    parked->connection = request->connection;
    if (request->verdict != NULL)
        parked->verdict = verdict_ref(request->verdict);
    parked->since = serve_now(waiting->serve);
    parked->deadline = parked->since + waiting->serve->config->credits.cold_timeout;
    parked->charged = size;
    parked->length = frame->size;
    memcpy(parked->frame, frame->data, frame->size);
    list_append(&request->connection->parked, &parked->of_connection);
    list_append(&waiting->deadlines, &parked->of_deadline);
    *ret_parked = parked;
    return 0;
}

/* The request's parked form: the one it has, or a new one. */
static int park(struct waiting *waiting, struct request *request)
{
    msgpack_sbuffer frame;
    int r;

    if (request->parked != NULL)
        return 0;
    msgpack_sbuffer_init(&frame);
    r = pack_again(request, &frame);
    if (r == 0)
        r = parked_new(waiting, request, &frame, &request->parked);
    msgpack_sbuffer_destroy(&frame);
    if (r == 0)
        timer_update(waiting);
    return r;
}

static int target_get(struct waiting *waiting, struct hash128 key, struct target **ret_target,
                      bool *ret_new)
{
    uint64_t *found = map_get(&waiting->targets, key);
    struct target *target = NULL;

    *ret_new = found == NULL;
    if (found != NULL) {
        *ret_target = (struct target *)(uintptr_t)*found;
        return 0;
    }
    target = calloc(1, sizeof(*target));
    if (target == NULL)
        return -ENOMEM;
    target->waiting = waiting;
    target->key = key;
    list_init(&target->parked);
    if (map_put(&waiting->targets, key, (uint64_t)(uintptr_t)target) < 0) {
        free(target);
        return -ENOMEM;
    }
    *ret_target = target;
    return 0;
}

static void target_end(struct target *target)
{
    list_move_all(&target->waiting->ready, &target->parked);
    map_remove(&target->waiting->targets, target->key);
    free(target);
}

int waiting_park(struct waiting *waiting, struct request *request, struct hash128 key)
{
    struct target *target = NULL;
    bool is_new;
    int r = park(waiting, request);

    if (r == 0)
        r = target_get(waiting, key, &target, &is_new);
    if (r < 0)
        return r;
    list_append(&target->parked, &request->parked->of_target);
    /* A webhook's verdict stays while the request waits for more. */
    if (request->parked->stage != WAIT_WEBHOOK || request->wait_stage != WAIT_WEBHOOK)
        request->parked->answer = errand_answer_unref(request->parked->answer);
    request->parked->stage = request->wait_stage;
    request->parked->waits = key;
    if (request->wait_intent != 0)
        request->parked->intent = request->wait_intent;
    return 0;
}

int waiting_park_slot(struct waiting *waiting, struct request *request)
{
    int r = waiting_park(waiting, request, slot_key(request->wait_slot));

    if (r == 0 && request->wait_fresh) {
        request->parked->fresh = true;
        request->parked->readings = request->wait_readings;
    }
    return r;
}

struct list *waiting_find(struct waiting *waiting, struct hash128 key)
{
    const uint64_t *found = map_get(&waiting->targets, key);

    return found != NULL ? &((struct target *)(uintptr_t)*found)->parked : NULL;
}

void waiting_wake(struct waiting *waiting, struct hash128 key)
{
    const uint64_t *found = map_get(&waiting->targets, key);

    if (found != NULL)
        target_end((struct target *)(uintptr_t)*found);
}

void waiting_slot_ready(struct waiting *waiting, uint32_t slot)
{
    waiting_wake(waiting, slot_key(slot));
}

/* --- from the store --- */

static void load_work(uv_work_t *work)
{
    struct target *target = work->data;

    target->result = loader_by_hash(target->waiting->serve->store, target->key, &target->loaded);
}

static int load_apply(struct target *target)
{
    struct serve *serve = target->waiting->serve;
    struct core_text customer = {target->customer, target->customer_length};
    struct core_text product = {target->product, target->product_length};
    struct core_balance_rows rows;
    uint32_t slot;

    if (target->result == -ENOENT)
        return core_load_absent(serve->core, customer, product, serve_now(serve));
    if (target->result < 0)
        return target->result;
    rows = loader_rows(&target->loaded);
    return core_load_balance(serve->core, &rows, &slot);
}

static void load_done(uv_work_t *work, int status)
{
    struct target *target = work->data;
    struct waiting *waiting = target->waiting;
    int r = status < 0 ? status : load_apply(target);

    waiting->loads--;
    if (r < 0) {
        /* Those who ask will ask again until their deadline; the disk may have been busy. */
        log_error("reading a balance from the store: %s", strerror(-r));
        for (struct list *link = target->parked.next; link != &target->parked; link = link->next)
            CONTAINER_OF(link, struct parked, of_target)->expired = true;
    }
    target_end(target);
}

static int load_begin(struct target *target, const struct request *request)
{
    struct core_text customer = request_customer(request), product = request_product(request);

    target->work.data = target;
    target->customer_length = customer.length;
    target->product_length = product.length;
    memcpy(target->customer, customer.data, customer.length);
    memcpy(target->product, product.data, product.length);
    return uv_queue_work(&target->waiting->serve->loop, &target->work, load_work, load_done);
}

int waiting_park_load(struct waiting *waiting, struct request *request)
{
    struct hash128 key = core_balance_hash(waiting->serve->core, request_customer(request),
                                           request_product(request));
    struct target *target = NULL;
    bool is_new;
    int r = park(waiting, request);

    if (r == 0)
        r = target_get(waiting, key, &target, &is_new);
    if (r < 0)
        return r;
    if (is_new) {
        r = load_begin(target, request);
        if (r < 0) {
            target_end(target);
            return r;
        }
        waiting->loads++;
    }
    list_append(&target->parked, &request->parked->of_target);
    return 0;
}

/* --- again --- */

void waiting_run(struct waiting *waiting)
{
    struct list ready;

    if (list_is_empty(&waiting->ready))
        return;
    /* Only what is ready now: what is parked anew meanwhile waits for the next turn. */
    list_init(&ready);
    list_move_all(&ready, &waiting->ready);
    while (!list_is_empty(&ready)) {
        struct parked *parked = CONTAINER_OF(ready.next, struct parked, of_target);

        list_remove(&parked->of_target);
        request_resume(waiting->serve, parked);
    }
}

void waiting_expire_all(struct waiting *waiting)
{
    while (!list_is_empty(&waiting->deadlines)) {
        struct parked *parked = CONTAINER_OF(waiting->deadlines.next, struct parked, of_deadline);

        parked->expired = true;
        list_remove(&parked->of_deadline);
        list_remove(&parked->of_target);
        list_append(&waiting->ready, &parked->of_target);
    }
}
