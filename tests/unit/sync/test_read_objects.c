/* Objects and lists: every form that StellarTools' versions have, and what is refused. */
#include "exchange.h"
#include "fields.h"
#include "objects.h"
#include "render.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <util/macros.h>

#define UNREADABLE "unreadable"

struct row {
    const char *json, *member; /* NULL: the answer is null */
};

static void expect_all(const char *method, const struct exchange_args *args,
                       const struct row *table, size_t count)
{
    const struct exchange_kind *kind = exchange_find(method, strlen(method));

    cr_assert_not_null(kind, "%s", method);
    for (size_t i = 0; i < count; i++) {
        json_t *root = fields_parse(table[i].json, strlen(table[i].json));
        const char *reason = NULL;
        msgpack_sbuffer buffer;
        char *text;
        int r;

        cr_assert_not_null(root, "%s", table[i].json);
        msgpack_sbuffer_init(&buffer);
        r = kind->read(args, root, &buffer, &reason);
        text = r == 0 ? render(&buffer) : strdup(r == READ_UNREADABLE ? UNREADABLE : "null");
        cr_expect_eq(reason != NULL, r == READ_UNREADABLE, "%s", table[i].json);
        cr_expect_str_eq(text, table[i].member ? table[i].member : "null", "%s: %s (%s)",
                         table[i].json, text, reason ? reason : "");
        free(text);
        msgpack_sbuffer_destroy(&buffer);
        json_decref(root);
    }
}

Test(read_objects, customers_are_passed_on_whole)
{
    static const struct exchange_args args = {.customer_id = "cus_1"};
    static const struct row table[] = {
        {"{\"id\":\"cus_1\"}", "{\"id\"=>\"cus_1\"}"},
        {"{\"data\":{\"id\":\"cus_1\"}}", "{\"id\"=>\"cus_1\"}"},
        {"[{\"id\":\"cus_1\"}]", "{\"id\"=>\"cus_1\"}"},
        {"{\"id\":\"cus_1\",\"x\":5,\"y\":-5.0,\"z\":0.5,\"t\":true,\"f\":false,\"n\":null}",
         "{\"id\"=>\"cus_1\", \"x\"=>5, \"y\"=>-5, \"z\"=>0.500000, \"t\"=>true, \"f\"=>false, "
         "\"n\"=>nil}"},
        {"{\"id\":\"cus_1\",\"big\":9007199254740991,\"over\":9007199254740992}",
         "{\"id\"=>\"cus_1\", \"big\"=>9007199254740991, \"over\"=>9007199254740992.000000}"},
        {"{\"id\":\"cus_1\",\"createdAt\":\"t\",\"wallets\":[{\"createdAt\":1}]}",
         "{\"id\"=>\"cus_1\", \"created_at\"=>\"t\", \"wallets\"=>[{\"createdAt\"=>1}]}"},
        {"{\"id\":\"cus_1\",\"metadata\":{\"camelCase\":\"x\"}}",
         "{\"id\"=>\"cus_1\", \"metadata\"=>{\"camelCase\"=>\"x\"}}"},
        {"{\"id\":\"cus_1\",\"metadata\":\"{\\\"a\\\":\\\"b\\\"}\"}",
         "{\"id\"=>\"cus_1\", \"metadata\"=>{\"a\"=>\"b\"}}"},
        {"{\"id\":\"cus_1\",\"metadata\":\"null\"}", "{\"id\"=>\"cus_1\", \"metadata\"=>nil}"},
        {"{\"id\":\"cus_1\",\"metadata\":\"no JSON\"}", UNREADABLE},
        {"{\"id\":\"cus_1\",\"metadata\":[1]}", UNREADABLE},
        /* of two spellings the first that is not null, whichever comes first */
        {"{\"id\":\"cus_1\",\"created_at\":1,\"createdAt\":2}",
         "{\"id\"=>\"cus_1\", \"created_at\"=>1}"},
        {"{\"id\":\"cus_1\",\"createdAt\":2,\"created_at\":1}",
         "{\"id\"=>\"cus_1\", \"created_at\"=>1}"},
        {"{\"id\":\"cus_1\",\"createdAt\":2,\"created_at\":null}",
         "{\"id\"=>\"cus_1\", \"created_at\"=>2}"},
        {"{\"id\":\"cus_1\",\"created_at\":null,\"createdAt\":2}",
         "{\"id\"=>\"cus_1\", \"created_at\"=>2}"},
        {"{\"id\":\"cus_1\",\"a_bC\":1,\"aB_c\":2,\"URL\":3}",
         "{\"id\"=>\"cus_1\", \"a_bC\"=>1, \"aB_c\"=>2, \"URL\"=>3}"},
        {"{\"id\":\"cus_1\",\"text\":\"a\\u0000b\"}", UNREADABLE},
        {"{\"id\":\"cus_2\"}", UNREADABLE},
        {"{\"id\":5}", UNREADABLE},
        {"{\"email\":\"a@x\"}", UNREADABLE},
        {"[]", UNREADABLE},
        {"[{\"id\":\"cus_1\"},{\"id\":\"cus_1\"}]", UNREADABLE},
        {"\"cus_1\"", UNREADABLE},
        {"null", NULL},
        {"{\"data\":null}", NULL},
    };

    expect_all("upstream.customer", &args, table, ARRAY_SIZE(table));
}

