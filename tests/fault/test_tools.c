/*
 * The examples of client/examples and creditctl against the real daemon: what they print, and that
 * they end with 0 (done), 1 (the daemon said no), 2 (usage) or 3 (no daemon).
 */
#include "house.h"
#include <criterion/criterion.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

static struct house house;

static void teardown(void)
{
    house_deinit(&house);
}

TestSuite(tools, .fini = teardown, .timeout = 500);

#define MOST 12

struct run {
    const char *arguments[MOST];
    int status;
    const char *output, *errors; /* a part of each; NULL: nothing may be there */
};

static void check_run(const char *program, const struct run *run)
{
    CLEANUP(cleanup_free) char *socket = NULL;
    const char *environment[] = {NULL, NULL};
    struct outcome outcome;
    const char *first = run->arguments[0] ? run->arguments[0] : "";

    cr_assert_gt(asprintf(&socket, "CREDITD_SOCKET=%s", house.socket), 0);
    environment[0] = socket;
    outcome_init(&outcome, &house.directory, program, run->arguments, environment);
    cr_expect_eq(outcome.status, run->status, "%s %s ended with %d: %s%s", program, first,
                 outcome.status, outcome.output, outcome.errors);
    if (run->output)
        cr_expect_not_null(strstr(outcome.output, run->output), "%s %s: %s", program, first,
                           outcome.output);
    else
        cr_expect_str_eq(outcome.output, "", "%s %s", program, first);
    if (run->errors)
        cr_expect_not_null(strstr(outcome.errors, run->errors), "%s %s: %s", program, first,
                           outcome.errors);
    else
        cr_expect_str_eq(outcome.errors, "", "%s %s", program, first);
    outcome_deinit(&outcome);
}

static void start(void)
{
    house_start(&house, 3, 1000, "push_interval = 50ms\n");
}

static const struct run ctl_runs[] = {
    {{"ping"}, 0, "0.1", NULL},
    {{"status"}, 0, "upstream     not asked yet", NULL},
    {{"--json", "status"}, 0, "\"durability\":", NULL},
    {{"balance", "--customer", "cus_0", "prod_tokens"}, 0, "1,000", NULL},
    {{"check", "--customer", "cus_0", "prod_tokens", "1001"}, 0, "", NULL},
    {{"consume", "--customer", "cus_0", "prod_tokens", "10"},
     0,
     "spent 10 credits, 990 left",
     NULL},
    {{"consume", "--customer", "cus_0", "prod_tokens", "5", "--key", "order-1"},
     0,
     "985 left",
     NULL},
    {{"consume", "--customer", "cus_0", "prod_tokens", "5", "--key", "order-1"},
     0,
     "985 left",
     NULL},
    {{"--json", "consume", "--customer", "cus_0", "prod_tokens", "5", "--key", "order-1"},
     0,
     "\"replayed\":true",
     NULL},
    {{"transactions", "--customer", "cus_0", "prod_tokens"}, 0, "tx_", NULL},
    {{"--json", "transactions", "--customer", "cus_0", "prod_tokens"},
     0,
     "\"has_more\":false",
     NULL},
    {{"call", "credits.balance", "{\"customer_id\": \"cus_0\", \"product_id\": \"prod_tokens\"}"},
     0,
     "985",
     NULL},
    {{"status"}, 0, "upstream     reachable", NULL},
    {{"balance", "--customer", "cus_nobody", "prod_tokens"},
     0,
     "StellarTools knows no balance of cus_nobody",
     NULL},
    {{"events"}, 0, "none", NULL},
    {{"--json", "events"}, 0, "\"last\":0", NULL},
    {{"hooks"}, 0, "on_credits_low            no", NULL},
    {{"refresh", "--customer", "cus_0"}, 0, "1 balance will be read", NULL},
    {{"refresh", "prod_tokens"}, 0, " will be read", NULL},
    {{"metrics"}, 0, "creditd_requests_total", NULL},
    {{"push", "list"}, 0, "", NULL},
    {{"--json", "push", "list"}, 0, "\"data\":", NULL},
    {{"consume", "--customer", "cus_0", "prod_tokens", "6", "--key", "order-1"}, 1, NULL, "key"},
    {{"consume", "--customer", "cus_0", "prod_tokens", "5000"}, 1, NULL, "insufficient_credits"},
    {{"--json", "consume", "--customer", "cus_0", "prod_tokens", "5000"},
     1,
     NULL,
     "\"available\":985"},
    {{"--json", "consume", "--customer", "cus_nobody", "prod_tokens", "1"},
     1,
     NULL,
     "\"available\":0"},
    {{"--json", "consume", "--customer", "cus_0", "prod_nothing", "1"}, 1, NULL, "unknown_product"},
    {{"--json", "call", "no.such.method"}, 1, NULL, "unknown_method"},
    {{"--json", "call", "credits.balance", "{}"}, 1, NULL, "invalid_parameter"},
    {{"--json", "push", "retry", "psh_0_0_0"}, 1, NULL, "not_found"},
    {{"--json", "push", "drop", "psh_0_0_0"}, 1, NULL, "not_found"},
    {{NULL}, 2, NULL, "usage"},
    {{"no-such-command"}, 2, NULL, "no-such-command"},
    {{"consume", "--customer", "cus_0", "prod_tokens"}, 2, NULL, "amount"},
    {{"consume", "--customer", "cus_0", "prod_tokens", "many"}, 2, NULL, "many"},
    {{"consume", "prod_tokens", "1"}, 2, NULL, "--customer"},
    {{"consume", "--customer", "cus_0", "prod_tokens", "-3"}, 2, NULL, "not -3"},
    {{"call", "ping", "{not json"}, 2, NULL, ""},
    {{"monitor", "--types", "credits.lo"}, 2, NULL, "no event type credits.lo"},
    {{"--socket", "/nonexistent/creditd.sock", "ping"}, 3, NULL, "/nonexistent/creditd.sock"},
    {{"--json", "--socket", "/nonexistent/creditd.sock", "ping"}, 3, NULL, "\"no_daemon\""},
};

