/*
 * Exchanges between the engine's words (core/exchange.h) and the internal channel's
 * (proto/upstream.h). Bytes in, structs out; no I/O. What is not understood is an exchange without
 * an answer: nothing is concluded from it.
 */
#pragma once

#include <core/exchange.h>
#include <msgpack.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What goes with every request, whatever it asks. */
struct upstream_common {
    int64_t timeout;      /* ms */
    const char *upstream; /* for which it is meant: sent to no other one */
    size_t upstream_length;
};

#define UPSTREAM_COMMON_MEMBERS 2
void upstream_pack_common(msgpack_packer *packer, const struct upstream_common *common);

/* The method's name, and its parameters: one map. */
const char *upstream_method(const struct exchange *exchange);
void upstream_pack_params(msgpack_packer *packer, const struct exchange *exchange,
                          const struct upstream_common *common);

/* What an answer points to beside the message. */
struct upstream_scratch {
    struct exchange_row rows[EXCHANGE_HISTORY_LIMIT];
    struct exchange_object objects[EXCHANGE_HISTORY_LIMIT];
    msgpack_sbuffer bodies;
    char message[201];
};

void upstream_scratch_init(struct upstream_scratch *scratch);
void upstream_scratch_deinit(struct upstream_scratch *scratch);

/* Reads the answer's map. Of an errand only what all answers have. What it points to is valid until
 * the scratch is used again; texts, as long as the message. `intent_kind` is a create's. */
void upstream_read_answer(enum exchange_kind kind, int intent_kind, const msgpack_object *map,
                          struct upstream_scratch *scratch, struct exchange_answer *ret_answer);
/* The text that came with an answer: true, or false where there is none. It points into the
 * message, and does not hold the key: creditd-sync has seen to that. */
bool upstream_read_message(const msgpack_object *map, const char **ret_text, size_t *ret_length);
/* An answer that never came. */
void upstream_no_answer(enum exchange_outcome outcome, struct exchange_answer *ret_answer);

/* --- upstream_objects.c: customers, subscriptions, refunds --- */

bool upstream_has_objects(enum exchange_kind kind);
const char *upstream_object_method(const struct exchange *exchange);
void upstream_pack_object_params(msgpack_packer *packer, const struct exchange *exchange,
                                 const struct upstream_common *common);
/* 0 or -EBADMSG, or -ENOMEM. */
int upstream_read_objects(enum exchange_kind kind, int intent_kind, const msgpack_object *map,
                          struct upstream_scratch *scratch, struct exchange_answer *answer);
