/*
 * See better_auth_install.h. The files are copied to the build directory, which is where npm puts
 * node_modules: nothing is written into the sources. Tests run side by side, so one of them
 * installs, under a lock, and leaves the lock file it has installed as the sign that it is done.
 */
#include "better_auth_install.h"
#include "harness.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>
#include <util/fd.h>

#define DONE "installed.json"

static char *path_of(const char *directory, const char *name)
{
    char *path = NULL;

    cr_assert(asprintf(&path, "%s/%s", directory, name) > 0);
    return path;
}

/*
 * By rename, and only where it is new: a server that another test starts at this moment reads the
 * old text or the new one, never a file that is just being written.
 */
static void copy(const char *from, const char *from_name, const char *to, const char *to_name)
{
    char *source = path_of(from, from_name), *target = path_of(to, to_name);
    char *part = path_of(to, "part"), *text = harness_read_file(source);
    char *there = harness_read_file(target);

    cr_assert_not_null(text, "%s", source);
    if (!there || strcmp(text, there) != 0) {
        harness_write_file(part, text);
        cr_assert_eq(rename(part, target), 0, "%s", target);
    }
    free(source);
    free(target);
    free(part);
    free(text);
    free(there);
}

static bool is_done(const char *directory)
{
    char *source = path_of(BETTER_AUTH_SOURCE, "package-lock.json");
    char *done = path_of(directory, DONE);
    char *wanted = harness_read_file(source), *there = harness_read_file(done);
    bool same = wanted && there && strcmp(wanted, there) == 0;

    free(source);
    free(done);
    free(wanted);
    free(there);
    return same;
}

/* Its exit code; what it says goes to the log. */
static int run(const char *directory, const char *const *arguments)
{
    int status;
    pid_t pid = fork();

    cr_assert_geq(pid, 0);
    if (pid == 0) {
        int log = -1, null = open("/dev/null", O_RDONLY);

        if (chdir(directory) == 0)
            log = open("npm.log", O_WRONLY | O_CREAT | O_APPEND, 0644);
        dup2(null, STDIN_FILENO);
        dup2(log, STDOUT_FILENO);
        dup2(log, STDERR_FILENO);
        execvp(arguments[0], (char *const *)(uintptr_t)arguments);
        _exit(127);
    }
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static const char *install(const char *directory)
{
    static const char *const npm[] = {"npm", "--version", NULL};
    static const char *const ci[] = {"npm",
                                     "ci",
                                     "--no-audit",
                                     "--no-fund",
                                     "--omit=dev",
                                     "--ignore-scripts",
                                     "--fetch-retries=1",
                                     "--fetch-timeout=30000",
                                     NULL};

    if (run(directory, npm) != 0)
        return "npm is not installed";
    copy(BETTER_AUTH_SOURCE, "package.json", directory, "package.json");
    copy(BETTER_AUTH_SOURCE, "package-lock.json", directory, "package-lock.json");
    if (run(directory, ci) != 0)
        return "npm cannot install better-auth (npm.log in the build directory says why)";
    copy(BETTER_AUTH_SOURCE, "package-lock.json", directory, DONE);
    return NULL;
}

const char *better_auth_install(char **ret_directory)
{
    static const char *const node[] = {"node", "--version", NULL};
    const char *root = getenv("CREDITD_BUILD_ROOT"), *missing = NULL;
    char *directory = NULL, *lock_path;
    int lock;

    cr_assert_not_null(root, "CREDITD_BUILD_ROOT is not set: run the tests through meson");
    cr_assert(asprintf(&directory, "%s/tests/daemon/better-auth/app", root) > 0);
    cr_assert_eq(fd_make_directory(directory, 0755), 0);
    lock_path = path_of(directory, "lock");
    lock = open(lock_path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    cr_assert_geq(lock, 0);
    cr_assert_eq(flock(lock, LOCK_EX), 0);
    if (run(directory, node) != 0)
        missing = "node is not installed";
    else if (!is_done(directory))
        missing = install(directory);
    if (!missing)
        copy(BETTER_AUTH_SOURCE, "server.mjs", directory, "server.mjs");
    close(lock);
    free(lock_path);
    if (missing)
        free(directory);
    else
        *ret_directory = directory;
    return missing;
}
