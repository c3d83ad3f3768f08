#include "scratch.h"
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <util/fd.h>
#include <util/macros.h>

#define LIMIT 8

static char *directory;

static void setup(void)
{
    directory = scratch_make();
}

static void teardown(void)
{
    scratch_remove(directory);
}

TestSuite(secret, .init = setup, .fini = teardown);

Test(secret, first_line_within_the_limit)
{
    static const struct {
        const char *data;
        size_t length;
        int result;
        const char *secret;
    } cases[] = {
        {"key\n", 4, 0, "key"},
        {"key", 3, 0, "key"},
        {"key\r\n", 5, 0, "key"},
        {"key\nanother\n", 12, 0, "key"},
        {" k y \n", 6, 0, " k y "},
        {"12345678\n", 9, 0, "12345678"},
        {"12345678\r\n", 10, 0, "12345678"},
        {"12345678", 8, 0, "12345678"},
        {"123456789", 9, -E2BIG, NULL},
        {"123456789\n", 10, -E2BIG, NULL},
        {"1234567890123456789012345678901234567890\n", 41, -E2BIG, NULL},
        {"", 0, -ENODATA, NULL},
        {"\n", 1, -ENODATA, NULL},
        {"\nkey\n", 5, -ENODATA, NULL},
        {"\r\n", 2, -ENODATA, NULL},
        {"k\0y\n", 4, -EBADMSG, NULL},
        {"key\0", 4, -EBADMSG, NULL},
        {"key\n\0", 5, 0, "key"}, /* behind the first line nobody looks */
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        CLEANUP(cleanup_free)
        char *path = scratch_write(directory, "secret", cases[i].data, cases[i].length);
        CLEANUP(secret_cleanup) char *secret = NULL;

        cr_assert_eq(fd_read_secret_file(path, LIMIT, &secret), cases[i].result, "case %zu", i);
        if (cases[i].secret)
            cr_assert_str_eq(secret, cases[i].secret, "case %zu", i);
        else
            cr_assert_null(secret, "case %zu: nothing is written on failure", i);
    }
}

Test(secret, what_is_no_file)
{
    CLEANUP(cleanup_free) char *missing = scratch_path(directory, "missing");
    char *secret = NULL;

    cr_assert_eq(fd_read_secret_file(missing, LIMIT, &secret), -ENOENT);
    cr_assert_eq(fd_read_secret_file(directory, LIMIT, &secret), -EISDIR);
    cr_assert_null(secret);
}

Test(secret, free_takes_nothing)
{
    cr_assert_null(secret_free(NULL));
    cr_assert_null(secret_free(strdup("x")));
}