Test(read_objects, what_a_create_answers_is_what_was_sent)
{
    static const struct exchange_args customer = {.email = "Ada@example.org"};
    static const struct exchange_args subscription = {.customer_id = "cus_1",
                                                      .product_id = "prod_1"};
    static const struct exchange_args refund = {.payment_id = "pay_1"};
    static const struct row customers[] = {
        {"[{\"id\":\"cus_7\",\"email\":\"ada@example.org\"}]",
         "{\"id\"=>\"cus_7\", \"email\"=>\"ada@example.org\"}"},
        {"{\"data\":[{\"id\":\"cus_7\",\"email\":\"Ada@example.org\"}]}",
         "{\"id\"=>\"cus_7\", \"email\"=>\"Ada@example.org\"}"},
        {"{\"id\":\"cus_7\",\"email\":\"bob@example.org\"}", UNREADABLE},
        {"{\"id\":\"cus_7\"}", UNREADABLE},
        {"{\"id\":\"../x\",\"email\":\"Ada@example.org\"}", UNREADABLE},
    };
    static const struct row subscriptions[] = {
        {"{\"id\":\"sub_1\",\"customerId\":\"cus_1\",\"productId\":\"prod_1\"}",
         "{\"id\"=>\"sub_1\", \"customer_id\"=>\"cus_1\", \"product_id\"=>\"prod_1\"}"},
        {"{\"id\":\"sub_1\",\"customer_id\":\"cus_2\",\"product_id\":\"prod_1\"}", UNREADABLE},
        {"{\"id\":\"sub_1\",\"customer_id\":\"cus_1\",\"product_id\":\"prod_2\"}", UNREADABLE},
        {"{\"id\":\"sub_1\",\"product_id\":\"prod_1\"}", UNREADABLE},
    };
    static const struct row refunds[] = {
        {"{\"data\":{\"id\":\"rf_1\",\"payment_id\":\"pay_1\",\"amount\":\"50 XLM\"}}",
         "{\"id\"=>\"rf_1\", \"payment_id\"=>\"pay_1\", \"amount\"=>\"50 XLM\"}"},
        {"{\"id\":\"rf_1\"}", "{\"id\"=>\"rf_1\"}"},
        {"{\"id\":\"rf_1\",\"payment_id\":\"pay_2\"}", UNREADABLE},
        {"{\"payment_id\":\"pay_1\"}", UNREADABLE},
        {"{\"success\":true}", UNREADABLE},
    };

    expect_all("upstream.customer_create", &customer, customers, ARRAY_SIZE(customers));
    expect_all("upstream.subscription_create", &subscription, subscriptions,
               ARRAY_SIZE(subscriptions));
    expect_all("upstream.refund_create", &refund, refunds, ARRAY_SIZE(refunds));
}

