/*
 * ledger.backup: a copy of the ledger while it is in use, made by a thread of its own, since it may
 * take minutes and worker threads have other things to do. One at a time. It goes on when its
 * asker has gone: the log says how it ended. A stop calls it off.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

struct connection;
struct serve;

struct backup {
    struct serve *serve;
    uv_thread_t thread;
    bool running;
    atomic_bool done;
    struct connection *connection; /* who asked; NULL: it has ended */
    uint32_t msgid;
    char *directory;
    uint64_t sequence; /* what was durable when it began: the copy has it */
    int result;
    char *error;
};

void backup_init(struct backup *backup, struct serve *serve);
/* Answers, once it is done. The store's progress wakes the loop for it. */
void backup_advance(struct backup *backup);
/* The connection ends. */
void backup_forget(struct backup *backup, const struct connection *connection);
void backup_stop(struct backup *backup);
/* Waits for the thread: before the store goes. */
void backup_deinit(struct backup *backup);
