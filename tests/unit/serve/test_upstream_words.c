/*
 * Exchanges on the internal channel: what is sent, and what is made of the answers.
 */
#include "upstream_words.h"
#include <core/exchange.h>
#include <criterion/criterion.h>
#include <proto/message.h>
#include <proto/upstream.h>
#include <stdio.h>
#include <string.h>

/* {outcome, http_status, rate: {remaining}, server_time, details…} */
struct answer_case {
    const char *outcome;
    const char *details; /* NULL: none */
    int64_t value;
    bool without_value;
};

static struct upstream_scratch scratch;

static void pack_details(msgpack_packer *packer, const char *details,
                         const struct answer_case *given)
{
    pack_key(packer, details);
    if (given->without_value) {
        pack_map(packer, 0);
        return;
    }
    pack_map(packer, 6);
    pack_kv_int(packer, "units_per_credit", given->value);
    pack_kv_int(packer, "balance", given->value);
    pack_kv_int(packer, "consumed", 7);
    pack_kv_int(packer, "granted", 8);
    pack_kv_bool(packer, "revoked", true);
    pack_kv_int(packer, "credits_deducted", given->value);
}

static enum exchange_outcome read_case(enum exchange_kind kind, const struct answer_case *given,
                                       struct exchange_answer *answer)
{
    msgpack_sbuffer buffer;
    msgpack_packer packer;
    msgpack_zone zone;
    msgpack_object object;
    size_t offset = 0;

    msgpack_sbuffer_init(&buffer);
    msgpack_zone_init(&zone, 1024);
    msgpack_packer_init(&packer, &buffer, msgpack_sbuffer_write);
    pack_map(&packer, given->details != NULL ? 5 : 4);
    pack_kv_text(&packer, "outcome", given->outcome);
    pack_kv_int(&packer, "http_status", 200);
    pack_kv_int(&packer, "server_time", 1234);
    pack_key(&packer, "rate");
    pack_map(&packer, 2);
    pack_kv_int(&packer, "remaining", 17);
    pack_kv_nil(&packer, "limit");
    if (given->details != NULL)
        pack_details(&packer, given->details, given);
    cr_assert_eq(msgpack_unpack(buffer.data, buffer.size, &offset, &zone, &object),
                 MSGPACK_UNPACK_SUCCESS);
    upstream_read_answer(kind, 0, &object, &scratch, answer);
    msgpack_zone_destroy(&zone);
    msgpack_sbuffer_destroy(&buffer);
    return answer->outcome;
}

Test(upstream_words, P2_what_cannot_be_read_confirms_nothing)
{
    static const struct {
        enum exchange_kind kind;
        struct answer_case given;
        enum exchange_outcome outcome;
    } cases[] = {
        {EXCHANGE_PRODUCT, {"ok", "product", 10, false}, EXCHANGE_OK},
        {EXCHANGE_PRODUCT, {"ok", "product", 0, false}, EXCHANGE_FAILED},
        {EXCHANGE_PRODUCT, {"ok", "balance", 10, false}, EXCHANGE_FAILED},
        {EXCHANGE_PRODUCT, {"ok", NULL, 0, false}, EXCHANGE_FAILED},
        {EXCHANGE_BALANCE, {"ok", "balance", -3, false}, EXCHANGE_OK},
        {EXCHANGE_BALANCE, {"ok", "balance", 0, true}, EXCHANGE_FAILED},
        {EXCHANGE_PUSH, {"ok", "transaction", 3, false}, EXCHANGE_OK},
        {EXCHANGE_PUSH, {"ok", "transaction", -3, false}, EXCHANGE_FAILED},
        {EXCHANGE_PUSH, {"ok", "transaction", 0, true}, EXCHANGE_FAILED},
        {EXCHANGE_HISTORY, {"ok", "history", 0, true}, EXCHANGE_FAILED},
        {EXCHANGE_PUSH, {"splendid", "transaction", 3, false}, EXCHANGE_UNANSWERED},
        {EXCHANGE_PUSH, {"insufficient", NULL, 0, false}, EXCHANGE_INSUFFICIENT},
        {EXCHANGE_PUSH, {"rate_limited", NULL, 0, false}, EXCHANGE_RATE_LIMITED},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct exchange_answer answer;

        cr_assert_eq(read_case(cases[i].kind, &cases[i].given, &answer), cases[i].outcome,
                     "case %zu", i);
        cr_assert_eq(answer.rate.remaining, 17);
        cr_assert_eq(answer.rate.limit, -1);
        cr_assert_eq(answer.rate.retry_after, -1);
        cr_assert_eq(answer.server_time, 1234);
        cr_assert_eq(answer.http_status, 200);
    }
}