Test(read_objects, subscriptions_and_payments_say_whose_they_are)
{
    static const struct exchange_args subscription = {.subscription_id = "sub_1",
                                                      .product_id = "prod_2"};
    static const struct exchange_args payment = {.payment_id = "pay_1"};
    static const struct row subscriptions[] = {
        {"{\"id\":\"sub_1\",\"customer_id\":\"cus_1\",\"product_id\":\"prod_1\"}",
         "{\"id\"=>\"sub_1\", \"customer_id\"=>\"cus_1\", \"product_id\"=>\"prod_1\"}"},
        {"{\"id\":\"sub_2\",\"customer_id\":\"cus_1\"}", UNREADABLE},
        {"{\"id\":\"sub_1\",\"customer_id\":\"a b\"}", UNREADABLE},
        {"{\"id\":\"sub_1\"}", UNREADABLE},
        {"{}", UNREADABLE},
        {"null", NULL},
    };
    static const struct row payments[] = {
        {"{\"id\":\"pay_1\",\"customerId\":\"cus_1\"}",
         "{\"id\"=>\"pay_1\", \"customer_id\"=>\"cus_1\"}"},
        {"{\"id\":\"pay_1\",\"customer_id\":null}", "{\"id\"=>\"pay_1\", \"customer_id\"=>nil}"},
        {"{\"id\":\"pay_1\"}", "{\"id\"=>\"pay_1\"}"},
        {"{\"id\":\"pay_1\",\"customer_id\":5}", UNREADABLE},
        {"{\"id\":\"pay_2\",\"customer_id\":\"cus_1\"}", UNREADABLE},
        {"null", NULL},
    };

    expect_all("upstream.subscription", &subscription, subscriptions, ARRAY_SIZE(subscriptions));
    expect_all("upstream.subscription_action", &subscription, subscriptions,
               ARRAY_SIZE(subscriptions));
    expect_all("upstream.payment", &payment, payments, ARRAY_SIZE(payments));
}

Test(read_objects, access)
{
    static const struct exchange_args args = {.customer_id = "cus_1", .product_id = "prod_1"};
    static const struct row table[] = {
        {"{\"has_access\":false,\"grant\":null}", "{\"has_access\"=>false, \"grant\"=>nil}"},
        {"{\"data\":{\"hasAccess\":true,\"grant\":{\"type\":\"subscription\","
         "\"subscriptionId\":\"sub_1\",\"status\":\"active\"}}}",
         "{\"has_access\"=>true, \"grant\"=>{\"type\"=>\"subscription\", "
         "\"subscription_id\"=>\"sub_1\", \"status\"=>\"active\"}}"},
        {"{\"has_access\":true}", "{\"has_access\"=>true, \"grant\"=>nil}"},
        {"{\"has_access\":\"true\"}", UNREADABLE},
        {"{\"grant\":{}}", UNREADABLE},
        {"{\"has_access\":true,\"grant\":\"x\"}", UNREADABLE},
        {"{\"has_access\":true,\"product_id\":\"prod_2\"}", UNREADABLE},
        {"{\"has_access\":true,\"customer_id\":\"cus_2\"}", UNREADABLE},
        {"null", NULL},
    };

    expect_all("upstream.access", &args, table, ARRAY_SIZE(table));
}

#define LIST(more, next, rows) "{\"has_more\"=>" more ", \"next\"=>" next ", \"rows\"=>[" rows "]}"
#define ADA "{\"id\"=>\"cus_1\", \"email\"=>\"ada@x\"}"

Test(read_objects, P9_filters_are_not_trusted)
{
    static const struct exchange_args args = {.email = "ada@x", .limit = 3};
    static const struct row table[] = {
        {"{\"object\":\"list\",\"data\":[{\"id\":\"cus_1\",\"email\":\"ada@x\"}],"
         "\"has_more\":false}",
         LIST("false", "nil", ADA)},
        {"{\"data\":[{\"id\":\"cus_1\",\"email\":\"ada@x\"}],\"hasMore\":false}",
         LIST("false", "nil", ADA)},
        {"[{\"id\":\"cus_1\",\"email\":\"ada@x\"}]", LIST("false", "nil", ADA)},
        {"[]", LIST("false", "nil", "")},
        {"[{\"id\":\"cus_0\",\"email\":\"bob@x\"},{\"id\":\"cus_1\",\"email\":\"ada@x\"},"
         "{\"id\":\"cus_2\",\"email\":\"ADA@X\"},{\"id\":\"cus_3\"},{\"id\":\"cus_4\","
         "\"email\":null}]",
         LIST("false", "nil", ADA ", {\"id\"=>\"cus_2\", \"email\"=>\"ADA@X\"}")},
        /* a full page may have a next one, even if nobody on it was asked for */
        {"[{\"id\":\"cus_7\",\"email\":\"b@x\"},{\"id\":\"cus_8\",\"email\":\"c@x\"},"
         "{\"id\":\"cus_9\",\"email\":\"d@x\"}]",
         LIST("true", "\"cus_9\"", "")},
        {"{\"data\":[{\"id\":\"cus_7\",\"email\":\"b@x\"}],\"has_more\":true}",
         LIST("true", "\"cus_7\"", "")},
        {"{\"data\":[],\"has_more\":true}", UNREADABLE},
        {"[{\"id\":\"a b\",\"email\":\"ada@x\"}]", UNREADABLE},
        {"[{\"id\":\"cus_1\",\"email\":5}]", UNREADABLE},
        {"[5]", UNREADABLE},
        {"{}", UNREADABLE},
        {"null", UNREADABLE},
        {"{\"id\":\"cus_1\",\"email\":\"ada@x\"}", UNREADABLE},
    };

    expect_all("upstream.customers", &args, table, ARRAY_SIZE(table));
}

