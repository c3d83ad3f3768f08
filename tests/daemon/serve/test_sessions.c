/*
 * Sessions, as a client sees them: who is let in, who is not, and how often the app is asked.
 */
#include "fixture.h"
#include <criterion/criterion.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct fixture fixture;

static void teardown(void)
{
    fixture_deinit(&fixture);
}

TestSuite(sessions, .fini = teardown, .timeout = 500);

#define APP "[better_auth]\nurl = http://127.0.0.1:9\n[credits]\npush_interval = 50ms\n"
#define SESSION_TEST(name) FIXTURE_TEST(sessions, name, &fixture, APP)

#define assert_refused(code, ...)                                                                  \
    fixture_check_error(harness_call_error(&fixture.client, __VA_ARGS__), code, NULL, NULL)

static void link_user(const char *user, const char *customer)
{
    json_decref(harness_call(&fixture.client, "customer.link", "{s:s, s:s}", "user_id", user,
                             "customer_id", customer));
}

static json_t *balance(const char *session)
{
    return harness_call(&fixture.client, "credits.balance", "{s:s, s:s}", "session", session,
                        "product_id", "prod_1");
}

static void assert_balance_refused(const char *session, const char *code)
{
    assert_refused(code, "credits.balance", "{s:s, s:s}", "session", session, "product_id",
                   "prod_1");
}

SESSION_TEST(a_session_is_its_user_s_customer)
{
    json_t *result;

    link_user("u_1", "cus_1");
    result = balance("good:u_1");
    cr_assert_str_eq(harness_text(result, "customer_id"), "cus_1");
    json_decref(result);
    for (int i = 0; i < 3; i++) {
        result = harness_call(&fixture.client, "credits.consume", "{s:s, s:s, s:i}", "session",
                              "good:u_1", "product_id", "prod_1", "raw_amount", 10);
        cr_assert_eq(harness_int(result, "balance"), 999 - i);
        json_decref(result);
    }
    cr_assert_eq(fixture.sync.sessions, 1);
    /* Another form of credential is another credential. */
    json_decref(harness_call_error(&fixture.client, "credits.balance", "{s:s, s:s}", "session",
                                   "bin:00ff00ff", "product_id", "prod_1"));
    cr_assert_eq(fixture.sync.sessions, 2);
    result = harness_call(&fixture.client, "credits.balance", "{s:s, s:s}", "user_id", "u_1",
                          "product_id", "prod_1");
    cr_assert_str_eq(harness_text(result, "customer_id"), "cus_1");
    json_decref(result);
}

/* Cookies begin alike, and bytes may be a text's: neither is the other's credential. */
SESSION_TEST(a_verdict_is_of_the_whole_credential_and_of_its_kind)
{
#define LONG "good:u_0123456789012345678901234567890123456789"
    static const char *const customers[] = {"cus_1", "cus_2"};
    static const char *const sessions[] = {LONG "a", LONG "b"};
    json_t *result;

    for (size_t i = 0; i < 2; i++)
        link_user(sessions[i] + strlen("good:"), customers[i]);
    for (size_t i = 0; i < 4; i++) {
        result = balance(sessions[i % 2]);
        cr_assert_str_eq(harness_text(result, "customer_id"), customers[i % 2]);
        json_decref(result);
    }
    cr_assert_eq(fixture.sync.sessions, 2);
    assert_balance_refused("bin:676f6f643a755f3031", "not_found"); /* "good:u_01" */
    cr_assert_eq(fixture.sync.sessions, 3);
    assert_balance_refused("good:u_01", "not_found");
    cr_assert_eq(fixture.sync.sessions, 4);
#undef LONG
}

