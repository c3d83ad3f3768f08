/*
 * upstream.accept: an operator says that what creditd-sync is set to is what the ledger belongs to.
 * The text has to be given as it stands now: nobody accepts what they have not seen.
 */
#include "command.h"
#include "connection.h"
#include "methods.h"
#include "serve.h"
#include <core/engine.h>
#include <core/rows.h>
#include <proto/message.h>
#include <stdio.h>
#include <string.h>

static void refuse_other(struct request *request, const char *told)
{
    char text[CORE_UPSTREAM_MAX + 64];

    snprintf(text, sizeof(text), "creditd-sync is set to \"%s\" now", told);
    request_refuse(request, PROTO_ERROR_CONFLICT, text, "upstream", told);
}

int method_upstream_accept(struct request *request)
{
    struct serve *serve = request->serve;
    const char *told = serve->helper.upstream.told;
    struct core_text given = request_text(request, PROTO_PARAMETER_UPSTREAM);
    uint64_t sequence = 0;
    msgpack_packer *packer;
    int r;

    if (told[0] == '\0') {
        request_refuse(request, PROTO_ERROR_CONFLICT,
                       "creditd-sync is not there, or has no key: there is nothing to accept", NULL,
                       NULL);
        return REQUEST_ANSWERED;
    }
    if (strlen(told) != given.length || memcmp(told, given.data, given.length) != 0) {
        refuse_other(request, told);
        return REQUEST_ANSWERED;
    }
    r = upstream_accept(&serve->helper, request->connection->peer.uid, &sequence);
    if (r < 0) {
        request_refuse_status(request, r);
        return REQUEST_ANSWERED;
    }
    packer = request_result(request, 1);
    pack_kv_text(packer, "upstream", told);
    request_reply(request, sequence);
    return REQUEST_ANSWERED;
}
