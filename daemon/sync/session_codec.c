/* See session_codec.h. */
#include "session_codec.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>
#include <util/fd.h>
#include <util/hex.h>
#include <util/macros.h>

#define MAC_SIZE 32

bool span_equals(struct span span, const char *text)
{
    return strlen(text) == span.length && memcmp(text, span.text, span.length) == 0;
}

char *span_copy(struct span span)
{
    char *copy = malloc(span.length + 1);

    if (!copy)
        return NULL;
    memcpy(copy, span.text, span.length);
    copy[span.length] = '\0';
    return copy;
}

/* The MAC in standard base64, with its NUL. */
static bool mac_encode(const char *secret, const struct span *parts, size_t count,
                       char encoded[SIGNATURE_BASE64_LENGTH + 1])
{
    unsigned char mac[MAC_SIZE];
    unsigned mac_length = 0;
    size_t length = 0;
    char *joined;
    bool done;

    for (size_t i = 0; i < count; i++)
        length += parts[i].length;
    joined = malloc(length + 1);
    if (!joined)
        return false;
    length = 0;
    for (size_t i = 0; i < count; i++) {
        memcpy(joined + length, parts[i].text, parts[i].length);
        length += parts[i].length;
    }
    joined[length] = '\0';
    done = HMAC(EVP_sha256(), secret, (int)strlen(secret), (unsigned char *)joined, length, mac,
                &mac_length) &&
           mac_length == MAC_SIZE;
    explicit_bzero(joined, length);
    free(joined);
    if (done)
        EVP_EncodeBlock((unsigned char *)encoded, mac, MAC_SIZE);
    explicit_bzero(mac, sizeof mac);
    return done;
}

bool signature_is_base64(const char *secret, const struct span *parts, size_t count,
                         struct span signature)
{
    char right[SIGNATURE_BASE64_LENGTH + 1];
    bool is_right = signature.length == SIGNATURE_BASE64_LENGTH &&
                    mac_encode(secret, parts, count, right) &&
                    CRYPTO_memcmp(right, signature.text, SIGNATURE_BASE64_LENGTH) == 0;

    explicit_bzero(right, sizeof right);
    return is_right;
}

bool signature_is_base64url(const char *secret, const struct span *parts, size_t count,
                            struct span signature)
{
    char right[SIGNATURE_BASE64_LENGTH + 1];
    bool is_right = false;

    if (signature.length == SIGNATURE_BASE64URL_LENGTH && mac_encode(secret, parts, count, right)) {
        for (size_t i = 0; i < SIGNATURE_BASE64URL_LENGTH; i++)
            right[i] = (char)(right[i] == '+' ? '-' : right[i] == '/' ? '_' : right[i]);
        is_right = CRYPTO_memcmp(right, signature.text, SIGNATURE_BASE64URL_LENGTH) == 0;
    }
    explicit_bzero(right, sizeof right);
    return is_right;
}

void token_hash(const char *token, uint8_t ret_hash[TOKEN_HASH_SIZE])
{
    SHA256((const unsigned char *)token, strlen(token), ret_hash);
}

static int base64url_value(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '-' ? 62 : c == '_' ? 63 : -1;
}

int base64url_decode(struct span encoded, char **ret_bytes, size_t *ret_length)
{
    CLEANUP(secret_cleanup) char *bytes = NULL;
    size_t length = 0;
    uint32_t bits = 0;
    unsigned held = 0;

    if (encoded.length % 4 == 1)
        return -EBADMSG;
    bytes = calloc(1, encoded.length + 1);
    if (!bytes)
        return -ENOMEM;
    for (size_t i = 0; i < encoded.length; i++) {
        int value = base64url_value(encoded.text[i]);

        if (value < 0)
            return -EBADMSG;
        bits = bits << 6 | (uint32_t)value;
        held += 6;
        if (held >= 8) {
            held -= 8;
            bytes[length++] = (char)(bits >> held & 0xff);
        }
    }
    if (bits & ((1u << held) - 1))
        return -EBADMSG;
    *ret_bytes = TAKE_PTR(bytes);
    *ret_length = length;
    return 0;
}

int percent_decode(struct span encoded, char **ret_text)
{
    CLEANUP(secret_cleanup) char *text = calloc(1, encoded.length + 1);
    size_t length = 0;

    if (!text)
        return -ENOMEM;
    for (size_t i = 0; i < encoded.length; i++) {
        int high, low;

        text[length] = encoded.text[i];
        if (encoded.text[i] == '%') {
            high = i + 2 < encoded.length ? hex_digit(encoded.text[i + 1]) : -1;
            low = high >= 0 ? hex_digit(encoded.text[i + 2]) : -1;
            if (low < 0)
                return -EBADMSG;
            text[length] = (char)(high << 4 | low);
            i += 2;
        }
        if (text[length++] == '\0')
            return -EBADMSG;
    }
    *ret_text = TAKE_PTR(text);
    return 0;
}
