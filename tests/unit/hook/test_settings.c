/* What a hook is. */
#include "settings.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <util/fd.h>

static char directory[64];
static char path[128];

static void set_up(void)
{
    strcpy(directory, "/tmp/creditd-test-XXXXXX");
    cr_assert_not_null(mkdtemp(directory));
    snprintf(path, sizeof path, "%s/creditd.conf", directory);
}

static void tear_down(void)
{
    unlink(path);
    rmdir(directory);
}

TestSuite(settings, .init = set_up, .fini = tear_down);

static void write_config(const char *text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    cr_assert_geq(fd, 0);
    cr_assert_eq(fd_write_all(fd, text, strlen(text)), 0);
    close(fd);
}

Test(settings, programs_and_urls)
{
    struct settings *settings;
    char *error = NULL;

    write_config("[hooks]\non_credits_low = /bin/true\n"
                 "on_event = https://example.com/x?y=z\n"
                 "on_customer_created = http://localhost:1/\ntimeout = 7s\n");
    cr_assert_eq(settings_load(path, &settings, &error), 0, "%s", error);
    cr_expect_str_eq(settings->hooks[HOOK_CREDITS_LOW].program, "/bin/true");
    cr_expect_null(settings->hooks[HOOK_CREDITS_LOW].target.url);
    cr_expect_str_eq(settings->hooks[HOOK_EVENT].target.url, "https://example.com/x?y=z");
    cr_expect(settings->hooks[HOOK_EVENT].target.is_https);
    cr_expect_null(settings->hooks[HOOK_EVENT].program);
    cr_expect(settings->hooks[HOOK_CUSTOMER_CREATED].target.is_loopback);
    cr_expect_null(settings->hooks[HOOK_SUBSCRIPTION_CREATED].program);
    cr_expect_null(settings->hooks[HOOK_SUBSCRIPTION_CREATED].target.url);
    cr_expect_eq(settings->timeout, 7000);
    cr_expect(!settings->is_signed);
    settings_unref(settings);
}

Test(settings, a_mistake_names_the_option)
{
    struct settings *settings = NULL;
    char *error = NULL;

    write_config("[hooks]\non_subscription_canceled = http://example.com/\n");
    cr_expect_eq(settings_load(path, &settings, &error), -EINVAL);
    cr_expect_not_null(strstr(error, path));
    cr_expect_not_null(
        strstr(error, ":2: [hooks] on_subscription_canceled: the value is plain http"));
    cr_expect_null(settings);
    free(error);
}

Test(settings, a_secret_that_cannot_be_read)
{
    struct settings *settings;
    char *error = NULL;

    write_config("[hooks]\nsecret_file = /nonexistent/secret\n");
    cr_assert_eq(settings_load(path, &settings, &error), 0, "%s", error);
    cr_expect(settings->is_signed);
    cr_expect_null(settings->secret);
    cr_expect_not_null(strstr(settings->secret_problem, "/nonexistent/secret: No such file"));
    settings_unref(settings);
}

Test(settings, names)
{
    enum hook_number number;

    for (unsigned i = 0; i < HOOK_COUNT_; i++) {
        cr_assert_eq(hook_find(hook_name(i), strlen(hook_name(i)), &number), 0);
        cr_expect_eq(number, i);
    }
    cr_expect_str_eq(hook_name(HOOK_CREDITS_LOW), "on_credits_low");
    cr_expect_eq(hook_find("on_event", 7, &number), -ENOENT);
    cr_expect_eq(hook_find("on_events", 9, &number), -ENOENT);
    cr_expect_eq(hook_find("", 0, &number), -ENOENT);
}
