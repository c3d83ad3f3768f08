/*
 * The control endpoints, for tests: ordering faults, and what happens "elsewhere": spending,
 * granting, paying, subscribing. dump.c is one too. They need no key, are not counted and no fault
 * strikes them.
 */
#include "sandbox.h"
#include "views.h"

#include <errno.h>
#include <stdlib.h>
#include <util/clock.h>
#include <util/macros.h>

#define GRANT_MAX 9007199254740992 /* 2^53 */

int control_faults_get(struct call *call)
{
    return reply_json(call->reply, faults_to_json(&call->sandbox->faults));
}

int control_faults_order(struct call *call)
{
    CLEANUP(cleanup_free) char *wrong = NULL;
    int r;

    r = faults_order_json(&call->sandbox->faults, call->request->json, &wrong);
    if (wrong)
        return reply_error(call->reply, 400, "%s", wrong);
    if (r < 0)
        return r;
    pauses_wake(&call->sandbox->pauses);
    return control_faults_get(call);
}

/* Negative credits were spent elsewhere. Without "record" the balance moves and no row tells why.
 */
static int grant_run(struct call *call, struct balance *balance, int64_t credits, bool record)
{
    enum transaction_type type = credits < 0 ? TRANSACTION_DEDUCT : TRANSACTION_GRANT;
    struct change_note note = {.reason = "elsewhere", .skip_row = !record};
    struct change change;
    int r;

    change_read(balance, type, credits < 0 ? -credits : credits, &change);
    r = change_write(&call->sandbox->model, &change, &note, clock_wall_ms(), NULL);
    return r < 0 ? r : reply_json(call->reply, view_balance(balance));
}

int control_grant(struct call *call)
{
    const json_t *body = call->request->json, *amount = json_object_get(body, "amount");
    const char *customer_id = json_string_value(json_object_get(body, "customer_id"));
    const char *product_id = json_string_value(json_object_get(body, "product_id"));
    struct balance *balance;
    int r;

    if (!customer_id || !product_id || !json_is_integer(amount) ||
        llabs(json_integer_value(amount)) > GRANT_MAX)
        return reply_error(
            call->reply, 400,
            "write {\"customer_id\", \"product_id\", \"amount\": credits, \"record\": true}");
    r = model_balance_open(&call->sandbox->model, customer_id, product_id, clock_wall_ms(),
                           &balance);
    if (r < 0)
        return r;
    return grant_run(call, balance, (int64_t)json_integer_value(amount),
                     !json_is_false(json_object_get(body, "record")));
}

static int body_wrong(struct call *call, int r, const char *wrong)
{
    return r == -EINVAL ? reply_error(call->reply, 400, "%s", wrong) : r;
}

/* Changed elsewhere where its id is known, else made elsewhere. */
int control_subscription(struct call *call)
{
    struct model *model = &call->sandbox->model;
    const json_t *body = call->request->json;
    const char *id = json_string_value(json_object_get(body, "id")), *wrong;
    struct subscription *subscription = id ? model_subscription(model, id) : NULL;
    int r;

    if (id && !subscription && !json_object_get(body, "customer_id"))
        return reply_error(call->reply, 404, "Subscription not found");
    if (subscription)
        r = subscription_change(model, subscription, body, clock_wall_ms(), &wrong);
    else
        r = subscription_load(model, body, clock_wall_ms(), &wrong, &subscription);
    return r < 0 ? body_wrong(call, r, wrong)
                 : reply_json(call->reply, view_subscription(subscription));
}

int control_payment(struct call *call)
{
    struct payment *payment;
    const char *wrong;
    int r;

    r = payment_load(&call->sandbox->model, call->request->json, clock_wall_ms(), &wrong, &payment);
    return r < 0 ? body_wrong(call, r, wrong) : reply_json(call->reply, view_payment(payment));
}

int control_reset_counters(struct call *call)
{
    counts_reset(&call->sandbox->counts);
    return reply_json(call->reply, json_pack("{s:b}", "ok", 1));
}
