/*
 * Whether a session is valid: what can be told without asking, what the app's answer to get-session
 * means, and the answer map for serve (proto/upstream.h). Pure.
 *
 * A refusal needs a reason that time does not heal: a wrong signature, the app's own null, an end
 * that has passed. Whatever else goes wrong is "unavailable", and nothing is known.
 */
#pragma once

#include "answer.h"
#include "session_credential.h"
#include "session_word.h"

#include <msgpack.h>
#include <stdbool.h>
#include <stdint.h>

#define SESSION_PATH "/api/auth/get-session"

enum session_verdict_kind {
    SESSION_VALID,
    SESSION_INVALID,
    SESSION_UNAVAILABLE,
    SESSION_ASK, /* the app: nothing can be told without it */
};

struct session_verdict {
    enum session_verdict_kind kind;
    char message[ANSWER_MESSAGE_MAX + 1]; /* empty: nil */
    int http_status;
    bool is_offline;
    int64_t valid_for; /* ms */
    struct session_word word;
};

/* The times are wall clock, in ms since the epoch. `secret` NULL: none is configured, and nothing
 * can be told without asking. `fresh`: a cookie cache is not believed. */
void session_judge(const struct credential *credential, const char *secret, bool fresh, int64_t now,
                   int64_t ttl, struct session_verdict *ret_verdict);
void session_judge_answer(const struct credential *credential, const struct http_end *end,
                          int64_t now, int64_t ttl, struct session_verdict *ret_verdict);
/* An end without either; `message` is a text without anything of the credential. */
void session_verdict_plain(enum session_verdict_kind kind, const char *message,
                           struct session_verdict *ret_verdict);
/* `token` NULL: there is none. 0 or -ENOMEM. */
int session_verdict_pack(const struct session_verdict *verdict, const char *token,
                         msgpack_sbuffer *answer);
