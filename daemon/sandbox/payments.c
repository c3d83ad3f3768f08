/* The endpoints of payments and their refunds. A payment does not tell whether it was refunded, and
 * there is no list of refunds: of a refund in doubt nothing can be looked up. */
#include "metadata.h"
#include "sandbox.h"
#include "views.h"

#include <errno.h>
#include <util/clock.h>

int endpoint_payment_get(struct call *call)
{
    const struct payment *payment =
        model_payment(&call->sandbox->model, call->match->parameters[0]);

    if (!payment)
        return reply_error(call->reply, 404, "Payment not found");
    return reply_json(call->reply, view_payment(payment));
}

static const char *refund_check(const json_t *body)
{
    const json_t *address = json_object_get(body, "wallet_address");

    if (!json_is_object(body))
        return "body: expected an object";
    if (!json_is_string(json_object_get(body, "payment_id")))
        return "payment_id: expected a string";
    if (!json_is_string(json_object_get(body, "reason")))
        return "reason: expected a string";
    if (address && !json_is_string(address) && !json_is_null(address))
        return "wallet_address: expected a string";
    return metadata_check(json_object_get(body, "metadata"));
}

/* To the customer's first wallet where no address is given. */
static int refund_set_address(struct refund *refund, const json_t *given)
{
    const struct customer *customer = refund->payment->customer;
    json_t *wallets = customer->wallets ? json_loads(customer->wallets, 0, NULL) : NULL;
    const json_t *first = json_object_get(json_array_get(wallets, 0), "address");
    int r;

    r = text_set(&refund->address, json_string_value(json_is_string(given) ? given : first));
    json_decref(wallets);
    return r;
}

static int refund_create(struct call *call, struct payment *payment)
{
    const json_t *body = call->request->json;
    struct refund *refund;
    int r;

    r = model_refund_add(&call->sandbox->model, payment, clock_wall_ms(), &refund);
    if (r < 0)
        return r;
    refund->status = (enum refund_status)faults_number(&call->sandbox->faults, FAULT_REFUND_STATUS);
    r = text_set(&refund->reason, json_string_value(json_object_get(body, "reason")));
    if (r == 0)
        r = refund_set_address(refund, json_object_get(body, "wallet_address"));
    if (r == 0)
        r = metadata_merge(&refund->metadata, json_object_get(body, "metadata"));
    if (r == 0)
        r = text_set(&refund->key, call->request->key);
    return r < 0 ? r : reply_json(call->reply, view_refund(refund));
}

int endpoint_refunds_create(struct call *call)
{
    unsigned status = faults_business_status(&call->sandbox->faults);
    const json_t *body = call->request->json;
    const char *wrong = refund_check(body);
    struct payment *payment;

    if (wrong)
        return reply_error(call->reply, 400, "%s", wrong);
    payment = model_payment(&call->sandbox->model,
                            json_string_value(json_object_get(body, "payment_id")));
    if (!payment)
        return reply_error(call->reply, status, "Payment not found");
    if (payment->status != PAYMENT_CONFIRMED)
        return reply_error(call->reply, status, "Payment is not confirmed");
    return refund_create(call, payment);
}
