/* The real creditd-sandbox over HTTP: its command line, each endpoint, each form, and what HTTP
 * alone can show. */
#include "harness.h"
#include "sandbox_client.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <util/macros.h>

#define DEDUCT "/customers/cus_ada/credits/prod_tokens/transaction"

/* Runs it to its end: the exit status, and both outputs. */
static int run(const struct harness_directory *directory, const char *const *arguments,
               char **ret_output, char **ret_errors)
{
    CLEANUP(cleanup_free) char *program = harness_program_path("creditd-sandbox");
    char *all[8] = {program}, output[HARNESS_PATH_MAX], errors[HARNESS_PATH_MAX];
    int status;
    pid_t pid;

    for (size_t i = 0; arguments[i]; i++)
        all[i + 1] = (char *)arguments[i];
    harness_path(directory, "out", output);
    harness_path(directory, "err", errors);
    pid = fork();
    cr_assert(pid >= 0);
    if (pid == 0) {
        dup2(open(output, O_CREAT | O_TRUNC | O_WRONLY, 0600), STDOUT_FILENO);
        dup2(open(errors, O_CREAT | O_TRUNC | O_WRONLY, 0600), STDERR_FILENO);
        execv(program, all);
        _exit(127);
    }
    cr_assert(waitpid(pid, &status, 0) == pid);
    *ret_output = harness_read_file(output);
    *ret_errors = harness_read_file(errors);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

Test(sandbox_process, wrong_usage_ends_with_2_and_one_line)
{
    static const struct {
        const char *arguments[5];
        const char *part;
    } rows[] = {
        {{"--nothing", NULL}, "--nothing"},
        {{"--listen", NULL}, "--listen"},
        {{"--listen", "0.0.0.0:0", NULL}, "0.0.0.0:0 is not a loopback address"},
        {{"--listen", "192.0.2.1:80", NULL}, "write 127.0.0.1:PORT"},
        {{"--fault", "hang=2", NULL}, "hang=2 is not allowed"},
        {{"--fault", "hangs=1", NULL}, "no fault named hangs"},
        {{"--random-seed", "x", NULL}, "x is not a whole number"},
        {{"--seed", "/nonexistent/seed.json", NULL}, "/nonexistent/seed.json"},
        {{"extra", NULL}, "extra is not expected"},
    };
    struct harness_directory directory;

    harness_directory_init(&directory);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        CLEANUP(cleanup_free) char *output = NULL;
        CLEANUP(cleanup_free) char *errors = NULL;
        int status = run(&directory, rows[i].arguments, &output, &errors);
        const char *newline = strchr(errors, '\n');

        cr_assert(status == 2, "row %zu: %d", i, status);
        cr_assert(strstr(errors, rows[i].part), "row %zu: %s", i, errors);
        cr_assert(newline && newline[1] == '\0', "row %zu: %s", i, errors);
        cr_assert(output[0] == '\0', "row %zu: %s", i, output);
    }
    harness_directory_deinit(&directory);
}

Test(sandbox_process, help_and_version_are_told)
{
    static const char *const help[] = {"--help", NULL}, *const version[] = {"--version", NULL};
    CLEANUP(cleanup_free) char *output = NULL;
    CLEANUP(cleanup_free) char *errors = NULL;
    CLEANUP(cleanup_free) char *version_output = NULL;
    CLEANUP(cleanup_free) char *version_errors = NULL;
    struct harness_directory directory;

    harness_directory_init(&directory);
    cr_assert(run(&directory, help, &output, &errors) == 0);
    cr_assert(strstr(output, "--seed FILE") && strstr(output, "slow_read_write=N"));
    cr_assert(run(&directory, version, &version_output, &version_errors) == 0);
    cr_assert(strcmp(version_output, "creditd-sandbox " CREDITD_VERSION "\n") == 0);
    harness_directory_deinit(&directory);
}

Test(sandbox_process, sigterm_ends_it_with_0)
{
    CLEANUP(sandbox_process_deinit) struct sandbox_process process = {0};

    sandbox_process_start(&process, NULL);
    cr_assert(sandbox_transaction_count(&process) == 0);
    cr_assert(sandbox_process_stop(&process) == 0);
}

