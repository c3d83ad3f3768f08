/*
 * Answers with bytes changed, cut and doubled: nothing crashes, each has an outcome, and what is
 * passed on is one whole map. The seed is fixed; a failure names the round.
 */
#include "answer.h"

#include <criterion/criterion.h>
#include <proto/message.h>
#include <stdlib.h>
#include <string.h>
#include <util/macros.h>

#define ROUNDS 30000
#define BODY_MAX 1024

static const struct exchange_args args = {
    .customer_id = "cus_1", .product_id = "prod_1", .type = "deduct", .limit = 10};

static const struct {
    const char *method, *body;
} seeds[] = {
    {"upstream.product", "{\"data\":{\"id\":\"prod_1\",\"name\":\"T\",\"units_per_credit\":10}}"},
    {"upstream.balance", "{\"balance\":5,\"consumed\":3,\"granted\":8,\"is_revoked\":false}"},
    {"upstream.balance", "{\"data\":null}"},
    {"upstream.transaction", "{\"balance\":95,\"billed_units\":5000,\"credits_deducted\":5}"},
    {"upstream.transaction",
     "{\"balance\":95,\"transaction\":{\"balance_before\":100,\"balance_after\":95}}"},
    {"upstream.transaction",
     "{\"error\":{\"code\":\"X\",\"message\":\"Insufficient credits\\u00e9\"}}"},
    {"upstream.history",
     "{\"object\":\"list\",\"data\":[{\"id\":\"ct_1\",\"type\":\"deduct\",\"amount\":5,"
     "\"metadata\":{\"creditd_push\":\"psh_1\"},\"created_at\":\"2026-01-05T12:34:56.789Z\"}],"
     "\"has_more\":true}"},
};

static uint64_t state = UINT64_C(0x9e3779b97f4a7c15);

static size_t draw(size_t below)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (size_t)(state % below);
}

static size_t spoil(const char *seed, char *body)
{
    static const char marks[] = "{}[]\",:\\0159.-e+ntu\xff\xc3";
    size_t length = strlen(seed);

    memcpy(body, seed, length);
    for (size_t changes = draw(4); changes > 0 && length > 0; changes--) {
        size_t at = draw(length);

        switch (draw(4)) {
        case 0:
            body[at] = (char)draw(256);
            break;
        case 1:
            body[at] = marks[draw(sizeof marks)];
            break;
        case 2:
            length = at;
            break;
        case 3:
            if (length < BODY_MAX / 2) {
                memmove(body + length, body + at, length - at);
                length += length - at;
            }
            break;
        }
    }
    return length;
}

Test(garbage, every_answer_has_an_outcome)
{
    static const int statuses[] = {200, 200, 200, 201, 400, 401, 404, 409, 429, 500, 502};
    static const char *const outcomes = "ok insufficient no_balance not_found no_endpoint refused "
                                        "unauthorized forbidden rate_limited failed ";

    for (size_t round = 0; round < ROUNDS; round++) {
        size_t pick = draw(ARRAY_SIZE(seeds)), offset = 0, length;
        const struct exchange_kind *kind =
            exchange_find(seeds[pick].method, strlen(seeds[pick].method));
        char body[BODY_MAX], word[32];
        struct http_end end = {.kind = HTTP_ANSWERED, .status = statuses[draw(11)], .body = body};
        msgpack_unpacked unpacked;
        msgpack_sbuffer buffer;
        const char *text;

        end.body_length = spoil(seeds[pick].body, body);
        msgpack_sbuffer_init(&buffer);
        cr_assert_eq(answer_pack(kind, &args, &end, "sk_test_abcdefgh", &buffer), 0);
        msgpack_unpacked_init(&unpacked);
        cr_assert_eq(msgpack_unpack_next(&unpacked, buffer.data, buffer.size, &offset),
                     MSGPACK_UNPACK_SUCCESS, "round %zu", round);
        cr_assert_eq(offset, buffer.size, "round %zu", round);
        cr_assert_eq(map_get_text(&unpacked.data, "outcome", &text, &length), 1);
        snprintf(word, sizeof word, "%.*s ", (int)length, text);
        cr_assert_not_null(strstr(outcomes, word), "round %zu: %s", round, word);
        cr_assert_eq(map_find(&unpacked.data, kind->member) != NULL, strcmp(word, "ok ") == 0,
                     "round %zu", round);
        msgpack_unpacked_destroy(&unpacked);
        msgpack_sbuffer_destroy(&buffer);
    }
}
