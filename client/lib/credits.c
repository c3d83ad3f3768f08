/* The typed calls of the methods credits.*. */
#include "typed.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- consume ---- */

static int build_consume(struct creditd *c, const void *argument,
                         struct creditd_call_options *options)
{
    const struct creditd_consume_request *request = argument;
    int r;

    options->timeout = request->timeout;
    if ((r = put_who(c, &request->who)) < 0 ||
        (r = put_id(c, "product_id", request->product_id)) < 0 ||
        (r = put_amount(c, "raw_amount", request->raw_amount)) < 0 ||
        (r = put_metadata(c, request->metadata)) < 0)
        return r;
    return put_once(c, request->idempotency_key, request->stamp, options);
}

static const struct field consume_fields[] = {
    FIELD(TEXT, struct creditd_consume_result, customer_id),
    FIELD(TEXT, struct creditd_consume_result, product_id),
    FIELD(TEXT, struct creditd_consume_result, transaction_id),
    FIELD(INT, struct creditd_consume_result, balance),
    FIELD(INT, struct creditd_consume_result, credits_deducted),
    FIELD(INT, struct creditd_consume_result, billed_units),
    FIELD(INT, struct creditd_consume_result, pending),
    FIELD(INT, struct creditd_consume_result, synced_at),
    FIELD(BOOL, struct creditd_consume_result, stale),
    FIELD(BOOL, struct creditd_consume_result, replayed),
};

TYPED_CALL_AND_READ(consume, "credits.consume", struct creditd_consume_request,
                    struct creditd_consume_result, consume_fields)

/* ---- check ---- */

static int build_check(struct creditd *c, const void *argument,
                       struct creditd_call_options *options)
{
    const struct creditd_check_request *request = argument;
    int r;

    options->timeout = request->timeout;
    if ((r = put_who(c, &request->who)) < 0 ||
        (r = put_id(c, "product_id", request->product_id)) < 0 ||
        (r = put_amount(c, "raw_amount", request->raw_amount)) < 0)
        return r;
    put_flag(c, "fresh", request->fresh);
    return 0;
}

static const struct field check_fields[] = {
    FIELD(TEXT, struct creditd_check_result, customer_id),
    FIELD(TEXT, struct creditd_check_result, product_id),
    FIELD(INT, struct creditd_check_result, credits_required),
    FIELD(INT, struct creditd_check_result, balance),
    FIELD(INT, struct creditd_check_result, synced_at),
    FIELD(BOOL, struct creditd_check_result, is_sufficient),
    FIELD(BOOL, struct creditd_check_result, stale),
};

TYPED_CALL_AND_READ(check, "credits.check", struct creditd_check_request,
                    struct creditd_check_result, check_fields)

/* ---- balance ---- */

static int build_balance(struct creditd *c, const void *argument,
                         struct creditd_call_options *options)
{
    const struct creditd_balance_request *request = argument;
    int r;

    options->timeout = request->timeout;
    if ((r = put_who(c, &request->who)) < 0 ||
        (r = put_id(c, "product_id", request->product_id)) < 0)
        return r;
    put_flag(c, "fresh", request->fresh);
    return 0;
}

static const struct field balance_fields[] = {
    FIELD(TEXT, struct creditd_balance_result, customer_id),
    FIELD(TEXT, struct creditd_balance_result, product_id),
    FIELD(INT, struct creditd_balance_result, balance),
    FIELD(INT, struct creditd_balance_result, upstream),
    FIELD(INT, struct creditd_balance_result, pending),
    FIELD(INT, struct creditd_balance_result, held),
    FIELD(INT, struct creditd_balance_result, consumed),
    FIELD(INT, struct creditd_balance_result, granted),
    FIELD(INT, struct creditd_balance_result, units_per_credit),
    FIELD(INT, struct creditd_balance_result, synced_at),
    FIELD(BOOL, struct creditd_balance_result, stale),
};

TYPED_CALL_AND_READ(balance, "credits.balance", struct creditd_balance_request,
                    struct creditd_balance_result, balance_fields)
