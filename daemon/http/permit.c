/* See permit.h. */
#include "permit.h"
#include <string.h>

static int refuse(struct refusal *ret_refusal, enum proto_error error, const char *text,
                  const char *parameter)
{
    *ret_refusal = (struct refusal){error, text, parameter ? "parameter" : NULL, parameter};
    return (int)error;
}

static bool takes_session(enum proto_method method)
{
    return (proto_method_spec(method)->known & PROTO_BIT(SESSION)) != 0;
}

static int check_named(const struct route *route, const struct caller *caller, uint64_t present,
                       struct refusal *ret_refusal)
{
    const struct proto_method_spec *spec = proto_method_spec(route->method);

    if ((present & PROTO_BIT(SESSION)) != 0)
        return refuse(ret_refusal, PROTO_ERROR_INVALID_PARAMETER,
                      "a session goes into the header Cookie or Authorization, not into the body",
                      "session");
    if (caller->has_session && takes_session(route->method) && (present & PROTO_IDENTITY) != 0)
        return refuse(ret_refusal, PROTO_ERROR_INVALID_PARAMETER,
                      "with a session, neither user_id nor customer_id can be named",
                      (present & PROTO_BIT(USER_ID)) != 0 ? "user_id" : "customer_id");
    if (caller->has_session || spec->role == PROTO_ROLE_NONE)
        return 0;
    if (route->kind == ROUTE_ENDPOINT ||
        (takes_session(route->method) && (present & PROTO_IDENTITY) == 0))
        return refuse(ret_refusal, PROTO_ERROR_UNAUTHENTICATED,
                      "a session is needed, in the header Cookie or Authorization", NULL);
    if (!caller->is_local && takes_session(route->method))
        return refuse(ret_refusal, PROTO_ERROR_UNAUTHENTICATED,
                      "user_id and customer_id can be named at the socket of [http] local only, "
                      "and not through a proxy",
                      NULL);
    if (!caller->is_local)
        return refuse(ret_refusal, PROTO_ERROR_PERMISSION_DENIED,
                      "that can be asked for at the socket of [http] local only, and not through "
                      "a proxy",
                      NULL);
    return 0;
}

int permit_check(const struct route *route, const struct caller *caller, uint64_t present,
                 struct refusal *ret_refusal)
{
    const unsigned none = 1u << PROTO_ROLE_NONE;
    bool as_user = caller->has_session;
    struct proto_params params = {0};
    enum identity_kind kind;
    int r = check_named(route, caller, present, ret_refusal);

    if (r != 0)
        return r;
    /* Only which parameters are there is looked at. */
    params.present = present;
    if (as_user && takes_session(route->method))
        params.present |= PROTO_BIT(SESSION);
    return access_check(route->method, &params,
                        as_user || !caller->is_local ? none : caller->roles | none, &kind,
                        ret_refusal);
}