Test(sandbox_process, seed_and_key_are_taken)
{
    CLEANUP(sandbox_process_deinit) struct sandbox_process process = {0};
    char path[HARNESS_PATH_MAX];
    const char *const arguments[] = {"--seed", path, "--api-key", "sk_live_x", NULL};
    static const char *const keys[] = {"", "sk_test_1", "sk_live_x"};
    struct harness_directory directory;

    harness_directory_init(&directory);
    harness_path(&directory, "seed", path);
    harness_write_file(
        path, "{\"generate\": {\"customers\": 1000, \"product_id\": \"p\", \"balance\": 9}}");
    sandbox_process_start(&process, arguments);
    cr_assert(sandbox_balance(&process, "cus_0", "p") == 9);
    cr_assert(sandbox_balance(&process, "cus_999", "p") == 9);
    for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
        CLEANUP(sandbox_answer_deinit) struct sandbox_answer answer = {0};
        struct sandbox_call call = {.path = "/customers/cus_7", .api_key = keys[i]};

        sandbox_call(&process, &call, &answer);
        cr_assert(answer.status == (i == 2 ? 200 : 401), "%s: %ld", keys[i], answer.status);
    }
    cr_assert(sandbox_process_stop(&process) == 0);
    harness_directory_deinit(&directory);
}

Test(sandbox_http, each_endpoint_answers)
{
    static const struct {
        struct sandbox_call call;
        long status;
        const char *type, *part;
    } rows[] = {
        {{.path = "/customers"}, 200, "application/json", "\"object\":\"list\""},
        {{.path = "/customers", .body = "[{\"email\": \"x@y\"}]"},
         200,
         "application/json",
         "\"x@y\""},
        {{.path = "/customers/cus_ada"}, 200, "application/json", "ada@example.com"},
        {{.path = "/customers/cus_ada", .method = "PUT", .body = "{\"phone\": \"1\"}"},
         200,
         "application/json",
         "\"phone\":\"1\""},
        {{.path = "/product/prod_chars"}, 200, "application/json", "\"units_per_credit\":10"},
        {{.path = "/customers/cus_ada/credits/prod_tokens"},
         200,
         "application/json",
         "\"balance\":1000000,"},
        {{.path = DEDUCT,
          .body = "{\"amount\": 2, \"type\": \"deduct\", \"metadata\": {\"b\": \"1\"}}"},
         200,
         "application/json",
         "{\"balance\":999998,\"billed_units\":2,\"credits_deducted\":2}"},
        {{.path = "/customers/cus_ada/credits/transactions?product_id=prod_tokens&limit=5"},
         200,
         "application/json",
         "\"metadata\":{\"b\":\"1\"}"},
        {{.path = "/subscriptions",
          .body = "{\"customer_id\": \"cus_ada\", \"product_id\": \"prod_tokens\"}"},
         200,
         "application/json",
         "{\"id\":\"sub_00000001\""},
        {{.path = "/subscriptions?customer_id=cus_ada"},
         200,
         "application/json",
         "{\"object\":\"list\",\"data\":[{\"id\":\"sub_00000001\""},
        {{.path = "/subscriptions/sub_00000001"}, 200, "application/json", "\"active\""},
        {{.path = "/subscriptions/sub_00000001", .method = "PUT", .body = "{}"},
         200,
         "application/json",
         "\"active\""},
        {{.path = "/subscriptions/sub_00000001/cancel", .method = "POST"},
         200,
         "application/json",
         "\"status\":\"active\",\"cancel_at_period_end\":true"},
        {{.path = "/subscriptions/sub_00000001/pause", .body = "{}"},
         200,
         "application/json",
         "\"status\":\"paused\""},
        {{.path = "/customers/cus_ada/access/prod_tokens"},
         200,
         "application/json",
         "{\"has_access\":false,\"grant\":null}"},
        {{.path = "/subscriptions/sub_00000001/resume", .body = "{}"},
         200,
         "application/json",
         "\"status\":\"active\""},
        {{.path = "/customers/cus_ada/access/prod_tokens"},
         200,
         "application/json",
         "{\"has_access\":true,"},
        {{.path = "/_sandbox/payment", .body = "{\"customer_id\": \"cus_ada\", \"amount\": 5}"},
         200,
         "application/json",
         "pay_00000001"},
        {{.path = "/payment/pay_00000001"}, 200, "application/json", "\"5 XLM\""},
        {{.path = "/refunds", .body = "{\"payment_id\": \"pay_00000001\", \"reason\": \"r\"}"},
         200,
         "application/json",
         "{\"id\":\"rf_00000001\""},
        {{.path = "/api/customers/cus_ada/credits/transactions?productId=prod_tokens&limit=5"},
         200,
         "application/json",
         "\"balanceAfter\":999998"},
        {{.path = "/customers/cus%5Fada"}, 200, "application/json", "ada@example.com"},
        {{.path = "/customers", .version = "2026-08-18"}, 200, "application/json", ""},
        {{.path = "/customers", .version = "2020-01-01"}, 400, "application/json", "Version"},
        {{.path = "/customers", .api_key = "wrong"},
         401,
         "application/json",
         "{\"error\":\"Unauthorized\"}"},
        {{.path = "/customers", .api_key = ""}, 401, "application/json", "{\"error\":"},
        {{.path = "/nothing"}, 404, "text/html; charset=utf-8", "<html>"},
        {{.path = "/api/product/prod_chars"}, 404, "text/html; charset=utf-8", "<html>"},
        {{.path = "/customers", .method = "DELETE"}, 405, NULL, ""},
    };
    CLEANUP(sandbox_process_deinit) struct sandbox_process process = {0};

    sandbox_process_start(&process, NULL);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        CLEANUP(sandbox_answer_deinit) struct sandbox_answer answer = {0};
        CLEANUP(cleanup_free) char *type = NULL;
        CLEANUP(cleanup_free) char *date = NULL;

        sandbox_call(&process, &rows[i].call, &answer);
        type = sandbox_answer_header(&answer, "content-type");
        date = sandbox_answer_header(&answer, "date");
        cr_assert(answer.status == rows[i].status, "row %zu: %ld %s", i, answer.status,
                  answer.body);
        cr_assert(strstr(answer.body, rows[i].part), "row %zu: %s", i, answer.body);
        cr_assert(rows[i].type ? type && strcmp(type, rows[i].type) == 0 : !type, "row %zu: %s", i,
                  type);
        cr_assert(date && strstr(date, "GMT"), "row %zu", i);
    }
    cr_assert(sandbox_process_stop(&process) == 0);
}

