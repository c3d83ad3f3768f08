/*
 * Other users: what [access] grants, and what it does not. Needs root, to be another user.
 */
#include "fixture.h"
#include <criterion/criterion.h>
#include <sys/stat.h>
#include <unistd.h>

#define READER 12345
#define SPENDER 12346
#define STRANGER 12347
#define SPENDERS 22346 /* a group */

static struct fixture fixture;

static void teardown(void)
{
    fixture_deinit(&fixture);
}

TestSuite(access, .fini = teardown, .timeout = 500);

/* A connection as that user: the kernel keeps the effective ids of connect(). */
static void connect_as(struct harness_connection *connection, uid_t uid, gid_t gid)
{
    cr_assert_eq(setegid(gid), 0);
    cr_assert_eq(seteuid(uid), 0);
    fixture_connect(&fixture, connection);
    cr_assert_eq(seteuid(0), 0);
    cr_assert_eq(setegid(0), 0);
}

#define BALANCE "credits.balance", "{s:s, s:s}", "customer_id", "cus_1", "product_id", "prod_1"
#define CONSUME                                                                                    \
    "credits.consume", "{s:s, s:s, s:i}", "customer_id", "cus_1", "product_id", "prod_1",          \
        "raw_amount", 10
#define assert_denied(connection, role, ...)                                                       \
    fixture_check_error(harness_call_error(connection, __VA_ARGS__), "permission_denied", "role",  \
                        role)

Test(access, roles_do_not_include_each_other)
{
    struct harness_connection reader, spender, stranger;

    if (geteuid() != 0)
        cr_skip_test("only root can be another user");
    fixture_start(&fixture, "[access]\nread = 12345\nconsume = @22346\n");
    cr_assert_eq(chmod(fixture.directory.path, 0711), 0);
    cr_assert_eq(chmod(fixture.client_path, 0666), 0);
    connect_as(&reader, READER, 1);
    connect_as(&spender, SPENDER, SPENDERS);
    connect_as(&stranger, STRANGER, 1);

    json_decref(harness_call(&reader, BALANCE));
    assert_denied(&reader, "consume", CONSUME);
    json_decref(harness_call(&spender, CONSUME));
    assert_denied(&spender, "read", BALANCE);
    assert_denied(&stranger, "read", BALANCE);
    assert_denied(&stranger, "consume", CONSUME);
    assert_denied(&stranger, "admin", "push.list", "{}");
    json_decref(harness_call(&stranger, "ping", "{}"));
    json_decref(harness_call(&stranger, "status", "{}"));
    json_decref(harness_call(&fixture.client, "push.list", "{}"));

    harness_connection_deinit(&reader);
    harness_connection_deinit(&spender);
    harness_connection_deinit(&stranger);
    fixture_deinit(&fixture);
}

static json_t *reserve(struct harness_connection *connection)
{
    return harness_call(connection, "credits.reserve", "{s:s, s:s, s:i}", "session", "good:u_1",
                        "product_id", "prod_1", "raw_amount", 100);
}

static void assert_not_mine(struct harness_connection *connection, const char *id)
{
    static const char *const methods[] = {"credits.release", "credits.extend"};

    for (size_t i = 0; i < 2; i++)
        fixture_check_error(harness_call_error(connection, methods[i], "{s:s, s:s}", "session",
                                               "good:u_1", "reservation_id", id),
                            "not_found", NULL, NULL);
    fixture_check_error(harness_call_error(connection, "credits.settle", "{s:s, s:s, s:i}",
                                           "session", "good:u_1", "reservation_id", id,
                                           "raw_amount", 1),
                        "not_found", NULL, NULL);
}

/* A user's session is in the user's hands, too. */
Test(access, a_session_does_not_end_what_another_uid_holds)
{
    struct harness_connection app, web, spender;
    json_t *held, *result;
    const char *id;

    if (geteuid() != 0)
        cr_skip_test("only root can be another user");
    fixture_start(&fixture, "[access]\nconsume = @22346\n"
                            "[better_auth]\nurl = http://127.0.0.1:9\n");
    cr_assert_eq(chmod(fixture.directory.path, 0711), 0);
    cr_assert_eq(chmod(fixture.client_path, 0666), 0);
    json_decref(harness_call(&fixture.client, "customer.link", "{s:s, s:s}", "user_id", "u_1",
                             "customer_id", "cus_1"));
    connect_as(&app, STRANGER, 1);
    connect_as(&web, READER, 1);
    connect_as(&spender, SPENDER, SPENDERS);

    held = reserve(&app);
    id = harness_text(held, "reservation_id");
    assert_not_mine(&web, id);
    assert_not_mine(&spender, id); /* its role is for customers that it names */
    result = harness_call(&spender, "credits.extend", "{s:s, s:s}", "customer_id", "cus_1",
                          "reservation_id", id);
    json_decref(result);
    result = harness_call(&app, "credits.settle", "{s:s, s:s, s:i}", "session", "good:u_1",
                          "reservation_id", id, "raw_amount", 100);
    cr_expect_not(json_is_true(json_object_get(result, "replayed")));
    json_decref(result);
    json_decref(held);

    harness_connection_deinit(&app);
    harness_connection_deinit(&web);
    harness_connection_deinit(&spender);
    fixture_deinit(&fixture);
}

static json_t *refund(struct harness_connection *connection, const char *payment)
{
    return harness_call(connection, "refund.create", "{s:s, s:s, s:s}", "customer_id", "cus_1",
                        "payment_id", payment, "idempotency_key", "first");
}

/* One app's keys are nothing to another's. */
Test(access, K1_keys_count_for_their_uid)
{
    struct harness_connection one, two;
    json_t *first, *other;

    if (geteuid() != 0)
        cr_skip_test("only root can be another user");
    fixture_start(&fixture, "[access]\nrefund = 12345, 12346\n");
    cr_assert_eq(chmod(fixture.directory.path, 0711), 0);
    cr_assert_eq(chmod(fixture.client_path, 0666), 0);
    connect_as(&one, READER, 1);
    connect_as(&two, SPENDER, 1);
    first = refund(&one, "pay_1");
    other = refund(&two, "pay_3");
    cr_expect_str_neq(harness_text(first, "id"), harness_text(other, "id"));
    json_decref(first);
    json_decref(other);
    harness_connection_deinit(&one);
    harness_connection_deinit(&two);
    fixture_deinit(&fixture);
}
