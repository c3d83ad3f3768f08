/* What upstream does, and what serve is told of it: the real process, one exchange a row. */
#include "rig.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <util/macros.h>

#define GOOD "{\"balance\":95,\"consumed\":5,\"granted\":100}"
#define READ "\"balance\":{\"balance\":95,\"consumed\":5,\"granted\":100,\"revoked\":false}"
#define HTML "<html><body>hello</body></html>"
#define NO_RATE                                                                                    \
    "\"rate\":{\"limit\":null,\"remaining\":null,\"reset_in\":null,\"retry_after\":null}"

struct row {
    const char *name;
    enum upstream_act act;
    int status; /* 0: `body` is all that is sent, or nothing where it is NULL */
    const char *headers, *body;
    const char *expected;
    int timeout;
};

static void run_row(const struct row *row, json_t *(*exchange)(struct rig *rig, int timeout))
{
    char *text = row->status ? upstream_answer(row->status, row->headers, row->body)
                             : (row->body ? strdup(row->body) : NULL);
    struct upstream_step step = {row->act, text};
    json_t *answer;
    struct rig rig;

    rig_init(&rig, &step, 1, NULL);
    answer = exchange(&rig, row->timeout);
    rig_expect(answer, row->expected, row->name);
    cr_expect_eq(json_object_size(answer), 5 + (strcmp(harness_text(answer, "outcome"), "ok") == 0),
                 "%s", row->name);
    cr_expect_eq(upstream_count(rig.upstream), 1, "%s: %zu requests", row->name,
                 upstream_count(rig.upstream));
    json_decref(answer);
    rig_deinit(&rig);
    free(text);
}

Test(exchanges, reads)
{
    static const struct row table[] = {
        {"plain", ACT_REPLY, 200, NULL, GOOD,
         "{\"outcome\":\"ok\",\"http_status\":200,\"message\":null,\"server_time\":0," READ
         "," NO_RATE "}",
         0},
        {"envelope", ACT_REPLY, 200, NULL, "{\"data\":" GOOD "}", "{\"outcome\":\"ok\"," READ "}",
         0},
        {"then closed", ACT_REPLY_CLOSE, 200, "Connection: close\r\n", GOOD,
         "{\"outcome\":\"ok\"," READ "}", 0},
        {"byte by byte", ACT_REPLY_SPLIT, 200, NULL, GOOD, "{\"outcome\":\"ok\"," READ "}", 0},
        {"chunked", ACT_REPLY_CLOSE, 0, NULL,
         "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
         "4\r\nnull\r\n0\r\n\r\n",
         "{\"outcome\":\"no_balance\",\"http_status\":200}", 0},
        {"no length", ACT_REPLY_CLOSE, 0, NULL, "HTTP/1.0 200 OK\r\n\r\n" GOOD,
         "{\"outcome\":\"ok\"," READ "}", 0},
        {"an interim answer", ACT_REPLY, 0, NULL,
         "HTTP/1.1 103 Early Hints\r\nRetry-After: 9\r\n\r\n"
         "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nnull",
         "{\"outcome\":\"no_balance\",\"http_status\":200," NO_RATE "}", 0},
        {"rate", ACT_REPLY, 200,
         "Date: Mon, 05 Jan 2026 12:34:56 GMT\r\nX-RateLimit-Limit: 20\r\n"
         "X-RateLimit-Remaining: 19\r\nX-RateLimit-Reset: 1767616516\r\n",
         GOOD,
         "{\"outcome\":\"ok\",\"server_time\":1767616496000,\"rate\":{\"limit\":20,"
         "\"remaining\":19,\"reset_in\":20000,\"retry_after\":null}}",
         0},
        {"429", ACT_REPLY, 429, "Retry-After: 7\r\n", "{\"error\":\"Too many requests\"}",
         "{\"outcome\":\"rate_limited\",\"http_status\":429,\"message\":\"Too many requests\","
         "\"rate\":{\"limit\":null,\"remaining\":null,\"reset_in\":null,\"retry_after\":7000}}",
         0},
        {"no balance", ACT_REPLY, 404, NULL, "{\"error\":\"Balance not found\"}",
         "{\"outcome\":\"no_balance\",\"http_status\":404}", 0},
        {"not found", ACT_REPLY, 404, NULL, "{\"error\":{\"code\":\"NOT_FOUND\"}}",
         "{\"outcome\":\"not_found\",\"message\":\"NOT_FOUND\"}", 0},
        {"no endpoint", ACT_REPLY, 404, NULL, HTML, "{\"outcome\":\"no_endpoint\"}", 0},
        {"401", ACT_REPLY, 401, "WWW-Authenticate: Basic realm=x\r\n", "",
         "{\"outcome\":\"unauthorized\",\"http_status\":401}", 0},
        {"403", ACT_REPLY, 403, NULL, "{\"error\":\"no\"}", "{\"outcome\":\"forbidden\"}", 0},
        {"502", ACT_REPLY, 502, NULL, HTML, "{\"outcome\":\"failed\",\"http_status\":502}", 0},
        {"HTML", ACT_REPLY, 200, NULL, HTML, "{\"outcome\":\"failed\",\"http_status\":200}", 0},
        {"308", ACT_REPLY, 308, "Location: /elsewhere\r\n", "",
         "{\"outcome\":\"failed\",\"http_status\":308}", 0},
        {"the key quoted", ACT_REPLY, 400, NULL, "{\"error\":\"Bad key " RIG_KEY "\"}",
         "{\"outcome\":\"refused\",\"message\":\"Bad key ***\"}", 0},
        {"garbage", ACT_REPLY_CLOSE, 0, NULL, "SSH-2.0-OpenSSH_9.2\r\n",
         "{\"outcome\":\"failed\",\"http_status\":0}", 0},
        {"closed", ACT_CLOSE, 0, NULL, NULL, "{\"outcome\":\"unanswered\",\"http_status\":0}", 0},
        {"reset", ACT_RESET, 0, NULL, NULL, "{\"outcome\":\"unanswered\",\"http_status\":0}", 0},
        {"half an answer", ACT_REPLY_CLOSE, 0, NULL,
         "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nnull",
         "{\"outcome\":\"unanswered\",\"http_status\":200}", 0},
        {"half a head", ACT_REPLY_CLOSE, 0, NULL, "HTTP/1.1 200 OK\r\nContent-Le",
         "{\"outcome\":\"unanswered\"}", 0},
        {"silence", ACT_HANG, 0, NULL, NULL, "{\"outcome\":\"unanswered\",\"http_status\":0}",
         1000},
    };

    for (size_t i = 0; i < ARRAY_SIZE(table); i++)
        run_row(&table[i], rig_balance);
}

