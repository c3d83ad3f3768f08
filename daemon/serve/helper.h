/*
 * The upstream driver: takes the exchanges that the engine orders to creditd-sync, and its answers
 * back. serve keeps all state; a helper may die at any moment. What had been handed to it is then
 * unanswered, what had not was not sent.
 */
#pragma once

#include "helper_socket.h"
#include "list.h"
#include "troubles.h"
#include "upstream.h"
#include "upstream_words.h"
#include <core/exchange.h>
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

struct serve;

struct helper {
    struct serve *serve;
    struct helper_socket socket;
    struct upstream upstream; /* that it is set to */
    struct troubles troubles;
    struct list exchanges; /* under way: struct running */
    size_t count;
    uv_timer_t timer;
    int64_t wakeup; /* what the timer waits for */
    struct upstream_scratch scratch;
};

/* `fd` listens for helpers, or is connected to one; it is taken on success. -1: there is none. */
int helper_init(struct helper *helper, struct serve *serve, int fd);
/* A request of another kind than exchanges, as ipc_channel_request. -ENOTCONN: no helper is
 * there, or what is asked is upstream's and that is not the ledger's. */
int helper_request(struct helper *helper, const char *method, ipc_pack_function pack, void *context,
                   uint64_t timeout_ms, ipc_reply_function callback, void *userdata);
/* Gives the engine its turns: after anything that may have changed what it wants. Cheap. */
void helper_pump(struct helper *helper);
/* The watermark has moved: what waited for it leaves (P1). */
void helper_pass(struct helper *helper, uint64_t durable);
/* From now on its upstream is the ledger's; or it is not, and no exchange begins. */
void helper_use(struct helper *helper);
void helper_set_aside(struct helper *helper);
/* Has the helper read its key again. */
void helper_reload(struct helper *helper);
/* Ends the channel and the listener; what is under way has then been ended. */
void helper_close(struct helper *helper);
/* Frees what is left once the loop has ended. */
void helper_deinit(struct helper *helper);
bool helper_is_closed(const struct helper *helper);
