/*
 * What a caller hands over as its session: a Cookie header, a signed token TOKEN.SIGNATURE, or a
 * bare TOKEN, the last two with or without "Bearer ". Only what belongs to the session is taken out
 * of it, in forms so narrow that it can be written into a header again; the rest is not kept.
 *
 * Of several cookies of one name the first counts, as in Better Auth; the __Secure- one before the
 * other.
 */
#pragma once

#include "session_codec.h"

#include <stdbool.h>
#include <stddef.h>

#define CREDENTIAL_SIZE_MAX 16384u
#define CREDENTIAL_TOKEN_MAX 128u

enum credential_form {
    CREDENTIAL_COOKIE, /* signed, under the cookie's own name */
    CREDENTIAL_SIGNED,
    CREDENTIAL_BARE,
};

struct credential {
    enum credential_form form;
    bool is_secure;  /* the cookie's name has __Secure- before it */
    char *token;     /* letters, digits, - and _ */
    char *signature; /* base64; NULL for CREDENTIAL_BARE */
    char *cache;     /* the session_data cookie, its chunks joined; NULL: none */
};

/* 0, -ENOMEM, or -EBADMSG where there is no session in it that could be a valid one. */
int credential_parse(struct span given, const char *cookie_prefix, struct credential *ret);
void credential_deinit(struct credential *credential); /* wipes */

/* The headers of a request that asks for it; *ret may become NULL: none. 0 or -ENOMEM. The caller
 * frees with secret_free. A signed token goes under both names, for we cannot know the app's. */
int credential_cookie_header(const struct credential *credential, const char *cookie_prefix,
                             char **ret);
int credential_authorization_header(const struct credential *credential, char **ret);
