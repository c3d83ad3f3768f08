/* What is read out of a 2xx: every form that StellarTools' versions have, and what is refused. */
#include "exchange.h"
#include "fields.h"
#include "render.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <util/macros.h>

static const struct exchange_args deduct = {
    .customer_id = "cus_1", .product_id = "prod_1", .type = "deduct", .limit = 3};

struct row {
    const char *json, *member; /* member NULL: unreadable */
};

static void expect_all(const char *method, const struct exchange_args *args,
                       const struct row *table, size_t count)
{
    const struct exchange_kind *kind = exchange_find(method, strlen(method));

    for (size_t i = 0; i < count; i++) {
        json_t *root = fields_parse(table[i].json, strlen(table[i].json));
        const char *reason = NULL;
        msgpack_sbuffer buffer;
        char *text = NULL;
        int r;

        cr_assert_not_null(root, "%s", table[i].json);
        msgpack_sbuffer_init(&buffer);
        r = kind->read(args, root, &buffer, &reason);
        cr_expect_eq(r, table[i].member ? 0 : READ_UNREADABLE, "%s: %d", table[i].json, r);
        cr_expect_eq(reason != NULL, table[i].member == NULL, "%s", table[i].json);
        if (r == 0)
            text = render(&buffer);
        if (text && table[i].member)
            cr_expect_str_eq(text, table[i].member, "%s: %s", table[i].json, text);
        free(text);
        msgpack_sbuffer_destroy(&buffer);
        json_decref(root);
    }
}

Test(readers, products)
{
#define PRODUCT(units, has, name)                                                                  \
    "{\"units_per_credit\"=>" units ", \"has_units\"=>" has ", \"name\"=>" name "}"
    static const struct row table[] = {
        {"{\"id\":\"prod_1\",\"name\":\"Tokens\",\"units_per_credit\":1000}",
         PRODUCT("1000", "true", "\"Tokens\"")},
        {"{\"data\":{\"unitsPerCredit\":10}}", PRODUCT("10", "true", "nil")},
        {"{\"units_per_credit\":null}", PRODUCT("1", "true", "nil")},
        {"{\"units_per_credit\":0}", PRODUCT("1", "true", "nil")},
        {"{\"id\":\"prod_1\"}", PRODUCT("1", "false", "nil")},
        {"{\"name\":5}", PRODUCT("1", "false", "nil")},
        {"{\"units_per_credit\":-1}", NULL},
        {"{\"units_per_credit\":0.5}", NULL},
        {"{\"units_per_credit\":\"10\"}", NULL},
        {"{\"units_per_credit\":9007199254740993}", NULL},
        {"{\"id\":\"prod_2\",\"units_per_credit\":10}", NULL},
        {"[]", NULL},
        {"5", NULL},
    };

    expect_all("upstream.product", &deduct, table, ARRAY_SIZE(table));
}

Test(readers, balances)
{
#define BALANCE(b, c, g, r)                                                                        \
    "{\"balance\"=>" b ", \"consumed\"=>" c ", \"granted\"=>" g ", \"revoked\"=>" r "}"
    static const struct row table[] = {
        {"{\"balance\":5,\"consumed\":3,\"granted\":8}", BALANCE("5", "3", "8", "false")},
        {"{\"data\":{\"id\":\"cb_1\",\"customer_id\":\"cus_1\",\"product_id\":\"prod_1\","
         "\"balance\":5,\"consumed\":3,\"granted\":8,\"is_revoked\":true,\"new\":[1]}}",
         BALANCE("5", "3", "8", "true")},
        {"{\"customerId\":\"cus_1\",\"balance\":-5,\"consumed\":0,\"granted\":0,"
         "\"isRevoked\":false}",
         BALANCE("-5", "0", "0", "false")},
        {"{\"balance\":5,\"consumed\":3,\"granted\":8,\"is_revoked\":null}",
         BALANCE("5", "3", "8", "false")},
        {"{\"balance\":5,\"consumed\":3,\"granted\":8,\"is_revoked\":\"no\"}", NULL},
        {"{\"balance\":5.5,\"consumed\":3,\"granted\":8}", NULL},
        {"{\"balance\":\"5\",\"consumed\":3,\"granted\":8}", NULL},
        {"{\"balance\":9007199254740992,\"consumed\":3,\"granted\":8}", NULL},
        {"{\"consumed\":3,\"granted\":8}", NULL},
        {"{\"balance\":5,\"granted\":8}", NULL},
        {"{\"balance\":5,\"consumed\":3}", NULL},
        {"{\"customer_id\":\"cus_2\",\"balance\":5,\"consumed\":3,\"granted\":8}", NULL},
        {"{\"product_id\":\"prod_2\",\"balance\":5,\"consumed\":3,\"granted\":8}", NULL},
        {"{\"product_id\":5,\"balance\":5,\"consumed\":3,\"granted\":8}", NULL},
        {"[{\"balance\":5,\"consumed\":3,\"granted\":8}]", NULL},
        {"{}", NULL},
    };

    expect_all("upstream.balance", &deduct, table, ARRAY_SIZE(table));
}

