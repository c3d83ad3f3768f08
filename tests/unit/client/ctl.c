/* creditctl and the examples, run as programs against a small daemon: output and exit codes. */
#include "program.h"
#include <criterion/criterion.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

TestSuite(ctl, .init = program_start, .fini = program_stop);

Test(ctl, tables_for_people)
{
    cr_assert_eq(ctl("$P balance --customer cus_1 prod_1"), 0, "%s", err);
    has(out, "available       ");
    has(out, " 100,000\n"); /* how far to the right, says the age of the last line */
    cr_assert_eq(ctl("$P status"), 0);
    has(out, "9.9, degraded, up for 3 h 12 min");
    has(out, "1,234,567 credits in 12 balances");
    has(out, "nothing is pushed: unauthorized");
    has(out, "pushes       ? open");
    has(out, "events       1,234 so far, 1 subscriber\n");
    has(out, "hooks        2 failed, 3 parked: creditctl hooks shows them\n");
    cr_assert_eq(ctl("$P transactions --user u prod_1"), 0);
    has(out, "time                 transaction  type    credits        raw");
    has(out, "2023-11-14 22:13:20  tx_1_1       deduct    1,234  1,233,567");
    cr_assert_eq(ctl("$P transactions --user u prod_1 --offset 20"), 0);
    has(out, "There are more: --offset 22");
    has(out, "gr_1_1       grant        50          -  100,000  dropped\n");
    has(out, "There were older ones; they are no longer kept.\n");
    cr_assert_eq(ctl("$P push list"), 0);
    has(out, "psh_1_1_1  parked  cus_1");
    cr_assert_eq(ctl("$P push drop psh_1_1_1 --reason because"), 0);
    has(out, "psh_1_1_1: dropped");
    cr_assert_eq(ctl("$P push settle psh_1_1_1 rf_1"), 0);
    has(out, "psh_1_1_1: settled");
    cr_assert_eq(ctl("$P push settle psh_1_1_1"), 2);
    cr_assert_eq(ctl("$P ping"), 0);
    cr_assert_eq(ctl("$P check --customer c --product p --amount 5"), 0);
    has(out, "sufficient: it takes 5 credits");
}

Test(ctl, a_balance_that_stellartools_does_not_know_is_said)
{
    program_server.balance = -3; /* upstream 0, and nothing ever granted */
    program_server.is_unknown = true;
    cr_assert_eq(ctl("$P balance --customer cus_1 prod_1"), 0, "%s", err);
    has(out, "StellarTools knows no balance of cus_1 for prod_1. Are the ids right?\n");
    program_server.is_unknown = false;
    cr_assert_eq(ctl("$P balance --customer cus_1 prod_1"), 0, "%s", err);
    cr_assert_null(strstr(out, "knows no balance"));
}

Test(ctl, one_json_document_for_programs)
{
    static const char *const lines[] = {
        "$P --json status",
        "$P status --json",
        "$P --json ping",
        "$P balance --json --customer c p",
        "$P transactions --json --customer c p",
        "$P push list --json",
        "$P check --json --customer c p 5",
        "$P consume --json --customer c p 5 --metadata '{\"a\": [1, null, {\"b\": 1.5}]}'",
        "$P call ping",
        "$P call --json credits.balance '{\"user_id\": \"u\", \"product_id\": \"p\"}'",
        "echo '{\"user_id\": \"u\", \"product_id\": \"p\"}' | $P call credits.balance -",
    };

    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        cr_assert_eq(ctl(lines[i]), 0, "%s: %s", lines[i], err);
        json_decref(parse(out));
    }
}

Test(ctl, exit_codes)
{
    json_t *error;

    cr_assert_eq(ctl("$P consume --customer c p 5"), 0);
    has(out, "spent 5 credits, 99,995 left (tx_1_1)");
    cr_assert_eq(ctl("$P consume --customer c p 500000"), 1);
    has(err, "12 credits are needed: there are 99,995 (insufficient_credits)");
    cr_assert_eq(ctl("$P consume --json --customer c p 500000"), 1);
    error = parse(err);
    cr_assert_str_eq(json_string_value(json_object_get(error, "code")), "insufficient_credits");
    json_decref(error);
    cr_assert_eq(ctl("$P --socket /nowhere/s status"), 3);
    has(err, "no daemon listens at /nowhere/s");
    has(err, "is it running?");
    cr_assert_eq(ctl("$P --json --socket /nowhere/s status"), 3);
    json_decref(parse(err));
    cr_assert_eq(ctl("$P call no.such"), 1);
}

