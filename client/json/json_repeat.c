/* See json_value.h. */
#include "json_value.h"
#include <proto/methods.h>
#include <string.h>

enum creditd_repeat json_call_repeat(const char *method_name, const json_t *params)
{
    const struct proto_method_spec *spec;
    enum proto_method method;

    if (proto_method_find(method_name, strlen(method_name), &method) < 0)
        return CREDITD_REPEAT_NEVER;
    spec = proto_method_spec(method);
    if (json_object_get(params, "idempotency_key"))
        return CREDITD_REPEAT_SAFE;
    if (spec->known & PROTO_BIT(STAMP))
        return CREDITD_REPEAT_STAMPED;
    /* What ends a reservation, or gives a transaction back, is known by that one's id. */
    if (spec->needed & (PROTO_BIT(RESERVATION_ID) | PROTO_BIT(TRANSACTION_ID)))
        return CREDITD_REPEAT_SAFE;
    return spec->role <= PROTO_ROLE_READ ? CREDITD_REPEAT_SAFE : CREDITD_REPEAT_NEVER;
}