#define TAKEN(c, b, u) "{\"credits_deducted\"=>" c ", \"balance\"=>" b ", \"billed_units\"=>" u "}"

Test(readers, P4_what_a_deduct_took_is_read_or_the_answer_is_unreadable)
{
    static const struct row table[] = {
        {"{\"balance\":95,\"billed_units\":5000,\"credits_deducted\":5}", TAKEN("5", "95", "5000")},
        {"{\"data\":{\"balance\":95,\"billedUnits\":5000,\"creditsDeducted\":5}}",
         TAKEN("5", "95", "5000")},
        {"{\"credits_deducted\":0}", TAKEN("0", "nil", "nil")},
        {"{\"id\":\"cb_1\",\"balance\":95,\"consumed\":5,\"granted\":100,\"transaction\":"
         "{\"id\":\"ct_1\",\"amount\":5000,\"balance_before\":100,\"balance_after\":95}}",
         TAKEN("5", "95", "nil")},
        {"{\"balance\":95,\"transaction\":{\"amount\":5}}", TAKEN("5", "95", "nil")},
        {"{\"balance\":95,\"transaction\":{\"balanceBefore\":100,\"balanceAfter\":95}}",
         TAKEN("5", "95", "nil")},
        {"{\"balance\":95,\"credits_deducted\":6,\"transaction\":{\"amount\":5}}",
         TAKEN("6", "95", "nil")},
        {"{\"balance\":95,\"billed_units\":5000}", NULL},
        {"{\"balance\":95,\"transaction\":{\"balance_before\":100}}", NULL},
        {"{\"balance\":95,\"transaction\":null}", NULL},
        {"{\"balance\":95,\"credits_deducted\":4.5}", NULL},
        {"{\"balance\":95,\"credits_deducted\":4.5,\"transaction\":{\"amount\":5}}", NULL},
        {"{\"balance\":95,\"credits_deducted\":\"5\"}", NULL},
        {"{\"balance\":95,\"credits_deducted\":-5}", NULL},
        {"{\"balance\":105,\"transaction\":{\"balance_before\":100,\"balance_after\":105}}", NULL},
        {"{\"balance\":9.5,\"credits_deducted\":5}", NULL},
        {"{\"balance\":95,\"credits_deducted\":5,\"billed_units\":0.5}", NULL},
        {"{\"is_sufficient\":true,\"remaining_balance\":95}", NULL},
        {"[]", NULL},
        {"{}", NULL},
    };

    expect_all("upstream.transaction", &deduct, table, ARRAY_SIZE(table));
}

Test(readers, a_grant_is_counted_without_its_sign)
{
    struct exchange_args grant = deduct;
    static const struct row table[] = {
        {"{\"balance\":105,\"credits_deducted\":-5}", TAKEN("5", "105", "nil")},
        {"{\"balance\":105,\"transaction\":{\"balance_before\":100,\"balance_after\":105}}",
         TAKEN("5", "105", "nil")},
    };

    strcpy(grant.type, "grant");
    expect_all("upstream.transaction", &grant, table, ARRAY_SIZE(table));
}

#define ROW(more)                                                                                  \
    "{\"id\":\"ct_1\",\"type\":\"deduct\",\"created_at\":\"1970-01-01T00:00:01Z\"," more "}"
#define READ(credits, push)                                                                        \
    "{\"id\"=>\"ct_1\", \"type\"=>\"deduct\", \"credits\"=>" credits ", \"push_id\"=>" push        \
    ", \"created_at\"=>1000}"
#define ONE(credits, push) "{\"rows\"=>[" READ(credits, push) "], \"has_more\"=>false}"
#define PUSH(value) "\"amount\":5,\"metadata\":{\"source\":\"creditd\",\"creditd_push\":" value "}"

