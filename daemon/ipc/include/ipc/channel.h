/*
 * Calls both ways over one stream: what serve uses towards its helpers, and helpers towards serve.
 *
 * A request is called back exactly once: with the answer, an error, a timeout, or `gone` when the
 * channel ends first; unless it was cancelled, then never. Callbacks come from the loop, never from
 * within ipc_channel_request(), and may call anything here. A late answer (after a timeout or a
 * cancel) is dropped.
 *
 * Incoming requests are answered with ipc_channel_answer() or _refuse(), at once or later, once
 * each. While `incoming_limit` of them are unanswered, nothing more is read, answers neither.
 *
 * Ownership is the stream's: a channel ends of itself or by _close()/_drain(), tells so by
 * on_closed exactly once (after all outstanding requests have been called back) and is freed when
 * that returns.
 */
#pragma once

#include <ipc/stream.h>
#include <msgpack.h>
#include <proto/errors.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

struct ipc_channel;

enum ipc_reply_kind {
    IPC_REPLY_RESULT,
    IPC_REPLY_ERROR,   /* the peer answered with an error */
    IPC_REPLY_TIMEOUT, /* no answer by the deadline */
    IPC_REPLY_GONE,    /* the channel ended first */
};

/* Valid during the call only. */
struct ipc_reply {
    enum ipc_reply_kind kind;
    const msgpack_object *result; /* RESULT */
    const msgpack_object *error;  /* ERROR: the map {code, message, data} */
};

typedef void (*ipc_reply_function)(const struct ipc_reply *reply, void *userdata);

/* Packs exactly one value: the map of parameters, or the result. */
typedef void (*ipc_pack_function)(msgpack_packer *packer, void *context);

struct ipc_channel_callbacks {
    /* Optional; without it requests are refused as unknown methods. `params` is a map, valid during
     * the call only. */
    void (*on_request)(struct ipc_channel *channel, uint32_t msgid, const char *method,
                       size_t method_length, const msgpack_object *params, void *userdata);
    /* Optional. */
    void (*on_notification)(struct ipc_channel *channel, const char *method, size_t method_length,
                            const msgpack_object *params, void *userdata);
    /* Optional. The last call. */
    void (*on_closed)(struct ipc_channel *channel, enum ipc_close_reason reason, void *userdata);
};

/* Zero stands for the default. */
struct ipc_channel_options {
    struct ipc_stream_options stream;
    unsigned outgoing_limit; /* requests without an answer yet; 256, at most 65536 */
    unsigned incoming_limit; /* 256 */
};

/* `fd` is a connected socket and belongs to the channel on success. */
int ipc_channel_new(uv_loop_t *loop, int fd, const struct ipc_channel_options *options,
                    const struct ipc_channel_callbacks *callbacks, void *userdata,
                    struct ipc_channel **ret_channel);
const struct ipc_peer *ipc_channel_peer(const struct ipc_channel *channel);

/* `pack` is called before this returns; NULL packs an empty map. `timeout_ms` 0: no deadline.
 * *ret_id (NULL is taken) is for ipc_channel_cancel(). 0, -ENOTCONN where the channel is closing,
 * -EBUSY at outgoing_limit, -EMSGSIZE, -ENOMEM, -EBADMSG (`pack` did not pack one value); on
 * failure the callback is not called. */
int ipc_channel_request(struct ipc_channel *channel, const char *method, ipc_pack_function pack,
                        void *context, uint64_t timeout_ms, ipc_reply_function callback,
                        void *userdata, uint32_t *ret_id);
/* The same with parameters that have been packed before: one whole map. */
int ipc_channel_request_packed(struct ipc_channel *channel, const char *method,
                               const msgpack_sbuffer *params, uint64_t timeout_ms,
                               ipc_reply_function callback, void *userdata, uint32_t *ret_id);
/* The callback will not be called. -ENOENT where it has been already. The peer is not told. */
int ipc_channel_cancel(struct ipc_channel *channel, uint32_t id);
/* How many requests wait for an answer. */
unsigned ipc_channel_outstanding(const struct ipc_channel *channel);

int ipc_channel_notify(struct ipc_channel *channel, const char *method, ipc_pack_function pack,
                       void *context);

/* 0, or -ENOTCONN, -EMSGSIZE, -ENOMEM, -EBADMSG (`pack` did not pack one value): the peer is then
 * told of an internal error, as far as that is possible. Either way the request has been answered.
 * `pack` NULL: nil. */
int ipc_channel_answer(struct ipc_channel *channel, uint32_t msgid, ipc_pack_function pack,
                       void *context);
int ipc_channel_refuse(struct ipc_channel *channel, uint32_t msgid, enum proto_error error,
                       const char *text);

/* Takes no more messages (what is outstanding is gone), writes what is packed, closes. */
void ipc_channel_drain(struct ipc_channel *channel);
void ipc_channel_close(struct ipc_channel *channel);
