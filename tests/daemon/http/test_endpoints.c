/*
 * The adapter's endpoints: method, path, parameters, status and answer of each, and what is
 * refused.
 */
#include "http_fixture.h"
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct http_fixture fixture;

static void teardown(void)
{
    http_fixture_deinit(&fixture);
}

TestSuite(endpoints, .fini = teardown, .timeout = 500);

#define ENDPOINT_TEST(name) HTTP_TEST(endpoints, name, &fixture, NULL, NULL)
#define P "/api/auth/stellar"

static const struct {
    const char *method, *path, *query, *body;
} rows[] = {
    {"POST", P "/customer/create", "", NULL},
    {"GET", P "/customer/retrieve", "", NULL},
    {"POST", P "/customer/update", "", "{\"name\": \"New\"}"},
    {"POST", P "/subscription/create", "", "{\"product_id\": \"prod_1\"}"},
    {"GET", P "/subscription/list", "", NULL},
    {"GET", P "/subscriptions/list", "", NULL},
    {"POST", P "/credits/consume", "", "{\"product_id\": \"prod_1\", \"raw_amount\": 10}"},
    {"GET", P "/credits/transactions", "?product_id=prod_1&limit=5&offset=0", NULL},
    {"POST", P "/refund/create", "", "{\"payment_id\": \"pay_1\", \"reason\": \"broken\"}"},
};
#define ROWS (sizeof(rows) / sizeof(rows[0]))

static void ask_row(size_t i, struct http_answer *ret_answer, const char *headers)
{
    char target[256];

    snprintf(target, sizeof(target), "%s%s", rows[i].path, rows[i].query);
    http_ask(&fixture, ret_answer, rows[i].method, target, headers, rows[i].body);
}

static const char *member(const struct http_answer *answer, const char *key)
{
    return harness_text(answer->json, key);
}

/* What each answers, by what is in it. */
static void check_row(size_t i, struct http_answer *answer)
{
    static const char *const members[ROWS] = {"id",   "id",   "name", "id", "data",
                                              "data", "data", "data", "id"};

    cr_assert_eq(answer->status, 200, "%s: %s %s", rows[i].path, answer->head, answer->body);
    if (i == 6) {
        cr_assert_eq(harness_int(answer->json, "credits_deducted"), 1);
        cr_assert_eq(harness_int(answer->json, "billed_units"), 10);
        cr_assert_str_eq(member(answer, "customer_id"), "cus_1");
    } else {
        cr_assert_not_null(json_object_get(answer->json, members[i]), "%s: %s", rows[i].path,
                           answer->body);
    }
    if (i == 0 || i == 1)
        cr_assert_str_eq(member(answer, "id"), "cus_1");
    if (i == 2)
        cr_assert_str_eq(member(answer, "name"), "New");
    http_answer_deinit(answer);
}

ENDPOINT_TEST(each_answers_to_a_cookie_and_to_a_bearer)
{
    static const char *const headers[] = {COOKIE("u_1") ORIGIN JSON, BEARER("u_1") JSON};

    for (size_t i = 0; i < ROWS; i++)
        for (size_t h = 0; h < 2; h++) {
            struct http_answer answer;

            ask_row(i, &answer, headers[h]);
            check_row(i, &answer);
        }
}

ENDPOINT_TEST(each_is_refused_without_a_session)
{
    static const char *const refused[] = {JSON,
                                          JSON "Authorization: Basic dTpw\r\n",
                                          JSON "Authorization: Bearer\r\n",
                                          JSON "Authorization: Bearer \r\n",
                                          JSON "Cookie: \r\n",
                                          JSON "Cookie: forged:u_1\r\n" ORIGIN,
                                          JSON "Authorization: Bearer expired:u_1\r\n"};

    for (size_t i = 0; i < ROWS; i++)
        for (size_t h = 0; h < sizeof(refused) / sizeof(refused[0]); h++) {
            struct http_answer answer;
            char *authenticate;

            ask_row(i, &answer, refused[h]);
            authenticate = http_answer_header(&answer, "WWW-Authenticate");
            cr_assert_not_null(authenticate, "%s %s", rows[i].path, refused[h]);
            free(authenticate);
            http_check(&answer, 401, "unauthenticated");
        }
}

ENDPOINT_TEST(each_has_one_method_and_one_path)
{
    static const char *const others[] = {"/", "//", "/x", "%20"};

    for (size_t i = 0; i < ROWS; i++) {
        const char *wrong = strcmp(rows[i].method, "GET") == 0 ? "POST" : "GET";
        struct http_answer answer;
        char target[256], *allow;

        http_ask(&fixture, &answer, wrong, rows[i].path, BEARER("u_1"), NULL);
        allow = http_answer_header(&answer, "Allow");
        cr_assert_not_null(strstr(allow, rows[i].method));
        free(allow);
        http_check(&answer, 405, "invalid_request");
        http_ask(&fixture, &answer, "DELETE", rows[i].path, BEARER("u_1"), NULL);
        http_check(&answer, 405, "invalid_request");
        for (size_t o = 0; o < sizeof(others) / sizeof(others[0]); o++) {
            snprintf(target, sizeof(target), "%s%s", rows[i].path, others[o]);
            http_ask(&fixture, &answer, rows[i].method, target, BEARER("u_1"), NULL);
            http_check(&answer, 404, "not_found");
        }
    }
}

