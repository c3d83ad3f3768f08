/*
 * The service's side of sd_listen_fds(3) and sd_notify(3), without libsystemd: each is an
 * environment variable and a datagram.
 *
 * A descriptor that was taken is renamed to nothing in LISTEN_FDNAMES: the environment itself
 * remembers, so there is no state here that a test or a second caller would share without knowing.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <util/macros.h>
#include <util/service.h>

#define SERVICE_FD_FIRST 3

/* A whole decimal number; -1 where the variable is missing or anything else. */
static long long service_environment_number(const char *variable)
{
    const char *text = getenv(variable);
    char *end;
    long long number;

    if (!text || *text < '0' || *text > '9')
        return -1;
    errno = 0;
    number = strtoll(text, &end, 10);
    return errno || *end ? -1 : number;
}

/* Names that field `index` of LISTEN_FDNAMES no longer: the caller owns that descriptor now. */
static int service_mark_taken(const char *names, size_t offset, size_t length)
{
    CLEANUP(cleanup_free) char *changed = strdup(names);

    if (!changed)
        return -ENOMEM;
    memmove(changed + offset, changed + offset + length, strlen(changed + offset + length) + 1);
    return setenv("LISTEN_FDNAMES", changed, 1) < 0 ? -errno : 0;
}

int service_take_fd(const char *name)
{
    const char *names = getenv("LISTEN_FDNAMES"), *field = names;
    long long count = service_environment_number("LISTEN_FDS");

    if (!names || count <= 0 || count > INT_MAX - SERVICE_FD_FIRST ||
        service_environment_number("LISTEN_PID") != getpid())
        return -ENOENT;
    for (int fd = SERVICE_FD_FIRST; fd < SERVICE_FD_FIRST + (int)count; fd++) {
        size_t length = strcspn(field, ":");

        if (length && length == strlen(name) && !memcmp(field, name, length)) {
            int r;

            if (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
                return -errno;
            r = service_mark_taken(names, (size_t)(field - names), length);
            return r < 0 ? r : fd;
        }
        if (!field[length])
            break;
        field += length + 1;
    }
    return -ENOENT;
}

int service_notify(const char *state)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    CLEANUP(cleanup_fd) int fd = -1;
    size_t length;

    if (!path)
        return 0;
    length = strlen(path);
    if ((path[0] != '/' && path[0] != '@') || length < 2)
        return -EAFNOSUPPORT;
    if (length >= sizeof(address.sun_path))
        return -ENAMETOOLONG;
    memcpy(address.sun_path, path, length);
    if (path[0] == '@')
        address.sun_path[0] = '\0';
    fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    if (sendto(fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&address,
               (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length)) < 0)
        return -errno;
    return 0;
}

int service_watchdog_interval_ms(void)
{
    long long usec = service_environment_number("WATCHDOG_USEC");
    long long pid = service_environment_number("WATCHDOG_PID");
    long long interval = usec / 2000;

    if (usec <= 0 || (pid >= 0 && pid != getpid()))
        return 0;
    return interval < 1 ? 1 : interval > INT_MAX ? INT_MAX : (int)interval;
}

char *service_credential_path(const char *name)
{
    const char *directory = getenv("CREDENTIALS_DIRECTORY");
    CLEANUP(cleanup_free) char *path = NULL;
    struct stat status;

    if (!directory || asprintf(&path, "%s/%s", directory, name) < 0)
        return NULL;
    if (stat(path, &status) < 0 || status.st_size <= 1)
        return NULL;
    return TAKE_PTR(path);
}

int service_protect_memory(void)
{
    const struct rlimit none = {0, 0};

    if (prctl(PR_SET_DUMPABLE, 0) < 0 || setrlimit(RLIMIT_CORE, &none) < 0)
        return -errno;
    return 0;
}
