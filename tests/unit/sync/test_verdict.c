/* Verdicts: without asking, by the app's answer, and as serve gets them. */
#include "render.h"
#include "session_fixture.h"
#include "session_verdict.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <util/macros.h>

#define TTL 60000
#define SESSION "{" FIXTURE_SESSION "}"

static struct credential credential_of(const char *text)
{
    struct credential credential;

    cr_assert_eq(credential_parse((struct span){text, strlen(text)}, "better-auth", &credential),
                 0);
    return credential;
}

static enum session_verdict_kind judge(const char *text, const char *secret)
{
    struct credential credential = credential_of(text);
    struct session_verdict verdict;

    session_judge(&credential, secret, false, FIXTURE_NOW, TTL, &verdict);
    credential_deinit(&credential);
    return verdict.kind;
}

Test(verdict, a_wrong_signature_is_refused_without_asking)
{
    char *good = fixture_signed_token(FIXTURE_SECRET, FIXTURE_TOKEN);
    char *other = fixture_signed_token("another secret", FIXTURE_TOKEN);

    cr_expect_eq(judge(good, FIXTURE_SECRET), SESSION_ASK);
    cr_expect_eq(judge(other, FIXTURE_SECRET), SESSION_INVALID);
    cr_expect_eq(judge(other, NULL), SESSION_ASK);
    cr_expect_eq(judge(FIXTURE_TOKEN, FIXTURE_SECRET), SESSION_ASK);
    free(good);
    free(other);
}

Test(verdict, a_cookie_cache_counts_with_a_secret_and_a_right_token_only)
{
    char *good = fixture_signed_token(FIXTURE_SECRET, FIXTURE_TOKEN);
    char *other = fixture_signed_token("another secret", FIXTURE_TOKEN);
    char *cache = fixture_compact(
        FIXTURE_SECRET, "{" FIXTURE_SESSION ",\"updatedAt\":1795444590000}", FIXTURE_NOW + 1000);
    const struct {
        const char *token, *secret;
        bool fresh;
        enum session_verdict_kind kind;
    } table[] = {
        {good, FIXTURE_SECRET, false, SESSION_VALID},
        {good, FIXTURE_SECRET, true, SESSION_ASK},
        {good, NULL, false, SESSION_ASK},
        {other, FIXTURE_SECRET, false, SESSION_INVALID},
    };

    for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
        struct session_verdict verdict;
        struct credential credential;
        char *text = NULL;

        cr_assert(asprintf(&text, "better-auth.session_token=%s; better-auth.session_data=%s",
                           table[i].token, cache) > 0);
        credential = credential_of(text);
        session_judge(&credential, table[i].secret, table[i].fresh, FIXTURE_NOW, TTL, &verdict);
        cr_expect_eq(verdict.kind, table[i].kind, "row %zu", i);
        if (verdict.kind == SESSION_VALID) {
            cr_expect(verdict.is_offline);
            cr_expect_eq(verdict.valid_for, TTL - 10000);
            cr_expect_str_eq(verdict.word.user_id, FIXTURE_USER);
        }
        credential_deinit(&credential);
        free(text);
    }
    free(good);
    free(other);
    free(cache);
}

