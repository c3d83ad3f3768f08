/*
 * The sockets that outlive the roles.
 */
#include "sockets.h"
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <unistd.h>
#include <util/fd.h>
#include <util/macros.h>

/* Everybody may connect: who may do what is decided by the credentials of each connection. */
#define CLIENT_MODE 0666
#define CLIENT_BACKLOG 4096
#define CHANNEL_MODE 0600
#define CHANNEL_BACKLOG 16

void sockets_init(struct sockets *sockets)
{
    *sockets = (struct sockets){.lock_fd = -1, .client_fd = -1};
    for (size_t i = 0; i < CHANNEL_COUNT; i++)
        sockets->channels[i].fd = -1;
}

static int fail(char **ret_error, int r, const char *format, ...) PRINTF_LIKE(3, 4);

static int fail(char **ret_error, int r, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    if (vasprintf(ret_error, format, arguments) < 0)
        *ret_error = NULL;
    va_end(arguments);
    return r;
}

static int make_parent(const char *path, char **ret_error)
{
    const char *slash = strrchr(path, '/');
    CLEANUP(cleanup_free) char *directory = NULL;
    int r;

    if (!slash || slash == path)
        return 0;
    directory = strndup(path, (size_t)(slash - path));
    if (!directory)
        return -ENOMEM;
    r = fd_make_directory(directory, 0755);
    if (r < 0)
        return fail(ret_error, r, "the directory %s cannot be made: %s", directory, strerror(-r));
    return 0;
}

/* Held until we end, however that happens; the file stays, since removing a lock lets two hold it.
 */
static int take_lock(struct sockets *sockets, char **ret_error)
{
    CLEANUP(cleanup_free) char *path = NULL;

    if (asprintf(&path, "%s.lock", sockets->client_path) < 0) {
        path = NULL;
        return -ENOMEM;
    }
    sockets->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (sockets->lock_fd < 0)
        return fail(ret_error, -errno, "%s cannot be opened: %s", path, strerror(errno));
    if (flock(sockets->lock_fd, LOCK_EX | LOCK_NB) == 0)
        return 0;
    if (errno == EWOULDBLOCK)
        return fail(ret_error, -EADDRINUSE, "another creditd serves on %s", sockets->client_path);
    return fail(ret_error, -errno, "%s cannot be locked: %s", path, strerror(errno));
}

static int listen_on(const char *path, mode_t mode, int backlog, int *ret_fd, char **ret_error)
{
    int r = make_parent(path, ret_error);

    if (r < 0)
        return r;
    r = fd_listen_unix(path, mode, backlog, ret_fd);
    if (r < 0)
        return fail(ret_error, r, "%s cannot be listened on: %s", path, strerror(-r));
    return 0;
}

/* Beside the clients' socket where that was named, so that two daemons with two sockets share
 * nothing. */
static char *channel_path(const struct channel_spec *channel, const struct config *config,
                          const char *path)
{
    char *joined = NULL;

    if (!path)
        return strdup(*(char *const *)(const void *)((const char *)config + channel->path_offset));
    return asprintf(&joined, "%s%s", path, channel->suffix) < 0 ? NULL : joined;
}

static int open_all(struct sockets *sockets, const struct config *config, const char *path,
                    char **ret_error)
{
    int r;

    sockets->client_path = strdup(path ? path : config->paths.socket);
    if (!sockets->client_path)
        return -ENOMEM;
    r = make_parent(sockets->client_path, ret_error);
    if (r < 0)
        return r;
    r = take_lock(sockets, ret_error);
    if (r < 0)
        return r;
    for (size_t i = 0; i < CHANNEL_COUNT; i++) {
        sockets->channels[i].path = channel_path(&channel_specs[i], config, path);
        if (!sockets->channels[i].path)
            return -ENOMEM;
        r = listen_on(sockets->channels[i].path, CHANNEL_MODE, CHANNEL_BACKLOG,
                      &sockets->channels[i].fd, ret_error);
        if (r < 0)
            return r;
    }
    /* Last: when clients find it, all else is there. */
    return listen_on(sockets->client_path, CLIENT_MODE, CLIENT_BACKLOG, &sockets->client_fd,
                     ret_error);
}

int sockets_open(struct sockets *sockets, const struct config *config, const char *path,
                 char **ret_error)
{
    CLEANUP(cleanup_free) char *error = NULL;
    int r = open_all(sockets, config, path, &error);

    if (r < 0) {
        *ret_error = error ? TAKE_PTR(error) : strdup(strerror(-r));
        sockets_deinit(sockets);
    }
    return r;
}

static void close_and_remove(int *fd, const char *path)
{
    if (*fd < 0)
        return;
    /* The path first: a connect finds nobody, rather than somebody who is about to go. */
    unlink(path);
    close(TAKE_FD(*fd));
}

void sockets_close_client(struct sockets *sockets)
{
    close_and_remove(&sockets->client_fd, sockets->client_path);
}

void sockets_deinit(struct sockets *sockets)
{
    sockets_close_client(sockets);
    for (size_t i = 0; i < CHANNEL_COUNT; i++) {
        close_and_remove(&sockets->channels[i].fd, sockets->channels[i].path);
        free(sockets->channels[i].path);
    }
    free(sockets->client_path);
    cleanup_fd(&sockets->lock_fd);
    sockets_init(sockets);
}

int sockets_connect_channel(const struct sockets *sockets, const char *name, int *ret_fd)
{
    for (size_t i = 0; i < CHANNEL_COUNT; i++)
        if (!strcmp(channel_specs[i].name, name))
            return fd_try_connect_unix(sockets->channels[i].path, ret_fd);
    return -ENOENT;
}
