/*
 * Where things are when nobody says: system directories for root and for services, which systemd
 * names in STATE_DIRECTORY and RUNTIME_DIRECTORY, and XDG's directories for people.
 */
#include "config_paths.h"
#include <errno.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>
#include <util/macros.h>

/* login.defs gives people ids from here on; root and what runs as a service is below. */
#define FIRST_PERSON_UID 1000

static bool runs_as_service(void)
{
    return geteuid() < FIRST_PERSON_UID || getenv("STATE_DIRECTORY");
}

static const char *home_directory(void)
{
    const char *home = getenv("HOME");
    const struct passwd *user;

    if (home && home[0] == '/')
        return home;
    user = getpwuid(geteuid());
    return user ? user->pw_dir : "/";
}

/* "$variable/name", or `below_home` in the home directory where the variable is not set to a path.
 */
static char *xdg_path(const char *variable, const char *name, const char *below_home)
{
    const char *base = getenv(variable);
    char *path = NULL;
    int r;

    if (base && base[0] == '/')
        r = asprintf(&path, "%s/%s", base, name);
    else
        r = asprintf(&path, "%s/%s", home_directory(), below_home);
    return r < 0 ? NULL : path;
}

/* systemd joins several directories with colons; ours is the first. */
static char *service_directory(const char *variable, const char *fallback)
{
    const char *value = getenv(variable);

    if (!value || value[0] != '/')
        return strdup(fallback);
    return strndup(value, strcspn(value, ":"));
}

static char *default_state_directory(void)
{
    if (runs_as_service())
        return service_directory("STATE_DIRECTORY", "/var/lib/creditd");
    return xdg_path("XDG_STATE_HOME", "creditd", ".local/state/creditd");
}

static char *default_runtime_directory(void)
{
    if (runs_as_service())
        return service_directory("RUNTIME_DIRECTORY", "/run/creditd");
    /* Without a session there is no runtime directory; a private one that outlives it does as well.
     */
    return xdg_path("XDG_RUNTIME_DIR", "creditd", ".local/state/creditd/run");
}

static int default_socket(char **path, const char *directory, const char *name)
{
    if (!*path && asprintf(path, "%s/%s", directory, name) < 0) {
        *path = NULL;
        return -ENOMEM;
    }
    return 0;
}

int config_default_paths(struct config *config)
{
    if (!config->paths.state_directory)
        config->paths.state_directory = default_state_directory();
    if (!config->paths.runtime_directory)
        config->paths.runtime_directory = default_runtime_directory();
    if (!config->paths.state_directory || !config->paths.runtime_directory)
        return -ENOMEM;
    if (default_socket(&config->paths.socket, config->paths.runtime_directory, "creditd.sock") <
            0 ||
        default_socket(&config->paths.sync_socket, config->paths.runtime_directory, "sync.sock") <
            0 ||
        default_socket(&config->paths.hook_socket, config->paths.runtime_directory, "hook.sock") <
            0)
        return -ENOMEM;
    return 0;
}

static char *existing(char *path)
{
    if (path && access(path, F_OK) == 0)
        return path;
    free(path);
    return NULL;
}

char *config_default_path(void)
{
    const char *path = getenv("CREDITD_CONFIG");

    /* Named is meant, whether or not it exists: a missing file is then an error and not a default.
     */
    if (path && *path)
        return strdup(path);
    if (runs_as_service()) {
        char *system = existing(strdup("/etc/creditd/creditd.conf"));

        if (system)
            return system;
    }
    return existing(
        xdg_path("XDG_CONFIG_HOME", "creditd/creditd.conf", ".config/creditd/creditd.conf"));
}
