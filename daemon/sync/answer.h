/*
 * From the end of an HTTP exchange to the answer that serve gets: which outcome it is
 * (proto/upstream.h says what each means), what was read, and a message for people. Pure.
 *
 * The rule behind all of it: an outcome that proves that nothing was executed is given only to what
 * is recognised as StellarTools' own words. Everything else is ERROR, FAILED or UNANSWERED, and
 * costs a look into the history, not money.
 */
#pragma once

#include "exchange.h"

#include <jansson.h>
#include <msgpack.h>
#include <proto/upstream.h>
#include <stdbool.h>
#include <stddef.h>
#include <web/http.h>

#define ANSWER_MESSAGE_MAX 200

/* An error in StellarTools' words, {"error": "text"} or {"error": {"code", "message", "name"}}; the
 * texts live as long as the JSON. */
struct refusal {
    bool is_recognised;
    const char *code, *message; /* NULL where missing */
};

void refusal_read(const json_t *root, struct refusal *ret_refusal);
/* UPSTREAM_OK for every 2xx: whether it can be read is seen afterwards. */
enum upstream_outcome answer_classify(int status, const struct refusal *refusal);
/* Packs the answer map. 0 or -ENOMEM. `api_key` (may be NULL) is what the message must not hold. */
int answer_pack(const struct exchange_kind *kind, const struct exchange_args *args,
                const struct http_end *end, const char *api_key, msgpack_sbuffer *answer);
/* An answer without an exchange: the outcome and a message, all else unknown. */
int answer_pack_plain(enum upstream_outcome outcome, const char *message, msgpack_sbuffer *answer);

/* Makes a text fit for a message: control characters become blanks, each stretch of the key (12
 * characters, or all of a shorter key) becomes "***", and what is over 200 bytes is cut between two
 * characters. */
void message_clean(const char *text, const char *api_key, char ret_message[ANSWER_MESSAGE_MAX + 1]);
