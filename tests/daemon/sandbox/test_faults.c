/* The real creditd-sandbox going wrong: each fault on the wire, and that none of them stops the
 * others. */
#include "sandbox_client.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <util/macros.h>

#define DEDUCT "/customers/cus_ada/credits/prod_tokens/transaction"
#define ONE "{\"amount\": 1, \"type\": \"deduct\"}"
#define START 1000000

static const struct sandbox_call deduct = {.path = DEDUCT, .body = ONE};

/* A call on a thread of its own. */
struct caller {
    const struct sandbox_process *process;
    struct sandbox_call call;
    struct sandbox_answer answer;
    pthread_t thread;
};

static void *caller_run(void *argument)
{
    struct caller *caller = argument;

    sandbox_call(caller->process, &caller->call, &caller->answer);
    return NULL;
}

static void caller_start(struct caller *caller, const struct sandbox_process *process,
                         const struct sandbox_call *call)
{
    *caller = (struct caller){.process = process, .call = *call};
    cr_assert(pthread_create(&caller->thread, NULL, caller_run, caller) == 0);
}

static void caller_join(struct caller *caller)
{
    cr_assert(pthread_join(caller->thread, NULL) == 0);
}

/* Until the sandbox has seen so many requests. Ends by the test's timeout otherwise. */
static void requests_await(const struct sandbox_process *process, long long count)
{
    while (sandbox_request_count(process, NULL, "total") < count)
        sched_yield();
}

static void dropped_await(const struct sandbox_process *process, long long count)
{
    while (sandbox_request_count(process, "by_status", "dropped") < count)
        sched_yield();
}

Test(sandbox_faults, each_on_the_wire)
{
    static const struct {
        const char *faults;
        long status;      /* 0: dropped */
        const char *body; /* exactly, where not NULL */
        bool done;
    } rows[] = {
        {"{\"error_before_commit\": 1}", 500, "{\"error\":\"Internal Server Error\"}", false},
        {"{\"error_after_commit\": 1}", 500, "{\"error\":\"Internal Server Error\"}", true},
        {"{\"reset_before\": 1}", 0, NULL, false},
        {"{\"reset_after\": 1}", 0, NULL, true},
        {"{\"down\": true}", 0, NULL, false},
        {"{\"html\": 1}", 502, NULL, false},
        {"{\"html\": 1, \"html_commits\": true}", 502, NULL, true},
        {"{\"empty\": 1}", 200, "", true},
        {"{\"garbage\": 1}", 200, NULL, true},
        {"{\"insufficient\": true, \"business_status\": 400}", 400, NULL, false},
        {"{\"unauthorized\": true}", 401, NULL, false},
        {"{\"forbidden\": true}", 403, NULL, false},
        {"{\"reset_after\": 1, \"only\": \"balance\"}", 200, NULL, true},
        {"{\"latency\": 1, \"latency_jitter\": 1}", 200, NULL, true},
    };
    CLEANUP(sandbox_process_deinit) struct sandbox_process process = {0};
    long long done = 0;

    sandbox_process_start(&process, NULL);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        CLEANUP(sandbox_answer_deinit) struct sandbox_answer answer = {0};

        sandbox_order(&process, "{\"reset\": true}");
        sandbox_order(&process, rows[i].faults);
        sandbox_call(&process, &deduct, &answer);
        done += rows[i].done;
        cr_assert(sandbox_answer_dropped(&answer) == (rows[i].status == 0), "row %zu: %s", i,
                  curl_easy_strerror(answer.code));
        cr_assert(answer.status == rows[i].status, "row %zu: %ld %s", i, answer.status,
                  answer.body);
        cr_assert(!rows[i].body || strcmp(answer.body, rows[i].body) == 0, "row %zu: %s", i,
                  answer.body);
        cr_assert(sandbox_transaction_count(&process) == done, "row %zu", i);
        cr_assert(sandbox_balance(&process, "cus_ada", "prod_tokens") == START - done, "row %zu",
                  i);
    }
    cr_assert(sandbox_process_stop(&process) == 0);
}

