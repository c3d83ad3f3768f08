/* Sessions made with the real Better Auth (tests/vectors/sessions.json), judged at their time. */
#include "fields.h"
#include "session_cache.h"
#include "session_verdict.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <util/iso8601.h>

#define TTL 60000
/* All caches were made in one second or two of this: 2026-11-23T14:36:17.500Z. */
#define NOW INT64_C(1795444577500)

static json_t *load(void)
{
    json_error_t error;
    json_t *root = json_load_file(SESSION_VECTORS, 0, &error);

    cr_assert_not_null(root, "%s", error.text);
    cr_assert_gt(json_array_size(json_object_get(root, "cases")), 10);
    return root;
}

static const char *text(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

/* SESSION_INVALID also where there is no signed session in it. */
static void judge(const char *given, const char *secret, struct session_verdict *verdict)
{
    struct credential credential;

    if (credential_parse((struct span){given, strlen(given)}, "better-auth", &credential) < 0) {
        session_verdict_plain(SESSION_INVALID, "none", verdict);
        return;
    }
    session_judge(&credential, secret, false, NOW, TTL, verdict);
    credential_deinit(&credential);
}

static void expect_user(const json_t *it, const struct session_word *word)
{
    const json_t *answer = json_object_get(it, "get_session");
    const json_t *user = json_object_get(answer, "user");
    const char *customer = text(user, "stellartools_customer_id");
    int64_t expires = 0;

    iso8601_parse(text(json_object_get(answer, "session"), "expiresAt"), &expires);
    cr_expect_str_eq(word->user_id, text(user, "id"));
    cr_expect_str_eq(word->email, text(user, "email"));
    cr_expect_str_eq(word->name, text(user, "name"));
    cr_expect_str_eq(word->customer_id, customer ? customer : "");
    cr_expect_eq(word->email_verified, json_is_true(json_object_get(user, "emailVerified")));
    cr_expect_eq(word->expires_at, expires);
}

static enum session_verdict_kind expected(const json_t *it)
{
    const char *strategy = text(it, "strategy");
    const json_t *valid = json_object_get(it, "valid");

    if (json_is_false(valid))
        return SESSION_INVALID;
    /* valid_token, and not valid_cache: only the app can say. So it is with what is encrypted. */
    return json_is_true(valid) && strcmp(strategy, "jwe") != 0 ? SESSION_VALID : SESSION_ASK;
}

Test(vectors, cookies_are_judged_right)
{
    json_t *root = load(), *it;
    size_t index;

    json_array_foreach(json_object_get(root, "cases"), index, it)
    {
        struct session_verdict verdict;

        judge(text(it, "cookie_header"), text(root, "secret"), &verdict);
        cr_expect_eq(verdict.kind, expected(it), "%s: %d", text(it, "name"), verdict.kind);
        if (verdict.kind == SESSION_VALID)
            expect_user(it, &verdict.word);
        judge(text(it, "cookie_header"), "WxFhjC5EAnh30M0JIe0Wa58Xb1BYf8kedTTdKUbbd9X", &verdict);
        cr_expect_eq(verdict.kind, SESSION_INVALID, "%s: with another secret", text(it, "name"));
    }
    json_decref(root);
}

Test(vectors, tokens_and_answers_are_judged_right)
{
    json_t *root = load(), *it;
    size_t index;

    json_array_foreach(json_object_get(root, "cases"), index, it)
    {
        const char *given = text(it, "set_auth_token");
        struct credential credential;
        struct session_verdict verdict;
        struct http_end end = {.kind = HTTP_ANSWERED, .status = 200};
        char *body;

        if (!given)
            continue;
        judge(given, text(root, "secret"), &verdict);
        cr_expect_eq(verdict.kind, SESSION_ASK, "%s", text(it, "name"));
        cr_assert_eq(
            credential_parse((struct span){given, strlen(given)}, "better-auth", &credential), 0);
        end.body = body = json_dumps(json_object_get(it, "get_session"), 0);
        end.body_length = strlen(body);
        session_judge_answer(&credential, &end, NOW, TTL, &verdict);
        cr_expect_eq(verdict.kind, SESSION_VALID, "%s: %s", text(it, "name"), verdict.message);
        expect_user(it, &verdict.word);
        credential_deinit(&credential);
        free(body);
    }
    json_decref(root);
}
