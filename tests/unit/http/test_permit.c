/*
 * Who may do what by HTTP. Each method of the table, from each kind of caller: creditd-http lends
 * nobody the roles that its own user has at creditd-serve.
 */
#include "permit.h"
#include <criterion/criterion.h>
#include <string.h>

#define ALL (~0u)

static const struct caller tcp = {0};
static const struct caller tcp_with_all = {.roles = ALL}; /* not local: they do not count */
static const struct caller local = {.is_local = true};
static const struct caller trusted = {.is_local = true, .roles = ALL};
static const struct caller session = {.has_session = true};
static const struct caller trusted_session = {.has_session = true, .is_local = true, .roles = ALL};

static int check(enum route_kind kind, enum proto_method method, const struct caller *caller,
                 uint64_t present)
{
    struct route route = {"", false, VERB_POST, kind, method, 0};
    struct refusal refusal = {0};
    int r = permit_check(&route, caller, present, &refusal);

    cr_assert_geq(r, 0);
    if (r > 0) {
        cr_assert_eq((int)refusal.error, r);
        cr_assert_not_null(refusal.text);
    }
    return r;
}

#define CHECK(method, caller, present) check(ROUTE_METHOD, method, caller, present)

static bool takes_session(enum proto_method method)
{
    return (proto_method_spec(method)->known & PROTO_BIT(SESSION)) != 0;
}

Test(permit, nothing_without_a_session_over_tcp)
{
    const struct caller *callers[] = {&tcp, &tcp_with_all};

    for (unsigned m = 0; m < PROTO_METHOD_COUNT_; m++)
        for (size_t i = 0; i < 2; i++) {
            bool is_open = proto_method_spec(m)->role == PROTO_ROLE_NONE;

            cr_assert_eq(CHECK(m, callers[i], 0) == 0, is_open, "%s", proto_method_spec(m)->name);
            if (takes_session(m)) {
                cr_assert_eq(CHECK(m, callers[i], 0), PROTO_ERROR_UNAUTHENTICATED);
                cr_assert_eq(CHECK(m, callers[i], PROTO_BIT(USER_ID)), PROTO_ERROR_UNAUTHENTICATED);
                cr_assert_eq(CHECK(m, callers[i], PROTO_BIT(CUSTOMER_ID)),
                             PROTO_ERROR_UNAUTHENTICATED);
            } else if (!is_open) {
                cr_assert_eq(CHECK(m, callers[i], 0), PROTO_ERROR_PERMISSION_DENIED, "%s",
                             proto_method_spec(m)->name);
            }
        }
}

/* By role: what is open to all without one is ping, status, metrics and webhooks. */
Test(permit, what_is_open)
{
    for (unsigned m = 0; m < PROTO_METHOD_COUNT_; m++) {
        const char *name = proto_method_spec(m)->name;
        bool is_open = strcmp(name, "ping") == 0 || strcmp(name, "status") == 0 ||
                       strcmp(name, "metrics") == 0 || strcmp(name, "webhook.deliver") == 0;

        cr_assert_eq(CHECK(m, &tcp, 0) == 0, is_open, "%s", name);
    }
}

/* A session has no role, not even that of the process that sends it. */
Test(permit, a_session_acts_for_its_user_alone)
{
    const struct caller *callers[] = {&session, &trusted_session};

    for (unsigned m = 0; m < PROTO_METHOD_COUNT_; m++)
        for (size_t i = 0; i < 2; i++) {
            const struct proto_method_spec *spec = proto_method_spec(m);
            bool is_good = spec->role == PROTO_ROLE_NONE ||
                           (takes_session(m) && spec->role != PROTO_ROLE_ADMIN &&
                            m != PROTO_METHOD_CREDITS_REFUND);

            cr_assert_eq(CHECK(m, callers[i], 0), is_good ? 0 : PROTO_ERROR_PERMISSION_DENIED, "%s",
                         spec->name);
            if (!takes_session(m))
                continue;
            cr_assert_eq(CHECK(m, callers[i], PROTO_BIT(USER_ID)), PROTO_ERROR_INVALID_PARAMETER);
            cr_assert_eq(CHECK(m, callers[i], PROTO_BIT(CUSTOMER_ID)),
                         PROTO_ERROR_INVALID_PARAMETER);
        }
}

Test(permit, a_local_process_has_its_own_roles)
{
    for (unsigned m = 0; m < PROTO_METHOD_COUNT_; m++) {
        const struct proto_method_spec *spec = proto_method_spec(m);
        uint64_t named = takes_session(m) ? PROTO_BIT(CUSTOMER_ID) : 0;
        struct caller own = {.is_local = true, .roles = 1u << spec->role};
        struct caller others = {.is_local = true, .roles = ALL & ~(1u << spec->role)};

        cr_assert_eq(CHECK(m, &trusted, named), 0, "%s", spec->name);
        cr_assert_eq(CHECK(m, &own, named), 0, "%s", spec->name);
        cr_assert_eq(CHECK(m, &local, named) == 0, spec->role == PROTO_ROLE_NONE, "%s", spec->name);
        if (spec->role != PROTO_ROLE_NONE)
            cr_assert_eq(CHECK(m, &others, named), PROTO_ERROR_PERMISSION_DENIED, "%s", spec->name);
        if (takes_session(m))
            cr_assert_eq(CHECK(m, &trusted, 0), PROTO_ERROR_UNAUTHENTICATED, "%s", spec->name);
    }
    cr_assert_eq(
        CHECK(PROTO_METHOD_CREDITS_BALANCE, &trusted, PROTO_BIT(CUSTOMER_ID) | PROTO_BIT(USER_ID)),
        PROTO_ERROR_INVALID_PARAMETER);
}

Test(permit, a_session_is_not_taken_from_the_body)
{
    const struct caller *callers[] = {&tcp, &local, &trusted, &session, &trusted_session};

    for (size_t i = 0; i < sizeof(callers) / sizeof(callers[0]); i++)
        cr_assert_eq(CHECK(PROTO_METHOD_CREDITS_BALANCE, callers[i], PROTO_BIT(SESSION)),
                     PROTO_ERROR_INVALID_PARAMETER);
}

Test(permit, the_adapter_s_endpoints_take_a_session_and_nothing_else)
{
    for (size_t i = 0; i < route_count; i++) {
        const struct route *route = &route_table[i];

        if (route->kind != ROUTE_ENDPOINT)
            continue;
        cr_assert_eq(check(ROUTE_ENDPOINT, route->method, &session, 0), 0);
        cr_assert_eq(check(ROUTE_ENDPOINT, route->method, &tcp, 0), PROTO_ERROR_UNAUTHENTICATED);
        cr_assert_eq(check(ROUTE_ENDPOINT, route->method, &trusted, PROTO_BIT(USER_ID)),
                     PROTO_ERROR_UNAUTHENTICATED);
    }
}
