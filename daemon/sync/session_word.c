/* See session_word.h. */
#include "session_word.h"
#include "fields.h"

#include <openssl/crypto.h>
#include <string.h>
#include <util/iso8601.h>

/* NULL where it is missing, or no text that we take. */
static const char *text_of(const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);
    size_t length = json_string_length(value);

    if (!json_is_string(value) || length == 0 || length > PROTO_TEXT_MAX ||
        !proto_text_valid(json_string_value(value), length))
        return NULL;
    return json_string_value(value);
}

static const char *id_of(const json_t *object, const char *name)
{
    const char *text = text_of(object, name);

    return text && proto_id_valid(text, strlen(text)) ? text : NULL;
}

static void copy(char *target, const char *text)
{
    if (text)
        memcpy(target, text, strlen(text) + 1);
}

static bool token_matches(const json_t *session, const char *token, bool needs_token)
{
    const char *named = text_of(session, "token");

    if (!named)
        return !needs_token && !json_object_get(session, "token");
    return strlen(named) == strlen(token) && CRYPTO_memcmp(named, token, strlen(token)) == 0;
}

const char *session_word_read(const json_t *root, const char *token, bool needs_token,
                              struct session_word *ret_word)
{
    const json_t *session = json_object_get(root, "session");
    const json_t *user = json_object_get(root, "user");
    const char *user_id = id_of(user, "id"), *owner = id_of(session, "userId");
    const char *expires = text_of(session, "expiresAt");
    struct session_word word = {0};

    if (!json_is_object(session) || !json_is_object(user))
        return "it has no session and user";
    if (!user_id)
        return "the user's id is not an id";
    if (!owner || strcmp(owner, user_id) != 0)
        return "the session is not that user's";
    if (!token_matches(session, token, needs_token))
        return "it is about another session";
    if (!expires || iso8601_parse(expires, &word.expires_at) < 0)
        return "it does not say when the session ends";
    copy(word.user_id, user_id);
    copy(word.email, text_of(user, "email"));
    copy(word.name, text_of(user, "name"));
    copy(word.image, text_of(user, "image"));
    copy(word.customer_id, id_of(user, "stellartools_customer_id"));
    word.email_verified = json_is_true(json_object_get(user, "emailVerified"));
    *ret_word = word;
    return NULL;
}
