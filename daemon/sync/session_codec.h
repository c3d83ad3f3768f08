/* Signatures and encodings of Better Auth's cookies. Pure. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SIGNATURE_BASE64_LENGTH 44    /* of 32 bytes, with padding */
#define SIGNATURE_BASE64URL_LENGTH 43 /* without */
#define TOKEN_HASH_SIZE 32

/* Bytes in somebody else's memory. */
struct span {
    const char *text;
    size_t length;
};

bool span_equals(struct span span, const char *text);
/* A copy with a NUL at its end, for secret_free; NULL where memory is short. */
char *span_copy(struct span span);

/* Whether `signature` is HMAC-SHA256(parts joined) under the secret, in standard base64 or in
 * base64url without padding. It is our encoding that is compared, in constant time: there is no
 * second spelling of a right signature. */
bool signature_is_base64(const char *secret, const struct span *parts, size_t count,
                         struct span signature);
bool signature_is_base64url(const char *secret, const struct span *parts, size_t count,
                            struct span signature);
/* SHA-256. */
void token_hash(const char *token, uint8_t ret_hash[TOKEN_HASH_SIZE]);

/* Base64url without padding. The caller wipes and frees (secret_free); a NUL follows the bytes. 0,
 * -ENOMEM, or -EBADMSG. */
int base64url_decode(struct span encoded, char **ret_bytes, size_t *ret_length);
/* %XX to bytes; what is no such escape, or a NUL, is -EBADMSG. The caller frees with secret_free.
 */
int percent_decode(struct span encoded, char **ret_text);
