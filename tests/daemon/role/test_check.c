/*
 * One file, one judgement: each program is asked by --check, and all of them say the same. What a
 * reload refuses is what --check refuses, for it is the same code.
 */
#include "harness.h"
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <util/macros.h>

static const char *const programs[] = {"creditd", "creditd-serve", "creditd-sync", "creditd-hook",
                                       "creditd-http"};

static struct harness_directory directory;
static char config[HARNESS_PATH_MAX];

static void set_up(void)
{
    harness_directory_init(&directory);
    harness_path(&directory, "creditd.conf", config);
}

static void tear_down(void)
{
    harness_directory_deinit(&directory);
}

TestSuite(check, .init = set_up, .fini = tear_down);

/* Its exit status, and all that it says. */
static int check(const char *program, const char *options, char *said, size_t size)
{
    CLEANUP(cleanup_free) char *path = harness_program_path(program);
    CLEANUP(cleanup_free) char *command = NULL;
    FILE *stream;
    int status;

    cr_assert_gt(asprintf(&command, "'%s' --check %s 2>&1", path, options), 0);
    stream = popen(command, "re");
    cr_assert(stream);
    said[fread(said, 1, size - 1, stream)] = '\0';
    status = pclose(stream);
    cr_assert(WIFEXITED(status), "%s: %d", program, status);
    return WEXITSTATUS(status);
}

static void check_all(const char *text, int expected, const char *words)
{
    CLEANUP(cleanup_free) char *options = NULL;

    harness_write_file(config, text);
    cr_assert_gt(asprintf(&options, "--config '%s'", config), 0);
    for (size_t i = 0; i < ARRAY_SIZE(programs); i++) {
        char said[2048];

        cr_expect_eq(check(programs[i], options, said, sizeof(said)), expected, "%s: %s%s",
                     programs[i], text, said);
        cr_expect_not_null(strstr(said, words), "%s: %s", programs[i], said);
        cr_expect_eq(strchr(said, '\n'), said + strlen(said) - 1, "one line: %s", said);
    }
}

Test(check, what_concerns_one_role_is_refused_by_all)
{
    static const struct {
        const char *text, *words;
    } mistakes[] = {
        {"[stellartools]\nbase_url = http://example.com\n", ":2: [stellartools] base_url: "},
        {"[stellartools]\napi_version = a b\n", ":2: [stellartools] api_version: "},
        {"[better_auth]\nurl = https://app.example/?x\n", ":2: [better_auth] url: "},
        {"[better_auth]\ncookie_prefix = a=b\n", ":2: [better_auth] cookie_prefix: "},
        {"[hooks]\n\nuser = no-such-user-here\n", ":3: [hooks] user: "},
        {"[hooks]\non_event = http://example.com/\n", ":2: [hooks] on_event: "},
        {"[http]\ntrusted_origins = null\n", ":2: [http] trusted_origins: "},
        {"[http]\nlisten = 0.0.0.0:80\n", ":2: [http] listen: "},
        {"[access]\nread = no-such-user-here\n", ":2: [access] read: "},
        {"[ledger]\nretention = for ever\n", ":2: [ledger] retention: "},
        {"[nothing]\n", ":1: there is no section [nothing]"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(mistakes); i++)
        check_all(mistakes[i].text, 2, mistakes[i].words);
}

/* Secrets that are not there are no mistake: a role goes on without, and says so. */
Test(check, what_one_role_takes_all_take)
{
    check_all("[stellartools]\nbase_url = http://127.0.0.1:1\napi_key_file = /nonexistent/key\n"
              "[better_auth]\nurl = https://app.example\nsecret_file = /nonexistent/secret\n"
              "[hooks]\non_event = /nonexistent/program\non_credits_low = https://app.example/x?y\n"
              "secret_file = /nonexistent/secret\n"
              "[http]\nlisten = 127.0.0.1:0\ntrusted_origins = https://app.example\n",
              0, "creditd.conf has no mistakes\n");
}

Test(check, a_file_that_is_not_there_is_a_mistake_where_it_was_named)
{
    for (size_t i = 0; i < ARRAY_SIZE(programs); i++) {
        char said[2048];

        cr_expect_eq(check(programs[i], "--config /nonexistent/conf", said, sizeof(said)), 2);
        cr_expect_str_eq(said, "/nonexistent/conf: cannot be read: No such file or directory\n",
                         "%s", programs[i]);
    }
}

/* As a unit's ExecReload= does, with the configuration where the role itself looks for it. */
Test(check, without_a_name_it_is_the_file_that_the_role_would_read)
{
    harness_write_file(config, "[ledger]\nretention = for ever\n");
    setenv("CREDITD_CONFIG", config, 1);
    for (size_t i = 0; i < ARRAY_SIZE(programs); i++) {
        char said[2048];

        cr_expect_eq(check(programs[i], "", said, sizeof(said)), 2, "%s", programs[i]);
        cr_expect_eq(strncmp(said, config, strlen(config)), 0, "%s", said);
    }
}

Test(check, full_standard_output_is_no_success)
{
    for (size_t i = 0; i < ARRAY_SIZE(programs); i++) {
        char said[2048];

        harness_write_file(config, "");
        setenv("CREDITD_CONFIG", config, 1);
        cr_expect_eq(check(programs[i], ">/dev/full", said, sizeof(said)), 1, "%s", programs[i]);
    }
}
