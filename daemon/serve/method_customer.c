/*
 * customer.create, customer.retrieve, customer.update and access.check. Whose customer it is has
 * been found, or made, before a method is called (identify.h): what create adds is the object.
 */
#include "command.h"
#include "connection.h"
#include "methods.h"
#include "objects.h"
#include "serve.h"
#include "writes.h"
#include <proto/message.h>
#include <proto/upstream.h>

int method_customer_retrieve(struct request *request)
{
    struct object_view customer;
    int result;

    if (!objects_get(request, TABLE_CUSTOMER, objects_at_least(request), &customer, &result))
        return result;
    objects_answer(request, customer.body, customer.length, customer.synced_at, customer.stale, 0);
    return REQUEST_ANSWERED;
}

static void pack_update(struct request *request, struct errand_params *params)
{
    errand_param_text(params, "customer_id", request_customer(request));
    errand_param_given(params, request, PROTO_PARAMETER_EMAIL);
    errand_param_given(params, request, PROTO_PARAMETER_NAME);
    errand_param_given(params, request, PROTO_PARAMETER_PHONE);
    errand_param_given(params, request, PROTO_PARAMETER_IMAGE);
    errand_param_given(params, request, PROTO_PARAMETER_METADATA);
}

int method_customer_update(struct request *request)
{
    const struct errand_order order = {
        .method = UPSTREAM_METHOD_CUSTOMER_UPDATE,
        .member = "customer",
        .is_write = true,
        .table = TABLE_CUSTOMER,
        .customer = request_customer(request),
        .uid = request->connection->peer.uid,
    };
    const struct errand_answer *answer;
    int result;

    if (!request_has(request, PROTO_BIT(EMAIL) | PROTO_BIT(NAME) | PROTO_BIT(PHONE) |
                                  PROTO_BIT(IMAGE) | PROTO_BIT(METADATA))) {
        request_refuse(request, PROTO_ERROR_INVALID_PARAMETER,
                       "nothing is to be changed: give name, email, phone, image or metadata",
                       "parameter", "name");
        return REQUEST_ANSWERED;
    }
    answer = write_run(request, &order, pack_update, &result);
    if (answer == NULL)
        return result;
    objects_answer(request, answer->body, answer->length, serve_now(request->serve), false,
                   answer->reveals);
    return REQUEST_ANSWERED;
}

int method_access_check(struct request *request)
{
    struct object_view access;
    int result;

    if (!objects_get(request, TABLE_ACCESS, objects_at_least(request), &access, &result))
        return result;
    objects_answer(request, access.body, access.length, access.synced_at, access.stale, 0);
    return REQUEST_ANSWERED;
}
