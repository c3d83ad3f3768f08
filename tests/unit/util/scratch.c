/*
 * A directory for one test, and files in it.
 */
#include "scratch.h"
#include <criterion/criterion.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <util/fd.h>

char *scratch_make(void)
{
    char *directory = strdup("/tmp/creditd-test-XXXXXX");

    cr_assert(directory && mkdtemp(directory));
    return directory;
}

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *ftw)
{
    (void)status, (void)type, (void)ftw;
    return remove(path);
}

void scratch_remove(char *directory)
{
    cr_assert_eq(nftw(directory, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
    free(directory);
}

char *scratch_path(const char *directory, const char *name)
{
    char *path = NULL;

    cr_assert(asprintf(&path, "%s/%s", directory, name) > 0);
    return path;
}

char *scratch_write(const char *directory, const char *name, const void *data, size_t length)
{
    char *path = scratch_path(directory, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    cr_assert(fd >= 0);
    cr_assert_eq(fd_write_all(fd, data, length), 0);
    close(fd);
    return path;
}
