/* The typed calls of customers and of users. Changes are sent once: an update that was lost on its
 * way back must not undo a later one. */
#include "typed.h"
#include <errno.h>

static int put_words(struct creditd *c, const char *email, const char *name, const char *image)
{
    int r;

    if ((r = put_text(c, "email", email, PROTO_TEXT_MAX)) < 0 ||
        (r = put_text(c, "name", name, PROTO_TEXT_MAX)) < 0)
        return r;
    return put_text(c, "image", image, PROTO_TEXT_MAX);
}

static int build_customer_create(struct creditd *c, const void *argument,
                                 struct creditd_call_options *options)
{
    const struct creditd_customer_create_request *request = argument;
    int r = put_who(c, &request->who);

    options->timeout = request->timeout;
    options->repeat = CREDITD_REPEAT_NEVER;
    return r < 0 ? r : put_words(c, request->email, request->name, request->image);
}

TYPED_CALL(customer_create, "customer.create", struct creditd_customer_create_request,
           struct creditd_object, object)

static int build_customer_retrieve(struct creditd *c, const void *argument,
                                   struct creditd_call_options *options)
{
    const struct creditd_customer_retrieve_request *request = argument;

    options->timeout = request->timeout;
    put_flag(c, "fresh", request->fresh);
    return put_who(c, &request->who);
}

TYPED_CALL(customer_retrieve, "customer.retrieve", struct creditd_customer_retrieve_request,
           struct creditd_object, object)

static int build_customer_update(struct creditd *c, const void *argument,
                                 struct creditd_call_options *options)
{
    const struct creditd_customer_update_request *request = argument;
    int r;

    options->timeout = request->timeout;
    options->repeat = CREDITD_REPEAT_NEVER;
    if ((r = put_who(c, &request->who)) < 0 ||
        (r = put_words(c, request->email, request->name, request->image)) < 0 ||
        (r = put_text(c, "phone", request->phone, PROTO_TEXT_MAX)) < 0)
        return r;
    return put_metadata(c, request->metadata);
}

TYPED_CALL(customer_update, "customer.update", struct creditd_customer_update_request,
           struct creditd_object, object)

static int build_customer_link(struct creditd *c, const void *argument,
                               struct creditd_call_options *options)
{
    const struct creditd_customer_link_request *request = argument;
    int r = put_id(c, "user_id", request->user_id);

    options->timeout = request->timeout;
    options->repeat = CREDITD_REPEAT_NEVER;
    return r < 0 ? r : put_id(c, "customer_id", request->customer_id);
}

TYPED_CALL(customer_link, "customer.link", struct creditd_customer_link_request,
           struct creditd_object, object)

static int build_customer_unlink(struct creditd *c, const void *argument,
                                 struct creditd_call_options *options)
{
    const struct creditd_customer_unlink_request *request = argument;

    options->timeout = request->timeout;
    options->repeat = CREDITD_REPEAT_NEVER;
    return put_id(c, "user_id", request->user_id);
}

TYPED_CALL(customer_unlink, "customer.unlink", struct creditd_customer_unlink_request,
           struct creditd_object, object)

static int build_user_created(struct creditd *c, const void *argument,
                              struct creditd_call_options *options)
{
    const struct creditd_user_created_request *request = argument;
    int r = put_id(c, "user_id", request->user_id);

    options->timeout = request->timeout;
    options->repeat = CREDITD_REPEAT_NEVER;
    if (r < 0)
        return r;
    if (!request->email)
        return typed_refuse(c, -EINVAL, "email is needed");
    return put_words(c, request->email, request->name, request->image);
}

TYPED_CALL(user_created, "user.created", struct creditd_user_created_request, struct creditd_object,
           object)
