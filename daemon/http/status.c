/* See status.h. */
#include "status.h"
#include <errno.h>
#include <string.h>

static const unsigned short statuses[PROTO_ERROR_COUNT_] = {
    [PROTO_ERROR_INVALID_REQUEST] = 400,
    [PROTO_ERROR_UNKNOWN_METHOD] = 404,
    [PROTO_ERROR_INVALID_PARAMETER] = 400,
    [PROTO_ERROR_PERMISSION_DENIED] = 403,
    [PROTO_ERROR_UNAUTHENTICATED] = 401,
    [PROTO_ERROR_INSUFFICIENT_CREDITS] = 402,
    [PROTO_ERROR_OFFLINE_LIMIT] = 503,
    [PROTO_ERROR_UNKNOWN_CUSTOMER] = 404,
    [PROTO_ERROR_UNKNOWN_PRODUCT] = 404,
    [PROTO_ERROR_NOT_FOUND] = 404,
    [PROTO_ERROR_PRODUCT_PARKED] = 409,
    [PROTO_ERROR_KEY_REUSED] = 409,
    [PROTO_ERROR_OUTCOME_UNKNOWN] = 409,
    [PROTO_ERROR_QUOTA_EXCEEDED] = 429,
    [PROTO_ERROR_CONFLICT] = 409,
    [PROTO_ERROR_UPSTREAM_UNAVAILABLE] = 503,
    [PROTO_ERROR_SESSION_UNAVAILABLE] = 503,
    [PROTO_ERROR_NO_SPACE] = 503,
    [PROTO_ERROR_SHUTTING_DOWN] = 503,
    [PROTO_ERROR_BUSY] = 429,
    [PROTO_ERROR_GAP] = 410,
    [PROTO_ERROR_INTERNAL] = 500,
};

unsigned status_of_error(enum proto_error error)
{
    unsigned status = (unsigned)error < PROTO_ERROR_COUNT_ ? statuses[error] : 0;

    return status ? status : 500; /* a word of a newer daemon */
}

unsigned status_of_reply(const struct creditd_reply *reply)
{
    int status = creditd_reply_status(reply);
    const char *code = creditd_reply_code(reply);

    if (status == 0)
        return 200;
    if (status < 0)
        return status == -EPROTO ? 500 : 503;
    return status_of_error(proto_error_from_code(code, strlen(code)));
}