Test(sandbox_http, a_trailing_slash_is_redirected_with_its_query)
{
    CLEANUP(sandbox_process_deinit) struct sandbox_process process = {0};
    CLEANUP(sandbox_answer_deinit) struct sandbox_answer answer = {0};
    CLEANUP(cleanup_free) char *location = NULL;

    sandbox_process_start(&process, NULL);
    sandbox_call(&process, &(struct sandbox_call){.path = "/customers/?limit=1"}, &answer);
    location = sandbox_answer_header(&answer, "location");
    cr_assert(answer.status == 308);
    cr_assert(location && strcmp(location, "/customers?limit=1") == 0, "%s", location);
}

Test(sandbox_http, a_body_without_end_is_refused)
{
    CLEANUP(sandbox_process_deinit) struct sandbox_process process = {0};
    CLEANUP(sandbox_answer_deinit) struct sandbox_answer answer = {0};
    CLEANUP(cleanup_free) char *body = malloc(2000001);
    struct sandbox_call call = {.path = "/customers", .body = body};

    memset(body, ' ', 2000000);
    body[2000000] = '\0';
    sandbox_process_start(&process, NULL);
    sandbox_call(&process, &call, &answer);
    cr_assert(answer.status == 413, "%ld", answer.status);
    cr_assert(sandbox_transaction_count(&process) == 0);
}

static long long header_number(const struct sandbox_answer *answer, const char *name)
{
    CLEANUP(cleanup_free) char *value = sandbox_answer_header(answer, name);

    return value ? strtoll(value, NULL, 10) : -1;
}

Test(sandbox_http, the_rate_limit_is_told_on_every_answer)
{
    static const char *const arguments[] = {"--fault", "rate_limit=2", NULL};
    static const struct {
        long status;
        long long remaining;
    } rows[] = {{200, 1}, {200, 0}, {429, 0}, {429, 0}};
    CLEANUP(sandbox_process_deinit) struct sandbox_process process = {0};
    CLEANUP(sandbox_answer_deinit) struct sandbox_answer last = {0};
    struct sandbox_call call = {.path = DEDUCT, .body = "{\"amount\": 1, \"type\": \"deduct\"}"};

    sandbox_process_start(&process, arguments);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        CLEANUP(sandbox_answer_deinit) struct sandbox_answer answer = {0};
        long long reset;

        sandbox_call(&process, &call, &answer);
        reset = header_number(&answer, "x-ratelimit-reset");
        cr_assert(answer.status == rows[i].status, "row %zu: %ld", i, answer.status);
        cr_assert(header_number(&answer, "x-ratelimit-limit") == 2);
        cr_assert(header_number(&answer, "x-ratelimit-remaining") == rows[i].remaining, "row %zu",
                  i);
        cr_assert(reset > time(NULL) - 60 && reset <= time(NULL) + 61, "row %zu: %lld", i, reset);
        cr_assert(header_number(&answer, "retry-after") == -1);
    }
    cr_assert(sandbox_transaction_count(&process) == 2);
    sandbox_order(&process, "{\"retry_after\": true}");
    sandbox_call(&process, &call, &last);
    cr_assert(last.status == 429 && header_number(&last, "retry-after") > 0);
}

