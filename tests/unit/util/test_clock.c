#include <criterion/criterion.h>
#include <util/clock.h>

Test(clock, ledger_time_follows_boot_time_from_the_wall)
{
    struct ledger_clock clock;

    ledger_clock_init(&clock, 0, 1000000, 500);
    cr_assert_eq(ledger_clock_at(&clock, 500), 1000000);
    cr_assert_eq(ledger_clock_at(&clock, 501), 1000001);
    cr_assert_eq(ledger_clock_at(&clock, 60500), 1060000);
}

Test(clock, ledger_time_does_not_start_before_what_is_recorded)
{
    struct ledger_clock clock;

    ledger_clock_init(&clock, 2000000, 1000000, 500);
    cr_assert_eq(ledger_clock_at(&clock, 500), 2000000);
    cr_assert_eq(ledger_clock_at(&clock, 700), 2000200);
}

Test(clock, ledger_time_never_goes_back)
{
    struct ledger_clock clock;

    ledger_clock_init(&clock, 0, 1000000, 500);
    cr_assert_eq(ledger_clock_at(&clock, 499), 1000000);
    cr_assert_eq(ledger_clock_at(&clock, INT64_MIN), 1000000);
}

Test(clock, a_start_looks_at_the_wall_clock)
{
    static const int64_t last = INT64_C(1790000000000), day = INT64_C(24) * 60 * 60 * 1000;
    static const struct {
        int64_t last, ahead;
        enum ledger_clock_state state;
    } table[] = {
        {last, 0, LEDGER_CLOCK_FINE},          {last, -60000, LEDGER_CLOCK_FINE},
        {last, -60001, LEDGER_CLOCK_BEHIND},   {last, -last, LEDGER_CLOCK_BEHIND},
        {last, 30 * day, LEDGER_CLOCK_FINE},   {last, 30 * day + 1, LEDGER_CLOCK_AHEAD},
        {last, 400 * day, LEDGER_CLOCK_AHEAD}, {last, 400 * day + 1, LEDGER_CLOCK_FAR_AHEAD},
        {0, last, LEDGER_CLOCK_FINE}, /* a new ledger */
    };

    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
        cr_expect_eq(ledger_clock_judge(table[i].last, table[i].last + table[i].ahead),
                     table[i].state, "case %zu", i);
}

Test(clock, the_clocks_run)
{
    int64_t boot = clock_boot_ms(), monotonic = clock_monotonic_ns();

    cr_assert_gt(clock_wall_ms(), INT64_C(1600000000000)); /* after 2020, in milliseconds */
    while (clock_boot_ms() == boot || clock_monotonic_ns() == monotonic)
        ;
    cr_assert_gt(clock_boot_ms(), boot);
    cr_assert_gt(clock_monotonic_ns(), monotonic);
}
