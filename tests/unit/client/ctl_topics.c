/* creditctl's commands for all but plain credits, and their examples. */
#include "program.h"
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

TestSuite(ctl_topics, .init = program_start, .fini = program_stop);

/* A line that must succeed, and what it prints. */
struct line {
    const char *line, *output;
};

static void check_lines(const struct line *lines, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        cr_assert_eq(ctl(lines[i].line), 0, "%s: %s", lines[i].line, err);
        has(out, lines[i].output);
    }
}

#define CHECK_LINES(lines) check_lines(lines, sizeof(lines) / sizeof(lines)[0])

Test(ctl_topics, reservations)
{
    static const struct line lines[] = {
        {"$P reserve --user u prod_1 40 --ttl 30m", "rsv_1_1, cus_1, prod_1\n"},
        {"$P reserve --user u prod_1 40 --ttl 30m", "until        2023-11-14 22:43:20\n"},
        {"$P reserve --user u prod_1 40", "held                          40\n"},
        {"$P extend --user u rsv_1_1 --ttl 1h", "until        2023-11-14 23:13:20\n"},
        {"$P settle --user u rsv_1_1 20", "spent 20 credits, 99,000 left (tx_1_2)\n"},
        {"$P settle --user u rsv_1_1 1250", "had already spent 50 credits"},
        {"$P settle --user u rsv_1_1 1250", "1,200 credits more were used than there are\n"},
        {"$P release --user u rsv_1_9", "rsv_1_9: released, 100,000 credits available\n"},
    };

    CHECK_LINES(lines);
}

Test(ctl_topics, K1_a_reservation_and_a_grant_are_made_once_under_a_key)
{
    static const struct line lines[] = {
        {"$P reserve --user u prod_1 40 --key k", "rsv_1_1, cus_1, prod_1\n"},
        {"$P reserve --user u prod_1 40 --key k", "(had been made before)\n"},
        {"$P grant --user u prod_1 1200 --key g", "granted 1,200 credits, 101,200 available"},
        {"$P grant --user u prod_1 1200 --key g", "had already granted 1,200 credits"},
    };

    CHECK_LINES(lines);
}

Test(ctl_topics, K3_a_grants_stamp_is_printed_and_taken)
{
    char line[256], *stamp;

    program_server.mute = 1;
    cr_assert_eq(ctl("$P grant --timeout 1 --user u prod_1 5"), 1);
    stamp = strstr(err, "--stamp ");
    cr_assert_not_null(stamp, "%s", err);
    snprintf(line, sizeof line, "$P grant --user u prod_1 5 %.56s", stamp);
    cr_assert_eq(ctl(line), 0, "%s", err);
    has(out, "had already granted");
}

Test(ctl_topics, what_is_given)
{
    static const struct line lines[] = {
        {"$P refund credits --user u prod_1 tx_1_1 --reason broken",
         "gave back 1,200 credits, 101,200 available (rf_1_3)\n"},
        {"$P refund credits --user u prod_1 tx_1_1 --amount 5", "had already given back"},
        {"$P grant --user u prod_1 1200 --reason gift",
         "200 of them can be spent when StellarTools has confirmed them\n"},
        {"$P refund payment --user u pay_7 --key k", "payment_id  pay_7\n"},
        {"$P refund payment --json --user u pay_7", "\"status\":\"pending\""},
        {"$P access --user u prod_1", "access by subscription sub_1, active\n"},
        {"$P access --user u nobody", "no access\n"},
    };

    CHECK_LINES(lines);
}

Test(ctl_topics, customers)
{
    static const struct line lines[] = {
        {"$P customer create --user u --email e@x --name Eve", "email              e@x\n"},
        {"$P customer retrieve --user u --fresh", "wallets.0.address  GABC\n"},
        {"$P customer retrieve --user u", "metadata.plan      gold\n"},
        {"$P customer retrieve --user u", "phone              -\n"},
        {"$P customer retrieve --user u", "StellarTools was last heard: "},
        {"$P customer update --user u --name Eve", "name               Eve\n"},
        {"$P customer update --user u --metadata '{\"a\": 1}'", "id                 cus_1\n"},
        {"$P customer link u cus_2", "customer_id  cus_2\n"},
        {"$P customer unlink u", "user_id      u\n"},
        {"$P user created u e@x --name Eve", "user_id      u\n"},
    };

    CHECK_LINES(lines);
    cr_assert_eq(program_server.asked[PROTO_METHOD_CUSTOMER_UPDATE], 2);
}

