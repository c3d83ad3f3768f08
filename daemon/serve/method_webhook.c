/*
 * webhook.deliver: what StellarTools tells without being asked. creditd-sync, which has the secret,
 * says whether it is StellarTools' own and what it says; then it goes the way of everything that
 * comes in (apply.h). A webhook is remembered in the record of what it changed: delivered again, it
 * changes and tells nothing.
 *
 * The answer: {id, type, duplicate: it was delivered before, ignored: its type says nothing to us,
 * or it is of test mode where the key is live (or the other way round),
 * changed: what is stored of the object, events: how many tell of it}, once all of that is durable.
 * A webhook that is not believed is refused with permission_denied; one that is well signed and no
 * event with invalid_parameter, since to deliver it again is of no use; and each of them with
 * conflict while the configuration has no secret to check it by.
 *
 * The request waits for creditd-sync's verdict, then for what is stored of the object; the verdict
 * stays with it meanwhile.
 */
#include "apply.h"
#include "command.h"
#include "connection.h"
#include "methods.h"
#include "object_compare.h"
#include "object_load.h"
#include "objects.h"
#include "payment_refund.h"
#include "serve.h"
#include "writes.h"
#include <errno.h>
#include <proto/events.h>
#include <proto/message.h>
#include <proto/unpack.h>
#include <proto/upstream.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <util/log.h>

#define PATIENCE_MS 10000
#define CHECKS_MAX 64u /* at a time: exchanges must have room as well, whoever calls this */

/* --- asking creditd-sync --- */

/* Under way; its address is what the request waits for. */
struct check {
    struct serve *serve;
};

static struct hash128 check_key(const struct check *check)
{
    return waiting_webhook_key((uint64_t)(uintptr_t)check);
}

static void on_reply(const struct ipc_reply *reply, void *userdata)
{
    struct check *check = userdata;
    struct serve *serve = check->serve;
    struct errand_answer *answer = NULL;
    msgpack_sbuffer buffer;
    msgpack_packer packer;

    (void)serve_now(serve); /* something to do: the end of the turn */
    serve->webhook_checks--;
    msgpack_sbuffer_init(&buffer);
    msgpack_packer_init(&packer, &buffer, msgpack_sbuffer_write);
    if (reply->kind == IPC_REPLY_GONE) /* the next one is asked */
        answer = errand_answer_new(EXCHANGE_UNANSWERED, NULL, NULL, 0);
    else if (reply->kind != IPC_REPLY_RESULT ||
             serve->helper.upstream.state != UPSTREAM_OURS) /* by a secret of somebody else's */
        answer = errand_answer_new(EXCHANGE_FAILED, NULL, NULL, 0);
    else if (msgpack_pack_object(&packer, *reply->result) == 0)
        answer = errand_answer_new(EXCHANGE_OK, NULL, buffer.data, buffer.size);
    errand_tell(serve, check_key(check), answer);
    errand_answer_unref(answer);
    msgpack_sbuffer_destroy(&buffer);
    free(check);
}

static void pack_check(msgpack_packer *packer, void *context)
{
    const struct request *request = context;

    pack_map(packer, 2);
    pack_key(packer, "body");
    object_pack(packer, request->params.values[PROTO_PARAMETER_BODY].object);
    pack_key(packer, "signature");
    object_pack(packer, request->params.values[PROTO_PARAMETER_SIGNATURE].object);
}

static int ask(struct request *request)
{
    struct serve *serve = request->serve;
    struct check *check = malloc(sizeof(*check));
    int r = check == NULL ? -ENOMEM : serve->webhook_checks >= CHECKS_MAX ? -EBUSY : 0;

    request->wait_late =
        (struct refusal){.error = PROTO_ERROR_UPSTREAM_UNAVAILABLE,
                         .text = "the webhook could not be checked in time: creditd-sync did not "
                                 "answer; it is to be delivered again"};
    request->wait_stage = WAIT_WEBHOOK;
    if (r == 0 && !request_is_late(request)) {
        check->serve = serve;
        r = helper_request(&serve->helper, WEBHOOK_METHOD_VERIFY, pack_check, request, PATIENCE_MS,
                           on_reply, check);
        request->wait_key = check_key(check);
        if (r == 0) {
            serve->webhook_checks++;
            return REQUEST_WAIT;
        }
    }
    free(check);
    if (r == -ENOTCONN) { /* until there is one */
        request->wait_key = waiting_helper_key();
        r = 0;
    }
    if (r == 0)
        return REQUEST_WAIT;
    if (r == -EBUSY)
        request_refuse(request, PROTO_ERROR_BUSY, "too many webhooks are being checked; try again",
                       NULL, NULL);
    else
        request_refuse_status(request, r);
    return REQUEST_ANSWERED;
}