Test(exchanges, writes)
{
    static const struct row table[] = {
        {"plain", ACT_REPLY, 200, NULL,
         "{\"balance\":95,\"billed_units\":5000,\"credits_deducted\":5}",
         "{\"outcome\":\"ok\",\"transaction\":{\"credits_deducted\":5,\"balance\":95,"
         "\"billed_units\":5000}}",
         0},
        {"unreadable", ACT_REPLY, 200, NULL, "{\"balance\":95}", "{\"outcome\":\"failed\"}", 0},
        {"insufficient", ACT_REPLY, 500, NULL, "{\"error\":\"Insufficient credits\"}",
         "{\"outcome\":\"insufficient\",\"http_status\":500}", 0},
        {"409", ACT_REPLY, 409, NULL, "{\"error\":\"Request in progress\"}",
         "{\"outcome\":\"error\",\"http_status\":409}", 0},
        {"500", ACT_REPLY, 500, NULL, "", "{\"outcome\":\"failed\",\"http_status\":500}", 0},
        {"307", ACT_REPLY, 307, "Location: /elsewhere\r\n", "", "{\"outcome\":\"failed\"}", 0},
        {"garbage", ACT_REPLY_CLOSE, 0, NULL, "SSH-2.0-OpenSSH_9.2\r\n",
         "{\"outcome\":\"failed\",\"http_status\":0}", 0},
        {"closed", ACT_CLOSE, 0, NULL, NULL, "{\"outcome\":\"unanswered\",\"http_status\":0}", 0},
        {"reset", ACT_RESET, 0, NULL, NULL, "{\"outcome\":\"unanswered\",\"http_status\":0}", 0},
        {"half an answer", ACT_REPLY_CLOSE, 0, NULL,
         "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"credits_deducted\":5}",
         "{\"outcome\":\"unanswered\"}", 0},
        {"silence", ACT_HANG, 0, NULL, NULL, "{\"outcome\":\"unanswered\"}", 1000},
    };

    for (size_t i = 0; i < ARRAY_SIZE(table); i++)
        run_row(&table[i], rig_deduct);
}

/* `size` bytes of JSON: null and blanks. */
static char *big_answer(size_t size)
{
    char *body = malloc(size + 1), *text;

    memset(body, ' ', size);
    memcpy(body, "null", 4);
    body[size] = '\0';
    text = upstream_answer(200, NULL, body);
    free(body);
    return text;
}

