/*
 * Which outcome an answer is: the table that decides whether a push is sent again. A wrong "nothing
 * happened" here is a double deduction.
 */
#include "answer.h"
#include "render.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <util/macros.h>

#define HTML "<html><body>Bad gateway</body></html>"
#define FEW "{\"error\":\"Insufficient credits. Required: 5\"}"
#define NONE "{\"error\":\"Credit balance not found\"}"
#define OBJECT(code, message) "{\"error\":{\"code\":\"" code "\",\"message\":\"" message "\"}}"

static const struct exchange_args args = {
    .customer_id = "cus_1", .product_id = "prod_1", .type = "deduct", .limit = 10};

struct row {
    int status;
    const char *body, *outcome, *message; /* message NULL: nil */
};

static void expect(const char *method, const struct row *row)
{
    struct http_end end = {.kind = HTTP_ANSWERED,
                           .status = row->status,
                           .body = row->body,
                           .body_length = row->body ? strlen(row->body) : 0};
    msgpack_sbuffer buffer;
    char *outcome, *message, quoted[256];

    msgpack_sbuffer_init(&buffer);
    cr_assert_eq(answer_pack(exchange_find(method, strlen(method)), &args, &end, "sk_test_abcdefgh",
                             &buffer),
                 0);
    outcome = render_member(&buffer, "outcome");
    message = render_member(&buffer, "message");
    snprintf(quoted, sizeof quoted, "\"%s\"", row->outcome);
    cr_expect_str_eq(outcome, quoted, "%d %s", row->status, row->body);
    snprintf(quoted, sizeof quoted, row->message ? "\"%s\"" : "nil", row->message);
    cr_expect_str_eq(message, quoted, "%d %s", row->status, row->body);
    free(outcome);
    free(message);
    msgpack_sbuffer_destroy(&buffer);
}