/* --- what it says --- */

struct webhook {
    struct core_text id, type;
    enum core_event_type event;
    bool is_known; /* its type */
    bool is_other; /* of test mode, where the key is live, or the other way round */
    int64_t created;
    const msgpack_object *object; /* a map; NULL: none */
    msgpack_sbuffer body, previous;
};

static bool is_told_by_webhooks(enum core_event_type type)
{
    return changes_table(type) != TABLE_COUNT_ || type == CORE_EVENT_PAYMENT_METHOD_CREATED ||
           type == CORE_EVENT_PAYMENT_METHOD_DELETED || type == CORE_EVENT_CHECKOUT_CREATED;
}

static int pack_part(const msgpack_object *map, const char *name, msgpack_sbuffer *buffer,
                     const msgpack_object **ret_part)
{
    const msgpack_object *part = map_find(map, name);
    msgpack_packer packer;

    *ret_part = NULL;
    if (part == NULL || part->type != MSGPACK_OBJECT_MAP)
        return 0;
    msgpack_packer_init(&packer, buffer, msgpack_sbuffer_write);
    *ret_part = part;
    return msgpack_pack_object(&packer, *part) == 0 ? 0 : -ENOMEM;
}

/* Of a valid verdict. 0, -EBADMSG or -ENOMEM. */
static int webhook_read(const msgpack_object *map, struct webhook *webhook)
{
    const msgpack_object *previous;
    enum proto_event event;
    int r;

    webhook->id = object_id(map, "id");
    webhook->type = object_text(map, "type");
    if (webhook->id.length == 0 || webhook->type.length == 0)
        return -EBADMSG;
    if (map_get_int(map, "created", &webhook->created) != 1)
        webhook->created = 0;
    if (proto_event_find(webhook->type.data, webhook->type.length, &event) == 0) {
        webhook->event = (enum core_event_type)event;
        webhook->is_known = is_told_by_webhooks(webhook->event);
    }
    r = pack_part(map, "object", &webhook->body, &webhook->object);
    return r < 0 ? r : pack_part(map, "previous_attributes", &webhook->previous, &previous);
}

/* --- what becomes of it --- */

static int answer(struct request *request, const struct webhook *webhook, bool duplicate,
                  const struct applied *applied)
{
    msgpack_packer *packer = request_result(request, 6);

    pack_key(packer, "id");
    pack_text_n(packer, webhook->id.data, webhook->id.length);
    pack_key(packer, "type");
    pack_text_n(packer, webhook->type.data, webhook->type.length);
    pack_kv_bool(packer, "duplicate", duplicate);
    pack_kv_bool(packer, "ignored", !webhook->is_known || webhook->is_other);
    pack_kv_bool(packer, "changed", applied->changed);
    pack_kv_int(packer, "events", (int64_t)applied->events);
    request_reply(request, applied->reveals);
    return REQUEST_ANSWERED;
}

/* Where the object is kept: TABLE_COUNT_ where it does not say whose it is. */
static enum record_table place(const struct webhook *webhook, struct core_text *ret_key)
{
    enum record_table table = changes_table(webhook->event);

    *ret_key = (struct core_text){"", 0};
    if (table == TABLE_COUNT_ || webhook->object == NULL)
        return TABLE_COUNT_;
    *ret_key = object_id(webhook->object, table == TABLE_SUBSCRIPTIONS ? "customer_id" : "id");
    return ret_key->length > 0 ? table : TABLE_COUNT_;
}

/* The intent that has this id, if it is a refund nobody knows the end of. */
static bool find_parked(struct serve *serve, struct core_text named, struct core_intent *ret_intent)
{
    char id[EXCHANGE_PUSH_ID_SIZE];
    size_t position = 0;

    while (named.length > 0 && core_next_intent(serve->core, &position, ret_intent)) {
        core_intent_id(serve->core, ret_intent->epoch, ret_intent->sequence, id);
        if (strlen(id) == named.length && memcmp(id, named.data, named.length) == 0)
            return ret_intent->kind == CORE_INTENT_REFUND &&
                   ret_intent->state == CORE_INTENT_PARKED;
    }
    return false;
}

/* Metadata may be written by whoever makes refunds: what has the intent's id must be of its payment
 * and its customer as well. */
