/*
 * The process: everything that its parts share. One thread, one loop; the store has threads of its
 * own, and worker threads read from it what may be on the disk.
 *
 * A turn of the loop: sockets are read and requests applied, their records go into the open batch
 * and their answers are held; at the end of the turn the batch is offered to the journal's thread.
 * While that writes and syncs, the next turns fill the next batch. When a batch is durable the
 * store wakes the loop, and its answers go out, one write a connection.
 */
#pragma once

#include "backup.h"
#include "connection.h"
#include "errands.h"
#include "event_keeping.h"
#include "event_reader.h"
#include "events.h"
#include "helper.h"
#include "hooks.h"
#include "list.h"
#include "reply_gate.h"
#include "sessions.h"
#include "subscribers.h"
#include "transactions.h"
#include "waiting.h"
#include <core/engine.h>
#include <ipc/listener.h>
#include <ipc/quota.h>
#include <msgpack.h>
#include <store/store.h>
#include <util/clock.h>
#include <util/config.h>
#include <uv.h>

enum serve_phase {
    SERVE_RUNNING,
    SERVE_STOPPING, /* takes no more changes; what was acknowledged goes out */
    SERVE_CLOSING,  /* connections drain */
    SERVE_CLOSED,   /* the loop's handles are being closed */
};

struct serve {
    const char *config_path, *state_directory; /* from the command line; NULL: neither */
    struct config *config;
    unsigned config_generation; /* grows with each reload: peers' roles are decided anew */
    uint32_t own_uid;

    struct store *store;
    struct core *core;
    struct ledger_clock clock;
    int64_t now; /* ledger time of this turn; 0: not read yet, and nothing has happened in it */
    int64_t started_boot;
    struct store_watermarks marks;
    struct reply_gate gate;

    uv_loop_t loop;
    uv_async_t progress; /* the store's threads wake the loop */
    uv_prepare_t before_poll;
    uv_check_t after_poll;
    uv_signal_t on_term, on_int, on_hup;
    uv_timer_t watchdog, stop_timer;

    struct ipc_quota *quota;
    struct ipc_listener *listener;
    /* Sockets that we made and remove; NULL: inherited. */
    char *own_socket, *own_sync_socket, *own_hook_socket;
    int64_t refused_logged;
    struct list connections;
    uint64_t connection_count;
    uint64_t requests_total, requests_refused;
    uint64_t objects_unkept;     /* came in too large to be kept */
    struct core_summary summary; /* as of that turn and sequence: it may cost a walk */
    uint64_t summary_turn, summary_sequence;
    msgpack_sbuffer answer;   /* of the request at hand */
    msgpack_packer packer;    /* over it */
    msgpack_zone resume_zone; /* of the parked request at hand */

    struct waiting waiting;
    struct sessions sessions;
    struct errands errands;
    struct helper helper;
    size_t webhook_checks; /* at creditd-sync */
    struct transactions transactions;
    struct events events;
    struct event_reader event_reader;
    struct event_keeping event_keeping;
    struct hooks hooks;
    struct subscribers subscribers;
    struct backup backup;

    enum serve_phase phase;
    int64_t stop_began; /* CLOCK_BOOTTIME */
    int exit_code;
};

/* Ledger time. Read once a turn. */
int64_t serve_now(struct serve *serve);
/* Whether requests are still taken. */
static inline bool serve_is_stopping(const struct serve *serve)
{
    return serve->phase != SERVE_RUNNING;
}
/* The engine's figures, as of this turn. */
const struct core_summary *serve_summary(struct serve *serve);
/* Begins an orderly end. */
void serve_stop(struct serve *serve);
/* Something failed that nothing can be built on: ends at once, without another answer. */
void serve_fail(struct serve *serve);

/* The loop and the parts that live on it. 0 or -errno. */
int serve_init(struct serve *serve);
/* Frees what is left once the loop has ended. */
void serve_deinit(struct serve *serve);
/* Listens: takes the descriptors (-1: none; then a socket of our own is made). 0, or an exit code
 * after a line on standard error. */
int serve_listen(struct serve *serve);
/* Runs the loop until the end. Answers the exit code. */
int serve_run(struct serve *serve);
/* Opens store and engine: 0, or an exit code after a line on standard error. Blocks. */
int serve_open_ledger(struct serve *serve);
/* Loads the configuration as the command line has it: 0, or -errno with the line to print. */
int serve_load_config(const struct serve *serve, struct config **ret_config, char **ret_error);
