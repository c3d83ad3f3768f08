/* The table of exchanges, and the decoding of their parameters: see exchange.h. */
#include "exchange.h"
#include "metadata.h"

#include <errno.h>
#include <proto/message.h>
#include <stdlib.h>
#include <string.h>
#include <util/macros.h>

#define PAGE_LIMIT_MAX 100 /* upstream gives no more rows at once */
#define TIMEOUT_MAX_MS (INT64_C(10) * 60 * 1000)

enum argument_type {
    TYPE_ID,
    TYPE_HEADER, /* visible ASCII: it becomes a header's value */
    TYPE_KIND,   /* deduct, refund or grant */
    TYPE_ACTION, /* cancel, pause or resume: it becomes a part of the path */
    TYPE_TEXT,
    TYPE_INT,
    TYPE_BOOL,
    TYPE_METADATA,
};

static const struct argument_spec {
    enum exchange_argument bit;
    const char *name;
    enum argument_type type;
    size_t offset;
    int64_t minimum, maximum; /* of a number, or of a text's length */
} arguments[] = {
#define ROW(bit, member, type, minimum, maximum)                                                   \
    {                                                                                              \
        ARGUMENT_##bit, #member, TYPE_##type, offsetof(struct exchange_args, member), minimum,     \
            maximum                                                                                \
    }
    ROW(CUSTOMER_ID, customer_id, ID, 1, PROTO_ID_MAX),
    ROW(PRODUCT_ID, product_id, ID, 1, PROTO_ID_MAX),
    ROW(PUSH_ID, push_id, ID, 1, PROTO_ID_MAX),
    ROW(IDEMPOTENCY_KEY, idempotency_key, HEADER, 1, PROTO_KEY_MAX),
    ROW(TYPE, type, KIND, 1, PROTO_ID_MAX),
    ROW(REASON, reason, TEXT, 0, PROTO_TEXT_MAX),
    ROW(AMOUNT, amount, INT, 1, PROTO_AMOUNT_MAX),
    ROW(LIMIT, limit, INT, 1, PAGE_LIMIT_MAX),
    ROW(OFFSET, offset, INT, 0, PROTO_AMOUNT_MAX),
    ROW(TIMEOUT, timeout, INT, 1, TIMEOUT_MAX_MS),
    ROW(EMAIL, email, TEXT, 1, PROTO_TEXT_MAX),
    ROW(NAME, name, TEXT, 1, PROTO_TEXT_MAX),
    ROW(PHONE, phone, TEXT, 1, PROTO_TEXT_MAX),
    ROW(IMAGE, image, TEXT, 1, PROTO_TEXT_MAX),
    ROW(METADATA, metadata, METADATA, 0, 0),
    ROW(SUBSCRIPTION_ID, subscription_id, ID, 1, PROTO_ID_MAX),
    ROW(ACTION, action, ACTION, 1, PROTO_ID_MAX),
    ROW(PAYMENT_ID, payment_id, ID, 1, PROTO_ID_MAX),
    ROW(STARTING_AFTER, starting_after, ID, 1, PROTO_ID_MAX),
    ROW(INTENT_ID, intent_id, ID, 1, PROTO_ID_MAX),
    ROW(CANCEL_AT_PERIOD_END, cancel_at_period_end, BOOL, 0, 0),
    ROW(TRIAL_DAYS, trial_days, INT, 0, PROTO_AMOUNT_MAX),
    ROW(BARE, bare, BOOL, 0, 0),
    ROW(UPSTREAM, upstream, TEXT, 1, UPSTREAM_NAME_MAX),
#undef ROW
};

/* What is needed, what else is known; every exchange knows a timeout and an upstream. */
static const struct exchange_kind kinds[] = {
#define A(name) ARGUMENT_##name
#define KIND(METHOD, member, needed, other, null_outcome, builder, reader)                         \
    {                                                                                              \
        UPSTREAM_METHOD_##METHOD, member, needed, (needed) | (other) | A(TIMEOUT) | A(UPSTREAM),   \
            UPSTREAM_##null_outcome, build_##builder, read_##reader                                \
    }
    KIND(PRODUCT, "product", A(PRODUCT_ID), 0, FAILED, product, product),
    KIND(BALANCE, "balance", A(CUSTOMER_ID) | A(PRODUCT_ID), 0, NO_BALANCE, balance, balance),
    KIND(TRANSACTION, "transaction",
         A(CUSTOMER_ID) | A(PRODUCT_ID) | A(TYPE) | A(AMOUNT) | A(PUSH_ID) | A(IDEMPOTENCY_KEY),
         A(REASON), FAILED, transaction, transaction),
    KIND(HISTORY, "history", A(CUSTOMER_ID) | A(PRODUCT_ID) | A(LIMIT) | A(OFFSET), 0, FAILED,
         history, history),
    KIND(CUSTOMER, "customer", A(CUSTOMER_ID), 0, NOT_FOUND, customer, customer),
    KIND(CUSTOMERS, "customers", A(LIMIT), A(EMAIL) | A(STARTING_AFTER), FAILED, customers,
         customers),
    KIND(CUSTOMER_CREATE, "customer", A(IDEMPOTENCY_KEY),
         A(EMAIL) | A(NAME) | A(PHONE) | A(IMAGE) | A(METADATA) | A(INTENT_ID) | A(BARE), FAILED,
         customer_create, customer),
    KIND(CUSTOMER_UPDATE, "customer", A(CUSTOMER_ID),
         A(EMAIL) | A(NAME) | A(PHONE) | A(IMAGE) | A(METADATA), FAILED, customer_update, customer),
    KIND(SUBSCRIPTION, "subscription", A(SUBSCRIPTION_ID), 0, NOT_FOUND, subscription,
         subscription),
    KIND(SUBSCRIPTIONS, "subscriptions", A(CUSTOMER_ID) | A(LIMIT), A(STARTING_AFTER), FAILED,
         subscriptions, subscriptions),
    KIND(SUBSCRIPTION_CREATE, "subscription", A(CUSTOMER_ID) | A(PRODUCT_ID) | A(IDEMPOTENCY_KEY),
         A(METADATA) | A(INTENT_ID) | A(CANCEL_AT_PERIOD_END) | A(TRIAL_DAYS), FAILED,
         subscription_create, subscription),
    KIND(SUBSCRIPTION_UPDATE, "subscription", A(SUBSCRIPTION_ID),
         A(PRODUCT_ID) | A(METADATA) | A(CANCEL_AT_PERIOD_END), FAILED, subscription_update,
         subscription),
    KIND(SUBSCRIPTION_ACTION, "subscription", A(SUBSCRIPTION_ID) | A(ACTION), A(IDEMPOTENCY_KEY),
         FAILED, subscription_action, subscription),
    KIND(PAYMENT, "payment", A(PAYMENT_ID), 0, NOT_FOUND, payment, payment),
    KIND(REFUND_CREATE, "refund", A(PAYMENT_ID) | A(IDEMPOTENCY_KEY),
         A(REASON) | A(METADATA) | A(INTENT_ID), FAILED, refund_create, refund),
    KIND(ACCESS, "access", A(CUSTOMER_ID) | A(PRODUCT_ID), 0, FAILED, access, access),
#undef KIND
#undef A
};