Test(sandbox_faults, garbage_is_half_of_the_answer)
{
    static const char *const arguments[] = {"--fault", "garbage=1", NULL};
    CLEANUP(sandbox_process_deinit) struct sandbox_process process = {0};
    CLEANUP(sandbox_answer_deinit) struct sandbox_answer answer = {0};

    sandbox_process_start(&process, arguments);
    sandbox_call(&process, &deduct, &answer);
    cr_assert(answer.code == CURLE_OK && answer.json == NULL);
    cr_assert(strncmp(answer.body, "{\"balance\":", 11) == 0, "%s", answer.body);
}

Test(sandbox_faults, a_hanging_request_stops_no_other)
{
    CLEANUP(sandbox_process_deinit) struct sandbox_process process = {0};
    CLEANUP(sandbox_answer_deinit) struct sandbox_answer answer = {0};
    struct caller caller;

    sandbox_process_start(&process, NULL);
    sandbox_order(&process, "{\"hang\": 1, \"times\": 1}");
    caller_start(&caller, &process, &deduct);
    requests_await(&process, 1);
    sandbox_call(&process, &deduct, &answer);
    cr_assert(answer.status == 200);
    cr_assert(sandbox_request_count(&process, "by_status", "dropped") == 0);
    sandbox_order(&process, "{\"hang\": 0}");
    caller_join(&caller);
    cr_assert(sandbox_answer_dropped(&caller.answer));
    sandbox_answer_deinit(&caller.answer);
    cr_assert(sandbox_transaction_count(&process) == 2);
    cr_assert(sandbox_process_stop(&process) == 0);
}

Test(sandbox_faults, a_client_that_gives_up_ends_the_hanging)
{
    static const char *const arguments[] = {"--fault", "hang=1", "--fault", "hang_commits=false",
                                            NULL};
    CLEANUP(sandbox_process_deinit) struct sandbox_process process = {0};
    CLEANUP(sandbox_answer_deinit) struct sandbox_answer answer = {0};
    struct sandbox_call call = deduct;

    call.timeout_ms = 1000;
    sandbox_process_start(&process, arguments);
    sandbox_call(&process, &call, &answer);
    cr_assert(answer.code == CURLE_OPERATION_TIMEDOUT, "%s", curl_easy_strerror(answer.code));
    requests_await(&process, 1);
    dropped_await(&process, 1);
    cr_assert(sandbox_transaction_count(&process) == 0);
}

Test(sandbox_faults, sigterm_ends_it_whatever_waits)
{
    static const char *const orders[] = {"hang=1", "latency=3600000", "slow_read_write=3600000",
                                         "late_commit=3600000"};

    for (size_t i = 0; i < ARRAY_SIZE(orders); i++) {
        const char *const arguments[] = {"--fault", orders[i], NULL};
        CLEANUP(sandbox_process_deinit) struct sandbox_process process = {0};
        struct caller caller;

        sandbox_process_start(&process, arguments);
        caller_start(&caller, &process, &deduct);
        requests_await(&process, 1);
        cr_assert(sandbox_process_stop(&process) == 0, "%s", orders[i]);
        caller_join(&caller);
        sandbox_answer_deinit(&caller.answer);
    }
}

Test(sandbox_faults, a_late_deduct_is_dropped_and_done)
{
    static const char *const arguments[] = {"--fault", "late_commit=1", NULL};
    CLEANUP(sandbox_process_deinit) struct sandbox_process process = {0};
    CLEANUP(sandbox_answer_deinit) struct sandbox_answer answer = {0};

    sandbox_process_start(&process, arguments);
    sandbox_call(&process, &deduct, &answer);
    cr_assert(sandbox_answer_dropped(&answer));
    while (sandbox_transaction_count(&process) < 1)
        sched_yield();
    cr_assert(sandbox_balance(&process, "cus_ada", "prod_tokens") == START - 1);
}

Test(sandbox_faults, a_late_deduct_is_not_done_at_once)
{
    static const char *const arguments[] = {"--fault", "late_commit=3600000", NULL};
    CLEANUP(sandbox_process_deinit) struct sandbox_process process = {0};
    CLEANUP(sandbox_answer_deinit) struct sandbox_answer answer = {0};

    sandbox_process_start(&process, arguments);
    sandbox_call(&process, &deduct, &answer);
    cr_assert(sandbox_answer_dropped(&answer));
    cr_assert(sandbox_transaction_count(&process) == 0);
    cr_assert(sandbox_process_stop(&process) == 0);
}

