/*
 * The readers of customers, subscriptions, payments, refunds and access: rows of the table in
 * exchange.c. Objects are passed on whole (objects.h); what is checked is that each is the one that
 * was asked for, since neither filters nor idempotency keys are to be trusted: a key is not tied to
 * the body, and a replayed answer may be another request's.
 */
#include "exchange.h"
#include "fields.h"
#include "objects.h"

#include <errno.h>
#include <proto/message.h>
#include <string.h>
#include <strings.h>

static bool has_id(const json_t *object, const char *name)
{
    const char *id;

    return field_text(object, name, &id) == 1 && proto_id_valid(id, strlen(id));
}

/* Whether it is that id, or none was asked for. */
static bool is_asked(const json_t *object, const char *name, const char *id)
{
    const char *text;

    return id[0] == '\0' || (field_text(object, name, &text) == 1 && strcmp(text, id) == 0);
}

/* Packs it, or says that it cannot be. */
static int pass(const json_t *object, msgpack_sbuffer *member, const char **ret_reason)
{
    int r = object_pack(object, member);

    if (r == -EBADMSG)
        return read_unreadable(ret_reason, "an object is too deep, too large, or holds bytes");
    return r;
}

/* After a create the answer is the object, or the array of one. */
static const json_t *only_one(const json_t *root)
{
    const json_t *object = envelope_open(root);

    return json_is_array(object) && json_array_size(object) == 1 ? json_array_get(object, 0)
                                                                 : object;
}

/* Whether its email is that one, but for the case of A-Z. */
static bool email_matches(const json_t *customer, const char *email)
{
    const char *text;

    return email[0] == '\0' ||
           (field_text(customer, "email", &text) == 1 && strcasecmp(text, email) == 0);
}

EXCHANGE_READER(customer)
{
    const json_t *customer = only_one(root);

    if (json_is_null(customer))
        return READ_NULL;
    if (!json_is_object(customer) || !has_id(customer, "id") ||
        !is_asked(customer, "id", args->customer_id))
        return read_unreadable(ret_reason, "not that customer");
    /* Of a create: an update's email is what is asked for, and may be refused in silence. */
    if (args->customer_id[0] == '\0' && !email_matches(customer, args->email))
        return read_unreadable(ret_reason, "a customer with another email");
    return pass(customer, member, ret_reason);
}

EXCHANGE_READER(subscription)
{
    const json_t *subscription = only_one(root);

    if (json_is_null(subscription))
        return READ_NULL;
    if (!json_is_object(subscription) || !has_id(subscription, "id") ||
        !has_id(subscription, "customer_id") ||
        !is_asked(subscription, "id", args->subscription_id) ||
        !is_asked(subscription, "customer_id", args->customer_id))
        return read_unreadable(ret_reason, "not that subscription");
    /* Of a create: an update may take effect later. */
    if (args->customer_id[0] != '\0' && !is_asked(subscription, "product_id", args->product_id))
        return read_unreadable(ret_reason, "a subscription to another product");
    return pass(subscription, member, ret_reason);
}

EXCHANGE_READER(payment)
{
    const json_t *payment = only_one(root);
    const json_t *customer = field_find(payment, "customer_id");

    if (json_is_null(payment))
        return READ_NULL;
    if (!json_is_object(payment) || !has_id(payment, "id") ||
        !is_asked(payment, "id", args->payment_id))
        return read_unreadable(ret_reason, "not that payment");
    if (customer && !json_is_null(customer) && !has_id(payment, "customer_id"))
        return read_unreadable(ret_reason, "a payment's customer_id is no id");
    return pass(payment, member, ret_reason);
}

EXCHANGE_READER(refund)
{
    const json_t *refund = only_one(root);

    if (json_is_null(refund))
        return READ_NULL;
    if (!json_is_object(refund) || !has_id(refund, "id") ||
        !field_matches(refund, "payment_id", args->payment_id))
        return read_unreadable(ret_reason, "not a refund of that payment");
    return pass(refund, member, ret_reason);
}

EXCHANGE_READER(access)
{
    const json_t *access = envelope_open(root);
    const json_t *grant = field_find(access, "grant");
    bool has_access;
    msgpack_packer packer;

    if (json_is_null(access))
        return READ_NULL;
    if (!json_is_object(access) || field_bool(access, "has_access", &has_access) != 1)
        return read_unreadable(ret_reason, "it does not say whether there is access");
    if (!field_matches(access, "customer_id", args->customer_id) ||
        !field_matches(access, "product_id", args->product_id))
        return read_unreadable(ret_reason, "access of another customer, or to another product");
    msgpack_packer_init(&packer, member, msgpack_sbuffer_write);
    pack_map(&packer, 2);
    pack_kv_bool(&packer, "has_access", has_access);
    pack_key(&packer, "grant");
    if (!grant || json_is_null(grant))
        pack_nil(&packer);
    else if (!json_is_object(grant))
        return read_unreadable(ret_reason, "a grant is not an object");
    if (pack_failed(&packer))
        return -ENOMEM;
    return json_is_object(grant) ? pass(grant, member, ret_reason) : 0;
}