Test(readers, P3_history_rows)
{
    static const struct row table[] = {
        {"[]", "{\"rows\"=>[], \"has_more\"=>false}"},
        {"[" ROW("\"amount\":5") "]", ONE("5", "nil")},
        {"[" ROW("\"amount\":-5") "]", ONE("5", "nil")},
        {"[" ROW("\"amount\":5000,\"balance_before\":100,\"balance_after\":95") "]",
         ONE("5", "nil")},
        {"[" ROW("\"amount\":5,\"balanceBefore\":95,\"balanceAfter\":100") "]", ONE("5", "nil")},
        /* somebody else's fraction, in a row that says otherwise what it moved */
        {"[" ROW("\"amount\":0.5,\"balance_before\":100,\"balance_after\":99") "]",
         ONE("1", "nil")},
        {"[" ROW(PUSH("\"psh_1\"")) "]", ONE("5", "\"psh_1\"")},
        {"[" ROW(PUSH("null")) "]", ONE("5", "nil")},
        {"[" ROW(PUSH("\"no id of ours\"")) "]", ONE("5", "nil")},
        {"[" ROW("\"amount\":5,\"metadata\":null") "]", ONE("5", "nil")},
        {"[" ROW("\"amount\":5,\"metadata\":{\"a\":\"psh_1\"}") "]", ONE("5", "nil")},
        {"[" ROW("\"amount\":5,\"metadata\":\"{\\\"creditd_push\\\":\\\"psh_1\\\"}\"") "]",
         ONE("5", "\"psh_1\"")},
        {"[" ROW("\"amount\":5,\"metadata\":\"a note\"") "]", ONE("5", "nil")},
        {"[{\"id\":\"ct_1\",\"type\":\"deduct\",\"amount\":5,\"customerId\":\"cus_1\","
         "\"productId\":\"prod_1\",\"createdAt\":\"1970-01-01T00:00:01Z\"}]",
         ONE("5", "nil")},
        {"{\"data\":[" ROW("\"amount\":5") "],\"has_more\":true}",
         "{\"rows\"=>[" READ("5", "nil") "], \"has_more\"=>true}"},
        /* a full page that does not say */
        {"[" ROW("\"amount\":1") "," ROW("\"amount\":2") "," ROW("\"amount\":3") "]",
         "{\"rows\"=>[" READ("1", "nil") ", " READ("2", "nil") ", " READ(
             "3", "nil") "], \"has_more\"=>true}"},
    };

    expect_all("upstream.history", &deduct, table, ARRAY_SIZE(table));
}

Test(readers, P3_a_row_that_cannot_be_read_spoils_the_answer)
{
    static const struct row table[] = {
        {"[" ROW("\"amount\":5") ",5]", NULL},
        {"[" ROW("\"amount\":5") ",null]", NULL},
        {"[" ROW("\"amount\":5") "," ROW("\"amount\":null") "]", NULL},
        {"[" ROW("\"amount\":5.5") "]", NULL},
        {"[" ROW("\"amount\":5,\"balance_before\":1.5,\"balance_after\":1") "]", NULL},
        {"[" ROW(PUSH("5")) "]", NULL},
        {"[" ROW(PUSH("[\"psh_1\"]")) "]", NULL},
        {"[" ROW(PUSH("\"psh\\u0000\"")) "]", NULL},
        {"[" ROW("\"amount\":5,\"metadata\":\"creditd_push=psh_1\"") "]", NULL},
        {"[" ROW("\"amount\":5,\"customer_id\":\"cus_2\"") "]", NULL},
        {"[" ROW("\"amount\":5,\"product_id\":\"prod_2\"") "]", NULL},
        {"[{\"type\":\"deduct\",\"amount\":5,\"created_at\":\"1970-01-01T00:00:01Z\"}]", NULL},
        {"[{\"id\":\"a b\",\"type\":\"deduct\",\"amount\":5,"
         "\"created_at\":\"1970-01-01T00:00:01Z\"}]",
         NULL},
        {"[{\"id\":\"ct_1\",\"amount\":5,\"created_at\":\"1970-01-01T00:00:01Z\"}]", NULL},
        {"[{\"id\":\"ct_1\",\"type\":\"deduct\",\"amount\":5}]", NULL},
        {"[{\"id\":\"ct_1\",\"type\":\"deduct\",\"amount\":5,\"created_at\":1000}]", NULL},
        {"[{\"id\":\"ct_1\",\"type\":\"deduct\",\"amount\":5,\"created_at\":\"yesterday\"}]", NULL},
        {"[" ROW("\"amount\":1") "," ROW("\"amount\":1") "," ROW("\"amount\":1") "," ROW(
             "\"amount\":1") "]",
         NULL},
        {"{\"transactions\":[]}", NULL},
        {"{\"data\":{}}", NULL},
    };

    expect_all("upstream.history", &deduct, table, ARRAY_SIZE(table));
}
