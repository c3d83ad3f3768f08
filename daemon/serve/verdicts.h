/*
 * Verdicts on sessions, in memory only: what was found of a credential, by SHA-256 of the whole of
 * it. A credential itself is never here.
 *
 * What is remembered is bounded, for each uid that asked and in all: the one that was not used for
 * the longest time goes first. A refusal of a token, of whatever form of credential it came in, is
 * remembered beside the verdicts, and wins over those that were given before or without asking.
 *
 * Pure: times are given.
 */
#pragma once

#include "list.h"
#include "session_words.h"
#include <util/map.h>

#define VERDICTS_PER_USER 16384u
#define VERDICTS_MAX 65536u
#define VERDICT_REFUSED_MS 10000 /* how long a refusal is remembered */

struct verdict {
    unsigned refs;
    enum session_state state;
    struct core_user user;    /* valid: points into text */
    struct core_text message; /* else: so, too */
    /* While remembered: */
    uint8_t key[SESSION_HASH_SIZE], token[SESSION_HASH_SIZE];
    bool remembered, has_token;
    int64_t until;
    struct verdict_owner *owner;
    struct list of_all, of_owner;
    char text[];
};

struct verdict *verdict_ref(struct verdict *verdict);
struct verdict *verdict_unref(struct verdict *verdict);

struct verdicts {
    struct map by_key, owners, refusals;
    struct list all, refused; /* oldest first */
    size_t count, refused_count;
};

void verdicts_init(struct verdicts *verdicts);
void verdicts_deinit(struct verdicts *verdicts);
/* Forgets all: what they were judged by has changed. */
void verdicts_clear(struct verdicts *verdicts);
/* A verdict that still counts, or NULL. Not referenced for the caller. */
struct verdict *verdicts_find(struct verdicts *verdicts, const uint8_t key[SESSION_HASH_SIZE],
                              int64_t now);
/* The answer as a verdict, remembered if it may be; the caller gets a reference. `ttl` is
 * session_ttl: for so long a cookie cache that was issued before its token was refused could still
 * be believed. NULL: no memory. */
struct verdict *verdicts_add(struct verdicts *verdicts, const uint8_t key[SESSION_HASH_SIZE],
                             uint32_t uid, const struct session_answer *answer, int64_t ttl,
                             int64_t now);
/* One that is never remembered: the session could not be checked. */
struct verdict *verdict_unavailable(const char *message);
