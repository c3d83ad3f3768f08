/*
 * The supervisor: starts the roles, starts again what ends, passes signals on, and stops in order.
 *
 * One thread, one poll(): on signals, on what the roles notify, on the sandbox's output, and until
 * the next start that is planned.
 *
 *          start                    READY=1
 *   DOWN ────────► STARTING (pid) ────────► READY (pid, ready)
 *    ▲  start_at_ms reached   │                │
 *    └────────────────────────┴────────────────┘ ended: planned again after a while, unless we stop
 */
#pragma once

#include "backoff.h"
#include "notify.h"
#include "options.h"
#include "roles.h"
#include "sandbox.h"
#include "sockets.h"
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <util/config.h>

#define ROLE_COUNT_MAX 8
#define NEVER INT64_MAX

struct role {
    const struct role_spec *spec;
    char *path;
    struct notify notify;
    struct backoff backoff;
    pid_t pid; /* 0: down */
    bool ready;
    bool was_ever_ready;
    bool has_ended;     /* once at least */
    bool reload_wanted; /* a SIGHUP came before it was ready to take one */
    bool told_to_stop;
    bool was_ever_started;
    int64_t started_ms;
    int64_t start_at_ms; /* NEVER: no start is planned */
};

struct supervisor {
    const struct options *options;
    char *config_path;
    struct sockets sockets;
    struct sandbox sandbox;
    struct role roles[ROLE_COUNT_MAX];
    size_t role_count;
    char *api_key;
    struct backoff backoff; /* what each role begins with */
    int64_t stop_timeout_ms;
    int signal_fd;
    bool announced; /* that all are ready which are needed; said once */
    bool stopping;
    enum role_kind stop_phase;
    int64_t kill_at_ms; /* NEVER: not (yet) */
    int status;         /* with which we shall exit */
};

/* Sets everything up, runs until it is told to stop, takes everything down. Returns the exit
 * status. */
int supervisor_run(const struct options *options);
/* Reads the configuration alone, and says what it is like. Returns the exit status. (setup.c) */
int supervisor_check(const struct options *options);

/* 0, or the exit status. What was set up is taken down in either case. (setup.c) */
int supervisor_set_up(struct supervisor *supervisor, const struct options *options);
void supervisor_take_down(struct supervisor *supervisor);

/* CLOCK_MONOTONIC in milliseconds: what plans and deadlines are in. */
int64_t supervisor_now_ms(void);

/* Starts the role now, or plans it for later where that fails. At the first start of all a failure
 * is negative and final. (launch.c) */
int role_launch(struct supervisor *supervisor, struct role *role);

/* Begins to stop, with that exit status; where we stop already, only a worse status is taken.
 * (stop.c) */
void supervisor_stop(struct supervisor *supervisor, int status);
/* Goes on with stopping as far as roles have ended. Returns whether all have. */
bool supervisor_stop_step(struct supervisor *supervisor);
/* Kills what still runs. */
void supervisor_kill(struct supervisor *supervisor);
