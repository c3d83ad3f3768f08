/* refund.create and access.check. */
#include "typed.h"

static int build_refund_create(struct creditd *c, const void *argument,
                               struct creditd_call_options *options)
{
    const struct creditd_refund_create_request *request = argument;
    int r;

    options->timeout = request->timeout;
    if ((r = put_who(c, &request->who)) < 0 ||
        (r = put_id(c, "payment_id", request->payment_id)) < 0 ||
        (r = put_text(c, "reason", request->reason, PROTO_TEXT_MAX)) < 0 ||
        (r = put_metadata(c, request->metadata)) < 0)
        return r;
    return put_key(c, request->idempotency_key, options);
}

TYPED_CALL(refund_create, "refund.create", struct creditd_refund_create_request,
           struct creditd_object, object)

static int build_access_check(struct creditd *c, const void *argument,
                              struct creditd_call_options *options)
{
    const struct creditd_access_check_request *request = argument;
    int r = put_who(c, &request->who);

    options->timeout = request->timeout;
    put_flag(c, "fresh", request->fresh);
    return r < 0 ? r : put_id(c, "product_id", request->product_id);
}

#define ACCESS struct creditd_access_result

static const struct field access_fields[] = {
    FIELD(BOOL, ACCESS, has_access),           FIELD_IN(TEXT_CUT, ACCESS, grant, type),
    FIELD_IN(TEXT_CUT, ACCESS, grant, status), FIELD_IN(TEXT, ACCESS, grant, subscription_id),
    FIELD_IN(TEXT, ACCESS, grant, payment_id), FIELD_OPTIONAL(INT, ACCESS, synced_at),
    FIELD_OPTIONAL(BOOL, ACCESS, stale),
};

TYPED_READ(access, ACCESS, access_fields)
TYPED_CALL(access_check, "access.check", struct creditd_access_check_request, ACCESS, access)