Test(ctl_topics, subscriptions)
{
    static const struct line lines[] = {
        {"$P subscription list --user u", "subscription  status  product"},
        {"$P subscription list --user u --fresh",
         "sub_2         paused  prod_pro  2026-12-01T00:00:00.000Z  yes\n"},
        {"$P subscription list --user u --json", "\"object\":\"list\""},
        {"$P subscription create --user u prod_pro --trial-days 7 --cancel-at-period-end no",
         "status                active\n"},
        {"$P subscription retrieve --user u sub_1", "cancel_at_period_end  yes\n"},
        {"$P subscription update --user u sub_1 --cancel-at-period-end no", "sub_1"},
        {"$P subscription pause --user u sub_1", "status                paused\n"},
        {"$P subscription resume --user u sub_1", "status                active\n"},
        {"$P subscription cancel --user u sub_1", "status                active\n"},
    };

    CHECK_LINES(lines);
    for (int m = PROTO_METHOD_SUBSCRIPTION_CREATE; m <= PROTO_METHOD_SUBSCRIPTION_RESUME; m++)
        cr_assert_geq(program_server.asked[m], 1);
}

Test(ctl_topics, control_characters_do_not_reach_the_terminal)
{
    cr_assert_eq(ctl("$P customer retrieve --user u"), 0);
    has(out, "Ada ?[31m\n");
    cr_assert_null(strchr(out, 0x1b));
}

Test(ctl_topics, usage_says_what_is_wrong)
{
    static const struct line wrong[] = {
        {"$P customer", "there is no command customer"},
        {"$P customer nonsense", "there is no command customer nonsense"},
        {"$P customer retrieve", "exactly one of --customer"},
        {"$P customer update --user u", "nothing is to be changed"},
        {"$P customer link u", "customer link takes USER CUSTOMER"},
        {"$P subscription update --user u s", "nothing is to be changed"},
        {"$P subscription create --user u p --cancel-at-period-end maybe", "must be yes or no"},
        {"$P subscription create --user u p --trial-days 0", "--trial-days must be an integer"},
        {"$P reserve --user u p 5 --ttl 30", "--ttl must be a time like"},
        {"$P reserve --user u p 5 --ttl -3s", "--ttl must be a time like"},
        {"$P reserve --user u p 5 --ttl 9999999999999h", "--ttl must be a time like"},
        {"$P reserve --user u p 5 --key k --stamp s", "either --key or --stamp"},
        {"$P settle --user u rsv_1_1 0", "must be an integer from 1"},
        {"$P release --user u rsv/1", "reservation_id must be"},
        {"$P refund credits --user u p", "refund credits takes PRODUCT TRANSACTION"},
        {"head -c 17000 /dev/zero | tr '\\0' s | $P access --session-file - p",
         "more than a session may have"},
    };

    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        cr_assert_eq(ctl(wrong[i].line), 2, "%s: %s", wrong[i].line, out);
        has(err, wrong[i].output);
    }
    cr_assert_eq(ctl("head -c 16384 /dev/zero | tr '\\0' s | $P access --session-file - p"), 0);
}

Test(ctl_topics, any_method_is_repeated_as_its_own_command_is)
{
    program_server.hang_ups = 1;
    cr_assert_eq(
        ctl("$P call credits.settle '{\"user_id\": \"u\", \"reservation_id\": \"rsv_1_1\", "
            "\"raw_amount\": 5}'"),
        0, "%s", err);
    program_server.hang_ups = 1;
    cr_assert_eq(ctl("$P call customer.update '{\"user_id\": \"u\", \"name\": \"n\"}'"), 1);
    has(err, "look before you ask again");
}

Test(ctl_topics, the_examples_run)
{
    program_server.hang_ups = 2;
    cr_assert_eq(run(EXAMPLE_JOB, "$P cus_1 prod_1 40 53"), 0, "%s", err);
    has(out, "40 credits are held\npart 1 of 3 is done\n");
    has(out, "spent 50 credits (tx_1_2), 3 short\n");
    cr_assert_eq(run(EXAMPLE_SESSION, "echo 'better-auth.session_token=abc' | $P prod_1 30"), 0);
    cr_assert_str_eq(out, "99970 credits left\n200\n");
    cr_assert_eq(run(EXAMPLE_SESSION, "echo 'better-auth.session_token=abc' | $P prod_1 300000"),
                 1);
    cr_assert_str_eq(out, "402\n");
    cr_assert_eq(run(EXAMPLE_SESSION, "echo 'better-auth.session_token=abc' | $P nobody 1"), 1);
    cr_assert_str_eq(out, "403\n");
    cr_assert_eq(run(EXAMPLE_CUSTOMER, "$P u eve@example.com"), 0, "%s", err);
    has(out, "customer cus_1, as last heard\nemail: eve@example.com\n");
    has(out, "wallet: GABC\n");
    cr_assert_eq(run(EXAMPLE_SUBSCRIPTIONS, "$P cus_1"), 0, "%s", err);
    cr_assert_str_eq(out, "sub_1 ends 2026-12-01T00:00:00.000Z\n");
    program_server.hang_ups = 1;
    cr_assert_eq(run(EXAMPLE_REFUND, "$P cus_1 pay_1 order-1"), 0, "%s", err);
    cr_assert_str_eq(out, "refund rf_1 is pending\n");
}
