/*
 * Who may do what: roles by uid and group, and identities by method.
 */
#include <criterion/criterion.h>
#include <ipc/access.h>
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
static int check(enum proto_method method, uint64_t given, unsigned roles, enum identity_kind *kind,
                 struct refusal *refusal)
{
    static struct proto_params params;

    params.present = given;
    return access_check(method, &params, roles, kind, refusal);
}

static bool names_somebody(const struct proto_method_spec *spec)
{
    return (spec->known & PROTO_IDENTITY) == PROTO_IDENTITY;
}

Test(access, each_method_needs_its_own_role)
{
    static const uint64_t identities[] = {PROTO_BIT(CUSTOMER_ID), PROTO_BIT(USER_ID)};

    for (int m = 0; m < PROTO_METHOD_COUNT_; m++)
        for (int role = PROTO_ROLE_NONE; role <= PROTO_ROLE_ADMIN; role++)
            for (size_t i = 0; i < 2; i++) {
                const struct proto_method_spec *spec = proto_method_spec((enum proto_method)m);
                uint64_t given = names_somebody(spec) ? identities[i] : 0;
                enum identity_kind kind;
                struct refusal refusal;
                int r = check((enum proto_method)m, given, BIT(NONE) | 1u << role, &kind, &refusal);

                if (spec->role == PROTO_ROLE_NONE || (int)spec->role == role) {
                    cr_assert_eq(r, 0, "%s with %s", spec->name, role_names[role]);
                    cr_assert_eq(kind, given == 0 ? IDENTITY_NONE
                                       : i == 0   ? IDENTITY_CUSTOMER
                                                  : IDENTITY_USER);
                    continue;
                }
                cr_assert_eq(r, PROTO_ERROR_PERMISSION_DENIED, "%s with %s", spec->name,
                             role_names[role]);
                cr_assert_str_eq(refusal.data_key, "role");
                cr_assert_str_eq(refusal.data_value, role_names[spec->role]);
            }
}

Test(access, a_session_reads_spends_and_refunds_without_a_role)
{
    for (int m = 0; m < PROTO_METHOD_COUNT_; m++) {
        const struct proto_method_spec *spec = proto_method_spec((enum proto_method)m);
        bool enough = spec->role != PROTO_ROLE_ADMIN && m != PROTO_METHOD_CREDITS_REFUND;
        enum identity_kind kind;
        struct refusal refusal;

        if (!names_somebody(spec))
            continue;
        cr_assert_eq(check((enum proto_method)m, PROTO_BIT(SESSION), BIT(NONE), &kind, &refusal),
                     enough ? 0 : PROTO_ERROR_PERMISSION_DENIED, "%s", spec->name);
        cr_assert_eq(check((enum proto_method)m, PROTO_BIT(SESSION), ~0u, &kind, &refusal), 0);
        cr_assert_eq(kind, IDENTITY_SESSION);
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
        {PROTO_BIT(USER_ID), 0},
        {PROTO_BIT(SESSION), 0},
        {PROTO_BIT(SESSION) | PROTO_BIT(CUSTOMER_ID), PROTO_ERROR_INVALID_PARAMETER},
        {PROTO_BIT(SESSION) | PROTO_BIT(USER_ID), PROTO_ERROR_INVALID_PARAMETER},
        {PROTO_BIT(USER_ID) | PROTO_BIT(CUSTOMER_ID), PROTO_ERROR_INVALID_PARAMETER},
        {PROTO_IDENTITY, PROTO_ERROR_INVALID_PARAMETER},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        enum identity_kind kind;
        struct refusal refusal;

        cr_assert_eq(check(PROTO_METHOD_CREDITS_CONSUME, cases[i].given, ~0u, &kind, &refusal),
                     cases[i].error, "case %zu", i);
    }
}