Test(exchanges, an_answer_may_have_four_mebibytes)
{
    static const struct {
        size_t size;
        const char *expected;
    } table[] = {
        {300 * 1024, "{\"outcome\":\"no_balance\"}"},
        {4 * 1024 * 1024, "{\"outcome\":\"no_balance\"}"},
        {4 * 1024 * 1024 + 1, "{\"outcome\":\"failed\",\"message\":\"the answer is over 4 MiB\"}"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
        char *text = big_answer(table[i].size);
        struct upstream_step step = {ACT_REPLY, text};
        struct rig rig;
        json_t *answer;

        rig_init(&rig, &step, 1, NULL);
        answer = rig_balance(&rig, 0);
        rig_expect(answer, table[i].expected, "big");
        json_decref(answer);
        rig_deinit(&rig);
        free(text);
    }
}

Test(exchanges, P7_a_redirect_carries_the_key_nowhere)
{
    static const int statuses[] = {301, 302, 303, 307, 308};
    struct upstream_step elsewhere_step = {ACT_REPLY,
                                           "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"};
    struct upstream_server *elsewhere = upstream_new(&elsewhere_step, 1);

    for (size_t i = 0; i < ARRAY_SIZE(statuses); i++) {
        char headers[128], *text;
        struct upstream_step step = {ACT_REPLY, NULL};
        struct rig rig;
        json_t *answer;

        snprintf(headers, sizeof headers, "Location: %s/x\r\n", upstream_url(elsewhere));
        step.text = text = upstream_answer(statuses[i], headers, "");
        rig_init(&rig, &step, 1, NULL);
        answer = rig_balance(&rig, 0);
        rig_expect(answer, "{\"outcome\":\"failed\"}", headers);
        json_decref(answer);
        answer = rig_deduct(&rig, 0);
        rig_expect(answer, "{\"outcome\":\"failed\"}", headers);
        json_decref(answer);
        rig_deinit(&rig);
        free(text);
    }
    cr_expect_eq(upstream_count(elsewhere), 0);
    upstream_free(elsewhere);
}

Test(exchanges, requests_are_what_the_api_asks_for)
{
    char *text = upstream_answer(404, NULL, "{\"error\":\"x\"}");
    struct upstream_step step = {ACT_REPLY, text};
    const char *request;
    struct rig rig;

    rig_init(&rig, &step, 1, NULL);
    json_decref(rig_balance(&rig, 0));
    json_decref(rig_deduct(&rig, 0));
    request = upstream_request(rig.upstream, 0);
    cr_expect_eq(strncmp(request, "GET /customers/cus_1/credits/prod_1 HTTP/1.1\r\n", 46), 0);
    cr_expect_not_null(strstr(request, "\r\nx-api-key: " RIG_KEY "\r\n"));
    cr_expect_not_null(strstr(request, "\r\nUser-Agent: creditd/" CREDITD_VERSION "\r\n"));
    cr_expect_null(strstr(request, "Idempotency-Key"));
    cr_expect_null(strstr(request, "StellarTools-Version"));
    request = upstream_request(rig.upstream, 1);
    cr_expect_eq(
        strncmp(request, "POST /customers/cus_1/credits/prod_1/transaction HTTP/1.1\r\n", 59), 0);
    cr_expect_not_null(strstr(request, "\r\nIdempotency-Key: psh_a_1_7.1\r\n"));
    cr_expect_not_null(strstr(request, "\r\nContent-Type: application/json\r\n"));
    cr_expect_not_null(strstr(request, "\"creditd_push\":\"psh_a_1_7\""));
    cr_expect_null(strstr(request, "Expect:"));
    rig_deinit(&rig);
    free(text);
}

Test(exchanges, bad_requests_are_refused_by_name)
{
    struct upstream_step step = {ACT_CLOSE, NULL};
    struct rig rig;
    json_t *error;

    rig_init(&rig, &step, 1, NULL);
    error = harness_call_error(&rig.serve, "upstream.nothing", "{}");
    cr_expect_str_eq(harness_text(error, "code"), "unknown_method");
    json_decref(error);
    error = harness_call_error(&rig.serve, "upstream.balance", "{s:s, s:s}", "customer_id", "../x",
                               "product_id", "prod_1");
    cr_expect_str_eq(harness_text(error, "code"), "invalid_parameter");
    cr_expect_str_eq(harness_text(error, "message"), "customer_id");
    json_decref(error);
    cr_expect_eq(upstream_count(rig.upstream), 0);
    rig_deinit(&rig);
}