Test(tools, creditctl_says_what_happened)
{
    start();
    for (size_t i = 0; i < ARRAY_SIZE(ctl_runs); i++)
        check_run("creditctl", &ctl_runs[i]);
    house_converge(&house);
    cr_assert_eq(house_judge(&house).credits, 15);
    house_deinit(&house);
}

static char *example(const char *name)
{
    char *path = NULL;

    cr_assert_gt(asprintf(&path, "%s/client/example-%s", getenv("CREDITD_BUILD_ROOT"), name), 0);
    return path;
}

static const struct run spend_runs[] = {
    {{"cus_0", "prod_tokens", "7"}, 0, "spent 7 credits", NULL},
    {{"cus_0", "prod_tokens", "5000"}, 1, NULL, ""},
    {{"cus_nobody", "prod_tokens", "1"}, 1, NULL, ""},
    {{NULL}, 2, NULL, "usage"},
};

static const struct run async_runs[] = {
    {{"cus_1", "prod_tokens", "500"}, 0, "500 sold for 500 credits, 0 refused", NULL},
    {{"cus_1", "prod_tokens", "501"}, 1, "500 sold for 500 credits, 1 refused", ""},
    {{NULL}, 2, NULL, "usage"},
};

Test(tools, the_examples_spend)
{
    CLEANUP(cleanup_free) char *spend = example("spend"), *async_uv = example("async_uv");

    start();
    for (size_t i = 0; i < ARRAY_SIZE(spend_runs); i++)
        check_run(spend, &spend_runs[i]);
    for (size_t i = 0; i < ARRAY_SIZE(async_runs); i++)
        check_run(async_uv, &async_runs[i]);
    house_converge(&house);
    cr_assert_eq(house_judge(&house).credits, 1007);
    house_deinit(&house);
}

/* A purchase whose answer did not come in time is asked for again by another process, and is made
 * once. */
Test(tools, an_example_asks_again_with_its_stamp)
{
    CLEANUP(cleanup_free) char *idempotent = example("idempotent"), *socket = NULL;
    const char *const warm[] = {"cus_2", "prod_tokens", "1", NULL};
    const char *arguments[] = {"cus_2", "prod_tokens", "40", NULL, NULL};
    const char *environment[] = {NULL, NULL};
    struct outcome outcome;
    char stamp[64] = "";
    pid_t serve;

    start();
    cr_assert_gt(asprintf(&socket, "CREDITD_SOCKET=%s", house.socket), 0);
    environment[0] = socket;
    outcome_init(&outcome, &house.directory, idempotent, warm, environment);
    cr_assert_eq(outcome.status, 0, "%s", outcome.errors);
    outcome_deinit(&outcome);
    serve = house_role(&house, "creditd-serve", 0);
    cr_assert_eq(kill(serve, SIGSTOP), 0);
    outcome_init(&outcome, &house.directory, idempotent, arguments, environment);
    cr_assert_eq(kill(serve, SIGCONT), 0);
    cr_assert_eq(outcome.status, 4, "%d: %s", outcome.status, outcome.errors);
    cr_assert_eq(sscanf(outcome.output, "ask again with %60s", stamp), 1, "%s", outcome.output);
    outcome_deinit(&outcome);
    arguments[3] = stamp;
    for (int i = 0; i < 2; i++) {
        outcome_init(&outcome, &house.directory, idempotent, arguments, environment);
        cr_assert_eq(outcome.status, 0, "%s", outcome.errors);
        cr_assert_not_null(strstr(outcome.output, "spent 40 credits, 959 left"), "%s",
                           outcome.output);
        outcome_deinit(&outcome);
    }
    house_converge(&house);
    cr_assert_eq(house_judge(&house).credits, 41);
    house_deinit(&house);
}
