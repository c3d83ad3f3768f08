/*
 * accept4() under a uv_poll_t rather than uv_listen(): what is handed on is a descriptor, whose
 * peer has been looked at before anything was spent on it.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <ipc/listener.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include <util/fd.h>
#include <util/macros.h>

/* In one turn of the loop, so that a flood of connections does not keep the others waiting. */
#define ACCEPTS_A_TURN 64
/* After an error that would come again at once. */
#define REST_MS 100

struct ipc_listener {
    uv_poll_t poll;
    uv_timer_t rest;
    unsigned handles;
    bool closing;
    bool stillborn; /* its maker has been told of an error, and keeps the descriptor */
    int fd;
    int reserve;
    struct ipc_quota *quota;
    struct ipc_listener_callbacks callbacks;
    void *userdata;
};

static void on_readable(uv_poll_t *poll, int status, int events);

static int reserve_open(void)
{
    return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static void on_rested(uv_timer_t *timer)
{
    struct ipc_listener *listener = timer->data;

    uv_poll_start(&listener->poll, UV_READABLE, on_readable);
}

/* The socket stays readable: without a rest the loop would spin. */
static void listener_rest(struct ipc_listener *listener)
{
    uv_poll_stop(&listener->poll);
    uv_timer_start(&listener->rest, on_rested, REST_MS, 0);
}

static void listener_refused(struct ipc_listener *listener, uid_t uid, int error)
{
    if (listener->callbacks.on_refused != NULL)
        listener->callbacks.on_refused(listener, uid, error, listener->userdata);
}

/* No descriptor is left: spends the reserve on getting rid of the connection. */
static void listener_shed(struct ipc_listener *listener, int error)
{
    int fd;

    if (listener->reserve >= 0)
        close(listener->reserve);
    fd = accept4(listener->fd, NULL, NULL, SOCK_CLOEXEC);
    if (fd >= 0)
        close(fd);
    listener->reserve = reserve_open();
    if (fd < 0 || listener->reserve < 0)
        listener_rest(listener);
    listener_refused(listener, (uid_t)-1, error);
}

static void listener_hand_over(struct ipc_listener *listener, int connection)
{
    CLEANUP(cleanup_fd) int fd = connection;
    struct ipc_charge charge = {.quota = NULL};
    uid_t uid = (uid_t)-1;
    gid_t gid;
    pid_t pid;
    int r;

    r = fd_peer_credentials(fd, &uid, &gid, &pid);
    if (r == 0 && listener->quota != NULL)
        r = ipc_charge_init(&charge, listener->quota, uid);
    if (r == 0)
        r = ipc_charge_add(&charge, IPC_RESOURCE_CONNECTIONS, 1);
    if (r < 0)
        listener_refused(listener, uid, r);
    else
        listener->callbacks.on_connection(listener, TAKE_FD(fd), &charge, listener->userdata);
    ipc_charge_deinit(&charge);
}

/* Whether there may be more to accept now. */
static bool listener_accept(struct ipc_listener *listener)
{
    int fd = accept4(listener->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

    if (fd >= 0) {
        listener_hand_over(listener, fd);
        return true;
    }
    switch (errno) {
    case EAGAIN:
        return false;
    case EINTR:
    case ECONNABORTED:
        return true;
    case EMFILE:
    case ENFILE:
        listener_shed(listener, -errno);
        return uv_is_active((uv_handle_t *)&listener->poll);
    default:
        listener_rest(listener);
        listener_refused(listener, (uid_t)-1, -errno);
        return false;
    }
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    struct ipc_listener *listener = poll->data;

    (void)events;
    if (status < 0) { /* EBADF: libuv has stopped the handle */
        listener_rest(listener);
        return;
    }
    for (int i = 0; i < ACCEPTS_A_TURN && !listener->closing; i++)
        if (!listener_accept(listener))
            return;
}

static void on_handle_closed(uv_handle_t *handle)
{
    struct ipc_listener *listener = handle->data;

    if (--listener->handles > 0)
        return;
    if (!listener->stillborn) {
        close(listener->fd); /* only now: the poll handle watched it */
        if (listener->callbacks.on_closed != NULL)
            listener->callbacks.on_closed(listener, listener->userdata);
    }
    if (listener->reserve >= 0)
        close(listener->reserve);
    free(listener);
}

void ipc_listener_close(struct ipc_listener *listener)
{
    if (listener == NULL || listener->closing)
        return;
    listener->closing = true;
    uv_close((uv_handle_t *)&listener->poll, on_handle_closed);
    uv_close((uv_handle_t *)&listener->rest, on_handle_closed);
}

int ipc_listener_new(uv_loop_t *loop, int fd, struct ipc_quota *quota,
                     const struct ipc_listener_callbacks *callbacks, void *userdata,
                     struct ipc_listener **ret_listener)
{
    struct ipc_listener *listener = calloc(1, sizeof(*listener));
    int r;

    if (listener == NULL)
        return -ENOMEM;
    *listener = (struct ipc_listener){
        .handles = 2, .fd = fd, .quota = quota, .callbacks = *callbacks, .userdata = userdata};
    listener->reserve = reserve_open();
    r = listener->reserve < 0 ? -errno : fd_set_nonblocking(fd);
    if (r == 0)
        r = uv_poll_init(loop, &listener->poll, fd);
    if (r < 0) { /* libuv's errors are negative errnos */
        cleanup_fd(&listener->reserve);
        free(listener);
        return r;
    }
    uv_timer_init(loop, &listener->rest);
    listener->poll.data = listener->rest.data = listener;
    r = uv_poll_start(&listener->poll, UV_READABLE, on_readable);
    if (r < 0) {
        listener->stillborn = true;
        ipc_listener_close(listener);
        return r;
    }
    *ret_listener = listener;
    return 0;
}