Test(read_objects, P9_a_page_that_begins_anew_is_no_page)
{
    static const struct exchange_args args = {
        .email = "ada@x", .limit = 2, .starting_after = "cus_1"};
    static const struct row table[] = {
        {"[{\"id\":\"cus_2\",\"email\":\"b@x\"}]", LIST("false", "nil", "")},
        {"[{\"id\":\"cus_1\",\"email\":\"ada@x\"},{\"id\":\"cus_2\",\"email\":\"b@x\"}]",
         UNREADABLE},
    };

    expect_all("upstream.customers", &args, table, ARRAY_SIZE(table));
}

Test(read_objects, subscriptions_of_others_are_dropped)
{
    static const struct exchange_args args = {.customer_id = "cus_1", .limit = 10};
    static const struct row table[] = {
        {"[{\"id\":\"sub_1\",\"customerId\":\"cus_1\"},{\"id\":\"sub_2\",\"customer_id\":"
         "\"cus_2\"}]",
         LIST("false", "nil", "{\"id\"=>\"sub_1\", \"customer_id\"=>\"cus_1\"}")},
        {"[{\"id\":\"sub_1\"}]", UNREADABLE},
        {"[{\"id\":\"sub_1\",\"customer_id\":null}]", UNREADABLE},
        {"[{\"customer_id\":\"cus_1\"}]", UNREADABLE},
    };

    expect_all("upstream.subscriptions", &args, table, ARRAY_SIZE(table));
}

/* {"id":"x","deep":[[…]]} with that many containers in all. */
static json_t *deep_object(unsigned depth)
{
    json_t *value = json_array();

    for (unsigned i = 2; i < depth; i++)
        value = json_pack("[o]", value);
    return json_pack("{s:s, s:o}", "id", "x", "deep", value);
}

Test(read_objects, depth_and_size_are_bounded)
{
    char *text = malloc(OBJECT_SIZE_MAX + 1);
    msgpack_sbuffer buffer;
    json_t *object;

    msgpack_sbuffer_init(&buffer);
    for (unsigned depth = 2; depth <= OBJECT_DEPTH_MAX + 1; depth++) {
        object = deep_object(depth);
        cr_expect_eq(object_pack(object, &buffer), depth <= OBJECT_DEPTH_MAX ? 0 : -EBADMSG,
                     "depth %u", depth);
        json_decref(object);
    }
    memset(text, 'x', OBJECT_SIZE_MAX);
    text[OBJECT_SIZE_MAX] = '\0';
    object = json_pack("{s:s}", "a", text);
    cr_expect_eq(object_pack(object, &buffer), -EBADMSG);
    json_decref(object);
    text[OBJECT_SIZE_MAX - 16] = '\0';
    object = json_pack("{s:s}", "a", text);
    cr_expect_eq(object_pack(object, &buffer), 0);
    json_decref(object);
    msgpack_sbuffer_destroy(&buffer);
    free(text);
}

Test(read_objects, a_page_fits_into_a_message)
{
    static const struct exchange_args args = {.limit = 100};
    char *text = malloc(20001);
    json_t *rows = json_array();
    msgpack_sbuffer buffer;
    const char *reason = NULL;

    memset(text, 'x', 20000);
    text[20000] = '\0';
    for (int i = 0; i < 40; i++)
        json_array_append_new(rows, json_pack("{s:s, s:s}", "id", "cus_1", "text", text));
    msgpack_sbuffer_init(&buffer);
    cr_expect_eq(read_customers(&args, rows, &buffer, &reason), 0);
    msgpack_sbuffer_clear(&buffer);
    for (int i = 0; i < 20; i++)
        json_array_append_new(rows, json_pack("{s:s, s:s}", "id", "cus_1", "text", text));
    cr_expect_eq(read_customers(&args, rows, &buffer, &reason), READ_UNREADABLE);
    msgpack_sbuffer_destroy(&buffer);
    json_decref(rows);
    free(text);
}
