/* The table of exchanges, and the decoding of their parameters: see exchange.h. */
#include "exchange.h"

#include <errno.h>
#include <proto/message.h>
#include <stdlib.h>
#include <string.h>
#include <util/macros.h>

#define HISTORY_LIMIT_MAX 100 /* upstream gives no more rows at once */
#define TIMEOUT_MAX_MS (INT64_C(10) * 60 * 1000)

enum argument_type {
    ARGUMENT_ID,
    ARGUMENT_HEADER, /* visible ASCII: it becomes a header's value */
    ARGUMENT_WORD,   /* deduct, refund or grant */
    ARGUMENT_TEXT,
    ARGUMENT_INT,
};

enum argument {
    CUSTOMER_ID = 1 << 0,
    PRODUCT_ID = 1 << 1,
    PUSH_ID = 1 << 2,
    IDEMPOTENCY_KEY = 1 << 3,
    TYPE = 1 << 4,
    REASON = 1 << 5,
    AMOUNT = 1 << 6,
    LIMIT = 1 << 7,
    OFFSET = 1 << 8,
    TIMEOUT = 1 << 9,
};

static const struct argument_spec {
    enum argument bit;
    const char *name;
    enum argument_type type;
    size_t offset;
    int64_t minimum, maximum; /* of a number, or of a text's length */
} arguments[] = {
#define AT(member) offsetof(struct exchange_args, member)
    {CUSTOMER_ID, "customer_id", ARGUMENT_ID, AT(customer_id), 1, PROTO_ID_MAX},
    {PRODUCT_ID, "product_id", ARGUMENT_ID, AT(product_id), 1, PROTO_ID_MAX},
    {PUSH_ID, "push_id", ARGUMENT_ID, AT(push_id), 1, PROTO_ID_MAX},
    {IDEMPOTENCY_KEY, "idempotency_key", ARGUMENT_HEADER, AT(idempotency_key), 1, PROTO_KEY_MAX},
    {TYPE, "type", ARGUMENT_WORD, AT(type), 1, PROTO_ID_MAX},
    {REASON, "reason", ARGUMENT_TEXT, AT(reason), 0, PROTO_TEXT_MAX},
    {AMOUNT, "amount", ARGUMENT_INT, AT(amount), 1, PROTO_AMOUNT_MAX},
    {LIMIT, "limit", ARGUMENT_INT, AT(limit), 1, HISTORY_LIMIT_MAX},
    {OFFSET, "offset", ARGUMENT_INT, AT(offset), 0, PROTO_AMOUNT_MAX},
    {TIMEOUT, "timeout", ARGUMENT_INT, AT(timeout), 1, TIMEOUT_MAX_MS},
#undef AT
};

static const struct exchange_kind kinds[] = {
    {UPSTREAM_METHOD_PRODUCT, "product", PRODUCT_ID, PRODUCT_ID | TIMEOUT, UPSTREAM_FAILED,
     build_product, read_product},
    {UPSTREAM_METHOD_BALANCE, "balance", CUSTOMER_ID | PRODUCT_ID,
     CUSTOMER_ID | PRODUCT_ID | TIMEOUT, UPSTREAM_NO_BALANCE, build_balance, read_balance},
    {UPSTREAM_METHOD_TRANSACTION, "transaction",
     CUSTOMER_ID | PRODUCT_ID | TYPE | AMOUNT | PUSH_ID | IDEMPOTENCY_KEY,
     CUSTOMER_ID | PRODUCT_ID | TYPE | AMOUNT | PUSH_ID | IDEMPOTENCY_KEY | REASON | TIMEOUT,
     UPSTREAM_FAILED, build_transaction, read_transaction},
    {UPSTREAM_METHOD_HISTORY, "history", CUSTOMER_ID | PRODUCT_ID | LIMIT | OFFSET,
     CUSTOMER_ID | PRODUCT_ID | LIMIT | OFFSET | TIMEOUT, UPSTREAM_FAILED, build_history,
     read_history},
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

static bool word_valid(const char *text, size_t length)
{
    static const char *const words[] = {"deduct", "refund", "grant"};

    for (size_t i = 0; i < ARRAY_SIZE(words); i++)
        if (strlen(words[i]) == length && memcmp(words[i], text, length) == 0)
            return true;
    return false;
}

static bool text_valid(enum argument_type type, const char *text, size_t length)
{
    switch (type) {
    case ARGUMENT_ID:
        return proto_id_valid(text, length);
    case ARGUMENT_HEADER:
        return header_valid(text, length);
    case ARGUMENT_WORD:
        return word_valid(text, length);
    case ARGUMENT_TEXT:
        return proto_text_valid(text, length);
    case ARGUMENT_INT:
        break;
    }
    return false;
}

/* 1, 0 or -EBADMSG, as map_get_int. */
static int argument_decode(const struct argument_spec *spec, const msgpack_object *params,
                           struct exchange_args *args)
{
    char *target = (char *)args + spec->offset;
    const char *text;
    size_t length;
    int64_t number;
    int r;

    if (spec->type == ARGUMENT_INT) {
        r = map_get_int(params, spec->name, &number);
        if (r == 1 && (number < spec->minimum || number > spec->maximum))
            return -EBADMSG;
        if (r == 1)
            memcpy(target, &number, sizeof number);
        return r;
    }
    r = map_get_text(params, spec->name, &text, &length);
    if (r != 1)
        return r;
    if ((int64_t)length < spec->minimum || (int64_t)length > spec->maximum ||
        !text_valid(spec->type, text, length))
        return -EBADMSG;
    memcpy(target, text, length);
    target[length] = '\0';
    return 1;
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
        if (r < 0 || (r == 0 && (kind->needed & arguments[i].bit))) {
            *ret_parameter = arguments[i].name;
            return -EBADMSG;
        }
    }
    *ret_args = args;
    return 0;
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