Test(ctl, usage_says_what_is_wrong)
{
    static const struct {
        const char *line, *message;
    } wrong[] = {
        {"$P", "usage: creditctl"},
        {"$P nonsense", "there is no command nonsense"},
        {"$P push nonsense", "there is no command push nonsense"},
        {"$P balance prod", "exactly one of --customer"},
        {"$P balance --customer c", "the product is missing"},
        {"$P balance --customer c --product p q", "q is one argument too many"},
        {"$P balance --customer c p q", "balance takes PRODUCT"},
        {"$P consume --customer c p 0", "must be an integer from 1"},
        {"$P consume --customer c p -35", "amounts are whole numbers from 1 on, not -35"},
        {"$P consume --customer c p --amount -35", "from 1 to 9007199254740991, not -35"},
        {"$P consume --customer c p 5x", "must be an integer from 1"},
        {"$P consume --customer c/d p 5", "customer_id must be"},
        {"$P consume --customer c p 5 --metadata '[1]'", "must be a JSON object"},
        {"$P consume --customer c p 5 --metadata '{'", "no JSON"},
        {"$P consume --customer c p 5 --stamp 12", "48 digits"},
        {"$P status --fresh", "--fresh is not an option here"},
        {"$P --socket", "--socket needs a value"},
        {"$P call ping '{\"a\":1,\"a\":2}'", "no JSON"},
        {"$P call ping '{\"a\":1}'", "ping takes no parameter a; it takes none"},
        {"$P call credits.consume '{\"customer_id\":\"c\",\"product_id\":\"p\",\"raw_amount\":1,"
         "\"idempotancy_key\":\"k\"}'",
         "credits.consume takes no parameter idempotancy_key; it takes session, user_id, "
         "customer_id,"
         " product_id, raw_amount, metadata, idempotency_key, stamp;"},
    };

    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        cr_assert_eq(ctl(wrong[i].line), 2, "%s", wrong[i].line);
        has(err, wrong[i].message);
    }
    cr_assert_eq(ctl("$P --help"), 0);
    has(out, "push retry");
    has(out, "--timeout SECONDS");
    cr_assert_eq(ctl("$P --version"), 0);
    has(out, "creditctl " CREDITD_VERSION "\n");
    cr_assert_eq(ctl("$P refresh --help"), 0);
    has(out, "usage: creditctl refresh [PRODUCT] [OPTION]...");
    cr_assert_eq(ctl("$P consume --help"), 0);
    has(out, "--metadata JSON");
    has(out, "usage: creditctl consume (--customer ID | --user ID | --session-file FILE) PRODUCT");
}

Test(ctl, K1_the_same_key_spends_once)
{
    cr_assert_eq(ctl("$P consume --customer c p 5 --key order-1"), 0);
    cr_assert_eq(ctl("$P consume --customer c p 5 --key order-1"), 0);
    has(out, "had already spent 5 credits");
    cr_assert_eq(server_balance(&program_server), 99995);
}

Test(ctl, K3_a_stamp_is_printed_and_taken)
{
    char line[256], *stamp;

    program_server.mute = 1;
    cr_assert_eq(ctl("$P consume --timeout 1 --customer c p 5"), 1);
    has(err, "the daemon has not answered in time\n");
    stamp = strstr(err, "--stamp ");
    cr_assert_not_null(stamp, "%s", err);
    snprintf(line, sizeof line, "$P consume --customer c p 5 %.56s", stamp);
    cr_assert_eq(ctl(line), 0, "%s", err);
    has(out, "had already spent");
    cr_assert_eq(server_balance(&program_server), 99995);
}

Test(ctl, a_session_comes_from_a_file_and_is_hidden_when_decoded)
{
    cr_assert_eq(ctl("echo token | $P balance --session-file - p"), 0, "%s", err);
    cr_assert_eq(ctl("printf '\\224\\0\\1\\241m\\221\\201\\247session\\243abc\\223\\2\\241n\\220' |"
                     "$P decode"),
                 0, "%s", err);
    cr_assert_str_eq(out, "[0,1,\"m\",[{\"session\":\"(hidden)\"}]]\n[2,\"n\",[]]\n");
    cr_assert_eq(ctl("printf '\\300\\224\\0' | $P decode"), 1);
    cr_assert_str_eq(out, "null\n");
    has(err, "the message at byte 1: cut off");
    cr_assert_eq(ctl("printf '\\301' | $P decode -"), 1);
}

Test(ctl, the_examples_run)
{
    char line[256];

    cr_assert_eq(run(EXAMPLE_SPEND, "$P cus_1 prod_1 10"), 0, "%s", err);
    cr_assert_str_eq(out, "spent 10 credits (tx_1_1), 99990 left\n");
    cr_assert_eq(run(EXAMPLE_SPEND, "$P cus_1 prod_1 1000000"), 1);
    program_server.hang_ups = 2;
    cr_assert_eq(run(EXAMPLE_ASYNC_UV, "$P cus_1 prod_1 500"), 0, "%s", err);
    cr_assert_str_eq(out, "500 sold for 500 credits, 0 refused\n");
    program_server.mute = 1;
    cr_assert_eq(run(EXAMPLE_IDEMPOTENT, "$P cus_1 prod_1 90"), 4);
    has(out, "ask again with ");
    out[strcspn(out, "\n")] = '\0';
    snprintf(line, sizeof line, "$P cus_1 prod_1 90 %.48s", out + strlen("ask again with "));
    cr_assert_eq(run(EXAMPLE_IDEMPOTENT, line), 0, "%s", err);
    cr_assert_str_eq(out, "had already spent 90 credits, 99400 left\n");
    cr_assert_eq(server_balance(&program_server), 99400);
}