Test(upstream_words, an_answer_that_is_no_map_is_none)
{
    const msgpack_object nothing = {.type = MSGPACK_OBJECT_NIL};
    struct exchange_answer answer;

    upstream_read_answer(EXCHANGE_PUSH, 0, &nothing, &scratch, &answer);
    cr_assert_eq(answer.outcome, EXCHANGE_UNANSWERED);
}

Test(upstream_words, balances_are_read_whole)
{
    const struct answer_case given = {"ok", "balance", 42, false};
    struct exchange_answer answer;

    read_case(EXCHANGE_BALANCE, &given, &answer);
    cr_assert_eq(answer.balance.balance, 42);
    cr_assert_eq(answer.balance.consumed, 7);
    cr_assert_eq(answer.balance.granted, 8);
    cr_assert(answer.balance.revoked);
}

static const msgpack_object *unpack_params(const struct exchange *exchange, msgpack_zone *zone,
                                           msgpack_sbuffer *buffer, msgpack_object *object)
{
    msgpack_packer packer;
    size_t offset = 0;

    msgpack_sbuffer_init(buffer);
    msgpack_zone_init(zone, 1024);
    msgpack_packer_init(&packer, buffer, msgpack_sbuffer_write);
    upstream_pack_params(&packer, exchange, &(struct upstream_common){30000, "sandbox", 7});
    cr_assert_eq(msgpack_unpack(buffer->data, buffer->size, &offset, zone, object),
                 MSGPACK_UNPACK_SUCCESS);
    cr_assert_eq(offset, buffer->size, "the map's size is wrong");
    return object;
}

Test(upstream_words, requests_have_what_their_kind_needs)
{
    static const struct {
        enum exchange_kind kind;
        const char *method;
        const char *keys[9];
    } cases[] = {
        {EXCHANGE_PRODUCT, "upstream.product", {"product_id", "timeout", "upstream"}},
        {EXCHANGE_BALANCE,
         "upstream.balance",
         {"customer_id", "product_id", "timeout", "upstream"}},
        {EXCHANGE_PUSH,
         "upstream.transaction",
         {"customer_id", "product_id", "type", "amount", "push_id", "idempotency_key", "reason",
          "timeout", "upstream"}},
        {EXCHANGE_HISTORY,
         "upstream.history",
         {"customer_id", "product_id", "limit", "offset", "timeout", "upstream"}},
    };
    struct exchange exchange = {
        .customer = "cus_1xx",
        .customer_length = 5,
        .product = "prod_1",
        .product_length = 6,
        .amount = 50,
        .push_id = "psh_1",
        .idempotency_key = "psh_1-1",
        .limit = 100,
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const msgpack_object *params;
        msgpack_object object;
        msgpack_sbuffer buffer;
        msgpack_zone zone;
        uint32_t count = 0;

        exchange.kind = cases[i].kind;
        cr_assert_str_eq(upstream_method(&(struct exchange){.kind = cases[i].kind}),
                         cases[i].method);
        params = unpack_params(&exchange, &zone, &buffer, &object);
        for (; count < 9 && cases[i].keys[count] != NULL; count++)
            cr_assert_not_null(map_find(params, cases[i].keys[count]), "%s: %s", cases[i].method,
                               cases[i].keys[count]);
        cr_assert_eq(map_find(params, "timeout")->via.i64, 30000);
        cr_assert_arr_eq(map_find(params, "upstream")->via.str.ptr, "sandbox", 7);
        cr_assert_eq(params->via.map.size, count);
        msgpack_zone_destroy(&zone);
        msgpack_sbuffer_destroy(&buffer);
    }
}
