/* Users, groups and the right to change them: see identity.h. */
#include "identity.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <util/macros.h>

#define GROUPS_MAX 65536
#define DEFAULT_USER "creditd-hook-run"

/* To become somebody else, and to end what then runs as somebody else. Root has it, and so has a
 * service to which systemd gives it (AmbientCapabilities=). */
static bool may_change_user(void)
{
    static const unsigned needed = 1u << CAP_SETUID | 1u << CAP_SETGID | 1u << CAP_KILL;
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {{0}};

    if (syscall(SYS_capget, &header, data) < 0)
        return false;
    return (data[0].effective & needed) == needed;
}

static int groups_load(struct identity *identity)
{
    int count = 32;

    for (;;) {
        gid_t *grown = reallocarray(identity->groups, (size_t)count, sizeof *grown);
        int capacity = count;

        if (!grown)
            return -ENOMEM;
        identity->groups = grown;
        if (getgrouplist(identity->name, identity->gid, grown, &count) >= 0) {
            identity->group_count = (size_t)count;
            return 0;
        }
        if (count <= capacity)
            count = capacity * 2;
        if (count > GROUPS_MAX)
            return -E2BIG;
    }
}

static int identity_load(struct identity *identity, const struct passwd *entry)
{
    identity->uid = entry->pw_uid;
    identity->gid = entry->pw_gid;
    identity->name = strdup(entry->pw_name);
    identity->home = strdup(entry->pw_dir);
    if (!identity->name || !identity->home)
        return -ENOMEM;
    identity->is_other = identity->uid != geteuid();
    return identity->is_other ? groups_load(identity) : 0;
}

static const struct passwd *find_user(const char *user)
{
    const struct passwd *entry = NULL;

    if (user)
        return getpwnam(user);
    if (may_change_user())
        entry = getpwnam(DEFAULT_USER);
    return entry ? entry : getpwuid(geteuid());
}

int identity_init(struct identity *identity, const char *user, const char **ret_reason)
{
    struct identity loaded = {.uid = geteuid(), .gid = getegid()};
    const struct passwd *entry = find_user(user);
    int r = 0;

    if (user && !entry) {
        *ret_reason = "is not the name of a user";
        return -EINVAL;
    }
    if (entry)
        r = identity_load(&loaded, entry);
    if (r == 0 && loaded.is_other && !may_change_user()) {
        *ret_reason = "cannot be changed to: creditd-hook is not root (it needs CAP_SETUID, "
                      "CAP_SETGID and CAP_KILL)";
        r = -EINVAL;
    }
    if (r < 0) {
        identity_deinit(&loaded);
        return r;
    }
    loaded.is_unnamed_root = !user && loaded.uid == 0;
    loaded.is_unnamed_self = !user && !loaded.is_other && loaded.uid != 0;
    *identity = loaded;
    return 0;
}

void identity_deinit(struct identity *identity)
{
    free(identity->groups);
    free(identity->name);
    free(identity->home);
    *identity = (struct identity){0};
}

int identity_assume(const struct identity *identity)
{
    /* The kernel keeps them through a change of user where that was not root. */
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    if (!identity->is_other)
        return 0;
    if (setgroups(identity->group_count, identity->groups) < 0 ||
        setresgid(identity->gid, identity->gid, identity->gid) < 0 ||
        setresuid(identity->uid, identity->uid, identity->uid) < 0)
        return -errno;
    return 0;
}
