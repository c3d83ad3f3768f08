/* See identify.h. */
#include "identify.h"
#include "command.h"
#include "connection.h"
#include "serve.h"
#include "sessions.h"
#include <core/link.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

/* What creates or links the user's customer on first need, as the adapter does. Reading does not,
 * nor what needs something that only a customer can have. */
static bool makes_customer(enum proto_method method)
{
    switch (method) {
    case PROTO_METHOD_CREDITS_CONSUME:
    case PROTO_METHOD_CREDITS_RESERVE:
    case PROTO_METHOD_CUSTOMER_CREATE:
    case PROTO_METHOD_CUSTOMER_UPDATE:
    case PROTO_METHOD_SUBSCRIPTION_CREATE:
        return true;
    default:
        return false;
    }
}

static void refuse_link(struct request *request, int status, const struct core_link *link)
{
    const char *more = link->message != NULL ? link->message : "";
    char text[700];

    request_tells_all(request);
    switch (status) {
    case CORE_UNLINKED:
        request_refuse(request, PROTO_ERROR_NOT_FOUND, "no customer is linked to this user", NULL,
                       NULL);
        break;
    case CORE_AMBIGUOUS:
        snprintf(text, sizeof(text),
                 "several customers have this user's email; an operator must link one: %s", more);
        request_refuse(request, PROTO_ERROR_CONFLICT, text, NULL, NULL);
        break;
    case CORE_TAKEN:
        request_refuse(request, PROTO_ERROR_CONFLICT,
                       "the customer that is meant for this user is linked to another user", NULL,
                       NULL);
        break;
    case CORE_REFUSED:
        snprintf(text, sizeof(text), "StellarTools refused to create a customer: %s", more);
        request_refuse(request, PROTO_ERROR_CONFLICT, text, NULL, NULL);
        break;
    default:
        request_refuse_status(request, status);
        break;
    }
}

static bool customer_of(struct request *request, const struct core_user *user, bool create,
                        int *ret_result)
{
    struct serve *serve = request->serve;
    struct core_link link;
    int r = core_link_get(serve->core, user, create, request->connection->peer.uid,
                          serve_now(serve), &link);

    *ret_result = REQUEST_ANSWERED;
    switch (r) {
    case CORE_OK:
        memcpy(request->identity.buffer, link.customer.data, link.customer.length);
        request->identity.customer = request->identity.buffer;
        request->identity.customer_length = link.customer.length;
        request->reveals = link.reveals;
        return true;
    case CORE_COLD:
        request->wait_key = link.key;
        request->wait_late = (struct refusal){
            .error = PROTO_ERROR_UPSTREAM_UNAVAILABLE,
            .text = "this user's customer is not known here and StellarTools could not be asked "
                    "in time",
        };
        *ret_result = REQUEST_WAIT;
        return false;
    default:
        refuse_link(request, r, &link);
        return false;
    }
}

/* --- sessions --- */

static bool is_configured(const struct config *config)
{
    return config->better_auth.url != NULL || config->better_auth.secret_file != NULL;
}

static void refuse_session(struct request *request, const struct verdict *verdict)
{
    bool invalid = verdict->state == SESSION_INVALID;
    char text[300];

    snprintf(text, sizeof(text), "%s%s%.*s",
             invalid ? "no valid session" : "the session could not be checked",
             verdict->message.length > 0 ? ": " : "",
             verdict->message.length > 200 ? 200 : (int)verdict->message.length,
             verdict->message.data);
    request_refuse(request, invalid ? PROTO_ERROR_UNAUTHENTICATED : PROTO_ERROR_SESSION_UNAVAILABLE,
                   text, NULL, NULL);
}

static bool by_session(struct request *request, int *ret_result)
{
    struct serve *serve = request->serve;
    int r;

    *ret_result = REQUEST_ANSWERED;
    if (!is_configured(serve->config)) {
        request_refuse(request, PROTO_ERROR_UNAUTHENTICATED,
                       "no session support is configured here ([better_auth] url); trusted "
                       "callers give customer_id or user_id",
                       NULL, NULL);
        return false;
    }
    r = sessions_verify(&serve->sessions, request);
    if (r < 0) {
        request_refuse_status(request, r);
        return false;
    }
    *ret_result = r;
    if (r != REQUEST_ANSWERED)
        return false;
    if (request->verdict->state != SESSION_VALID) {
        refuse_session(request, request->verdict);
        return false;
    }
    return customer_of(request, &request->verdict->user, makes_customer(request->method),
                       ret_result);
}

/* A trusted peer's word for who the user is. Only what it says in customer.create can make a
 * customer: nothing else tells an email. */
static bool by_user(struct request *request, int *ret_result)
{
    bool create = request->method == PROTO_METHOD_CUSTOMER_CREATE;
    struct core_user user = {.user_id = request_text(request, PROTO_PARAMETER_USER_ID)};

    if (create && !request_has(request, PROTO_BIT(EMAIL))) {
        struct core_link link;

        create = core_link_get(request->serve->core, &user, false, request->connection->peer.uid,
                               serve_now(request->serve), &link) == CORE_OK;
        if (!create) {
            request_refuse(request, PROTO_ERROR_INVALID_PARAMETER,
                           "email is missing: a customer cannot be created without one",
                           "parameter", "email");
            *ret_result = REQUEST_ANSWERED;
            return false;
        }
    }
    if (create) {
        user.email = request_text(request, PROTO_PARAMETER_EMAIL);
        user.name = request_text(request, PROTO_PARAMETER_NAME);
        user.image = request_text(request, PROTO_PARAMETER_IMAGE);
    }
    return customer_of(request, &user, create, ret_result);
}

bool identify(struct request *request, int *ret_result)
{
    const struct proto_value *customer = &request->params.values[PROTO_PARAMETER_CUSTOMER_ID];
    enum identity_kind kind;
    struct refusal refusal;

    request->identity.customer = "";
    request->identity.customer_length = 0;
    request->verdict = NULL;
    *ret_result = REQUEST_ANSWERED;
    if (access_check(request->method, &request->params, connection_roles(request->connection),
                     &kind, &refusal) != 0) {
        request_refuse(request, refusal.error, refusal.text, refusal.data_key, refusal.data_value);
        return false;
    }
    request->identity.kind = kind;
    core_charge_uid(request->serve->core, kind != IDENTITY_SESSION);
    switch (kind) {
    case IDENTITY_NONE:
        return true;
    case IDENTITY_CUSTOMER:
        request->identity.customer = customer->text;
        request->identity.customer_length = customer->length;
        return true;
    case IDENTITY_USER:
        return by_user(request, ret_result);
    case IDENTITY_SESSION:
        return by_session(request, ret_result);
    }
    return false;
}
