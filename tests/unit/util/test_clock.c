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

Test(clock, the_clocks_run)
{
    int64_t boot = clock_boot_ms(), monotonic = clock_monotonic_ns();

    cr_assert_gt(clock_wall_ms(), INT64_C(1600000000000)); /* after 2020, in milliseconds */
    while (clock_boot_ms() == boot || clock_monotonic_ns() == monotonic)
        ;
    cr_assert_gt(clock_boot_ms(), boot);
    cr_assert_gt(clock_monotonic_ns(), monotonic);
}
