/*
 * Every method of the table: what is missing or ill-typed is named, and who may not is refused,
 * without a record in the ledger and without a request to StellarTools.
 */
#include "fixture.h"
#include <criterion/criterion.h>
#include <proto/methods.h>
#include <string.h>

static struct fixture fixture;

static void teardown(void)
{
    fixture_deinit(&fixture);
}

TestSuite(refusals, .fini = teardown, .timeout = 500);

#define REFUSAL_TEST(name)                                                                         \
    FIXTURE_TEST(refusals, name, &fixture, "[better_auth]\nurl = http://127.0.0.1:9\n")

static json_t *good_value(enum proto_parameter parameter)
{
    switch (proto_parameter_type(parameter)) {
    case PROTO_TYPE_AMOUNT:
    case PROTO_TYPE_COUNT:
        return json_integer(10);
    case PROTO_TYPE_BOOL:
        return json_true();
    case PROTO_TYPE_METADATA:
        return json_pack("{s:s}", "a", "b");
    case PROTO_TYPE_FILTERS:
        return json_pack("[s]", "*");
    case PROTO_TYPE_STAMP:
        return json_pack("[s, i]", "bin:00112233445566778899aabbccddeeff", 1);
    default:
        return json_string("x_1");
    }
}

/* Everything that the method needs, for that identity (PROTO_PARAMETER_COUNT_: nobody). */
static json_t *good_params(const struct proto_method_spec *spec, enum proto_parameter who,
                           const char *name)
{
    json_t *params = json_object();

    for (int i = 0; i < PROTO_PARAMETER_COUNT_; i++)
        if ((spec->needed & (UINT64_C(1) << i)) != 0)
            json_object_set_new(params, proto_parameter_name((enum proto_parameter)i),
                                good_value((enum proto_parameter)i));
    if (who != PROTO_PARAMETER_COUNT_)
        json_object_set_new(params, proto_parameter_name(who), json_string(name));
    return params;
}

static bool takes_identity(const struct proto_method_spec *spec)
{
    return (spec->known & PROTO_IDENTITY) == PROTO_IDENTITY;
}

/* Takes the parameters. */
static void refused(const char *method, json_t *params, const char *code, const char *parameter)
{
    json_t *error = harness_call_error(&fixture.client, method, "O", params);

    cr_assert_str_eq(harness_text(error, "code"), code, "%s %s: %s", method, json_dumps(params, 0),
                     json_dumps(error, 0));
    if (parameter != NULL)
        cr_assert_str_eq(harness_text(json_object_get(error, "data"), "parameter"), parameter,
                         "%s: %s", method, json_dumps(error, 0));
    json_decref(error);
    json_decref(params);
}

static int64_t ledger_sequence(void)
{
    json_t *status = harness_call(&fixture.client, "status", "{}");
    int64_t sequence = harness_int(json_object_get(status, "ledger"), "sequence");

    json_decref(status);
    return sequence;
}

static int upstream_requests(void)
{
    const struct fake_sync *sync = &fixture.sync;

    return sync->products + sync->balances + sync->pushes + sync->histories + sync->creates +
           sync->updates + sync->customer_reads + sync->searches + sync->lists + sync->payments +
           sync->accesses;
}

REFUSAL_TEST(what_is_missing_or_of_another_type_is_named)
{
    int64_t before = ledger_sequence();

    for (int m = 0; m < PROTO_METHOD_COUNT_; m++) {
        const struct proto_method_spec *spec = proto_method_spec((enum proto_method)m);
        enum proto_parameter who =
            takes_identity(spec) ? PROTO_PARAMETER_CUSTOMER_ID : PROTO_PARAMETER_COUNT_;

        for (int i = 0; i < PROTO_PARAMETER_COUNT_; i++) {
            const char *name = proto_parameter_name((enum proto_parameter)i);
            uint64_t bit = UINT64_C(1) << i;
            json_t *params = good_params(spec, who, "cus_1");

            if ((spec->known & bit) == 0) {
                json_decref(params);
                continue;
            }
            json_object_set_new(params, name, json_pack("[b]", 1));
            refused(spec->name, params, "invalid_parameter", name);
            if ((spec->needed & bit) == 0)
                continue;
            params = good_params(spec, who, "cus_1");
            json_object_del(params, name);
            refused(spec->name, params, "invalid_parameter", name);
        }
    }
    cr_assert_eq(ledger_sequence(), before);
    cr_assert_eq(upstream_requests(), 0);
}

REFUSAL_TEST(who_is_nobody_gets_nothing)
{
    int64_t before = ledger_sequence();

    for (int m = 0; m < PROTO_METHOD_COUNT_; m++) {
        const struct proto_method_spec *spec = proto_method_spec((enum proto_method)m);

        if (!takes_identity(spec))
            continue;
        refused(spec->name, good_params(spec, PROTO_PARAMETER_COUNT_, ""), "invalid_parameter",
                "customer_id");
        refused(spec->name, good_params(spec, PROTO_PARAMETER_SESSION, "forged:u_1"),
                "unauthenticated", NULL);
        refused(spec->name, good_params(spec, PROTO_PARAMETER_SESSION, "expired:u_1"),
                "unauthenticated", NULL);
        refused(spec->name, good_params(spec, PROTO_PARAMETER_SESSION, "down:u_1"),
                "session_unavailable", NULL);
    }
    cr_assert_eq(ledger_sequence(), before);
    cr_assert_eq(upstream_requests(), 0);
}

/* All that does not make a customer, and each that is about something that is not there. */
REFUSAL_TEST(a_user_without_a_customer_has_nothing)
{
    int64_t before = ledger_sequence();

    for (int m = 0; m < PROTO_METHOD_COUNT_; m++) {
        const struct proto_method_spec *spec = proto_method_spec((enum proto_method)m);
        bool creates = m == PROTO_METHOD_CREDITS_CONSUME || m == PROTO_METHOD_CREDITS_RESERVE ||
                       m == PROTO_METHOD_CUSTOMER_CREATE || m == PROTO_METHOD_CUSTOMER_UPDATE ||
                       m == PROTO_METHOD_SUBSCRIPTION_CREATE;

        if (!takes_identity(spec))
            continue;
        if (!creates)
            refused(spec->name, good_params(spec, PROTO_PARAMETER_SESSION, "good:u_1"), "not_found",
                    NULL);
        if (m != PROTO_METHOD_CUSTOMER_CREATE)
            refused(spec->name, good_params(spec, PROTO_PARAMETER_USER_ID, "u_1"), "not_found",
                    NULL);
    }
    cr_assert_eq(ledger_sequence(), before);
    cr_assert_eq(upstream_requests(), 0);
}
