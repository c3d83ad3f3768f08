/* Where upstream is and with which key: what is taken, what is refused, what is left of the secret.
 */
#include "key.h"
#include "settings.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <util/fd.h>
#include <util/macros.h>

static char directory[64];
static char path[128];

static void make_directory(void)
{
    strcpy(directory, "/tmp/creditd-sync-XXXXXX");
    cr_assert_not_null(mkdtemp(directory));
    snprintf(path, sizeof path, "%s/api_key", directory);
}

static void remove_directory(void)
{
    unlink(path);
    rmdir(directory);
}

static void write_file(const char *text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    cr_assert(fd >= 0);
    cr_assert_eq(fd_write_all(fd, text, strlen(text)), 0);
    close(fd);
}

TestSuite(key, .init = make_directory, .fini = remove_directory);

Test(key, file_before_credential_before_environment)
{
    char reason[256], *key = NULL;

    setenv("CREDENTIALS_DIRECTORY", directory, 1);
    cr_expect_eq(key_load(NULL, NULL, &key, reason, sizeof reason), -ENOENT);
    cr_expect_str_eq(reason, "no API key is configured");
    cr_assert_eq(key_load(NULL, "sk_env", &key, reason, sizeof reason), 0);
    cr_expect_str_eq(key, "sk_env");
    secret_free(key);
    write_file("sk_file\n");
    cr_assert_eq(key_load(NULL, "sk_env", &key, reason, sizeof reason), 0);
    cr_expect_str_eq(key, "sk_file");
    secret_free(key);
    unsetenv("CREDENTIALS_DIRECTORY");
    cr_assert_eq(key_load(path, "sk_env", &key, reason, sizeof reason), 0);
    cr_expect_str_eq(key, "sk_file");
    secret_free(key);
}

Test(key, a_file_that_is_named_and_missing_is_no_reason_to_use_another_key)
{
    char reason[256], *key = NULL;

    cr_expect(key_load(path, "sk_env", &key, reason, sizeof reason) < 0);
    cr_expect_null(key);
    cr_expect_not_null(strstr(reason, path));
}

Test(key, what_is_no_header_value_is_refused_and_not_quoted)
{
    static const char *const bad[] = {"sk_a sk_b\n", "sk_\xc3\xa9\n", "sk_\x01\n", "sk_\t\n",
                                      " sk_\n"};
    char reason[256], *key = NULL;

    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        write_file(bad[i]);
        cr_expect_eq(key_load(path, NULL, &key, reason, sizeof reason), -EINVAL, "row %zu", i);
        cr_expect_null(strstr(reason, "sk_"), "%s", reason);
        cr_expect_eq(key_load(NULL, bad[i], &key, reason, sizeof reason), -EINVAL, "row %zu", i);
        cr_expect_null(strstr(reason, "sk_"), "%s", reason);
    }
}

Test(key, the_environment_is_wiped)
{
    char *key, *before;

    setenv(KEY_VARIABLE, "sk_secret", 1);
    before = getenv(KEY_VARIABLE);
    key = key_take_from_environment(KEY_VARIABLE);
    cr_expect_str_eq(key, "sk_secret");
    cr_expect_null(getenv(KEY_VARIABLE));
    cr_expect_eq(before[0], '\0');
    secret_free(key);
    cr_expect_null(key_take_from_environment(KEY_VARIABLE));
}

Test(key, the_configuration_names_file_and_mistake)
{
    struct settings *settings = NULL;
    char *error = NULL;

    write_file("[stellartools]\nbase_url = http://example.com\n");
    cr_assert(
        settings_load(&(struct settings_source){path, NULL, "sk_1", false}, &settings, &error) < 0);
    cr_expect_not_null(strstr(error, path));
    cr_expect_not_null(strstr(error, ":2: [stellartools] base_url: the value is plain http"));
    free(error);
    error = NULL;
    /* The environment comes first: that is how --sandbox reaches us. */
    write_file("[stellartools]\nbase_url = https://example.com\n");
    cr_assert_eq(settings_load(&(struct settings_source){path, "http://127.0.0.1:1", "sk_1", false},
                               &settings, &error),
                 0);
    cr_expect_str_eq(settings->target.url, "http://127.0.0.1:1");
    cr_expect_str_eq(settings->api_key, "sk_1");
    settings_unref(settings);
}

Test(key, sessions_go_to_https_or_this_machine)
{
    static const struct {
        const char *text, *wrong; /* wrong NULL: taken */
    } table[] = {
        {"[better_auth]\nurl = http://app.example.org\n",
         "[better_auth] url: the value is plain http"},
        {"[better_auth]\nurl = https://app.example.org/?x\n",
         "[better_auth] url: the value has a user"},
        {"[better_auth]\ncookie_prefix = a=b\n", "[better_auth] cookie_prefix: \"a=b\" is not"},
        {"[better_auth]\ncookie_prefix = a b\n", "[better_auth] cookie_prefix: \"a b\" is not"},
        {"[better_auth]\nurl = http://127.0.0.1:3000/\ncookie_prefix = my-app\n", NULL},
        {"[better_auth]\nsecret_file = /nonexistent/secret\n", NULL},
    };

    for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
        struct settings *settings = NULL;
        char *error = NULL;
        int r;

        write_file(table[i].text);
        r = settings_load(&(struct settings_source){path, NULL, NULL, false}, &settings, &error);
        cr_expect_eq(r < 0, table[i].wrong != NULL, "%s", table[i].text);
        if (error && table[i].wrong)
            cr_expect_not_null(strstr(error, table[i].wrong), "%s", error);
        if (r == 0) {
            bool named = strstr(table[i].text, "secret_file") != NULL;

            cr_expect_null(settings->better_auth.secret);
            cr_expect_eq(settings->better_auth.secret_problem[0] != '\0', named);
        }
        settings_unref(settings);
        free(error);
    }
}
