/*
 * What the app says about a session, in the form that its cookie cache and get-session share:
 * {"session": {…}, "user": {…}}.
 *
 * Names are read as they stand, in one spelling: an app may let its users set fields of their own,
 * and `email_verified` must not pass for `emailVerified`.
 */
#pragma once

#include <jansson.h>
#include <proto/limits.h>
#include <stdbool.h>
#include <stdint.h>

struct session_word {
    int64_t expires_at; /* the session's end, ms since the epoch */
    char user_id[PROTO_ID_MAX + 1];
    /* empty: none */
    char email[PROTO_TEXT_MAX + 1];
    char name[PROTO_TEXT_MAX + 1];
    char image[PROTO_TEXT_MAX + 1];
    char customer_id[PROTO_ID_MAX + 1]; /* stellartools_customer_id */
    bool email_verified;
};

/* NULL, or what is wrong (a literal). The word is about that token: where it names a token, it must
 * be this one; `needs_token`: it must name it. */
const char *session_word_read(const json_t *root, const char *token, bool needs_token,
                              struct session_word *ret_word);