HTTP_TEST(endpoints, a_cookie_needs_a_trusted_origin_where_something_changes, &fixture,
          "[limits]\nupstream_turns_per_user = 10000\nupstream_turns_per_customer = 10000\n", NULL)
{
    static const struct {
        const char *headers;
        bool is_trusted;
    } cases[] = {
        {"", false},
        {ORIGIN, true},
        {"Origin: http://127.0.0.1:9\r\n",
         false}, /* [better_auth] url: not where others are named */
        {"Origin: null\r\n", false},
        {"Origin: http://evil.example\r\n", false},
        {"Origin: http://app.example:3000.evil.example\r\n", false},
        {"Origin: http://evil.example\r\nReferer: " APP_ORIGIN "/\r\n", false},
        {"Referer: " APP_ORIGIN "/page?x\r\n", true},
        {"Referer: http://evil.example/" APP_ORIGIN "\r\n", false},
    };

    for (size_t i = 0; i < ROWS; i++)
        for (size_t c = 0; c < sizeof(cases) / sizeof(cases[0]); c++) {
            bool is_free = strcmp(rows[i].method, "GET") == 0 || cases[c].is_trusted;
            char headers[512];
            struct http_answer answer;

            snprintf(headers, sizeof(headers), "%s%s%s", COOKIE("u_1"), JSON, cases[c].headers);
            ask_row(i, &answer, headers);
            http_check(&answer, is_free ? 200 : 403, is_free ? NULL : "permission_denied");
            /* Also where the token is the one that counts: a browser sent the cookie. */
            snprintf(headers, sizeof(headers), "%s%s%s%s", COOKIE("u_1"), BEARER("u_1"), JSON,
                     cases[c].headers);
            ask_row(i, &answer, headers);
            http_check(&answer, is_free ? 200 : 403, is_free ? NULL : "permission_denied");
        }
}

ENDPOINT_TEST(the_body_is_json)
{
    static const struct {
        const char *type, *body;
        unsigned status;
    } cases[] = {
        {"", "{\"product_id\": \"prod_1\", \"raw_amount\": 10}", 415},
        {"Content-Type: text/plain\r\n", "{\"product_id\": \"prod_1\", \"raw_amount\": 10}", 415},
        {"Content-Type: application/x-www-form-urlencoded\r\n", "product_id=prod_1&raw_amount=10",
         415},
        {"Content-Type: application/jsonx\r\n", "{}", 415},
        {"Content-Type: application/json; charset=utf-8\r\n",
         "{\"product_id\": \"prod_1\", \"raw_amount\": 10}", 200},
        {"Content-Type: APPLICATION/JSON\r\n", "{\"product_id\": \"prod_1\", \"raw_amount\": 10}",
         200},
        {JSON, "{\"product_id\": \"prod_1\", \"raw_amount\": 10.0}", 200},
        {JSON, "{\"product_id\": \"prod_1\", \"raw_amount\": 10.5}", 400},
        {JSON, "{\"product_id\": \"prod_1\", \"raw_amount\": \"10\"}", 400},
        {JSON, "{\"product_id\": \"prod_1\", \"raw_amount\": 0}", 400},
        {JSON, "{\"product_id\": \"../x\", \"raw_amount\": 1}", 400},
        {JSON, "{\"product_id\": \"prod_1\"}", 400},
        {JSON, "{\"product_id\": \"prod_1\", \"raw_amount\": 10", 400},
        {JSON, "[]", 400},
        {JSON, "", 400},
    };

    for (size_t c = 0; c < sizeof(cases) / sizeof(cases[0]); c++) {
        char headers[512];
        struct http_answer answer;

        snprintf(headers, sizeof(headers), "%s%s", BEARER("u_1"), cases[c].type);
        http_ask(&fixture, &answer, "POST", P "/credits/consume", headers, cases[c].body);
        cr_assert_eq(answer.status, cases[c].status, "case %zu: %s", c, answer.body);
        http_answer_deinit(&answer);
    }
}

ENDPOINT_TEST(errors_name_what_is_wrong)
{
    struct http_answer answer;

    http_ask(&fixture, &answer, "POST", P "/credits/consume", BEARER("u_1") JSON,
             "{\"product_id\": \"prod_1\"}");
    cr_assert_str_eq(
        harness_text(json_object_get(json_object_get(answer.json, "error"), "data"), "parameter"),
        "raw_amount");
    http_check(&answer, 400, "invalid_parameter");
    http_ask(&fixture, &answer, "POST", P "/credits/consume", BEARER("u_1") JSON,
             "{\"product_id\": \"prod_1\", \"raw_amount\": 1000000}");
    cr_assert_eq(
        harness_int(json_object_get(json_object_get(answer.json, "error"), "data"), "available"),
        1000);
    http_check(&answer, 402, "insufficient_credits");
    http_ask(&fixture, &answer, "GET", P "/credits/transactions?product_id=prod_1&limit=x",
             BEARER("u_1"), NULL);
    cr_assert_str_eq(
        harness_text(json_object_get(json_object_get(answer.json, "error"), "data"), "parameter"),
        "limit");
    http_check(&answer, 400, "invalid_parameter");
    http_ask(&fixture, &answer, "GET", P "/credits/transactions?product_id=%ff", BEARER("u_1"),
             NULL);
    http_check(&answer, 400, "invalid_request");
    http_ask(&fixture, &answer, "GET", P "/customer/retrieve", BEARER("u_3"), NULL);
    http_check(&answer, 404, "not_found");
    http_ask(&fixture, &answer, "GET", P "/customer/retrieve", "Authorization: Bearer down:u_1\r\n",
             NULL);
    http_check(&answer, 503, "session_unavailable");
}

