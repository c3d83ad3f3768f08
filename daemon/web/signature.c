/* Webhook signatures: see signature.h. */
#include <errno.h>
#include <inttypes.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <util/hex.h>
#include <util/macros.h>
#include <web/signature.h>

#define MAC_SIZE 32
#define DIGITS_MAX 12  /* of t: more is no time */
#define V1_COUNT_MAX 8 /* more than this signs nobody */

/* What a header says; texts are in the header. */
struct parsed {
    const char *time;
    size_t time_length;
    int64_t seconds;
    uint8_t macs[V1_COUNT_MAX][MAC_SIZE];
    size_t mac_count;
};

/* The time counts as it was written: "{t}" is signed as text. */
static int mac_make(const char *secret, const char *time, size_t time_length, const void *body,
                    size_t body_length, uint8_t ret_mac[MAC_SIZE])
{
    CLEANUP(cleanup_free) unsigned char *joined = NULL;
    unsigned mac_length = 0;

    if (*secret == '\0')
        return -EINVAL;
    joined = malloc(time_length + 1 + body_length);
    if (!joined)
        return -ENOMEM;
    memcpy(joined, time, time_length);
    joined[time_length] = '.';
    if (body_length > 0)
        memcpy(joined + time_length + 1, body, body_length);
    if (!HMAC(EVP_sha256(), secret, (int)strlen(secret), joined, time_length + 1 + body_length,
              ret_mac, &mac_length) ||
        mac_length != MAC_SIZE)
        return -ENOMEM;
    return 0;
}

static bool parse_mac(const char *text, size_t length, uint8_t ret_mac[MAC_SIZE])
{
    if (length != MAC_SIZE * 2u)
        return false;
    for (size_t i = 0; i < MAC_SIZE; i++) {
        int high = hex_digit(text[2 * i]), low = hex_digit(text[2 * i + 1]);

        if (high < 0 || low < 0)
            return false;
        ret_mac[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

static bool parse_time(const char *text, size_t length, struct parsed *parsed)
{
    if (parsed->time || length == 0 || length > DIGITS_MAX)
        return false;
    for (size_t i = 0; i < length; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        parsed->seconds = parsed->seconds * 10 + (text[i] - '0');
    }
    parsed->time = text;
    parsed->time_length = length;
    return true;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static bool parse_member(const char *text, size_t length, struct parsed *parsed)
{
    while (length > 0 && is_blank(text[0])) {
        text++;
        length--;
    }
    while (length > 0 && is_blank(text[length - 1]))
        length--;
    if (length >= 2 && memcmp(text, "t=", 2) == 0)
        return parse_time(text + 2, length - 2, parsed);
    if (length >= 3 && memcmp(text, "v1=", 3) == 0) {
        /* One that cannot be read is wrong, and says nothing about the others. */
        if (parsed->mac_count < V1_COUNT_MAX &&
            parse_mac(text + 3, length - 3, parsed->macs[parsed->mac_count]))
            parsed->mac_count++;
    }
    return true;
}

static bool parse(const char *text, size_t length, struct parsed *parsed)
{
    const char *end = text + length;

    while (text < end) {
        const char *comma = memchr(text, ',', (size_t)(end - text));
        const char *member_end = comma ? comma : end;

        if (!parse_member(text, (size_t)(member_end - text), parsed))
            return false;
        text = comma ? comma + 1 : end;
    }
    return parsed->time && parsed->mac_count > 0;
}

int signature_check(const char *secret, const char *signature, size_t signature_length,
                    const void *body, size_t body_length, int64_t now)
{
    struct parsed parsed = {0};
    uint8_t right[MAC_SIZE];
    bool is_right = false;
    int r;

    if (!parse(signature, signature_length, &parsed))
        return *secret == '\0' ? -EINVAL : SIGNATURE_MALFORMED;
    r = mac_make(secret, parsed.time, parsed.time_length, body, body_length, right);
    if (r < 0)
        return r;
    for (size_t i = 0; i < parsed.mac_count; i++)
        is_right |= CRYPTO_memcmp(right, parsed.macs[i], MAC_SIZE) == 0;
    explicit_bzero(right, sizeof right);
    if (!is_right)
        return SIGNATURE_WRONG;
    /* No overflow: the time has 12 digits, and no clock shows more. */
    if (now - parsed.seconds > SIGNATURE_TOLERANCE_SECONDS ||
        parsed.seconds - now > SIGNATURE_TOLERANCE_SECONDS)
        return SIGNATURE_EXPIRED;
    return SIGNATURE_VALID;
}

const char *signature_verdict_text(enum signature_verdict verdict)
{
    switch (verdict) {
    case SIGNATURE_VALID:
        return "the signature is valid";
    case SIGNATURE_MALFORMED:
        return "the signature is not of the form t=UNIX_SECONDS,v1=HEX";
    case SIGNATURE_WRONG:
        return "the signature is of another secret or another body";
    case SIGNATURE_EXPIRED:
        return "the signature was made more than 300 s ago or ahead";
    }
    return "the signature cannot be judged";
}

int signature_make(const char *secret, const void *body, size_t body_length, int64_t now,
                   char ret_signature[SIGNATURE_TEXT_SIZE])
{
    char time[24], hex[2 * MAC_SIZE + 1];
    uint8_t mac[MAC_SIZE];
    int r;

    if (now < 0)
        return -EINVAL;
    snprintf(time, sizeof time, "%" PRId64, now);
    r = mac_make(secret, time, strlen(time), body, body_length, mac);
    if (r < 0)
        return r;
    for (size_t i = 0; i < MAC_SIZE; i++)
        snprintf(hex + 2 * i, 3, "%02x", mac[i]);
    snprintf(ret_signature, SIGNATURE_TEXT_SIZE, "t=%s,v1=%s", time, hex);
    return 0;
}
