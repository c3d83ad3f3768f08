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

/* The method's name, and its parameters: one map. `timeout` in ms. */
const char *upstream_method(enum exchange_kind kind);
void upstream_pack_params(msgpack_packer *packer, const struct exchange *exchange, int64_t timeout);

/* Reads the answer's map. `rows` has room for EXCHANGE_HISTORY_LIMIT rows, to which the answer
 * points; their texts point into the message. */
void upstream_read_answer(enum exchange_kind kind, const msgpack_object *map,
                          struct exchange_row *rows, struct exchange_answer *ret_answer);
/* The text that came with an answer: true, or false where there is none. It points into the
 * message, and does not hold the key: creditd-sync has seen to that. */
bool upstream_read_message(const msgpack_object *map, const char **ret_text, size_t *ret_length);
/* An answer that never came. */
void upstream_no_answer(enum exchange_outcome outcome, struct exchange_answer *ret_answer);