static bool is_refund_of(struct serve *serve, const struct core_intent *intent,
                         const msgpack_object *object)
{
    struct core_text own = payment_of_intent(serve, intent);
    struct core_text payment = object_id(object, "payment_id");
    struct core_text customer = object_text(object, "customer_id");
    struct core_text owner = core_intent_owner(serve->core, intent->sequence);

    return own.length > 0 && own.length == payment.length &&
           memcmp(own.data, payment.data, own.length) == 0 &&
           (customer.length == 0 || (customer.length == owner.length &&
                                     memcmp(customer.data, owner.data, owner.length) == 0));
}

/* A refund whose answer was lost, and that the webhook tells the end of. */
struct settled {
    char id[EXCHANGE_PUSH_ID_SIZE], message[200];
    bool failed;
};

/* There it is, or it has come to nothing. False: it is none that anybody waits for. */
static bool find_settled(struct serve *serve, const struct webhook *webhook,
                         struct settled *settled, struct core_intent_end *ret_end)
{
    const msgpack_object *metadata = map_find(webhook->object, "metadata");
    struct core_text refund = object_id(webhook->object, "id");
    struct core_intent intent;

    if (metadata == NULL || !find_parked(serve, object_text(metadata, "creditd_intent"), &intent))
        return false;
    core_intent_id(serve->core, intent.epoch, intent.sequence, settled->id);
    if (!is_refund_of(serve, &intent, webhook->object)) {
        log_warning("a webhook tells of a refund that says it is %s, and is of another payment or "
                    "customer: it is not believed to be that",
                    settled->id);
        return false;
    }
    settled->failed = webhook->event == CORE_EVENT_REFUND_FAILED ||
                      (webhook->event != CORE_EVENT_REFUND_SUCCEEDED &&
                       object_text_is(webhook->object, "status", "failed"));
    snprintf(settled->message, sizeof(settled->message), "the refund %.*s has failed",
             (int)refund.length, refund.data);
    *ret_end = (struct core_intent_end){
        .intent = intent.sequence,
        .object_id = refund,
        .refused = settled->failed ? settled->message : NULL,
    };
    return true;
}

/* Whether a product may be used is known since long ago, from now on: the next who asks has it read
 * again. */
static void outdate_access(struct serve *serve, struct core_text customer, struct core_text product)
{
    char buffer[OBJECT_KEY_MAX];
    struct core_object_change change = {
        .table = TABLE_ACCESS,
        .key = object_key(TABLE_ACCESS, customer, product, buffer),
        .synced_at = 1,
    };
    struct core_object object;
    uint64_t sequence;

    if (core_object_get(serve->core, change.table, change.key, &object) != CORE_OK)
        return;
    change.body = object.body;
    change.length = object.body_length;
    (void)core_object_change(serve->core, &change, serve_now(serve), &sequence); /* no record */
}

/* What a customer may spend and use changes with what it has bought; its name does not matter. */
static void outdate(struct serve *serve, const struct webhook *webhook)
{
    bool is_customer = changes_table(webhook->event) == TABLE_CUSTOMER;
    struct core_text customer = object_id(webhook->object, is_customer ? "id" : "customer_id");
    struct core_text product = object_id(webhook->object, "product_id");

    if (customer.length == 0 || (is_customer && webhook->event != CORE_EVENT_CUSTOMER_DELETED))
        return;
    (void)core_refresh(serve->core, customer, product, serve_now(serve));
    if (product.length > 0)
        outdate_access(serve, customer, product);
}

static int apply_webhook(struct request *request, const struct webhook *webhook)
{
    struct apply apply = {
        .input = {.source = CHANGES_TOLD,
                  .body = webhook->object != NULL ? webhook->body.data : NULL,
                  .length = webhook->object != NULL ? webhook->body.size : 0,
                  .type = webhook->event,
                  .told_at = webhook->created,
                  .previous = webhook->previous.size > 0 ? webhook->previous.data : NULL,
                  .previous_length = webhook->previous.size},
        .webhook = webhook->id,
    };
    struct apply_missing missing;
    struct applied applied = {0};
    struct settled settled;
    bool settles;
    int r;

    apply.input.table = place(webhook, &apply.key);
    settles = apply.input.table == TABLE_REFUND &&
              find_settled(request->serve, webhook, &settled, &apply.ends);
    r = apply_object(request->serve, &apply, &applied, &missing);
    if (r == CORE_LOAD)
        return objects_load(request, apply.input.table,
                            (struct core_text){missing.key, missing.length}, WAIT_WEBHOOK);
    if (r == -EAGAIN) {
        request->wait_stage = WAIT_WEBHOOK;
        return REQUEST_ROOM;
    }
    if (r != CORE_OK) {
        request_refuse_status(request, r);
        return REQUEST_ANSWERED;
    }
    if (settles && !applied.is_older)
        log_notice("refund %s %s: a webhook says so", settled.id,
                   settled.failed ? "has failed" : "was made");
    if (webhook->object != NULL)
        outdate(request->serve, webhook);
    return answer(request, webhook, false, &applied);
}

