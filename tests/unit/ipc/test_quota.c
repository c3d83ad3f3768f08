/* Charging, refusing and undoing. */
#include <criterion/criterion.h>
#include <errno.h>
#include <ipc/quota.h>
#include <string.h>

#define CONNECTIONS IPC_RESOURCE_CONNECTIONS
#define BYTES IPC_RESOURCE_BYTES
#define IN_FLIGHT IPC_RESOURCE_IN_FLIGHT

static struct ipc_quota *quota;

static void setup(void)
{
    struct ipc_quota_limits limits = {.user = {3, 1000, 10}, .total = {5, 1500, 0}};

    cr_assert_eq(ipc_quota_new(&limits, &quota), 0);
}

static void teardown(void)
{
    quota = ipc_quota_free(quota);
    cr_assert_null(quota);
}

TestSuite(quota, .init = setup, .fini = teardown);

Test(quota, a_user_has_a_limit)
{
    struct ipc_charge charges[4];

    for (int i = 0; i < 4; i++) {
        cr_assert_eq(ipc_charge_init(&charges[i], quota, 1000), 0);
        cr_expect_eq(ipc_charge_add(&charges[i], CONNECTIONS, 1), i < 3 ? 0 : -EDQUOT);
    }
    cr_expect_eq(ipc_quota_used(quota, 1000, CONNECTIONS), 3);
    cr_expect_eq(charges[3].used[CONNECTIONS], 0);
    ipc_charge_deinit(&charges[0]);
    cr_expect_eq(ipc_charge_add(&charges[3], CONNECTIONS, 1), 0, "room was made");
    for (int i = 0; i < 4; i++)
        ipc_charge_deinit(&charges[i]);
    cr_expect_eq(ipc_quota_used(quota, 1000, CONNECTIONS), 0);
}

Test(quota, all_users_together_have_a_limit)
{
    struct ipc_charge charges[6];

    for (int i = 0; i < 6; i++) {
        cr_assert_eq(ipc_charge_init(&charges[i], quota, (uid_t)i), 0);
        cr_expect_eq(ipc_charge_add(&charges[i], CONNECTIONS, 1), i < 5 ? 0 : -EDQUOT);
    }
    cr_expect_eq(ipc_quota_used_total(quota, CONNECTIONS), 5);
    cr_expect_eq(ipc_quota_used(quota, 5, CONNECTIONS), 0);
    for (int i = 0; i < 6; i++)
        ipc_charge_deinit(&charges[i]);
    cr_expect_eq(ipc_quota_used_total(quota, CONNECTIONS), 0);
}

Test(quota, one_user_does_not_pay_for_another)
{
    struct ipc_charge one, other;

    cr_assert_eq(ipc_charge_init(&one, quota, 1), 0);
    cr_assert_eq(ipc_charge_init(&other, quota, 2), 0);
    cr_expect_eq(ipc_charge_add(&one, IN_FLIGHT, 10), 0);
    cr_expect_eq(ipc_charge_add(&one, IN_FLIGHT, 1), -EDQUOT);
    cr_expect_eq(ipc_charge_add(&other, IN_FLIGHT, 10), 0);
    ipc_charge_deinit(&one);
    ipc_charge_deinit(&other);
}

Test(quota, ending_undoes_everything)
{
    struct ipc_charge charge;

    cr_assert_eq(ipc_charge_init(&charge, quota, 1), 0);
    cr_expect_eq(ipc_charge_add(&charge, CONNECTIONS, 1), 0);
    cr_expect_eq(ipc_charge_set(&charge, BYTES, 700), 0);
    cr_expect_eq(ipc_charge_add(&charge, IN_FLIGHT, 4), 0);
    ipc_charge_sub(&charge, IN_FLIGHT, 1);
    cr_expect_eq(ipc_quota_used(quota, 1, IN_FLIGHT), 3);
    ipc_charge_deinit(&charge);
    ipc_charge_deinit(&charge); /* holds nothing now */
    for (int i = 0; i < IPC_RESOURCE_COUNT_; i++) {
        cr_expect_eq(ipc_quota_used(quota, 1, (enum ipc_resource)i), 0);
        cr_expect_eq(ipc_quota_used_total(quota, (enum ipc_resource)i), 0);
    }
}

