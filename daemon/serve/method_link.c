/*
 * customer.link and customer.unlink, for operators; and user.created, the signup hook, which
 * answers at once however long StellarTools is away.
 */
#include "command.h"
#include "connection.h"
#include "methods.h"
#include "serve.h"
#include <core/link.h>
#include <proto/message.h>

static void pack_text_member(msgpack_packer *packer, const char *key, struct core_text text)
{
    pack_key(packer, key);
    pack_text_n(packer, text.data, text.length);
}

int method_link(struct request *request)
{
    struct core_text user = request_text(request, PROTO_PARAMETER_USER_ID);
    struct core_text customer = request_text(request, PROTO_PARAMETER_CUSTOMER_ID);
    struct serve *serve = request->serve;
    msgpack_packer *packer;
    uint64_t sequence = 0;
    int r = core_link_set(serve->core, user, customer, request->connection->peer.uid,
                          serve_now(serve), &sequence);

    if (r != CORE_OK)
        request_tells_all(request);
    if (r == CORE_TAKEN) {
        request_refuse(request, PROTO_ERROR_CONFLICT, "that customer is linked to another user",
                       NULL, NULL);
        return REQUEST_ANSWERED;
    }
    if (r != CORE_OK) {
        request_refuse_status(request, r);
        return REQUEST_ANSWERED;
    }
    packer = request_result(request, 3);
    pack_text_member(packer, "user_id", user);
    pack_text_member(packer, "customer_id", customer);
    pack_kv_bool(packer, "linked", true);
    request_reply(request, sequence);
    return REQUEST_ANSWERED;
}

int method_unlink(struct request *request)
{
    struct core_text user = request_text(request, PROTO_PARAMETER_USER_ID);
    struct serve *serve = request->serve;
    msgpack_packer *packer;
    uint64_t sequence = 0;
    int r = core_link_remove(serve->core, user, request->connection->peer.uid, serve_now(serve),
                             &sequence);

    if (r != CORE_OK)
        request_tells_all(request);
    if (r == CORE_NOT_FOUND) {
        request_refuse(request, PROTO_ERROR_NOT_FOUND, "no customer is linked to this user", NULL,
                       NULL);
        return REQUEST_ANSWERED;
    }
    if (r != CORE_OK) {
        request_refuse_status(request, r);
        return REQUEST_ANSWERED;
    }
    packer = request_result(request, 2);
    pack_text_member(packer, "user_id", user);
    pack_kv_bool(packer, "unlinked", true);
    request_reply(request, sequence);
    return REQUEST_ANSWERED;
}

/* Without create_customer_on_signup it is known and nothing more: the customer comes with its first
 * need. */
int method_user_created(struct request *request)
{
    const struct core_user user = {
        .user_id = request_text(request, PROTO_PARAMETER_USER_ID),
        .email = request_text(request, PROTO_PARAMETER_EMAIL),
        .name = request_text(request, PROTO_PARAMETER_NAME),
        .image = request_text(request, PROTO_PARAMETER_IMAGE),
    };
    struct serve *serve = request->serve;
    bool wanted = serve->config->billing.create_customer_on_signup;
    struct core_link link;
    msgpack_packer *packer;
    uint64_t sequence = 0;
    bool linked;
    int r = wanted ? core_link_wish(serve->core, &user, request->connection->peer.uid,
                                    serve_now(serve), &sequence)
                   : CORE_OK;

    if (r != CORE_OK) {
        request_refuse_status(request, r);
        return REQUEST_ANSWERED;
    }
    linked = core_link_get(serve->core, &user, false, request->connection->peer.uid,
                           serve_now(serve), &link) == CORE_OK;
    packer = request_result(request, 3);
    pack_text_member(packer, "user_id", user.user_id);
    pack_kv_bool(packer, "accepted", true);
    if (linked)
        pack_text_member(packer, "customer_id", link.customer);
    else
        pack_kv_nil(packer, "customer_id");
    request_reply(request, linked && link.reveals > sequence ? link.reveals : sequence);
    return REQUEST_ANSWERED;
}
