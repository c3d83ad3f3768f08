/*
 * Accepts connections on a listening Unix socket, within a quota.
 *
 * When the process has no descriptor left, accept() fails and the connection stays in the backlog,
 * where it would wake the loop for ever: the listener keeps one descriptor in reserve, gives it up
 * to accept that connection, closes it, and takes the reserve back. The peer sees a closed
 * connection and not a hang.
 */
#pragma once

#include <ipc/quota.h>
#include <sys/types.h>
#include <uv.h>

struct ipc_listener;

struct ipc_listener_callbacks {
    /* A connection, close-on-exec and non-blocking; `fd` belongs to the callee. `charge` has one
     * connection charged to the peer's uid: the callee moves it (ipc_charge_move), else it is
     * undone when the call returns. It holds nothing where the listener has no quota. */
    void (*on_connection)(struct ipc_listener *listener, int fd, struct ipc_charge *charge,
                          void *userdata);
    /* Optional: a connection was closed at once. `error` is -EDQUOT (the uid's or the total quota),
     * -EMFILE, -ENFILE, …; uid is (uid_t)-1 where it is not known. */
    void (*on_refused)(struct ipc_listener *listener, uid_t uid, int error, void *userdata);
    /* Optional: the listening descriptor is closed; the listener is freed when it returns. */
    void (*on_closed)(struct ipc_listener *listener, void *userdata);
};

/* `fd` listens, and belongs to the listener on success. The path of the socket is not its business.
 * `quota` may be NULL, else it outlives the listener. */
int ipc_listener_new(uv_loop_t *loop, int fd, struct ipc_quota *quota,
                     const struct ipc_listener_callbacks *callbacks, void *userdata,
                     struct ipc_listener **ret_listener);
/* Stops at once; may be called again until on_closed. NULL is taken. */
void ipc_listener_close(struct ipc_listener *listener);