Test(quota, what_is_measured_is_set)
{
    struct ipc_charge one, two;

    cr_assert_eq(ipc_charge_init(&one, quota, 1), 0);
    cr_assert_eq(ipc_charge_init(&two, quota, 1), 0);
    cr_expect_eq(ipc_charge_set(&one, BYTES, 600), 0);
    cr_expect_eq(ipc_charge_set(&two, BYTES, 400), 0);
    cr_expect_eq(ipc_charge_set(&two, BYTES, 401), -EDQUOT);
    cr_expect_eq(two.used[BYTES], 400);
    cr_expect_eq(ipc_charge_set(&one, BYTES, 100), 0);
    cr_expect_eq(ipc_charge_set(&two, BYTES, 401), 0);
    cr_expect_eq(ipc_quota_used(quota, 1, BYTES), 501);
    ipc_charge_deinit(&one);
    ipc_charge_deinit(&two);
}

Test(quota, a_charge_moves)
{
    struct ipc_charge from, to;

    cr_assert_eq(ipc_charge_init(&from, quota, 1), 0);
    cr_expect_eq(ipc_charge_add(&from, CONNECTIONS, 1), 0);
    ipc_charge_move(&from, &to);
    ipc_charge_deinit(&from);
    cr_expect_eq(ipc_quota_used(quota, 1, CONNECTIONS), 1);
    ipc_charge_deinit(&to);
    cr_expect_eq(ipc_quota_used(quota, 1, CONNECTIONS), 0);
}

Test(quota, lowered_limits_hold_for_what_comes)
{
    struct ipc_quota_limits lower = {.user = {1, 0, 0}};
    struct ipc_charge charge;

    cr_assert_eq(ipc_charge_init(&charge, quota, 1), 0);
    cr_expect_eq(ipc_charge_add(&charge, CONNECTIONS, 3), 0);
    ipc_quota_set_limits(quota, &lower);
    cr_expect_eq(ipc_charge_add(&charge, CONNECTIONS, 1), -EDQUOT);
    cr_expect_eq(ipc_charge_add(&charge, BYTES, UINT64_MAX / 2), 0, "no limit");
    ipc_charge_sub(&charge, CONNECTIONS, 3);
    cr_expect_eq(ipc_charge_add(&charge, CONNECTIONS, 1), 0);
    ipc_charge_deinit(&charge);
}

Test(quota, a_charge_without_a_quota_is_free)
{
    struct ipc_charge charge;

    memset(&charge, 0, sizeof(charge));
    cr_expect_eq(ipc_charge_add(&charge, CONNECTIONS, 100), 0);
    ipc_charge_sub(&charge, CONNECTIONS, 100);
    ipc_charge_deinit(&charge);
}

Test(quota, many_users)
{
    static struct ipc_charge charges[2000];
    struct ipc_quota_limits none = {.user = {0}};

    ipc_quota_set_limits(quota, &none);
    for (unsigned i = 0; i < 2000; i++) {
        cr_assert_eq(ipc_charge_init(&charges[i], quota, i * 65536), 0);
        cr_assert_eq(ipc_charge_add(&charges[i], BYTES, i), 0);
    }
    for (unsigned i = 0; i < 2000; i += 2)
        ipc_charge_deinit(&charges[i]);
    for (unsigned i = 0; i < 2000; i++)
        cr_assert_eq(ipc_quota_used(quota, i * 65536, BYTES), i % 2 ? i : 0);
    for (unsigned i = 0; i < 2000; i++)
        ipc_charge_deinit(&charges[i]);
}