static void log_other_mode(const struct webhook *webhook)
{
    log_warning("webhook %.*s is not of the mode of creditd's key (live or test): it changes "
                "nothing. Is the webhook endpoint of the other mode set to this creditd?",
                (int)webhook->id.length, webhook->id.data);
}

/* Of a type that says nothing to us, or of the other mode: so that it is told apart from one that
 * was never delivered. */
static int ignore(struct request *request, const struct webhook *webhook)
{
    const struct core_object_change change = {.table = TABLE_COUNT_, .webhook = webhook->id};
    struct serve *serve = request->serve;
    struct applied applied = {0};
    int r = core_object_change(serve->core, &change, serve_now(serve), &applied.reveals);

    if (r == CORE_OK && webhook->is_other)
        log_other_mode(webhook);
    if (r == CORE_OK)
        return answer(request, webhook, false, &applied);
    request_refuse_status(request, r);
    return REQUEST_ANSWERED;
}

/* Whether it tells of what the key does not see. One that does not say is believed to be ours. */
static bool is_of_other_mode(const struct core *core, const msgpack_object *map)
{
    int livemode;

    return core_upstream(core).length > 0 && map_get_bool(map, "livemode", &livemode) == 1 &&
           (livemode != 0) != core_livemode(core);
}

static int take(struct request *request, const msgpack_object *map)
{
    struct webhook webhook = {.id = {"", 0}};
    struct applied before = {0};
    int r, result = REQUEST_ANSWERED;

    msgpack_sbuffer_init(&webhook.body);
    msgpack_sbuffer_init(&webhook.previous);
    r = webhook_read(map, &webhook);
    webhook.is_other = r == 0 && is_of_other_mode(request->serve->core, map);
    if (r < 0)
        request_refuse_status(request, r);
    else if (core_webhook_seen(request->serve->core, webhook.id, &before.reveals) == CORE_OK)
        result = answer(request, &webhook, true, &before);
    else if (!webhook.is_known || webhook.is_other)
        result = ignore(request, &webhook);
    else
        result = apply_webhook(request, &webhook);
    msgpack_sbuffer_destroy(&webhook.body);
    msgpack_sbuffer_destroy(&webhook.previous);
    return result;
}

/* --- the verdict --- */

static int judge(struct request *request, const msgpack_object *map)
{
    struct core_text message = object_text(map, "message");
    bool invalid = object_text_is(map, "verdict", "invalid"),
         malformed = object_text_is(map, "verdict", "malformed");
    char text[300];

    if (object_text_is(map, "verdict", "valid"))
        return take(request, map);
    snprintf(text, sizeof(text), "%s: %.*s; nothing was changed",
             invalid     ? "the webhook is not believed"
             : malformed ? "the webhook is well signed, and none of StellarTools'"
                         : "the webhook cannot be checked",
             message.length > 200 ? 200 : (int)message.length, message.data);
    if (malformed)
        request_refuse(request, PROTO_ERROR_INVALID_PARAMETER, text, "parameter", "body");
    else /* without a secret nothing here is to be waited for: an operator must see to it */
        request_refuse(request, invalid ? PROTO_ERROR_PERMISSION_DENIED : PROTO_ERROR_CONFLICT,
                       text, NULL, NULL);
    return REQUEST_ANSWERED;
}

int method_webhook_deliver(struct request *request)
{
    const struct errand_answer *verdict = request_errand_answer(request, WAIT_WEBHOOK);
    int result = REQUEST_ANSWERED, r = -ENOMEM;
    msgpack_object map;
    msgpack_zone zone;

    if (serve_is_stopping(request->serve)) {
        request_refuse(request, PROTO_ERROR_SHUTTING_DOWN, "creditd is stopping", NULL, NULL);
        return REQUEST_ANSWERED;
    }
    if (verdict == NULL || verdict->outcome == EXCHANGE_UNANSWERED)
        return ask(request);
    if (verdict->outcome != EXCHANGE_OK) {
        request_refuse(request, PROTO_ERROR_UPSTREAM_UNAVAILABLE,
                       "the webhook could not be checked: creditd-sync did not say what it is; "
                       "nothing was changed",
                       NULL, NULL);
        return REQUEST_ANSWERED;
    }
    if (msgpack_zone_init(&zone, 8192)) {
        r = unpack(&zone, verdict->body, verdict->length, &map);
        if (r == 0)
            result = judge(request, &map);
        msgpack_zone_destroy(&zone);
    }
    if (r < 0)
        request_refuse_status(request, r);
    return result;
}
