/* The table of exchanges: parameters in, HTTP requests out. */
#include "exchange.h"
#include "url.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <proto/message.h>
#include <stdlib.h>
#include <string.h>
#include <util/macros.h>

static const struct exchange_args example = {
    .customer_id = "cus_1",
    .product_id = "prod_1",
    .push_id = "psh_a_1_7",
    .idempotency_key = "psh_a_1_7.1",
    .type = "deduct",
    .amount = 5000,
    .limit = 100,
    .offset = 200,
};

Test(request, urls_and_bodies)
{
    static const struct {
        const char *method, *base, *url, *body;
    } table[] = {
        {"upstream.product", "https://h", "https://h/product/prod_1", NULL},
        {"upstream.balance", "https://h:1/x", "https://h:1/x/customers/cus_1/credits/prod_1", NULL},
        {"upstream.transaction", "https://h",
         "https://h/customers/cus_1/credits/prod_1/transaction",
         "{\"amount\":5000,\"type\":\"deduct\",\"metadata\":{\"source\":\"creditd\","
         "\"creditd_push\":\"psh_a_1_7\"}}"},
        {"upstream.history", "https://h",
         "https://h/customers/cus_1/credits/transactions?product_id=prod_1&limit=100&offset=200",
         NULL},
        {"upstream.history", "https://h/api",
         "https://h/api/customers/cus_1/credits/transactions?product_id=prod_1&productId=prod_1"
         "&limit=100&offset=200",
         NULL},
        {"upstream.history", "https://h/myapi",
         "https://h/myapi/customers/cus_1/credits/transactions?product_id=prod_1&limit=100"
         "&offset=200",
         NULL},
    };

    for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
        const struct exchange_kind *kind = exchange_find(table[i].method, strlen(table[i].method));
        struct request request;

        cr_assert_not_null(kind, "%s", table[i].method);
        cr_assert_eq(kind->build(&example, table[i].base, &request), 0);
        cr_expect_str_eq(request.url, table[i].url);
        cr_expect_eq(request.body != NULL, table[i].body != NULL);
        cr_expect_eq(request.idempotency_key != NULL, table[i].body != NULL);
        if (request.body && table[i].body)
            cr_expect_str_eq(request.body, table[i].body);
        request_deinit(&request);
    }
}

Test(request, P1_reason_amount_and_push_id_stand_in_the_body)
{
    struct exchange_args args = example;
    struct request request;

    args.amount = PROTO_AMOUNT_MAX;
    strcpy(args.reason, "a \"reason\"\n\xc3\xa9");
    cr_assert_eq(build_transaction(&args, "https://h", &request), 0);
    cr_expect_str_eq(request.body,
                     "{\"amount\":9007199254740991,\"type\":\"deduct\","
                     "\"reason\":\"a \\\"reason\\\"\\n\xc3\xa9\",\"metadata\":{\"source\":"
                     "\"creditd\",\"creditd_push\":\"psh_a_1_7\"}}");
    cr_expect_str_eq(request.idempotency_key, "psh_a_1_7.1");
    request_deinit(&request);
}

Test(request, every_part_of_a_url_is_encoded)
{
    struct url url;
    char *text = NULL;

    url_init(&url, "https://h");
    url_segment(&url, "a/b?c#d%e f\xc3\xa9~._-Z9");
    url_segment(&url, "..");
    url_query(&url, "k&=", "v&=+/");
    url_query_int(&url, "n", INT64_MIN);
    cr_assert_eq(url_take(&url, &text), 0);
    cr_expect_str_eq(text, "https://h/a%2Fb%3Fc%23d%25e%20f%C3%A9~._-Z9/..?k%26%3D=v%26%3D%2B%2F&n="
                           "-9223372036854775808");
    free(text);
}

Test(request, there_are_no_other_exchanges)
{
    static const char *const names[] = {"", "upstream.", "upstream.products", "upstream.produc",
                                        "credits.consume"};

    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        cr_expect_null(exchange_find(names[i], strlen(names[i])), "%s", names[i]);
}