const struct exchange_kind *exchange_find(const char *method, size_t length)
{
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
        if (strlen(kinds[i].method) == length && memcmp(kinds[i].method, method, length) == 0)
            return &kinds[i];
    return NULL;
}

static bool header_valid(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (text[i] < 0x21 || text[i] > 0x7e)
            return false;
    return true;
}

static bool word_valid(const char *const *words, const char *text, size_t length)
{
    for (; *words; words++)
        if (strlen(*words) == length && memcmp(*words, text, length) == 0)
            return true;
    return false;
}

static bool text_valid(enum argument_type type, const char *text, size_t length)
{
    static const char *const types[] = {"deduct", "refund", "grant", NULL};
    static const char *const actions[] = {"cancel", "pause", "resume", NULL};

    switch (type) {
    case TYPE_ID:
        return proto_id_valid(text, length);
    case TYPE_HEADER:
        return header_valid(text, length);
    case TYPE_KIND:
        return word_valid(types, text, length);
    case TYPE_ACTION:
        return word_valid(actions, text, length);
    case TYPE_TEXT:
        return proto_text_valid(text, length);
    case TYPE_INT:
    case TYPE_BOOL:
    case TYPE_METADATA:
        break;
    }
    return false;
}

static int text_decode(const struct argument_spec *spec, const msgpack_object *params, char *target)
{
    const char *text;
    size_t length;
    int r = map_get_text(params, spec->name, &text, &length);

    if (r != 1)
        return r;
    if ((int64_t)length < spec->minimum || (int64_t)length > spec->maximum ||
        !text_valid(spec->type, text, length))
        return -EBADMSG;
    memcpy(target, text, length);
    target[length] = '\0';
    return 1;
}

/* 1, 0 or -EBADMSG, as map_get_int; or -ENOMEM. */
static int argument_decode(const struct argument_spec *spec, const msgpack_object *params,
                           struct exchange_args *args)
{
    char *target = (char *)args + spec->offset;
    const msgpack_object *object;
    int64_t number;
    int boolean, r;

    switch (spec->type) {
    case TYPE_INT:
        r = map_get_int(params, spec->name, &number);
        if (r == 1 && (number < spec->minimum || number > spec->maximum))
            return -EBADMSG;
        if (r == 1)
            memcpy(target, &number, sizeof number);
        return r;
    case TYPE_BOOL:
        r = map_get_bool(params, spec->name, &boolean);
        if (r == 1)
            *(bool *)target = boolean;
        return r;
    case TYPE_METADATA:
        object = map_find(params, spec->name);
        if (!object || object->type == MSGPACK_OBJECT_NIL)
            return 0;
        r = metadata_flatten(object, &args->metadata);
        return r < 0 ? r : 1;
    default:
        return text_decode(spec, params, target);
    }
}

int exchange_decode(const struct exchange_kind *kind, const msgpack_object *params,
                    struct exchange_args *ret_args, const char **ret_parameter)
{
    struct exchange_args args = {0};

    for (size_t i = 0; i < ARRAY_SIZE(arguments); i++) {
        int r;

        if (!(kind->known & arguments[i].bit))
            continue;
        r = argument_decode(&arguments[i], params, &args);
        if (r == 0 && (kind->needed & arguments[i].bit))
            r = -EBADMSG;
        if (r < 0) {
            exchange_args_deinit(&args);
            *ret_parameter = arguments[i].name;
            return r;
        }
        if (r > 0)
            args.present |= arguments[i].bit;
    }
    *ret_args = args;
    return 0;
}

void exchange_args_deinit(struct exchange_args *args)
{
    json_decref(args->metadata);
    args->metadata = NULL;
}

void request_deinit(struct request *request)
{
    free(request->url);
    free(request->body);
    *request = (struct request){0};
}

int read_unreadable(const char **ret_reason, const char *reason)
{
    *ret_reason = reason;
    return READ_UNREADABLE;
}
