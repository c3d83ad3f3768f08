/* The cookie cache: what is accepted without asking, and all that is not. */
#include "session_cache.h"
#include "session_fixture.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <util/macros.h>

#define TTL 60000
#define END (FIXTURE_NOW + 300000)
#define UPDATED ",\"updatedAt\":1795444575850,\"version\":\"1\"" /* 24 s before FIXTURE_NOW */
#define INNER "{" FIXTURE_SESSION UPDATED "}"

static bool read_at(const char *cache, int64_t now, int64_t ttl, int64_t *age)
{
    struct session_word word;

    return session_cache_read(cache, FIXTURE_TOKEN, FIXTURE_SECRET, now, ttl, &word, age);
}

static bool accepts(const char *cache)
{
    int64_t age;

    return read_at(cache, FIXTURE_NOW, TTL, &age);
}

Test(cache, a_right_one_is_accepted)
{
    char *cache = fixture_compact(FIXTURE_SECRET, INNER, END);
    struct session_word word;
    int64_t age;

    cr_assert(
        session_cache_read(cache, FIXTURE_TOKEN, FIXTURE_SECRET, FIXTURE_NOW, TTL, &word, &age));
    cr_expect_eq(age, 24150);
    cr_expect_str_eq(word.user_id, FIXTURE_USER);
    cr_expect_str_eq(word.email, "ada@example.com");
    cr_expect_str_eq(word.name, "Ada");
    cr_expect_str_eq(word.image, "");
    cr_expect_str_eq(word.customer_id, "");
    cr_expect(word.email_verified);
    cr_expect_eq(word.expires_at, INT64_C(1796049376024));
    free(cache);
}

Test(cache, its_time)
{
    static const struct {
        int64_t now, ttl, end;
        bool good;
    } table[] = {
        {1795444575850, TTL, END, true},
        {1795444575849, TTL, END, false}, /* from the future */
        {1795444635850, TTL, END, true},
        {1795444635851, TTL, END, false}, /* older than session_ttl */
        {1795444575850, 0, END, true},
        {1795444575851, 0, END, false},
        {FIXTURE_NOW, TTL, FIXTURE_NOW + 1, true},
        {FIXTURE_NOW, TTL, FIXTURE_NOW, false}, /* the cache's own end */
        {1796049376023, INT64_C(1) << 40, INT64_C(1) << 42, true},
        {1796049376024, INT64_C(1) << 40, INT64_C(1) << 42, false}, /* the session's */
    };

    for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
        char *cache = fixture_compact(FIXTURE_SECRET, INNER, table[i].end);
        int64_t age;

        cr_expect_eq(read_at(cache, table[i].now, table[i].ttl, &age), table[i].good, "row %zu", i);
        free(cache);
    }
}

Test(cache, what_it_says_must_be_about_this_session)
{
    static const struct {
        const char *inner;
        bool good;
    } table[] = {
        {INNER, true},
        {"{\"session\":{\"token\":\"other\",\"userId\":\"u\",\"expiresAt\":"
         "\"2026-11-30T14:36:16.024Z\"},\"user\":{\"id\":\"u\"}" UPDATED "}",
         false},
        {"{\"session\":{\"userId\":\"u\",\"expiresAt\":\"2026-11-30T14:36:16.024Z\"},\"user\":{"
         "\"id\":\"u\"}" UPDATED "}",
         false},
        {"{\"session\":{\"token\":\"" FIXTURE_TOKEN "\",\"userId\":\"v\",\"expiresAt\":"
         "\"2026-11-30T14:36:16.024Z\"},\"user\":{\"id\":\"u\"}" UPDATED "}",
         false},
        {"{\"session\":{\"token\":\"" FIXTURE_TOKEN "\",\"userId\":\"u\"},\"user\":{"
         "\"id\":\"u\"}" UPDATED "}",
         false},
        {"{\"session\":{\"token\":\"" FIXTURE_TOKEN "\",\"userId\":\"a b\",\"expiresAt\":"
         "\"2026-11-30T14:36:16.024Z\"},\"user\":{\"id\":\"a b\"}" UPDATED "}",
         false},
        {"{" FIXTURE_SESSION "}", false},
        {"{" FIXTURE_SESSION ",\"updatedAt\":\"2026\"}", false},
        {"{" FIXTURE_SESSION ",\"updatedAt\":-1}", false},
        {"{" FIXTURE_SESSION UPDATED ",\"user\":{\"id\":\"u\"}}", false}, /* a key twice */
        {"{\"x\":1}", false},
        {"{}", false},
    };

    for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
        char *cache = fixture_compact(FIXTURE_SECRET, table[i].inner, END);

        cr_expect_eq(accepts(cache), table[i].good, "%s", table[i].inner);
        free(cache);
    }
}

/* The cookie is base64url of `text`. */
static bool accepts_text(const char *text)
{
    char *cache = fixture_base64url(text, strlen(text));
    bool r = accepts(cache);

    free(cache);
    return r;
}

Test(cache, each_byte_counts)
{
    char *cache = fixture_compact(FIXTURE_SECRET, INNER, END);
    size_t length = strlen(cache);

    for (size_t i = 0; i < length; i++) {
        char kept = cache[i];

        cache[i] = kept == 'A' ? 'B' : 'A';
        cr_expect(!accepts(cache), "byte %zu", i);
        cache[i] = '\0';
        cr_expect(!accepts(cache), "length %zu", i);
        cache[i] = kept;
    }
    cr_expect(accepts(cache));
    free(cache);
}