Test(verdict, of_the_apps_answer)
{
    static const struct {
        int status;
        const char *body;
        enum session_verdict_kind kind;
    } table[] = {
        {200, SESSION, SESSION_VALID},
        {200, "{" FIXTURE_SESSION ",\"needsRefresh\":true}", SESSION_VALID},
        {200, "null", SESSION_INVALID},
        {200, " null\n", SESSION_INVALID},
        {200, "", SESSION_UNAVAILABLE},
        {200, "<html>", SESSION_UNAVAILABLE},
        {200, "{}", SESSION_UNAVAILABLE},
        {200, "[]", SESSION_UNAVAILABLE},
        {200, "{\"session\":null,\"user\":null}", SESSION_UNAVAILABLE},
        {200, "\"null\"", SESSION_UNAVAILABLE},
        /* another's session, by a cache between */
        {200,
         "{\"session\":{\"token\":\"other\",\"userId\":\"u\",\"expiresAt\":"
         "\"2026-11-30T14:36:16Z\"},\"user\":{\"id\":\"u\"}}",
         SESSION_UNAVAILABLE},
        {200,
         "{\"session\":{\"token\":null,\"userId\":\"u\",\"expiresAt\":\"2026-11-30T14:36:16Z\"},"
         "\"user\":{\"id\":\"u\"}}",
         SESSION_UNAVAILABLE},
        /* a plugin may hide the token */
        {200,
         "{\"session\":{\"userId\":\"u\",\"expiresAt\":\"2026-11-30T14:36:16Z\"},\"user\":{"
         "\"id\":\"u\"}}",
         SESSION_VALID},
        {200,
         "{\"session\":{\"userId\":\"u\",\"expiresAt\":\"2026-11-23T14:36:40Z\"},\"user\":{"
         "\"id\":\"u\"}}",
         SESSION_INVALID}, /* ends now */
        {200, "{\"session\":{\"userId\":\"u\"},\"user\":{\"id\":\"u\"}}", SESSION_UNAVAILABLE},
        {200,
         "{\"session\":{\"userId\":\"u\",\"expiresAt\":\"2026-11-30T14:36:16Z\"},\"user\":{"
         "\"id\":\"v\"}}",
         SESSION_UNAVAILABLE},
        {200,
         "{\"session\":{\"userId\":5,\"expiresAt\":\"2026-11-30T14:36:16Z\"},\"user\":{\"id\":5}}",
         SESSION_UNAVAILABLE},
        {204, "", SESSION_UNAVAILABLE},
        {201, SESSION, SESSION_UNAVAILABLE},
        {302, "null", SESSION_UNAVAILABLE},
        {401, "null", SESSION_UNAVAILABLE},
        {404, "null", SESSION_UNAVAILABLE},
        {429, "null", SESSION_UNAVAILABLE},
        {500, "null", SESSION_UNAVAILABLE},
        {503, SESSION, SESSION_UNAVAILABLE},
    };
    struct credential credential = credential_of(FIXTURE_TOKEN);

    for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
        struct http_end end = {.kind = HTTP_ANSWERED,
                               .status = table[i].status,
                               .body = table[i].body,
                               .body_length = strlen(table[i].body)};
        struct session_verdict verdict;

        session_judge_answer(&credential, &end, FIXTURE_NOW, TTL, &verdict);
        cr_expect_eq(verdict.kind, table[i].kind, "%d %s: %s", table[i].status, table[i].body,
                     verdict.message);
        cr_expect_eq(verdict.message[0] == '\0', verdict.kind == SESSION_VALID);
        cr_expect(!verdict.is_offline);
        if (verdict.kind == SESSION_VALID)
            cr_expect_eq(verdict.valid_for, TTL);
    }
    credential_deinit(&credential);
}

Test(verdict, nothing_is_known_where_no_answer_came)
{
    static const enum http_end_kind kinds[] = {HTTP_NOT_SENT, HTTP_UNANSWERED, HTTP_GARBLED};
    struct credential credential = credential_of(FIXTURE_TOKEN);

    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        struct http_end end = {.kind = kinds[i], .error = "it quotes " FIXTURE_TOKEN};
        struct session_verdict verdict;

        session_judge_answer(&credential, &end, FIXTURE_NOW, TTL, &verdict);
        cr_expect_eq(verdict.kind, SESSION_UNAVAILABLE);
        cr_expect_str_eq(verdict.message, "it quotes ***");
    }
    credential_deinit(&credential);
}

