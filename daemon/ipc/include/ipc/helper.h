/*
 * The process of a helper: a loop, the one connection to serve, signals and the watchdog.
 *
 * A helper lives as long as its connection. When that closes, or at SIGTERM or SIGINT, on_end is
 * called, which closes what the helper itself has on the loop; the loop then ends by itself. A
 * second signal meanwhile ends the process at once.
 */
#pragma once

#include <ipc/channel.h>
#include <uv.h>

struct ipc_helper {
    uv_loop_t loop;
    struct ipc_channel *channel; /* NULL when it has closed */
};

struct ipc_helper_options {
    const char *hello;       /* the notification that says to serve who we are */
    const char *reload;      /* that by which serve says that the configuration has changed */
    unsigned incoming_limit; /* of the channel */
};

struct ipc_helper_callbacks {
    /* Before anything is read. On failure there is no on_end. */
    int (*on_start)(struct ipc_helper *helper, void *userdata);
    /* As the channel's. */
    void (*on_request)(struct ipc_channel *channel, uint32_t msgid, const char *method,
                       size_t method_length, const msgpack_object *params, void *userdata);
    /* SIGHUP, or serve's notification. */
    void (*on_reload)(void *userdata);
    /* The channel is gone. */
    void (*on_end)(void *userdata);
    ipc_pack_function pack_hello; /* its context is the userdata */
};

/* The descriptor that whoever started us passed, or a connection to serve's socket at `path`. */
int ipc_helper_connect(const char *path, int *ret_fd);
/* Takes the descriptor, and runs until the end; READY=1 is sent when serve has been greeted. 0 with
 * *ret_reason, why the connection closed; or a negative errno where it could not start. */
int ipc_helper_run(int fd, const struct ipc_helper_options *options,
                   const struct ipc_helper_callbacks *callbacks, void *userdata,
                   enum ipc_close_reason *ret_reason);
/* Greets serve again, where that has changed. -ENOTCONN where the connection is gone. */
int ipc_helper_say_hello(struct ipc_helper *helper);
/* Whether a connection of a helper may close for that reason: otherwise something is wrong. */
bool ipc_helper_is_expected(enum ipc_close_reason reason);
