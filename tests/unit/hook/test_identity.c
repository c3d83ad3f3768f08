/* Whom programs may run as. */
#include "identity.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <pwd.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

Test(identity, our_own_needs_no_right)
{
    const struct passwd *self = getpwuid(geteuid());
    struct identity identity = {0};
    const char *reason = NULL;

    if (!self)
        return;
    cr_assert_eq(identity_init(&identity, self->pw_name, &reason), 0);
    cr_expect(!identity.is_other);
    cr_expect_str_eq(identity.home, self->pw_dir);
    identity_deinit(&identity);
}

/* creditd-hook-run where there is one and we may; never root by itself. */
Test(identity, by_default)
{
    const struct passwd *other = geteuid() == 0 ? getpwnam("creditd-hook-run") : NULL;
    struct identity identity = {0};
    const char *reason = NULL;

    cr_assert_eq(identity_init(&identity, NULL, &reason), 0);
    cr_expect_eq(identity.is_other, other != NULL);
    cr_expect_eq(identity.uid, other ? other->pw_uid : geteuid());
    cr_expect_eq(identity.is_unnamed_root, !other && geteuid() == 0);
    cr_expect_eq(identity.is_unnamed_self, !other && geteuid() != 0);
    identity_deinit(&identity);
    if (geteuid() != 0)
        return;
    cr_assert_eq(identity_init(&identity, "root", &reason), 0);
    cr_expect(!identity.is_unnamed_root);
    identity_deinit(&identity);
}

Test(identity, of_nobody_known)
{
    struct identity identity = {.uid = 77};
    const char *reason = NULL;

    cr_expect_eq(identity_init(&identity, "no-such-user-here", &reason), -EINVAL);
    cr_expect_str_eq(reason, "is not the name of a user");
    cr_expect_eq(identity.uid, 77); /* untouched */
}

/* In a process that is not root. */
Test(identity, another_without_the_right)
{
    pid_t pid = fork();
    int status;

    if (pid == 0) {
        struct identity identity = {0};
        const char *reason = "";

        if (geteuid() == 0 && setresuid(65534, 65534, 65534) < 0)
            _exit(2);
        if (identity_init(&identity, "root", &reason) != -EINVAL)
            _exit(3);
        _exit(strncmp(reason, "cannot be changed to: creditd-hook is not root", 46) == 0 ? 0 : 4);
    }
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    cr_expect(WIFEXITED(status) && WEXITSTATUS(status) == 0, "%d", status);
}

/* All of it changes, groups too, and not back. */
Test(identity, is_assumed_whole)
{
    const struct passwd *nobody = getpwnam("nobody");
    pid_t pid;
    int status;

    if (geteuid() != 0 || !nobody)
        cr_skip_test("only root can");
    pid = fork();
    if (pid == 0) {
        struct identity identity = {0};
        const char *reason;
        gid_t groups[8];
        uid_t real, effective, saved;

        if (identity_init(&identity, "nobody", &reason) < 0 || !identity.is_other ||
            identity_assume(&identity) < 0)
            _exit(2);
        if (getresuid(&real, &effective, &saved) < 0 || real != nobody->pw_uid ||
            effective != nobody->pw_uid || saved != nobody->pw_uid)
            _exit(3);
        if (getgid() != nobody->pw_gid || getgroups(8, groups) != 1 || groups[0] != nobody->pw_gid)
            _exit(4);
        _exit(setuid(0) < 0 ? 0 : 5);
    }
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    cr_expect(WIFEXITED(status) && WEXITSTATUS(status) == 0, "%d", status);
}