/* What a client that gave up on a create must reckon with. */
Test(sandbox_faults, a_late_create_is_dropped_and_done)
{
    static const char *const arguments[] = {"--fault", "late_commit=1", "--fault",
                                            "only=subscription", NULL};
    CLEANUP(sandbox_process_deinit) struct sandbox_process process = {0};
    CLEANUP(sandbox_answer_deinit) struct sandbox_answer answer = {0};
    struct sandbox_call call = {
        .path = "/subscriptions",
        .body = "{\"customer_id\": \"cus_ada\", \"product_id\": \"prod_tokens\"}"};

    sandbox_process_start(&process, arguments);
    sandbox_call(&process, &call, &answer);
    cr_assert(sandbox_answer_dropped(&answer));
    while (sandbox_object_count(&process, "subscriptions") < 1)
        sched_yield();
    cr_assert(sandbox_process_stop(&process) == 0);
}

Test(sandbox_faults, a_key_is_locked_while_its_request_runs)
{
    static const char *const arguments[] = {"--fault", "slow_read_write=3600000", NULL};
    CLEANUP(sandbox_process_deinit) struct sandbox_process process = {0};
    CLEANUP(sandbox_answer_deinit) struct sandbox_answer answer = {0};
    struct sandbox_call call = deduct;
    struct caller caller;

    call.key = "k1";
    sandbox_process_start(&process, arguments);
    caller_start(&caller, &process, &call);
    requests_await(&process, 1);
    sandbox_call(&process, &call, &answer);
    cr_assert(answer.status == 409, "%ld", answer.status);
    cr_assert(strcmp(answer.body, "{\"error\":\"Request in progress\"}") == 0, "%s", answer.body);
    cr_assert(sandbox_process_stop(&process) == 0);
    caller_join(&caller);
    sandbox_answer_deinit(&caller.answer);
}

/* What 20 deducts of 1 at once leave of 100. */
static long long twenty_at_once(const char *faults)
{
    CLEANUP(sandbox_process_deinit) struct sandbox_process process = {0};
    const struct sandbox_call call = {.path = "/customers/cus_t/credits/prod_t/transaction",
                                      .body = ONE};
    struct caller callers[20];
    long long left;

    sandbox_process_start(&process, NULL);
    sandbox_grant(&process, "cus_t", "prod_t", 100, false);
    sandbox_order(&process, faults);
    for (size_t i = 0; i < ARRAY_SIZE(callers); i++)
        caller_start(&callers[i], &process, &call);
    for (size_t i = 0; i < ARRAY_SIZE(callers); i++) {
        caller_join(&callers[i]);
        cr_assert(callers[i].answer.status == 200, "%ld", callers[i].answer.status);
        sandbox_answer_deinit(&callers[i].answer);
    }
    cr_assert(sandbox_transaction_count(&process) == 20);
    left = sandbox_balance(&process, "cus_t", "prod_t");
    if (left > 80)
        cr_assert(sandbox_request_count(&process, NULL, "max_concurrent_writes_per_balance") > 1);
    cr_assert(sandbox_process_stop(&process) == 0);
    return left;
}

Test(sandbox_faults, twenty_deducts_at_once_overwrite_one_another)
{
    long long left = twenty_at_once("{\"slow_read_write\": 500}");

    cr_assert(left > 80 && left < 100, "%lld", left);
}

Test(sandbox_faults, twenty_deducts_at_once_without_the_fault_leave_80)
{
    cr_assert(twenty_at_once("{}") == 80);
}

Test(sandbox_faults, writes_at_once_are_counted_for_each_balance)
{
    CLEANUP(sandbox_process_deinit) struct sandbox_process process = {0};
    struct sandbox_call other = {.path = "/customers/cus_grace/credits/prod_tokens/transaction",
                                 .body = ONE};
    struct caller first, second;

    sandbox_process_start(&process, NULL);
    sandbox_order(&process, "{\"slow_read_write\": 3600000}");
    caller_start(&first, &process, &deduct);
    caller_start(&second, &process, &other);
    requests_await(&process, 2);
    cr_assert(sandbox_request_count(&process, NULL, "max_concurrent_writes") == 2);
    cr_assert(sandbox_request_count(&process, NULL, "max_concurrent_writes_per_balance") == 1);
    cr_assert(sandbox_process_stop(&process) == 0);
    caller_join(&first);
    caller_join(&second);
    sandbox_answer_deinit(&first.answer);
    sandbox_answer_deinit(&second.answer);
}
