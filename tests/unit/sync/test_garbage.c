/*
 * Answers with bytes changed, cut and doubled: nothing crashes, each has an outcome, and what is
 * passed on is one whole map. The seed is fixed; a failure names the round.
 */
#include "answer.h"
#include "session_cache.h"
#include "session_credential.h"
#include "session_fixture.h"

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
    {"upstream.customer",
     "{\"data\":{\"id\":\"cus_1\",\"createdAt\":1.5,\"created_at\":null,\"wallets\":[{\"a\":[[]]}],"
     "\"metadata\":\"{\\\"a\\\":\\\"b\\\"}\"}}"},
    {"upstream.customers",
     "{\"object\":\"list\",\"data\":[{\"id\":\"cus_1\",\"email\":\"a@x\",\"n\":-0.0},{\"id\":"
     "\"cus_2\",\"x\":{\"y\":[1,2,{}]}}],\"has_more\":true}"},
    {"upstream.subscriptions",
     "[{\"id\":\"sub_1\",\"customerId\":\"cus_1\"},{\"id\":\"sub_2\",\"customer_id\":\"cus_2\"}]"},
    {"upstream.refund_create", "[{\"id\":\"rf_1\",\"payment_id\":\"pay_1\",\"amount\":\"5 XLM\"}]"},
    {"upstream.access",
     "{\"has_access\":true,\"grant\":{\"type\":\"one_time\",\"paymentId\":\"p\"}}"},
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
                                        "unauthorized forbidden rate_limited failed error ";

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

/* What a caller hands over, spoilt: parsed or refused, and what is parsed can be written again. */
Test(garbage, credentials)
{
    static const char *const given[] = {
        "a=b; better-auth.session_token=T0k.0W80iXqZfyNcCfoUHtd3eqTOTi0I8vA1hqkN%2FVSAGs4%3D; "
        "better-auth.session_data.1=b; better-auth.session_data.0=\"a\"",
        "Bearer T0k.0W80iXqZfyNcCfoUHtd3eqTOTi0I8vA1hqkN/VSAGs4=",
        "Cookie: __Secure-better-auth.session_token=\"T.0W80iXqZfyNcCfoUHtd3eqTOTi0I8vA1hqkN/"
        "VSAGs4=\"",
    };

    for (size_t round = 0; round < ROUNDS; round++) {
        char body[BODY_MAX], *cookie = NULL, *authorization = NULL;
        size_t length = spoil(given[draw(ARRAY_SIZE(given))], body);
        struct credential credential;

        if (credential_parse((struct span){body, length}, "better-auth", &credential) < 0)
            continue;
        cr_assert_eq(credential_cookie_header(&credential, "better-auth", &cookie), 0);
        cr_assert_eq(credential_authorization_header(&credential, &authorization), 0);
        cr_assert((cookie != NULL) != (authorization != NULL), "round %zu", round);
        cr_assert(!cookie || !strpbrk(cookie, "\r\n"), "round %zu", round);
        cr_assert(!authorization || !strpbrk(authorization, "\r\n"), "round %zu", round);
        free(cookie);
        free(authorization);
        credential_deinit(&credential);
    }
}

/* A spoilt cookie cache is refused, unless nothing was spoilt. */
Test(garbage, cookie_caches)
{
    char *good = fixture_compact(
        FIXTURE_SECRET, "{" FIXTURE_SESSION ",\"updatedAt\":1795444575850}", FIXTURE_NOW + 300000);

    cr_assert_lt(strlen(good), BODY_MAX / 2);
    for (size_t round = 0; round < ROUNDS; round++) {
        char body[BODY_MAX + 1];
        struct session_word word;
        int64_t age;
        bool same;

        body[spoil(good, body)] = '\0';
        same = strcmp(body, good) == 0;
        cr_assert_eq(session_cache_read(body, FIXTURE_TOKEN, FIXTURE_SECRET, FIXTURE_NOW, 60000,
                                        &word, &age),
                     same, "round %zu", round);
    }
    free(good);
}
