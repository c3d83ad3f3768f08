/* Sessions as Better Auth makes them, and as others might. All texts are the caller's to free. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define FIXTURE_SECRET "a secret of the app, 32 characters or more"
#define FIXTURE_TOKEN "Fk0IS7EboknY9PL5ULzENcOywdgwiBPY"
#define FIXTURE_USER "JO9GNCjGa4vzrbg3cfCpoeR08tdtKWo9"
#define FIXTURE_NOW INT64_C(1795444600000) /* 2026-11-23T14:36:40Z */
/* The members session and user of a session that ends at …16:15Z, and more, with `more` after. */
#define FIXTURE_SESSION                                                                            \
    "\"session\":{\"token\":\"" FIXTURE_TOKEN "\",\"userId\":\"" FIXTURE_USER                      \
    "\",\"expiresAt\":\"2026-11-30T14:36:16.024Z\"},\"user\":{\"id\":\"" FIXTURE_USER              \
    "\",\"email\":\"ada@example.com\",\"emailVerified\":true,\"name\":\"Ada\"}"

char *fixture_base64url(const void *bytes, size_t length);
/* HMAC-SHA256 in base64url without padding; in standard base64 with. */
char *fixture_sign_url(const char *secret, const char *text);
char *fixture_sign(const char *secret, const char *text);
/* TOKEN.SIGNATURE */
char *fixture_signed_token(const char *secret, const char *token);
/* `inner`: the JSON text of the inner object. */
char *fixture_compact(const char *secret, const char *inner, int64_t expires_at);
char *fixture_jwt(const char *secret, const char *head, const char *body);
