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

TestSuite(access, .fini = teardown, .timeout = 100);

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
