/*
 * The signatures of webhooks, as StellarTools makes them: a header "t=UNIX_SECONDS,v1=HEX", where
 * HEX is HMAC-SHA256 of "{t}.{raw body}" under a shared secret. creditd-sync checks those that come
 * in; creditd-hook signs in the same way what it posts. Pure: the clock is an argument.
 *
 * What is taken: members in any order with blanks around them, hexadecimal digits in either case,
 * several v1 (while a secret is being changed, both sign) and members of other names, which say
 * nothing. What is not: a second t, since two readers could then believe two different times.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define SIGNATURE_TOLERANCE_SECONDS 300
#define SIGNATURE_TEXT_SIZE 96 /* of a made one, with its NUL */

enum signature_verdict {
    SIGNATURE_VALID,
    SIGNATURE_MALFORMED, /* no signature of this form */
    SIGNATURE_WRONG,     /* of another secret or another body */
    SIGNATURE_EXPIRED,   /* right, but made more than 300 s ago or ahead: a replay, or a clock */
};

/* `now` in seconds since the epoch. A negative errno: -EINVAL where the secret is empty, which
 * everybody could sign with, or -ENOMEM. The comparison takes the same time wherever two signatures
 * differ. */
int signature_check(const char *secret, const char *signature, size_t signature_length,
                    const void *body, size_t body_length, int64_t now);
/* One line about a verdict for people, without a full stop; never NULL. */
const char *signature_verdict_text(enum signature_verdict verdict);
/* Signs at `now`, which is not negative. Errors as above. */
int signature_make(const char *secret, const void *body, size_t body_length, int64_t now,
                   char ret_signature[SIGNATURE_TEXT_SIZE]);