/* Users may be let set fields of their own: none of them passes for one of Better Auth's. */
Test(verdict, names_have_one_spelling)
{
    static const struct {
        const char *user, *email, *customer;
        bool verified;
    } table[] = {
        {"\"email\":\"a@x\",\"emailVerified\":true", "a@x", "", true},
        {"\"email\":\"a@x\",\"email_verified\":true", "a@x", "", false},
        {"\"email\":\"a@x\",\"emailVerified\":\"true\"", "a@x", "", false},
        {"\"email\":\"a@x\",\"emailVerified\":1", "a@x", "", false},
        {"\"email\":\"a\\u0000@x\",\"emailVerified\":true", "", "", true},
        {"\"email\":null", "", "", false},
        {"\"stellartools_customer_id\":\"cus_1\"", "", "cus_1", false},
        {"\"stellartoolsCustomerId\":\"cus_1\"", "", "", false},
        {"\"stellartools_customer_id\":\"../cus_1\"", "", "", false},
        {"\"stellartools_customer_id\":null", "", "", false},
    };

    for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
        struct session_word word;
        char *text = NULL;
        json_t *root;

        cr_assert(asprintf(&text,
                           "{\"session\":{\"userId\":\"u\",\"expiresAt\":"
                           "\"2026-11-30T14:36:16Z\"},\"user\":{\"id\":\"u\",%s}}",
                           table[i].user) > 0);
        root = json_loads(text, JSON_ALLOW_NUL, NULL);
        cr_expect_null(session_word_read(root, "t", false, &word), "%s", text);
        cr_expect_str_eq(word.email, table[i].email, "%s", text);
        cr_expect_str_eq(word.customer_id, table[i].customer, "%s", text);
        cr_expect_eq(word.email_verified, table[i].verified, "%s", text);
        json_decref(root);
        free(text);
    }
}

Test(verdict, a_session_that_ends_soon_is_believed_no_longer)
{
    static const char body[] =
        "{\"session\":{\"userId\":\"u\",\"expiresAt\":\"2026-11-23T14:36:41.500Z\"},\"user\":{"
        "\"id\":\"u\"}}";
    struct http_end end = {
        .kind = HTTP_ANSWERED, .status = 200, .body = body, .body_length = strlen(body)};
    struct credential credential = credential_of(FIXTURE_TOKEN);
    struct session_verdict verdict;

    session_judge_answer(&credential, &end, FIXTURE_NOW, TTL, &verdict);
    cr_expect_eq(verdict.kind, SESSION_VALID);
    cr_expect_eq(verdict.valid_for, 1500);
    credential_deinit(&credential);
}

Test(verdict, the_map_for_serve)
{
    struct session_verdict verdict;
    msgpack_sbuffer buffer;
    char *text;

    session_verdict_plain(SESSION_INVALID, "why", &verdict);
    msgpack_sbuffer_init(&buffer);
    cr_assert_eq(session_verdict_pack(&verdict, NULL, &buffer), 0);
    text = render(&buffer);
    cr_expect_str_eq(text, "{\"verdict\"=>\"invalid\", \"message\"=>\"why\", \"http_status\"=>0, "
                           "\"token_hash\"=>nil}");
    free(text);
    msgpack_sbuffer_clear(&buffer);
    verdict = (struct session_verdict){.kind = SESSION_VALID,
                                       .http_status = 200,
                                       .valid_for = 5,
                                       .word = {.user_id = "u", .email = "a@x", .expires_at = 7}};
    cr_assert_eq(session_verdict_pack(&verdict, "abc", &buffer), 0);
    text = render_member(&buffer, "user");
    cr_expect_str_eq(text, "{\"id\"=>\"u\", \"email\"=>\"a@x\", \"email_verified\"=>false, "
                           "\"name\"=>nil, \"image\"=>nil, \"stellartools_customer_id\"=>nil}");
    free(text);
    text = render_member(&buffer, "valid_for");
    cr_expect_str_eq(text, "5");
    free(text);
    msgpack_sbuffer_destroy(&buffer);
}
