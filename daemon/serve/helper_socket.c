/* See helper_socket.h. */
#include "helper_socket.h"
#include "serve.h"
#include <errno.h>
#include <string.h>
#include <unistd.h>
#include <util/fd.h>
#include <util/log.h>

static int adopt(struct helper_socket *socket, int fd);

static void on_notification(struct ipc_channel *channel, const char *method, size_t method_length,
                            const msgpack_object *params, void *userdata)
{
    const struct helper_socket *socket = userdata;
    const char *hello = socket->role->hello;

    (void)channel;
    if (method_length != strlen(hello) || memcmp(method, hello, method_length) != 0)
        return;
    log_info("%s is there", socket->role->program);
    if (socket->role->on_hello != NULL)
        socket->role->on_hello(params, socket->userdata);
}

static void on_closed(struct ipc_channel *channel, enum ipc_close_reason reason, void *userdata)
{
    struct helper_socket *socket = userdata;
    int fd = socket->next_fd;

    (void)channel;
    socket->channel = NULL;
    socket->closing = false;
    socket->next_fd = -1;
    socket->role->on_gone(socket->userdata);
    if (!serve_is_stopping(socket->serve)) /* else that is as it should be */
        log_notice("%s is gone: %s", socket->role->program, ipc_close_reason_text(reason));
    if (fd >= 0 && (serve_is_stopping(socket->serve) || adopt(socket, fd) < 0))
        close(fd);
}

/* Takes fd on success. */
static int adopt(struct helper_socket *socket, int fd)
{
    static const struct ipc_channel_callbacks callbacks = {
        .on_notification = on_notification,
        .on_closed = on_closed,
    };
    int r = ipc_channel_new(&socket->serve->loop, fd, NULL, &callbacks, socket, &socket->channel);

    if (r < 0) {
        log_error("the connection of %s: %s", socket->role->program, strerror(-r));
        return r;
    }
    socket->role->on_come(socket->userdata);
    return 0;
}

static void on_connection(struct ipc_listener *listener, int fd, struct ipc_charge *charge,
                          void *userdata)
{
    struct helper_socket *socket = userdata;

    (void)listener;
    (void)charge;
    if (socket->channel == NULL) {
        if (adopt(socket, fd) < 0)
            close(fd);
        return;
    }
    log_notice("another %s has connected: it takes over", socket->role->program);
    if (socket->next_fd >= 0)
        close(socket->next_fd);
    socket->next_fd = fd;
    helper_socket_cut_off(socket);
}

static void on_listener_closed(struct ipc_listener *listener, void *userdata)
{
    struct helper_socket *socket = userdata;

    (void)listener;
    socket->listener = NULL;
}

int helper_socket_init(struct helper_socket *socket, struct serve *serve,
                       const struct helper_role *role, void *userdata, int fd)
{
    static const struct ipc_listener_callbacks callbacks = {
        .on_connection = on_connection,
        .on_closed = on_listener_closed,
    };

    memset(socket, 0, sizeof(*socket));
    socket->serve = serve;
    socket->role = role;
    socket->userdata = userdata;
    socket->next_fd = -1;
    if (fd < 0)
        return 0;
    if (fd_is_listening(fd) > 0)
        return ipc_listener_new(&serve->loop, fd, NULL, &callbacks, socket, &socket->listener);
    return adopt(socket, fd);
}

int helper_socket_request(struct helper_socket *socket, const char *method, ipc_pack_function pack,
                          void *context, uint64_t timeout_ms, ipc_reply_function callback,
                          void *userdata)
{
    if (!helper_socket_is_open(socket))
        return -ENOTCONN;
    return ipc_channel_request(socket->channel, method, pack, context, timeout_ms, callback,
                               userdata, NULL);
}

void helper_socket_notify(struct helper_socket *socket, const char *method)
{
    if (helper_socket_is_open(socket))
        (void)ipc_channel_notify(socket->channel, method, NULL, NULL);
}

void helper_socket_cut_off(struct helper_socket *socket)
{
    if (socket->channel == NULL)
        return;
    socket->closing = true;
    ipc_channel_close(socket->channel);
}

void helper_socket_close(struct helper_socket *socket)
{
    if (socket->listener != NULL)
        ipc_listener_close(socket->listener);
    helper_socket_cut_off(socket);
}

bool helper_socket_is_closed(const struct helper_socket *socket)
{
    return socket->channel == NULL && socket->listener == NULL;
}