Test(classify, P2_only_recognised_refusals_prove_that_nothing_happened)
{
    static const struct row table[] = {
        {200, "{\"balance\":5,\"credits_deducted\":1}", "ok", NULL},
        {201, "{\"data\":{\"balance\":5,\"credits_deducted\":1}}", "ok", NULL},
        {200, HTML, "failed", "an unreadable answer: not JSON"},
        {200, "", "failed", "an unreadable answer: not JSON"},
        {204, NULL, "failed", "an unreadable answer: not JSON"},
        {200, "{}", "failed", "an unreadable answer: it does not say what was deducted"},
        {200, "null", "failed", "an unreadable answer: null"},
        /* a success that says that it failed is neither */
        {200, FEW, "failed", "an unreadable answer: it does not say what was deducted"},
        {400, FEW, "insufficient", "Insufficient credits. Required: 5"},
        {402, FEW, "insufficient", "Insufficient credits. Required: 5"},
        {404, FEW, "insufficient", "Insufficient credits. Required: 5"},
        {500, FEW, "insufficient", "Insufficient credits. Required: 5"},
        {500, "{\"error\":\"insufficient CREDITS\"}", "insufficient", "insufficient CREDITS"},
        {500, OBJECT("INTERNAL_ERROR", "Insufficient credits"), "insufficient",
         "INTERNAL_ERROR: Insufficient credits"},
        {400, NONE, "no_balance", "Credit balance not found"},
        {404, NONE, "no_balance", "Credit balance not found"},
        {500, NONE, "no_balance", "Credit balance not found"},
        {500, OBJECT("NOT_FOUND", "Balance not found for cus_1"), "no_balance",
         "NOT_FOUND: Balance not found for cus_1"},
        /* words in a page are no error of StellarTools */
        {500, "<p>Insufficient credits</p>", "failed", "HTTP status 500 without a JSON error"},
        {500, "{\"message\":\"Insufficient credits\"}", "failed",
         "HTTP status 500 without a JSON error"},
        {500, "\"Insufficient credits\"", "failed", "HTTP status 500 without a JSON error"},
        /* only at the beginning */
        {500, "{\"error\":\"Not: Insufficient credits\"}", "error", "Not: Insufficient credits"},
        {400, OBJECT("VALIDATION_ERROR", "amount"), "refused", "VALIDATION_ERROR: amount"},
        {400, "{\"error\":\"Bad\"}", "refused", "Bad"},
        {400, "{\"error\":{\"name\":\"ZodError\",\"issues\":[]}}", "refused", "ZodError"},
        {422, "{\"error\":{\"name\":\"ZodError\",\"message\":\"m\"}}", "refused", "ZodError: m"},
        {400, "{\"error\":{}}", "failed", "HTTP status 400 without a JSON error"},
        {400, "{\"error\":\"\"}", "failed", "HTTP status 400 without a JSON error"},
        {400, "{\"error\":true}", "failed", "HTTP status 400 without a JSON error"},
        {400, "{}", "failed", "HTTP status 400 without a JSON error"},
        {400, HTML, "failed", "HTTP status 400 without a JSON error"},
        {400, "", "failed", "HTTP status 400 without a JSON error"},
        {404, OBJECT("NOT_FOUND", "Customer not found"), "not_found",
         "NOT_FOUND: Customer not found"},
        {404, HTML, "no_endpoint", "HTTP status 404 without a JSON error"},
        {404, "", "no_endpoint", "HTTP status 404 without a JSON error"},
        {404, "{}", "no_endpoint", "HTTP status 404 without a JSON error"},
        {500, OBJECT("INTERNAL_ERROR", "boom"), "error", "INTERNAL_ERROR: boom"},
        {500, "", "failed", "HTTP status 500 without a JSON error"},
        {502, HTML, "failed", "HTTP status 502 without a JSON error"},
        {503, "{\"error\":\"down\"}", "error", "down"},
        {504, HTML, "failed", "HTTP status 504 without a JSON error"},
        {599, "{\"error\":\"down\"}", "error", "down"},
        {600, FEW, "failed", "Insufficient credits. Required: 5"},
        {300, "{}", "failed", "HTTP status 300 without a JSON error"},
        {308, "", "failed", "HTTP status 308 without a JSON error"},
        {304, FEW, "failed", "Insufficient credits. Required: 5"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(table); i++)
        expect("upstream.transaction", &table[i]);
}

Test(classify, P2_a_409_says_nothing)
{
    static const struct row table[] = {
        {409, "{\"error\":\"Request in progress\"}", "error", "Request in progress"},
        {409, "{\"error\":\"Conflict\"}", "error", "Conflict"},
        {409, OBJECT("CONFLICT", "x"), "error", "CONFLICT: x"},
        {409, FEW, "error", "Insufficient credits. Required: 5"},
        {409, NONE, "error", "Credit balance not found"},
        {409, "", "failed", "HTTP status 409 without a JSON error"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(table); i++)
        expect("upstream.transaction", &table[i]);
}

Test(classify, P2_whoever_did_not_wait_for_the_end_proves_nothing)
{
    static const int no_proof[] = {408, 418, 421, 423, 424, 425, 426, 451, 460, 494, 499};
    static const int proof[] = {400, 402, 405, 410, 411, 413, 414, 415, 422};
    struct row row = {.body = "{\"error\":\"Request timeout\"}", .message = "Request timeout"};

    row.outcome = "error";
    for (size_t i = 0; i < ARRAY_SIZE(no_proof); i++) {
        row.status = no_proof[i];
        expect("upstream.transaction", &row);
    }
    row.outcome = "refused";
    for (size_t i = 0; i < ARRAY_SIZE(proof); i++) {
        row.status = proof[i];
        expect("upstream.transaction", &row);
    }
    /* not even in words that would be believed elsewhere */
    expect("upstream.transaction",
           &(struct row){499, FEW, "error", "Insufficient credits. Required: 5"});
    expect("upstream.transaction", &(struct row){408, NONE, "error", "Credit balance not found"});
}

Test(classify, P7_statuses_that_are_outcomes_by_themselves)
{
    static const struct row table[] = {
        {401, "", "unauthorized", "HTTP status 401 without a JSON error"},
        {401, OBJECT("UNAUTHORIZED", "Invalid key sk_test_abcdefgh!"), "unauthorized",
         "UNAUTHORIZED: Invalid key ***!"},
        {403, HTML, "forbidden", "HTTP status 403 without a JSON error"},
        {403, FEW, "forbidden", "Insufficient credits. Required: 5"},
        {429, "{\"error\":\"TOO_MANY_REQUESTS\"}", "rate_limited", "TOO_MANY_REQUESTS"},
        {429, "", "rate_limited", "HTTP status 429 without a JSON error"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
        expect("upstream.transaction", &table[i]);
        expect("upstream.balance", &table[i]);
        expect("upstream.product", &table[i]);
        expect("upstream.history", &table[i]);
    }
}

Test(classify, P7_null_for_a_balance_is_no_balance)
{
    static const struct row table[] = {
        {200, "null", "no_balance", NULL},
        {200, "{\"data\":null}", "no_balance", NULL},
        {200, "{\"data\":{\"data\":null}}", "no_balance", NULL},
        {200, "{\"balance\":null}", "failed",
         "an unreadable answer: balance, consumed and granted are not three integers"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(table); i++)
        expect("upstream.balance", &table[i]);
    expect("upstream.product", &(struct row){200, "null", "failed", "an unreadable answer: null"});
    expect("upstream.history",
           &(struct row){200, "null", "failed", "an unreadable answer: not a list"});
}

Test(classify, exchanges_without_an_answer)
{
    static const struct {
        enum http_end_kind kind;
        const char *outcome;
    } table[] = {
        {HTTP_NOT_SENT, "\"not_sent\""},
        {HTTP_UNANSWERED, "\"unanswered\""},
        {HTTP_GARBLED, "\"failed\""},
    };

    for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
        /* The body of an answer that is not whole is not looked at. */
        struct http_end end = {.kind = table[i].kind,
                               .status = 200,
                               .body = FEW,
                               .body_length = sizeof FEW - 1,
                               .error = "it broke"};
        msgpack_sbuffer buffer;
        char *outcome, *message;

        msgpack_sbuffer_init(&buffer);
        cr_assert_eq(answer_pack(exchange_find("upstream.balance", 16), &args, &end, NULL, &buffer),
                     0);
        outcome = render_member(&buffer, "outcome");
        message = render_member(&buffer, "message");
        cr_expect_str_eq(outcome, table[i].outcome);
        cr_expect_str_eq(message, "\"it broke\"");
        free(outcome);
        free(message);
        msgpack_sbuffer_destroy(&buffer);
    }
}
