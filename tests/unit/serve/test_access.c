/*
 * Who may do what: roles by uid and group, and identities by method.
 */
#include "access.h"
#include <criterion/criterion.h>
#include <string.h>

static struct config_principal readers[] = {{false, 1001}, {true, 2001}};
static struct config_principal spenders[] = {{false, 1002}};
static struct config_principal operators[] = {{true, 2002}};
static const struct config config = {
    .access = {.read = {readers, 2}, .consume = {spenders, 1}, .admin = {operators, 1}},
};

#define BIT(role) (1u << PROTO_ROLE_##role)

static unsigned roles_of(uint32_t uid, uint32_t gid, gid_t group)
{
    struct access_peer peer = {.uid = uid, .gid = gid, .groups = &group, .group_count = 1};

    return access_roles(&config, &peer, 900);
}

Test(access, roles_by_uid_and_group)
{
    static const struct {
        uint32_t uid, gid, group;
        unsigned roles;
    } cases[] = {
        {1001, 1, 2, BIT(NONE) | BIT(READ)},
        {1002, 1, 2, BIT(NONE) | BIT(CONSUME)},
        {1003, 1, 2, BIT(NONE)},
        {1003, 2001, 2, BIT(NONE) | BIT(READ)},
        {1003, 1, 2001, BIT(NONE) | BIT(READ)},
        {1003, 1, 2002, BIT(NONE) | BIT(ADMIN)},
        {1002, 2001, 2002, BIT(NONE) | BIT(READ) | BIT(CONSUME) | BIT(ADMIN)},
        {2001, 1, 2, BIT(NONE)}, /* a uid is no gid */
        {0, 1, 2, ~0u},
        {900, 1, 2, ~0u},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        cr_assert_eq(roles_of(cases[i].uid, cases[i].gid, cases[i].group), cases[i].roles,
                     "case %zu", i);
}

static const char *const role_names[] = {"none", "read", "consume", "refund", "admin"};

/* `given` are bits of the identity's parameters. */
static int resolve(enum proto_method method, uint64_t given, unsigned roles,
                   struct identity *identity, struct refusal *refusal)
{
    static struct proto_params params;

    params.present = given;
    params.values[PROTO_PARAMETER_CUSTOMER_ID].text = "cus_1";
    params.values[PROTO_PARAMETER_CUSTOMER_ID].length = 5;
    return access_resolve_identity(method, &params, roles, identity, refusal);
}

Test(access, each_method_needs_its_own_role)
{
    for (int m = 0; m < PROTO_METHOD_COUNT_; m++) {
        const struct proto_method_spec *spec = proto_method_spec((enum proto_method)m);
        uint64_t given = (spec->known & PROTO_IDENTITY) != 0 ? PROTO_BIT(CUSTOMER_ID) : 0;
        struct identity identity;
        struct refusal refusal;

        for (int role = PROTO_ROLE_NONE; role <= PROTO_ROLE_ADMIN; role++) {
            int r =
                resolve((enum proto_method)m, given, BIT(NONE) | 1u << role, &identity, &refusal);

            if (spec->role == PROTO_ROLE_NONE || (int)spec->role == role) {
                cr_assert_eq(r, 0, "%s with %s", spec->name, role_names[role]);
                cr_assert_eq(identity.customer_length, given != 0 ? 5 : 0);
                continue;
            }
            cr_assert_eq(r, PROTO_ERROR_PERMISSION_DENIED, "%s with %s", spec->name,
                         role_names[role]);
            cr_assert_str_eq(refusal.data_key, "role");
            cr_assert_str_eq(refusal.data_value, role_names[spec->role]);
        }
    }
}

Test(access, exactly_one_identity)
{
    static const struct {
        uint64_t given;
        int error;
    } cases[] = {
        {0, PROTO_ERROR_INVALID_PARAMETER},
        {PROTO_BIT(CUSTOMER_ID), 0},
        {PROTO_BIT(USER_ID), PROTO_ERROR_INVALID_PARAMETER},
        {PROTO_BIT(SESSION), PROTO_ERROR_UNAUTHENTICATED},
        {PROTO_BIT(SESSION) | PROTO_BIT(CUSTOMER_ID), PROTO_ERROR_INVALID_PARAMETER},
        {PROTO_BIT(USER_ID) | PROTO_BIT(CUSTOMER_ID), PROTO_ERROR_INVALID_PARAMETER},
        {PROTO_IDENTITY, PROTO_ERROR_INVALID_PARAMETER},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct identity identity;
        struct refusal refusal;

        cr_assert_eq(
            resolve(PROTO_METHOD_CREDITS_CONSUME, cases[i].given, ~0u, &identity, &refusal),
            cases[i].error, "case %zu", i);
    }
}

Test(access, users_are_nobody_s_secret_to_those_without_the_role)
{
    struct identity identity;
    struct refusal refusal;

    cr_assert_eq(
        resolve(PROTO_METHOD_CREDITS_CONSUME, PROTO_BIT(USER_ID), BIT(NONE), &identity, &refusal),
        PROTO_ERROR_PERMISSION_DENIED);
}