/* Whoever is named: it is the session's own. */
ENDPOINT_TEST(a_session_reaches_its_own_user_alone)
{
    struct http_answer answer;

    http_ask(&fixture, &answer, "POST", P "/credits/consume", BEARER("u_1") JSON,
             "{\"product_id\": \"prod_1\", \"raw_amount\": 10, \"customer_id\": \"cus_2\", "
             "\"user_id\": \"u_2\", \"session\": \"good:u_2\", \"unknown\": 1}");
    cr_assert_eq(answer.status, 200, "%s", answer.body);
    cr_assert_str_eq(member(&answer, "customer_id"), "cus_1");
    http_answer_deinit(&answer);
    http_ask(&fixture, &answer, "GET", P "/customer/retrieve?customer_id=cus_2&user_id=u_2",
             BEARER("u_1"), NULL);
    cr_assert_str_eq(member(&answer, "id"), "cus_1");
    http_answer_deinit(&answer);
    /* What is said on purpose goes before the cookie. */
    http_ask(&fixture, &answer, "GET", P "/customer/retrieve", COOKIE("u_1") BEARER("u_2"), NULL);
    cr_assert_str_eq(member(&answer, "id"), "cus_2");
    http_answer_deinit(&answer);
}

ENDPOINT_TEST(an_idempotency_key_is_taken_from_the_header)
{
    static const char body[] = "{\"product_id\": \"prod_1\", \"raw_amount\": 10}";
    static const char headers[] = BEARER("u_1") JSON "Idempotency-Key: order-1\r\n";
    struct http_answer answer;

    for (int i = 0; i < 3; i++) {
        http_ask(&fixture, &answer, "POST", P "/credits/consume", headers, body);
        cr_assert_eq(answer.status, 200, "%s", answer.body);
        cr_assert_eq(harness_bool(answer.json, "replayed"), i > 0);
        cr_assert_eq(harness_int(answer.json, "balance"), 999);
        http_answer_deinit(&answer);
    }
    http_ask(&fixture, &answer, "POST", P "/credits/consume", headers,
             "{\"product_id\": \"prod_1\", \"raw_amount\": 20}");
    http_check(&answer, 409, "key_reused");
    http_ask(&fixture, &answer, "POST", P "/credits/consume", headers,
             "{\"product_id\": \"prod_1\", \"raw_amount\": 10, \"idempotency_key\": \"other\"}");
    http_check(&answer, 400, "invalid_parameter");
    http_ask(&fixture, &answer, "POST", P "/credits/consume", BEARER("u_1") JSON,
             "{\"product_id\": \"prod_1\", \"raw_amount\": 10, \"idempotency_key\": \"order-1\"}");
    cr_assert(harness_bool(answer.json, "replayed"));
    http_answer_deinit(&answer);
}

HTTP_TEST(endpoints, the_prefix_is_configured, &fixture, NULL, "prefix = /billing\n")
{
    struct http_answer answer;

    http_ask(&fixture, &answer, "GET", "/billing/customer/retrieve", BEARER("u_1"), NULL);
    http_check(&answer, 200, NULL);
    http_ask(&fixture, &answer, "GET", P "/customer/retrieve", BEARER("u_1"), NULL);
    http_check(&answer, 404, "not_found");
}

/* The adapter has none of these; what is wrong with them does not matter either. */
ENDPOINT_TEST(what_the_adapter_does_not_take_is_ignored)
{
    static const struct {
        const char *method, *target, *body;
    } requests[] = {
        {"GET", P "/customer/retrieve?fresh=perhaps", NULL},
        {"GET", P "/subscription/list?fresh=perhaps", NULL},
        {"GET", P "/credits/transactions?product_id=prod_1&source=nowhere", NULL},
        {"POST", P "/customer/create", "{\"email\": 7, \"name\": 7, \"image\": 7}"},
        {"POST", P "/customer/update", "{\"name\": \"New\", \"image\": 7}"},
        {"POST", P "/credits/consume",
         "{\"product_id\": \"prod_1\", \"raw_amount\": 10, \"stamp\": 7, \"user_id\": \"u_2\"}"},
    };
    struct http_answer answer;

    for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
        http_ask(&fixture, &answer, requests[i].method, requests[i].target, JSON BEARER("u_1"),
                 requests[i].body);
        http_check(&answer, 200, NULL);
    }
}
