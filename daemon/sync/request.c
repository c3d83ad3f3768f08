/* The builders of HTTP requests for credits: rows of the table in exchange.c. */
#include "request.h"
#include "exchange.h"
#include "url.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

bool base_is_camel(const char *base_url)
{
    static const char suffix[] = "/api";
    size_t length = strlen(base_url);

    return length >= sizeof suffix - 1 &&
           strcmp(base_url + length - (sizeof suffix - 1), suffix) == 0;
}

int build_product(const struct exchange_args *args, const char *base_url, struct request *ret)
{
    struct request request = {0};
    struct url url;
    int r;

    url_init(&url, base_url);
    url_segment(&url, "product");
    url_segment(&url, args->product_id);
    r = url_take(&url, &request.url);
    if (r < 0)
        return r;
    *ret = request;
    return 0;
}

static void url_balance(struct url *url, const struct exchange_args *args, const char *base_url)
{
    url_init(url, base_url);
    url_segment(url, "customers");
    url_segment(url, args->customer_id);
    url_segment(url, "credits");
    url_segment(url, args->product_id);
}

int build_balance(const struct exchange_args *args, const char *base_url, struct request *ret)
{
    struct request request = {0};
    struct url url;
    int r;

    url_balance(&url, args, base_url);
    r = url_take(&url, &request.url);
    if (r < 0)
        return r;
    *ret = request;
    return 0;
}

/* `source` is what StellarTools' own adapters write; creditd_push is how we find our rows again. */
static char *transaction_body(const struct exchange_args *args)
{
    json_t *root =
        json_pack("{s:I, s:s, s:s*, s:{s:s, s:s}}", "amount", (json_int_t)args->amount, "type",
                  args->type, "reason", args->reason[0] != '\0' ? args->reason : NULL, "metadata",
                  "source", "creditd", "creditd_push", args->push_id);
    char *body = root ? json_dumps(root, JSON_COMPACT) : NULL;

    json_decref(root);
    return body;
}

int build_transaction(const struct exchange_args *args, const char *base_url, struct request *ret)
{
    struct request request = {.idempotency_key = args->idempotency_key};
    struct url url;
    int r;

    url_balance(&url, args, base_url);
    url_segment(&url, "transaction");
    r = url_take(&url, &request.url);
    if (r < 0)
        return r;
    request.body = transaction_body(args);
    if (!request.body) {
        request_deinit(&request);
        return -ENOMEM;
    }
    *ret = request;
    return 0;
}

int build_history(const struct exchange_args *args, const char *base_url, struct request *ret)
{
    struct request request = {0};
    struct url url;
    int r;

    url_init(&url, base_url);
    url_segment(&url, "customers");
    url_segment(&url, args->customer_id);
    url_segment(&url, "credits");
    url_segment(&url, "transactions");
    url_query(&url, "product_id", args->product_id);
    if (base_is_camel(base_url))
        url_query(&url, "productId", args->product_id);
    /* Without a limit the older server answers nothing. */
    url_query_int(&url, "limit", args->limit);
    url_query_int(&url, "offset", args->offset);
    r = url_take(&url, &request.url);
    if (r < 0)
        return r;
    *ret = request;
    return 0;
}
