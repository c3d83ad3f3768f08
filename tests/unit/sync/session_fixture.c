/* See session_fixture.h. By OpenSSL's own means, so that no mistake of ours is on both sides. */
#include "session_fixture.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *base64(const void *bytes, size_t length)
{
    char *text = calloc(1, length * 2 + 8);

    EVP_EncodeBlock((unsigned char *)text, bytes, (int)length);
    return text;
}

static char *urlsafe(char *text)
{
    for (char *at = text; *at; at++)
        *at = (char)(*at == '+' ? '-' : *at == '/' ? '_' : *at);
    text[strcspn(text, "=")] = '\0';
    return text;
}

char *fixture_base64url(const void *bytes, size_t length)
{
    return urlsafe(base64(bytes, length));
}

char *fixture_sign(const char *secret, const char *text)
{
    unsigned char mac[32];
    unsigned length = 0;

    cr_assert_not_null(HMAC(EVP_sha256(), secret, (int)strlen(secret), (const unsigned char *)text,
                            strlen(text), mac, &length));
    return base64(mac, length);
}

char *fixture_sign_url(const char *secret, const char *text)
{
    return urlsafe(fixture_sign(secret, text));
}

char *fixture_signed_token(const char *secret, const char *token)
{
    char *signature = fixture_sign(secret, token), *text = NULL;

    cr_assert(asprintf(&text, "%s.%s", token, signature) > 0);
    free(signature);
    return text;
}

char *fixture_compact(const char *secret, const char *inner, int64_t expires_at)
{
    char *signed_text = NULL, *signature, *text = NULL, *encoded;

    cr_assert(asprintf(&signed_text, "%.*s,\"expiresAt\":%" PRId64 "}", (int)strlen(inner) - 1,
                       inner, expires_at) > 0);
    signature = fixture_sign_url(secret, signed_text);
    cr_assert(asprintf(&text, "{\"session\":%s,\"expiresAt\":%" PRId64 ",\"signature\":\"%s\"}",
                       inner, expires_at, signature) > 0);
    encoded = fixture_base64url(text, strlen(text));
    free(signed_text);
    free(signature);
    free(text);
    return encoded;
}

char *fixture_jwt(const char *secret, const char *head, const char *body)
{
    char *first = fixture_base64url(head, strlen(head));
    char *second = fixture_base64url(body, strlen(body));
    char *signed_text = NULL, *signature, *text = NULL;

    cr_assert(asprintf(&signed_text, "%s.%s", first, second) > 0);
    signature = fixture_sign_url(secret, signed_text);
    cr_assert(asprintf(&text, "%s.%s", signed_text, signature) > 0);
    free(first);
    free(second);
    free(signed_text);
    free(signature);
    return text;
}
