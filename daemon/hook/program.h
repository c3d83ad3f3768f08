/*
 * One run of a hook's program, from its start to its end.
 *
 *   RUNNING ── it ends ──────────────────────────────► told
 *      │ its time is over, or program_stop()
 *      ▼
 *   TERMINATED (SIGTERM to its group) ── it ends ────► told
 *      │ as long again, at most 5 s
 *      ▼
 *   KILLED (SIGKILL to its group) ── it ends ────────► told
 *
 * When the program has ended, what is left of its process group is killed, before its id can mean
 * somebody else. What it wrote until then goes to the log; who else holds the other end of the pipe
 * is not waited for.
 */
#pragma once

#include "request.h"
#include "settings.h"

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#define PROGRAM_GRACE_MAX_MS INT64_C(5000)

struct program_end {
    int error;       /* negative: it could not be run; all else is then nothing */
    int exit_status; /* -1: a signal ended it */
    int signal;      /* 0: none */
    bool is_late;    /* its time was over, however it ended then */
};

struct program;

typedef void program_done_fn(void *data, const struct program_end *end);

/* Either fails with a negative errno or calls `done` once, from the loop. The settings are taken a
 * reference of; `request` need not live on. */
int program_start(uv_loop_t *loop, const struct request *request, struct settings *settings,
                  program_done_fn *done, void *data, struct program **ret_program);
/* Ends it early: no matter how often it is called. `done` is called as ever. */
void program_stop(struct program *program);