Test(cache, other_shapes_are_not_ours)
{
    char *wrong_secret = fixture_compact("another secret", INNER, END);
    char *signature = fixture_sign_url(FIXTURE_SECRET,
                                       "{" FIXTURE_SESSION UPDATED ",\"expiresAt\":1795444900000}");
    static const char *const shapes[] = {
        "{\"session\":%s,\"expiresAt\":1795444900000,\"signature\":\"%s\"}", /* as it is */
        " {\"session\":%s,\"expiresAt\":1795444900000,\"signature\":\"%s\"}",
        "{\"session\":%s,\"expiresAt\":1795444900000,\"signature\":\"%s\"} ",
        "{\"session\":%s, \"expiresAt\":1795444900000,\"signature\":\"%s\"}",
        "{\"session\":%s,\"expiresAt\":1795444900001,\"signature\":\"%s\"}",
        "{\"session\":%s,\"expiresAt\":,\"signature\":\"%s\"}",
        "{\"session\":%s,\"expiresAt\":1795444900000,\"x\":1,\"signature\":\"%s\"}",
        "{\"session\":%s,\"expiresAt\":1795444900000,\"signature\":\"%s\",\"x\":1}",
        "{\"session\":[%s],\"expiresAt\":1795444900000,\"signature\":\"%s\"}",
    };

    cr_expect(!accepts(wrong_secret));
    for (size_t i = 0; i < ARRAY_SIZE(shapes); i++) {
        char text[2048];

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        snprintf(text, sizeof text, shapes[i], INNER, signature);
#pragma GCC diagnostic pop
        cr_expect_eq(accepts_text(text), i == 0, "%s", text);
    }
    cr_expect(!accepts_text("{\"session\":{"));
    cr_expect(!accepts_text("{\"session\":}"));
    cr_expect(!accepts_text("{\"session\":{\"a\":\"\\"));
    cr_expect(!accepts_text("null"));
    cr_expect(!accepts(""));
    free(wrong_secret);
    free(signature);
}

#define HS256 "{\"alg\":\"HS256\"}"
#define PAYLOAD "{" FIXTURE_SESSION UPDATED ",\"iat\":1795444576,\"exp\":1795444876}"

Test(cache, jwt_is_taken_for_hs256_alone)
{
    static const struct {
        const char *head, *body;
        bool good;
    } table[] = {
        {HS256, PAYLOAD, true},
        {"{\"alg\":\"HS256\",\"typ\":\"JWT\"}", PAYLOAD, true},
        {"{\"typ\":\"JWT\"}", PAYLOAD, false},
        {"{\"alg\":\"none\"}", PAYLOAD, false},
        {"{\"alg\":\"None\"}", PAYLOAD, false},
        {"{\"alg\":\"RS256\"}", PAYLOAD, false},
        {"{\"alg\":\"HS512\"}", PAYLOAD, false},
        {"{\"alg\":\"hs256\"}", PAYLOAD, false},
        {"{\"alg\":[\"HS256\"]}", PAYLOAD, false},
        {"{\"alg\":\"HS256\",\"crit\":[\"b64\"],\"b64\":false}", PAYLOAD, false},
        {"{\"alg\":\"HS256\",\"alg\":\"HS256\"}", PAYLOAD, false},
        {"[]", PAYLOAD, false},
        {"", PAYLOAD, false},
        {HS256, "{" FIXTURE_SESSION UPDATED "}", false}, /* without an end */
        {HS256, "{" FIXTURE_SESSION UPDATED ",\"exp\":1795444600}", false},
        {HS256, "{" FIXTURE_SESSION UPDATED ",\"exp\":1795444601}", true},
        {HS256, "{" FIXTURE_SESSION UPDATED ",\"exp\":\"1795444876\"}", false},
        {HS256, "{" FIXTURE_SESSION UPDATED ",\"exp\":9007199254740991}", true},
        {HS256, "{\"exp\":1795444876}", false},
        {HS256, "null", false},
        {HS256, "", false},
    };

    for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
        char *cache = fixture_jwt(FIXTURE_SECRET, table[i].head, table[i].body);

        cr_expect_eq(accepts(cache), table[i].good, "%s %s", table[i].head, table[i].body);
        free(cache);
    }
}

Test(cache, a_jwt_without_its_signature_is_refused)
{
    char *cache = fixture_jwt(FIXTURE_SECRET, HS256, PAYLOAD);
    char *none = fixture_jwt(FIXTURE_SECRET, "{\"alg\":\"none\"}", PAYLOAD);
    char *wrong = fixture_jwt("another secret", HS256, PAYLOAD);
    size_t length = strlen(cache);

    cr_expect(!accepts(wrong));
    for (size_t i = 0; i < length; i++) {
        char kept = cache[i];

        cache[i] = kept == 'A' ? 'B' : 'A';
        cr_expect(!accepts(cache), "byte %zu", i);
        cache[i] = '\0';
        cr_expect(!accepts(cache), "length %zu", i);
        cache[i] = kept;
    }
    strrchr(none, '.')[1] = '\0';
    cr_expect(!accepts(none));
    cr_expect(!accepts("."));
    cr_expect(!accepts(".."));
    cr_expect(!accepts("...."));
    free(cache);
    free(none);
    free(wrong);
}
