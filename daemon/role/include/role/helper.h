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

struct role_helper {
    uv_loop_t loop;
    struct ipc_channel *channel; /* NULL when it has closed */
};

struct role_helper_options {
    const char *hello;       /* the notification that says to serve who we are */
    const char *reload;      /* that by which serve says that the configuration has changed */
    unsigned incoming_limit; /* of the channel */
};

struct role_helper_callbacks {
    /* Before anything is read. On failure there is no on_end. */
    int (*on_start)(struct role_helper *helper, void *userdata);
    /* As the channel's. */
    void (*on_request)(struct ipc_channel *channel, uint32_t msgid, const char *method,
                       size_t method_length, const msgpack_object *params, void *userdata);
    /* SIGHUP, or serve's notification. */
    void (*on_reload)(void *userdata);
    /* The channel is gone. */
    void (*on_end)(void *userdata);
    ipc_pack_function pack_hello; /* its context is the userdata */
};

/* Runs on the connection to serve: the descriptor that whoever started us passed, or one to serve's
 * socket at `path`. READY=1 is sent when serve has been greeted. The answer is the exit status: 0
 * where the connection closed in order. */
int role_helper_run(const char *path, const struct role_helper_options *options,
                    const struct role_helper_callbacks *callbacks, void *userdata);
/* Greets serve again, where that has changed. -ENOTCONN where the connection is gone. */
int role_helper_say_hello(struct role_helper *helper);
