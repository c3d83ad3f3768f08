/*
 * auth.session's answer (proto/upstream.h) as a struct. Bytes in, struct out; no I/O.
 */
#pragma once

#include <core/link.h>
#include <msgpack.h>
#include <stdbool.h>
#include <stdint.h>

#define SESSION_HASH_SIZE 32

enum session_state {
    SESSION_VALID,
    SESSION_INVALID,
    SESSION_UNAVAILABLE, /* nobody could be asked: nothing is known */
};

/* Texts point into the message; empty where there are none. */
struct session_answer {
    enum session_state state;
    struct core_text message;
    bool asked;                /* the app was, and has answered */
    const uint8_t *token_hash; /* NULL: there is no token */
    /* valid: */
    bool offline;
    int64_t valid_for; /* ms from now */
    struct core_user user;
};

/* What is not understood is UNAVAILABLE: nothing is concluded from it. */
void session_read_answer(const msgpack_object *map, struct session_answer *ret_answer);
