/*
 * A stream of messages over a Unix socket, on a libuv loop.
 *
 * Words: *received* bytes are in the input buffer; they are *dispatched* message by message. Output
 * is *packed* into a buffer and *flushed*; what the socket does not take at once is *queued* and
 * written when it can be. A stream is *paused* when its owner has enough to do: it then reads
 * nothing, and what it has received waits. It *drains* when it takes no more messages and closes as
 * soon as its output is written.
 *
 * Ownership: who made a stream is its only owner, until on_closed, which is called exactly once,
 * from the loop and never from within a call of the owner's, and after which the stream is gone. A
 * stream ends by ipc_stream_close() or _drain(), or of itself: every end comes to on_closed. All
 * functions may be called from within the callbacks, and until on_closed returns; on a stream that
 * is closing they do nothing.
 *
 * A paused stream does not see that its peer has gone, until it writes or resumes.
 *
 * The hot path allocates nothing: both buffers are reused, and given back when they have become big
 * and are then not needed. What has been dispatched is wiped: requests carry credentials.
 *
 * libuv writes with write(2): the program must ignore SIGPIPE.
 */
#pragma once

#include <msgpack.h>
#include <proto/message.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <uv.h>

struct ipc_stream;

enum ipc_close_reason {
    IPC_CLOSED_LOCAL,     /* the owner asked for it */
    IPC_CLOSED_PEER,      /* the peer closed, or has gone */
    IPC_CLOSED_TRUNCATED, /* the peer closed in the middle of a message */
    IPC_CLOSED_PROTOCOL,  /* the peer sent what is no message */
    IPC_CLOSED_SLOW,      /* the peer does not read what it is sent */
    IPC_CLOSED_IDLE,
    IPC_CLOSED_ERROR, /* of the socket, or no memory */
};

/* For logs: "the peer closed", … */
const char *ipc_close_reason_text(enum ipc_close_reason reason);

struct ipc_peer {
    uid_t uid;
    gid_t gid;
    pid_t pid;
};

struct ipc_protocol_error {
    const char *reason; /* a literal */
    int has_msgid;      /* whether an error response can be sent to a message of the peer's */
    uint32_t msgid;
};

struct ipc_stream_callbacks {
    /* A whole message; it, and all that it points to, is valid during the call only. */
    void (*on_message)(struct ipc_stream *stream, const struct message *message, void *userdata);
    /* Optional. The peer sent what is no message. The owner may pack one error response; the stream
     * then drains. */
    void (*on_protocol_error)(struct ipc_stream *stream, const struct ipc_protocol_error *error,
                              void *userdata);
    /* Optional: whether to end after `idle_ms` without a byte either way; without it, yes. */
    bool (*on_idle)(struct ipc_stream *stream, void *userdata);
    /* Optional: the peer will send nothing more but may still read (shutdown(SHUT_WR)). The owner
     * drains the stream when it has sent its last answer. Without this callback the stream closes.
     */
    void (*on_end)(struct ipc_stream *stream, void *userdata);
    /* Optional. The socket has taken all that it had not taken at once: for owners that pack more
     * only when nothing is queued. */
    void (*on_drained)(struct ipc_stream *stream, void *userdata);
    /* The last call: the stream is freed when it returns. */
    void (*on_closed)(struct ipc_stream *stream, enum ipc_close_reason reason, void *userdata);
};

/* Zero stands for the default. */
struct ipc_stream_options {
    size_t message_size; /* PROTO_MESSAGE_SIZE_DEFAULT */
    size_t write_limit;  /* bytes that may be queued before a slow reader is cut off; 8 MiB */
    uint64_t idle_ms;    /* without a byte either way; never. Not while paused */
    uint64_t drain_ms;   /* how long draining may take; 5000 */
};

/* `fd` is a connected socket, and belongs to the stream on success; on failure it stays the
 * caller's. The callbacks are copied. Reading begins at once. */
int ipc_stream_new(uv_loop_t *loop, int fd, const struct ipc_stream_options *options,
                   const struct ipc_stream_callbacks *callbacks, void *userdata,
                   struct ipc_stream **ret_stream);

/* The peer as of its connect(). */
const struct ipc_peer *ipc_stream_peer(const struct ipc_stream *stream);
/* Whether the peer was, when it connected, in that group: its own or a supplementary one. 1, 0, or
 * a negative errno. */
int ipc_stream_peer_in_group(const struct ipc_stream *stream, gid_t gid);
/* Whether the peer has closed its end wholly; reading may not have come to that yet. */
bool ipc_stream_peer_has_left(const struct ipc_stream *stream);
void *ipc_stream_userdata(const struct ipc_stream *stream);

/* Where messages are packed, whole ones only, by message_pack_…; never NULL, also when the stream
 * is closing (what is packed then, is dropped). The buffer may be another one after a flush. */
msgpack_sbuffer *ipc_stream_output(struct ipc_stream *stream);
/* Writes what has been packed: now, as far as the socket takes it, and the rest when it can. Within
 * on_message it waits until all that has been received is dispatched, so that one read is answered
 * with one write. */
void ipc_stream_flush(struct ipc_stream *stream);
/* The same, but once at the end of this turn of the loop: for owners that answer many requests of
 * many streams in one go, and do not want to remember which. Costs no system call of its own. */
void ipc_stream_flush_soon(struct ipc_stream *stream);
/* Bytes that are packed or queued and not yet written. */
size_t ipc_stream_queued(const struct ipc_stream *stream);

/* Stop reading and dispatching, and go on. Messages that have been received are dispatched in
 * the next turn of the loop, never from within _resume. They do not nest. */
void ipc_stream_pause(struct ipc_stream *stream);
void ipc_stream_resume(struct ipc_stream *stream);

/* Takes no more messages, writes what is packed, closes. */
void ipc_stream_drain(struct ipc_stream *stream);
/* Closes without writing more. */
void ipc_stream_close(struct ipc_stream *stream);
/* Neither closing nor draining. */
bool ipc_stream_is_open(const struct ipc_stream *stream);
