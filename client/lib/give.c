/* credits.refund and credits.grant. A refund is known by the transaction that it gives back, and so
 * may be repeated; a grant carries a stamp, as a consume does. */
#include "typed.h"

static int build_credit_refund(struct creditd *c, const void *argument,
                               struct creditd_call_options *options)
{
    const struct creditd_credit_refund_request *request = argument;
    int r;

    options->timeout = request->timeout;
    if ((r = put_who(c, &request->who)) < 0 ||
        (r = put_id(c, "product_id", request->product_id)) < 0 ||
        (r = put_id(c, "transaction_id", request->transaction_id)) < 0 ||
        (r = put_count(c, "raw_amount", request->raw_amount)) < 0)
        return r;
    return put_text(c, "reason", request->reason, PROTO_TEXT_MAX);
}

static const struct field credit_refund_fields[] = {
    FIELD(TEXT, struct creditd_credit_refund_result, transaction_id),
    FIELD(INT, struct creditd_credit_refund_result, credits_refunded),
    FIELD(INT, struct creditd_credit_refund_result, pending_confirmation),
    FIELD(INT, struct creditd_credit_refund_result, balance),
    FIELD(BOOL, struct creditd_credit_refund_result, replayed),
};

TYPED_CALL_AND_READ(credit_refund, "credits.refund", struct creditd_credit_refund_request,
                    struct creditd_credit_refund_result, credit_refund_fields)

static int build_grant(struct creditd *c, const void *argument,
                       struct creditd_call_options *options)
{
    const struct creditd_grant_request *request = argument;
    int r;

    options->timeout = request->timeout;
    if ((r = put_who(c, &request->who)) < 0 ||
        (r = put_id(c, "product_id", request->product_id)) < 0 ||
        (r = put_amount(c, "raw_amount", request->raw_amount)) < 0 ||
        (r = put_text(c, "reason", request->reason, PROTO_TEXT_MAX)) < 0)
        return r;
    return put_once(c, request->idempotency_key, request->stamp, options);
}

static const struct field grant_fields[] = {
    FIELD(TEXT, struct creditd_grant_result, grant_id),
    FIELD(INT, struct creditd_grant_result, credits_granted),
    FIELD(INT, struct creditd_grant_result, pending_confirmation),
    FIELD(INT, struct creditd_grant_result, balance),
    FIELD(BOOL, struct creditd_grant_result, replayed),
};

TYPED_CALL_AND_READ(grant, "credits.grant", struct creditd_grant_request,
                    struct creditd_grant_result, grant_fields)
