/*
 * The engine: calls, and the connection that carries them.
 *
 *   waiting ── sent ──► in a slot ── answer ──► ended (callback)
 *      ▲                   │  │
 *      └── connection lost ┘  └── deadline ──► ended, the slot stays taken until the daemon answers
 *
 * All calls are in one list in the order in which they were made. Those that are sent on the
 * current connection are its beginning: `unsent` is the first that is not. A lost connection just
 * moves `unsent` back to the start. The message id is the slot and its generation, so that answers
 * are found without a search, and a late answer to a call that has ended is told from one that
 * nobody asked for. Slots bound what is in flight, as the daemon does: what the application has
 * given up on counts, until the daemon is done with it.
 *
 * No function here waits. Callbacks are run from dispatch and close alone: what ends elsewhere is
 * put into `ended` first.
 */
#pragma once

#include "io.h"
#include "map.h"
#include "reply.h"
#include "stamp.h"
#include <creditd.h>
#include <proto/frame.h>
#include <proto/limits.h>
#include <sys/queue.h>
#include <sys/un.h>

#define ENGINE_SLOTS PROTO_IN_FLIGHT_DEFAULT
#define ENGINE_ANSWER_MAX (16u * 1024 * 1024)
#define ENGINE_DELAY_MIN 10
#define ENGINE_DELAY_MAX 2000
#define NEVER UINT64_MAX

struct stream;

struct call {
    TAILQ_ENTRY(call) all;     /* in `calls`, or in `ended` */
    TAILQ_ENTRY(call) stamped; /* in `stamped`, while it is sent and its stamp is ours */
    creditd_callback callback;
    void *data;
    uint64_t deadline;
    uint64_t end; /* where in the connection's output its last byte is */
    int slot;     /* -1: not sent on this connection */
    int status;   /* in `ended` */
    enum creditd_repeat repeat;
    bool left;        /* all of it was once written to a connection */
    bool wants_stamp; /* one must be drawn before it is sent */
    bool has_stamp, is_listed;
    struct creditd_stamp stamp;
    size_t length;
    uint8_t frame[];
};

TAILQ_HEAD(call_list, call);

struct slot {
    struct call *call; /* NULL: free, or given up on */
    uint32_t generation;
    bool is_taken;
};

struct creditd {
    const struct client_io *io;
    void *context;
    unsigned flags;
    uint32_t timeout;
    long process; /* whose connection it is: see engine_check_process */
    char path[sizeof((struct sockaddr_un *)0)->sun_path];
    bool seeks_path; /* nobody has named one, and it has never been connected */

    struct call_list calls, ended, stamped;
    struct call *unsent;
    size_t count;
    uint64_t next_deadline; /* no call's is earlier */
    struct stamp_source stamps;
    uint64_t stalled_until; /* the window of the stamps forbids sending before */

    int fd;
    bool has_progress; /* this connection has answered something */
    bool is_draining;  /* the daemon is stopping: nothing more is sent to it */
    uint64_t delay, retry_at;
    char trouble[128]; /* what last ended a connection, or kept one from coming about */
    struct slot slots[ENGINE_SLOTS];
    uint16_t free_slots[ENGINE_SLOTS];
    size_t free_count;

    msgpack_sbuffer output;
    size_t output_start;
    uint64_t queued, written; /* bytes ever put into the output, and written, on this connection */
    uint8_t *input;
    size_t input_start, input_end, input_size;
    struct frame_scanner scanner;
    msgpack_zone zone;

    struct stream *stream;  /* the subscription: stream.h */
    uint64_t stream_number; /* counts subscriptions: answers may outlive the one they belong to */

    bool is_dispatching, is_blocking, is_closed, is_done;
    void (*changed)(struct creditd *connection, void *data);
    void *changed_data;

    /* What typed calls are built in, and why the last one was refused here ("": not said). */
    struct creditd_map params, metadata;
    msgpack_sbuffer scratch;
    char refusal[160];
    struct creditd_reply last; /* of a blocking call; its frame and zone are ours */
    uint8_t *last_frame;
    msgpack_zone last_zone;
};

/* engine.c */
int engine_open(struct creditd **ret_connection, const char *path, unsigned flags,
                const struct client_io *io, void *context);
/* Forgets the parent's things in a forked child. To be called at the start of each public function.
 */
void engine_check_process(struct creditd *c);
/* Moves a call into `ended`; its callback is run by engine_run_ended. */
void engine_end(struct creditd *c, struct call *call, int status);
void engine_run_ended(struct creditd *c);
/* Frees what was closed while it was in use. */
void engine_leave(struct creditd *c);

/* call.c */
/* Packs the call, and queues it. */
int call_submit(struct creditd *c, const char *method, const struct creditd_map *params,
                const struct creditd_call_options *options, creditd_callback callback, void *data);
void call_set_msgid(struct call *call, uint32_t msgid);
void call_set_stamp(struct call *call, const struct creditd_stamp *stamp);

/* send.c */
void send_calls(struct creditd *c);
/* Whether there is something that send_calls could do now. */
bool send_is_wanted(const struct creditd *c);
void send_release_slot(struct creditd *c, unsigned index);
void send_reset(struct creditd *c);

/* receive.c */
void receive_answers(struct creditd *c);
void receive_reset(struct creditd *c);

/* link.c */
/* Connects if it is time to. */
void link_connect(struct creditd *c);
/* Closes the descriptor, if there is one, after the adapter has been told that it goes. */
void link_close(struct creditd *c);
/* The connection is over; what may be repeated will be sent on the next one. */
void link_lose(struct creditd *c, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* blocking.c */
/* `begin` before the asynchronous form is called with blocking_done as its callback; `finish` waits
 * for it, if that returned 0, and returns what the call has come to. */
int blocking_begin(struct creditd *c);
void blocking_done(struct creditd *c, const struct creditd_reply *reply, void *data);
int blocking_finish(struct creditd *c, int submitted);
