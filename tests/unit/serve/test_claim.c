/* What must stay when places move and the disk is behind. */
#include "claim.h"
#include <criterion/criterion.h>

#define NONE UINT64_MAX

Test(claim, what_is_durable_counts_at_once)
{
    struct claim claim = {0};

    cr_assert_eq(claim_settle(&claim, 5, 10, 10), 5);
    cr_assert_eq(claim_settle(&claim, 9, 20, 20), 9);
    cr_assert_eq(claim_settle(&claim, NONE, 30, 30), NONE);
}

Test(claim, a_place_that_has_moved_counts_when_it_is_durable)
{
    struct claim claim = {0};

    cr_assert_eq(claim_settle(&claim, 5, 10, 10), 5);
    cr_assert_eq(claim_settle(&claim, 7, 20, 15), 5);
    cr_assert_eq(claim_settle(&claim, 8, 25, 19), 5, "not yet");
    cr_assert_eq(claim_settle(&claim, 9, 30, 20), 7);
    cr_assert_eq(claim_settle(&claim, NONE, 40, 29), 7);
    cr_assert_eq(claim_settle(&claim, NONE, 41, 30), 9);
    cr_assert_eq(claim_settle(&claim, NONE, 50, 41), NONE);
}

Test(claim, who_needs_more_is_heard_at_once)
{
    struct claim claim = {0};

    cr_assert_eq(claim_settle(&claim, 9, 10, 10), 9);
    cr_assert_eq(claim_settle(&claim, 3, 20, 10), 3);
    cr_assert_eq(claim_settle(&claim, 9, 30, 20), 3, "that it moved on is not durable");
    cr_assert_eq(claim_settle(&claim, 9, 30, 30), 9);
}

Test(claim, in_the_beginning_everything_stays)
{
    struct claim claim = {0};

    cr_assert_eq(claim_settle(&claim, NONE, 10, 9), 0);
    cr_assert_eq(claim_settle(&claim, NONE, 11, 10), NONE);
}
