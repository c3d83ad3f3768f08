/*
 * The real outside. A Unix socket connects at once or not at all (a full backlog is -EAGAIN), so
 * that there is no state "connecting".
 */
#include "io.h"
#include <errno.h>
#include <poll.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define SYSTEM_SOCKET "/run/creditd/creditd.sock"
/* People have ids from here on: below, the daemon takes the machine's directories. */
#define FIRST_PERSON_UID 1000

static int system_connect(void *context, const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd, r;

    (void)context;
    if (strlen(path) >= sizeof address.sun_path)
        return -ENAMETOOLONG;
    memcpy(address.sun_path, path, strlen(path) + 1);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -errno;
    if (connect(fd, (struct sockaddr *)&address, sizeof address) < 0) {
        r = -errno;
        close(fd);
        return r;
    }
    return fd;
}

static ssize_t system_read(void *context, int fd, void *buffer, size_t size)
{
    ssize_t n;

    (void)context;
    do
        n = recv(fd, buffer, size, 0);
    while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : n;
}

static ssize_t system_write(void *context, int fd, const void *data, size_t length)
{
    ssize_t n;

    (void)context;
    do
        n = send(fd, data, length, MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : n;
}

static void system_close(void *context, int fd)
{
    (void)context;
    close(fd);
}

static int system_wait(void *context, int fd, short events, int timeout)
{
    struct pollfd p = {.fd = fd, .events = events};
    int n = poll(&p, 1, timeout);

    (void)context;
    return n < 0 ? -errno : (n == 0 ? 0 : p.revents);
}

static uint64_t read_clock(clockid_t clock)
{
    struct timespec t = {0};

    clock_gettime(clock, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* BOOTTIME, not MONOTONIC: a stamp ages in the daemon while the machine is suspended. */
static uint64_t system_clock(void *context)
{
    (void)context;
    return read_clock(CLOCK_BOOTTIME);
}

static uint64_t system_wall(void *context)
{
    (void)context;
    return read_clock(CLOCK_REALTIME);
}

static int system_random(void *context, void *buffer, size_t size)
{
    ssize_t n;

    (void)context;
    do
        n = getrandom(buffer, size, 0);
    while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : ((size_t)n == size ? 0 : -EIO);
}

static long system_process(void *context)
{
    (void)context;
    return getpid();
}

const struct client_io client_io_system = {
    .connect = system_connect,
    .read = system_read,
    .write = system_write,
    .close = system_close,
    .wait = system_wait,
    .clock = system_clock,
    .wall = system_wall,
    .random = system_random,
    .process = system_process,
};

/* "BASE/BELOW", where there is something of that name. */
static bool find_below(const char *base, const char *below, char *buffer, size_t size)
{
    int n;

    if (!base || base[0] != '/')
        return false;
    n = snprintf(buffer, size, "%s/%s", base, below);
    return n > 0 && (size_t)n < size && access(buffer, F_OK) == 0;
}

/* A daemon that was started without a session, whose clients may have one, or not. */
static bool find_below_home(char *buffer, size_t size)
{
    static const char below[] = ".local/state/creditd/run/creditd.sock";
    const char *home = secure_getenv("HOME");
    struct passwd user, *found = NULL;
    char texts[4096];

    if (geteuid() < FIRST_PERSON_UID)
        return false;
    if (home && home[0] == '/')
        return find_below(home, below, buffer, size);
    return getpwuid_r(geteuid(), &user, texts, sizeof texts, &found) == 0 && found &&
           find_below(found->pw_dir, below, buffer, size);
}

/* As the daemon chooses, in daemon/util/config_paths.c.
 * secure_getenv: whoever starts a privileged program must not choose whom it pays. */
static const char *find_path(char *buffer, size_t size)
{
    const char *path = secure_getenv("CREDITD_SOCKET");

    if (path && *path)
        return path;
    if (find_below(secure_getenv("XDG_RUNTIME_DIR"), "creditd/creditd.sock", buffer, size) ||
        find_below_home(buffer, size))
        return buffer;
    return SYSTEM_SOCKET;
}

int client_path(const char *path, char *ret_path, size_t size)
{
    char buffer[sizeof((struct sockaddr_un *)0)->sun_path];
    size_t length;

    if (!path)
        path = find_path(buffer, sizeof buffer);
    length = strlen(path);
    if (length == 0)
        return -EINVAL;
    if (length >= sizeof buffer || length >= size)
        return -ENAMETOOLONG;
    memcpy(ret_path, path, length + 1);
    return 0;
}