/* Parameters of a transaction, of which each row of a table changes one. */
static const struct parameter {
    const char *name, *text; /* text NULL: the number */
    int64_t number;
} transaction[] = {
    {"customer_id", "cus_1", 0}, {"product_id", "prod_1", 0}, {"type", "grant", 0},
    {"amount", NULL, 7},         {"push_id", "psh_1", 0},     {"idempotency_key", "psh_1:2", 0},
    {"reason", "because", 0},    {"timeout", NULL, 500},      {"unknown", "is ignored", 0},
};

/* Decodes the example with `change` in the place of its namesake, or without `missing`. */
static int decode(const struct parameter *change, const char *missing, struct exchange_args *args,
                  const char **parameter)
{
    msgpack_sbuffer buffer;
    msgpack_packer packer;
    msgpack_unpacked unpacked;
    int r;

    msgpack_sbuffer_init(&buffer);
    msgpack_packer_init(&packer, &buffer, msgpack_sbuffer_write);
    msgpack_pack_map(&packer, ARRAY_SIZE(transaction) - (missing ? 1 : 0));
    for (size_t i = 0; i < ARRAY_SIZE(transaction); i++) {
        const struct parameter *it = &transaction[i];

        if (missing && strcmp(it->name, missing) == 0)
            continue;
        if (change && strcmp(it->name, change->name) == 0)
            it = change;
        if (it->text)
            pack_kv_text(&packer, it->name, it->text);
        else
            pack_kv_int(&packer, it->name, it->number);
    }
    msgpack_unpacked_init(&unpacked);
    cr_assert_eq(msgpack_unpack_next(&unpacked, buffer.data, buffer.size, NULL),
                 MSGPACK_UNPACK_SUCCESS);
    r = exchange_decode(exchange_find("upstream.transaction", 20), &unpacked.data, args, parameter);
    msgpack_unpacked_destroy(&unpacked);
    msgpack_sbuffer_destroy(&buffer);
    return r;
}

Test(request, parameters_are_decoded)
{
    struct exchange_args args;
    const char *parameter = NULL;

    cr_assert_eq(decode(NULL, NULL, &args, &parameter), 0, "%s", parameter);
    cr_expect_str_eq(args.customer_id, "cus_1");
    cr_expect_str_eq(args.product_id, "prod_1");
    cr_expect_str_eq(args.type, "grant");
    cr_expect_str_eq(args.push_id, "psh_1");
    cr_expect_str_eq(args.idempotency_key, "psh_1:2");
    cr_expect_str_eq(args.reason, "because");
    cr_expect_eq(args.amount, 7);
    cr_expect_eq(args.timeout, 500);
}

Test(request, bad_parameters_are_named)
{
    static const struct parameter bad[] = {
        {"customer_id", "a/b", 0},
        {"customer_id", "", 0},
        {"customer_id", "..", 0},
        {"product_id", "a b", 0},
        {"product_id", NULL, 5},
        {"type", "steal", 0},
        {"type", "deducts", 0},
        {"amount", NULL, 0},
        {"amount", NULL, -1},
        {"amount", NULL, INT64_C(1) << 53},
        {"amount", "5", 0},
        {"push_id", "a\r\nb", 0},
        {"idempotency_key", "a\r\nX: y", 0},
        {"idempotency_key", "a b", 0},
        {"reason", "\xff", 0},
        {"timeout", NULL, 0},
        {"timeout", NULL, 600001},
    };
    static const char *const needed[] = {"customer_id", "product_id", "type",
                                         "amount",      "push_id",    "idempotency_key"};
    struct exchange_args args;

    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        const char *parameter = "";

        cr_expect_eq(decode(&bad[i], NULL, &args, &parameter), -EBADMSG, "row %zu", i);
        cr_expect_str_eq(parameter, bad[i].name);
    }
    for (size_t i = 0; i < ARRAY_SIZE(needed); i++) {
        const char *parameter = "";

        cr_expect_eq(decode(NULL, needed[i], &args, &parameter), -EBADMSG, "%s", needed[i]);
        cr_expect_str_eq(parameter, needed[i]);
    }
    cr_expect_eq(decode(NULL, "reason", &args, &(const char *){""}), 0);
    cr_expect_str_eq(args.reason, "");
}
