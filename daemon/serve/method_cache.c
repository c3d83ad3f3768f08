/*
 * cache.refresh: an operator knows that something has changed upstream.
 */
#include "connection.h"
#include "methods.h"
#include "serve.h"
#include <proto/message.h>

static struct core_text given(const struct request *request, enum proto_parameter parameter)
{
    const struct proto_value *value = &request->params.values[parameter];

    if ((request->params.present & UINT64_C(1) << parameter) == 0)
        return (struct core_text){"", 0};
    return (struct core_text){value->text, value->length};
}

int method_cache_refresh(struct request *request)
{
    struct serve *serve = request->serve;
    size_t count = core_refresh(serve->core, given(request, PROTO_PARAMETER_CUSTOMER_ID),
                                given(request, PROTO_PARAMETER_PRODUCT_ID), serve_now(serve));
    msgpack_packer *packer = request_result(request, 1);

    pack_kv_int(packer, "balances", (int64_t)count);
    request_reply(request, 0);
    return REQUEST_ANSWERED;
}