Test(sandbox_http, the_dump_tells_everything)
{
    CLEANUP(sandbox_process_deinit) struct sandbox_process process = {0};
    struct sandbox_call call = {
        .path = DEDUCT,
        .key = "push \"1\"",
        .body = "{\"amount\": 1, \"type\": \"deduct\", \"reason\": \"a\\\"\\n\","
                " \"metadata\": {\"push\": \"p1\"}}"};
    struct sandbox_call reset = {.path = "/_sandbox/reset_counters", .body = "{}"};
    CLEANUP(sandbox_answer_deinit) struct sandbox_answer answer = {0};
    CLEANUP(sandbox_answer_deinit) struct sandbox_answer reset_answer = {0};
    json_t *dump, *row;

    sandbox_process_start(&process, NULL);
    sandbox_call(&process, &call, &answer);
    sandbox_grant(&process, "cus_ada", "prod_tokens", -10, true);
    sandbox_grant(&process, "cus_new", "prod_new", 7, false);
    dump = sandbox_dump(&process, true);
    cr_assert(json_array_size(json_object_get(dump, "transactions")) == 2);
    row = json_array_get(json_object_get(dump, "transactions"), 0);
    cr_assert(strcmp(harness_text(row, "reason"), "a\"\n") == 0);
    cr_assert(strcmp(harness_text(row, "idempotency_key"), "push \"1\"") == 0);
    cr_assert(strcmp(harness_text(json_object_get(row, "metadata"), "push"), "p1") == 0);
    cr_assert(json_is_null(
        json_object_get(json_array_get(json_object_get(dump, "transactions"), 1), "metadata")));
    json_decref(dump);
    cr_assert(sandbox_balance(&process, "cus_ada", "prod_tokens") == 999989);
    cr_assert(sandbox_balance(&process, "cus_new", "prod_new") == 7);
    cr_assert(sandbox_request_count(&process, NULL, "total") == 1); /* the control is not counted */
    cr_assert(sandbox_request_count(&process, "by_kind", "deduct") == 1);
    cr_assert(sandbox_request_count(&process, "by_status", "200") == 1);
    sandbox_call(&process, &reset, &reset_answer);
    cr_assert(sandbox_request_count(&process, NULL, "total") == 0);
}

Test(sandbox_http, the_dump_tells_what_was_made_and_under_which_key)
{
    static const struct {
        const char *path, *body, *list;
        size_t position;
    } rows[] = {
        {"/customers", "[{\"email\": \"x@y\", \"metadata\": {\"intent\": \"i0\"}}]", "customers",
         2},
        {"/subscriptions",
         "{\"customer_id\": \"cus_ada\", \"product_id\": \"prod_chars\","
         " \"metadata\": {\"intent\": \"i1\"}}",
         "subscriptions", 0},
        {"/refunds",
         "{\"payment_id\": \"pay_00000001\", \"reason\": \"r\","
         " \"metadata\": {\"intent\": \"i2\"}}",
         "refunds", 0},
    };
    CLEANUP(sandbox_process_deinit) struct sandbox_process process = {0};
    json_t *dump;

    sandbox_process_start(&process, NULL);
    json_decref(sandbox_control(&process, "/_sandbox/payment",
                                "{\"customer_id\": \"cus_ada\", \"amount\": 5}"));
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        CLEANUP(sandbox_answer_deinit) struct sandbox_answer answer = {0};
        char key[16];
        struct sandbox_call call = {.path = rows[i].path, .body = rows[i].body, .key = key};

        snprintf(key, sizeof(key), "k%zu", i);
        sandbox_call(&process, &call, &answer);
        cr_assert(answer.status == 200, "%s", answer.body);
    }
    dump = sandbox_dump(&process, false);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        const json_t *list = json_object_get(dump, rows[i].list);
        json_t *item = json_array_get(list, rows[i].position);
        char key[16], intent[16];

        snprintf(key, sizeof(key), "k%zu", i);
        snprintf(intent, sizeof(intent), "i%zu", i);
        cr_assert(json_array_size(list) == rows[i].position + 1, "%s", rows[i].list);
        cr_assert(strcmp(harness_text(item, "idempotency_key"), key) == 0, "%s", rows[i].list);
        cr_assert(strcmp(harness_text(json_object_get(item, "metadata"), "intent"), intent) == 0);
    }
    cr_assert(json_array_size(json_object_get(dump, "payments")) == 1);
    json_decref(dump);
    cr_assert(sandbox_request_count(&process, "by_endpoint", "POST /customers") == 1);
    cr_assert(sandbox_request_count(&process, "by_kind", "refund_payment") == 1);
    cr_assert(sandbox_process_stop(&process) == 0);
}
