/*
 * Where clients and helpers reach us: on inherited descriptors, or on sockets that we make.
 */
#include "connection.h"
#include "serve.h"
#include <errno.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <util/fd.h>
#include <util/log.h>
#include <util/macros.h>
#include <util/service.h>

#define BACKLOG 1024
#define LOG_INTERVAL_MS 1000

static void on_connection(struct ipc_listener *listener, int fd, struct ipc_charge *charge,
                          void *userdata)
{
    struct serve *serve = userdata;
    int r = connection_new(serve, fd, charge);

    (void)listener;
    if (r < 0) {
        log_warning("a connection could not be taken: %s", strerror(-r));
        close(fd);
    }
}

static void on_refused(struct ipc_listener *listener, uid_t uid, int error, void *userdata)
{
    struct serve *serve = userdata;
    int64_t now = serve_now(serve);

    (void)listener;
    if (now - serve->refused_logged < LOG_INTERVAL_MS)
        return; /* whoever connects in a loop must not fill the log */
    serve->refused_logged = now;
    log_warning("a connection of uid %d was refused: %s", (int)uid, strerror(-error));
}

static void on_closed(struct ipc_listener *listener, void *userdata)
{
    struct serve *serve = userdata;

    (void)listener;
    serve->listener = NULL;
}

static int make(const char *path, mode_t mode, int *ret_fd)
{
    CLEANUP(cleanup_free) char *copy = strdup(path);
    int r = copy != NULL ? fd_make_directory(dirname(copy), 0755) : -ENOMEM;

    return r < 0 ? r : fd_listen_unix(path, mode, BACKLOG, ret_fd);
}

/* Inherited under `name`, or a socket of ours at `path`. */
static int take_or_make(const char *name, const char *path, mode_t mode, int *ret_fd, bool *ret_own)
{
    int fd = service_take_fd(name);

    *ret_own = fd == -ENOENT;
    if (fd >= 0) {
        *ret_fd = fd;
        return fd_set_nonblocking(fd);
    }
    return fd != -ENOENT ? fd : make(path, mode, ret_fd);
}

static int listen_clients(struct serve *serve)
{
    static const struct ipc_listener_callbacks callbacks = {
        .on_connection = on_connection,
        .on_refused = on_refused,
        .on_closed = on_closed,
    };
    const char *path = serve->config->paths.socket;
    CLEANUP(cleanup_fd) int fd = -1;
    bool own;
    /* Who may do what is decided by [access]: anybody may connect, and ask for status. */
    int r = take_or_make(SERVICE_FD_CLIENT, path, 0666, &fd, &own);

    if (r == 0)
        r = ipc_listener_new(&serve->loop, fd, serve->quota, &callbacks, serve, &serve->listener);
    if (r < 0) {
        log_error("%s: cannot listen for clients: %s", path, strerror(-r));
        return r;
    }
    fd = -1;
    serve->own_socket = own ? strdup(path) : NULL;
    return 0;
}

/* Who may connect to it is who may play the role. */
static int listen_sync(struct serve *serve)
{
    const char *path = serve->config->paths.sync_socket;
    CLEANUP(cleanup_fd) int fd = -1;
    bool own;
    int r = take_or_make(SERVICE_FD_SYNC, path, 0600, &fd, &own);

    if (r == 0)
        r = helper_init(&serve->helper, serve, fd);
    if (r < 0) {
        log_error("%s: cannot listen for creditd-sync: %s", path, strerror(-r));
        return r;
    }
    fd = -1;
    serve->own_sync_socket = own ? strdup(path) : NULL;
    return 0;
}

/* One of our own only where there are hooks: who has none needs no room for it. */
static int listen_hook(struct serve *serve)
{
    const char *path = serve->config->paths.hook_socket;
    CLEANUP(cleanup_fd) int fd = service_take_fd(SERVICE_FD_HOOK);
    bool own = fd == -ENOENT && hooks_are_configured(serve->config);
    int r = fd >= 0 ? fd_set_nonblocking(fd) : 0;

    if (own)
        r = make(path, 0600, &fd);
    else if (fd < 0 && fd != -ENOENT)
        r = fd;
    if (r == 0)
        r = hooks_init(&serve->hooks, serve, fd);
    if (r < 0) {
        log_error("%s: cannot listen for creditd-hook: %s", path, strerror(-r));
        return r;
    }
    fd = -1;
    serve->own_hook_socket = own ? strdup(path) : NULL;
    return 0;
}

int serve_listen(struct serve *serve)
{
    return listen_sync(serve) < 0 || listen_hook(serve) < 0 || listen_clients(serve) < 0 ? 1 : 0;
}