/* How often that stands in what the process may write to; -1: its memory cannot be read. */
static int count_in_memory(pid_t pid, const char *text)
{
    char path[64], line[512], permissions[8];
    unsigned long begin, end;
    int count = 0, fd;
    FILE *maps;

    snprintf(path, sizeof(path), "/proc/%d/mem", (int)pid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    snprintf(path, sizeof(path), "/proc/%d/maps", (int)pid);
    maps = fopen(path, "re");
    cr_assert_not_null(maps);
    while (fd >= 0 && fgets(line, sizeof(line), maps) != NULL) {
        char *bytes, *at;
        ssize_t got;

        if (sscanf(line, "%lx-%lx %7s", &begin, &end, permissions) != 3 ||
            strncmp(permissions, "rw-p", 4) != 0 || end - begin > 64ul * 1024 * 1024)
            continue;
        bytes = malloc(end - begin);
        cr_assert_not_null(bytes);
        got = pread(fd, bytes, end - begin, (off_t)begin);
        for (at = bytes;
             got > 0 && (at = memmem(at, (size_t)(bytes + got - at), text, strlen(text))) != NULL;
             at++)
            count++;
        free(bytes);
    }
    fclose(maps);
    if (fd < 0)
        return -1;
    close(fd);
    return count;
}

/* Serve keeps what it was told of a credential, and the credential nowhere: not in what it has
 * read, not in what waited, not in what it has sent. */
SESSION_TEST(a_credential_is_wiped_with_its_request)
{
    static const char user[] = "user-of-these-bytes";
    char secret[] = "credential-of-these-bytes", session[80];

    snprintf(session, sizeof(session), "%s:%s", secret, user);
    link_user(user, "cus_1");
    for (int i = 0; i < 3; i++) /* asked for, and remembered */
        json_decref(balance(session));
    cr_assert_neq(count_in_memory(fixture.serve.pid, user), 0,
                  "the memory is not what is looked at");
    cr_assert_leq(count_in_memory(fixture.serve.pid, secret), 0);
}

SESSION_TEST(refused_without_a_trace_and_without_upstream)
{
    static const char *const refused[] = {"forged:u_1", "expired:u_1"};

    link_user("u_1", "cus_1");
    for (size_t i = 0; i < 2; i++)
        for (int again = 0; again < 3; again++) {
            assert_balance_refused(refused[i], "unauthenticated");
            assert_refused("unauthenticated", "credits.consume", "{s:s, s:s, s:i}", "session",
                           refused[i], "product_id", "prod_1", "raw_amount", 1);
        }
    cr_assert_eq(fixture.sync.sessions, 2); /* a refusal is remembered */
    for (int again = 0; again < 3; again++)
        assert_balance_refused("down:u_1", "session_unavailable");
    cr_assert_eq(fixture.sync.sessions, 5); /* an outage is not */
    assert_balance_refused("good:u_2", "not_found");
    assert_refused("not_found", "credits.balance", "{s:s, s:s}", "user_id", "u_2", "product_id",
                   "prod_1");
    cr_assert_eq(fixture.sync.products + fixture.sync.balances, 0);
}

SESSION_TEST(wrong_parameters_are_named_before_a_session_is_looked_at)
{
    fixture_check_error(harness_call_error(&fixture.client, "credits.consume", "{s:s, s:s}",
                                           "session", "good:u_1", "product_id", "prod_1"),
                        "invalid_parameter", "parameter", "raw_amount");
    fixture_check_error(harness_call_error(&fixture.client, "credits.balance", "{s:s, s:s, s:s}",
                                           "session", "good:u_1", "user_id", "u_1", "product_id",
                                           "prod_1"),
                        "invalid_parameter", "parameter", "customer_id");
    fixture_check_error(harness_call_error(&fixture.client, "credits.balance", "{s:i, s:s}",
                                           "session", 7, "product_id", "prod_1"),
                        "invalid_parameter", "parameter", "session");
    fixture_check_error(harness_call_error(&fixture.client, "credits.balance", "{s:s, s:s}",
                                           "session", "", "product_id", "prod_1"),
                        "invalid_parameter", "parameter", "session");
    cr_assert_eq(fixture.sync.sessions, 0);
}

SESSION_TEST(one_request_to_the_app_however_many_wait)
{
    uint32_t first = 0;

    link_user("u_1", "cus_1");
    fixture.sync.silent = true; /* the first is not answered, and is asked of the next helper */
    for (int i = 0; i < 50; i++) {
        uint32_t msgid = harness_send(&fixture.client, "credits.balance", "{s:s, s:s}", "session",
                                      "good:u_1", "product_id", "prod_1");

        first = i == 0 ? msgid : first;
    }
    fixture_wait_status(&fixture, "upstream.helper", 1);
    fake_sync_stop(&fixture.sync);
    fixture.sync.silent = false;
    fake_sync_start(&fixture.sync, fixture.sync_path);
    for (int i = 0; i < 50; i++) {
        struct harness_message message;

        cr_assert(harness_receive(&fixture.client, &message));
        cr_assert_not_null(message.result, "%s", json_dumps(message.error, 0));
        harness_message_deinit(&message);
    }
    cr_assert_eq(fixture.sync.sessions, 1);
}

FIXTURE_TEST(sessions, a_revoked_session_ends_with_its_ttl, &fixture, APP)
{
    bool refused = false;

    link_user("u_1", "cus_1");
    fixture.sync.valid_for = 2000;
    json_decref(harness_call(&fixture.client, "credits.balance", "{s:s, s:s}", "customer_id",
                             "cus_1", "product_id", "prod_1"));
    json_decref(balance("good:u_1"));
    fixture.sync.revoked = true;
    json_decref(balance("good:u_1"));
    for (int waited = 0; !refused && waited < HARNESS_TIMEOUT_MS; waited += 10) {
        struct harness_message message;

        poll(NULL, 0, 10);
        harness_send(&fixture.client, "credits.balance", "{s:s, s:s}", "session", "good:u_1",
                     "product_id", "prod_1");
        cr_assert(harness_receive(&fixture.client, &message));
        refused = message.error != NULL;
        harness_message_deinit(&message);
    }
    assert_balance_refused("good:u_1", "unauthenticated");
    cr_assert_eq(fixture.sync.sessions, 2);
}

SESSION_TEST(a_refused_token_wins_over_offline_verdicts)
{
    link_user("u_1", "cus_1");
    json_decref(balance("offline:u_1"));
    cr_assert_eq(fixture.sync.sessions, 1);
    fixture.sync.revoked = true;
    assert_balance_refused("good:u_1", "unauthenticated");
    assert_balance_refused("offline:u_1", "unauthenticated"); /* though it was remembered */
    assert_balance_refused("offline2:u_1", "unauthenticated");
    assert_balance_refused("forged:u_3", "unauthenticated");
    link_user("u_3", "cus_3");
    json_decref(balance("offline:u_3")); /* a wrong signature says nothing of the token */
}

SESSION_TEST(no_helper_is_an_outage)
{
    struct harness_message message;

    link_user("u_1", "cus_1");
    fake_sync_stop(&fixture.sync);
    fixture_wait_status(&fixture, "upstream.helper", 0);
    harness_send(&fixture.client, "credits.balance", "{s:s, s:s}", "session", "good:u_1",
                 "product_id", "prod_1");
    fake_sync_start(&fixture.sync, fixture.sync_path);
    cr_assert(harness_receive(&fixture.client, &message));
    cr_assert_not_null(message.result); /* it came in time */
    harness_message_deinit(&message);
}

FIXTURE_TEST(sessions, no_helper_for_long_is_an_outage, &fixture,
             "[better_auth]\nurl = http://127.0.0.1:9\n[credits]\ncold_timeout = 100ms\n")
{
    fake_sync_stop(&fixture.sync);
    fixture_wait_status(&fixture, "upstream.helper", 0);
    assert_balance_refused("good:u_1", "session_unavailable");
    fake_sync_start(&fixture.sync, fixture.sync_path);
    fixture_reload(&fixture, "[better_auth]\nurl = http://127.0.0.1:9\n");
    assert_balance_refused("good:u_1", "not_found");
}

SESSION_TEST(another_s_things_are_not_there)
{
    json_t *result;
    char id[80];

    link_user("u_1", "cus_1");
    link_user("u_2", "cus_2");
    result = harness_call(&fixture.client, "credits.reserve", "{s:s, s:s, s:i}", "session",
                          "good:u_1", "product_id", "prod_1", "raw_amount", 10);
    snprintf(id, sizeof(id), "%s", harness_text(result, "reservation_id"));
    json_decref(result);
    assert_refused("not_found", "credits.settle", "{s:s, s:s, s:i}", "session", "good:u_2",
                   "reservation_id", id, "raw_amount", 10);
    assert_refused("not_found", "credits.release", "{s:s, s:s}", "user_id", "u_2", "reservation_id",
                   id);
    assert_refused("not_found", "credits.extend", "{s:s, s:s}", "session", "good:u_2",
                   "reservation_id", id);
    result = harness_call(&fixture.client, "credits.settle", "{s:s, s:s, s:i}", "session",
                          "good:u_1", "reservation_id", id, "raw_amount", 10);
    cr_assert_str_eq(harness_text(result, "customer_id"), "cus_1");
    json_decref(result);
}

static void expect_unlinked(const char *user, const char *customer)
{
    json_t *page =
               harness_call(&fixture.client, "event.list", "{s:[s]}", "types", "customer.unlinked"),
           *data = json_object_get(page, "data"), *object;

    cr_assert_eq(json_array_size(data), 1, "%s", json_dumps(page, 0));
    object = json_object_get(json_object_get(json_array_get(data, 0), "data"), "object");
    cr_expect_str_eq(harness_text(object, "user_id"), user);
    cr_expect_str_eq(harness_text(object, "customer_id"), customer);
    json_decref(page);
}

SESSION_TEST(links_are_unique_both_ways_and_survive)
{
    link_user("u_1", "cus_1");
    link_user("u_1", "cus_1");
    assert_refused("conflict", "customer.link", "{s:s, s:s}", "user_id", "u_2", "customer_id",
                   "cus_1");
    link_user("u_1", "cus_2");
    link_user("u_2", "cus_1");
    harness_connection_deinit(&fixture.client);
    harness_process_stop(&fixture.serve, SIGKILL);
    fake_sync_stop(&fixture.sync);
    fixture_start_serve(&fixture);
    fake_sync_start(&fixture.sync, fixture.sync_path);
    fixture_connect(&fixture, &fixture.client);
    for (int i = 0; i < 2; i++) {
        json_t *result = balance(i == 0 ? "good:u_1" : "good:u_2");

        cr_assert_str_eq(harness_text(result, "customer_id"), i == 0 ? "cus_2" : "cus_1");
        json_decref(result);
    }
    json_decref(harness_call(&fixture.client, "customer.unlink", "{s:s}", "user_id", "u_1"));
    expect_unlinked("u_1", "cus_2");
    assert_balance_refused("good:u_1", "not_found");
    assert_refused("not_found", "customer.unlink", "{s:s}", "user_id", "u_1");
    for (int i = 0; i < 2; i++) {
        static const char *const needed[] = {"user_id", "customer_id"};

        fixture_check_error(
            harness_call_error(&fixture.client, "customer.link", "{s:s}", needed[1 - i], "x_1"),
            "invalid_parameter", "parameter", needed[i]);
    }
}

SESSION_TEST(no_credential_is_logged)
{
    char *log;

    assert_balance_refused("forged:u_very_secret", "unauthenticated");
    assert_balance_refused("down:u_very_secret", "session_unavailable");
    assert_balance_refused("good:u_very_secret", "not_found");
    log = harness_process_log(&fixture.serve);
    cr_assert_null(strstr(log, "u_very_secret"), "%s", log);
    free(log);
}

/* One application has the sessions of all its users: none spends what is the others'. */
FIXTURE_TEST(sessions, P6_a_user_s_sessions_spend_no_turns_of_the_application, &fixture,
             APP "[limits]\nupstream_turns_per_user = 3\nupstream_turns_per_customer = 4\n")
{
    char user[16], session[32], customer[16];

    for (int i = 0; i < 6; i++) {
        snprintf(user, sizeof(user), "u_%d", i);
        snprintf(session, sizeof(session), "good:%s", user);
        snprintf(customer, sizeof(customer), "cus_%d", i);
        link_user(user, customer);
        json_decref(balance(session));
    }
    for (int i = 0; i < 3; i++)
        json_decref(harness_call(&fixture.client, "subscription.list", "{s:s, s:b}", "session",
                                 "good:u_0", "fresh", 1));
    fixture_check_error(harness_call_error(&fixture.client, "subscription.list", "{s:s, s:b}",
                                           "session", "good:u_0", "fresh", 1),
                        "quota_exceeded", "quota", "upstream_turns");
    json_decref(balance("good:u_1"));
    for (int i = 0; i < 4; i++) {
        snprintf(customer, sizeof(customer), "cus_own%d", i);
        if (i < 3)
            json_decref(harness_call(&fixture.client, "credits.balance", "{s:s, s:s}",
                                     "customer_id", customer, "product_id", "prod_1"));
        else
            assert_refused("quota_exceeded", "credits.balance", "{s:s, s:s}", "customer_id",
                           customer, "product_id", "prod_1");
    }
}
