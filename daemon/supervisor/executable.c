/*
 * Where the roles' executables are. PATH is not asked: what runs with the daemon's rights is what
 * was installed with it.
 */
#include "executable.h"
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <util/macros.h>

/* The directory of the running program itself. */
static char *own_directory(void)
{
    char path[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", path, sizeof(path) - 1);
    char *slash;

    if (length < 0)
        return NULL;
    path[length] = '\0';
    slash = strrchr(path, '/');
    if (slash)
        *slash = '\0';
    return strdup(path);
}

/* Whether it is there: 1 and its path, 0 or -ENOMEM. */
static int try_directory(const char *directory, const char *below, const char *name,
                         char **ret_path)
{
    CLEANUP(cleanup_free) char *path = NULL;

    if (asprintf(&path, "%s%s/%s", directory, below, name) < 0) {
        path = NULL;
        return -ENOMEM;
    }
    if (access(path, X_OK) < 0)
        return 0;
    *ret_path = TAKE_PTR(path);
    return 1;
}

int executable_find(const struct role_spec *role, char **ret_path)
{
    const char *wanted = getenv("CREDITD_ROLE_DIR");
    CLEANUP(cleanup_free) char *own = own_directory();
    char sibling[64];
    int r;

    snprintf(sibling, sizeof(sibling), "/../%s", role->folder);
    if (wanted)
        r = try_directory(wanted, "", role->executable, ret_path);
    else if (!own || !(r = try_directory(own, "", role->executable, ret_path)))
        if (!own || !(r = try_directory(own, sibling, role->executable, ret_path)))
            r = try_directory(CREDITD_LIBEXECDIR, "", role->executable, ret_path);
    return r > 0 ? 0 : r < 0 ? r : -ENOENT;
}
