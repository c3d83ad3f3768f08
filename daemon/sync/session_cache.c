/* See session_cache.h. */
#include "session_cache.h"
#include "fields.h"
#include "session_codec.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <util/fd.h>
#include <util/macros.h>

static void json_cleanup(json_t **json)
{
    json_decref(*json);
}

/* The length of the object that `text` begins with; 0 where there is no whole one. */
static size_t object_length(struct span text)
{
    size_t depth = 0;
    bool is_text = false;

    for (size_t i = 0; i < text.length; i++) {
        char c = text.text[i];

        if (is_text && c == '\\')
            i++;
        else if (c == '"')
            is_text = !is_text;
        else if (!is_text && (c == '{' || c == '['))
            depth++;
        else if (!is_text && (c == '}' || c == ']') && depth > 0 && --depth == 0)
            return i + 1;
        if (depth == 0)
            return 0;
    }
    return 0;
}

static bool skip(struct span *rest, const char *literal)
{
    size_t length = strlen(literal);

    if (rest->length < length || memcmp(rest->text, literal, length) != 0)
        return false;
    *rest = (struct span){rest->text + length, rest->length - length};
    return true;
}

static struct span take(struct span *rest, size_t length)
{
    struct span taken = {rest->text, length < rest->length ? length : rest->length};

    *rest = (struct span){rest->text + taken.length, rest->length - taken.length};
    return taken;
}

/* Up to 15 digits, which no integer type minds. */
static struct span take_number(struct span *rest, int64_t *ret_number)
{
    size_t length = 0;

    *ret_number = 0;
    while (length < rest->length && length < 15 && rest->text[length] >= '0' &&
           rest->text[length] <= '9')
        *ret_number = *ret_number * 10 + (rest->text[length++] - '0');
    return take(rest, length);
}

/* What a cache says, its signature being right; *ret_expires is the cache's own end. NULL where it
 * is not. */
static json_t *compact_open(const char *cache, const char *secret, int64_t *ret_expires)
{
    CLEANUP(secret_cleanup) char *text = NULL;
    struct span rest = {.length = 0}, inner, digits, signature;
    int64_t expires;

    if (base64url_decode((struct span){cache, strlen(cache)}, &text, &rest.length) < 0)
        return NULL;
    rest.text = text;
    if (strlen(text) != rest.length || !skip(&rest, "{\"session\":"))
        return NULL;
    inner = take(&rest, object_length(rest));
    if (inner.length == 0 || inner.text[0] != '{' || !skip(&rest, ",\"expiresAt\":"))
        return NULL;
    digits = take_number(&rest, &expires);
    if (digits.length == 0 || !skip(&rest, ",\"signature\":\""))
        return NULL;
    signature = take(&rest, SIGNATURE_BASE64URL_LENGTH);
    if (!span_equals(rest, "\"}"))
        return NULL;
    {
        const struct span parts[] = {
            {inner.text, inner.length - 1}, {",\"expiresAt\":", 13}, digits, {"}", 1}};

        if (!signature_is_base64url(secret, parts, ARRAY_SIZE(parts), signature))
            return NULL;
    }
    *ret_expires = expires;
    return fields_parse(inner.text, inner.length);
}

static json_t *part_parse(struct span part)
{
    CLEANUP(secret_cleanup) char *text = NULL;
    size_t length;

    return base64url_decode(part, &text, &length) < 0 ? NULL : fields_parse(text, length);
}

/* Signed with HMAC-SHA256, and nothing that we would have to understand ("crit"). */
static bool jwt_head_is_ours(struct span head)
{
    CLEANUP(json_cleanup) json_t *json = part_parse(head);
    const json_t *algorithm = json_object_get(json, "alg");

    return json_is_string(algorithm) && strcmp(json_string_value(algorithm), "HS256") == 0 &&
           !json_object_get(json, "crit");
}

static json_t *jwt_open(const char *cache, const char *secret, int64_t *ret_expires)
{
    struct span head = {cache, strcspn(cache, ".")}, body, signature;
    json_t *json;
    int64_t seconds;

    body.text = head.text + head.length + 1;
    body.length = strcspn(body.text, ".");
    if (body.text[body.length] != '.')
        return NULL;
    signature.text = body.text + body.length + 1;
    signature.length = strlen(signature.text);
    {
        const struct span signed_part = {cache, head.length + 1 + body.length};

        if (!signature_is_base64url(secret, &signed_part, 1, signature) || !jwt_head_is_ours(head))
            return NULL;
    }
    json = part_parse(body);
    if (field_int(json, "exp", &seconds) != 1 || seconds < 0 || seconds > INT64_MAX / 1000) {
        json_decref(json);
        return NULL;
    }
    *ret_expires = seconds * 1000;
    return json;
}

bool session_cache_read(const char *cache, const char *token, const char *secret, int64_t now,
                        int64_t ttl, struct session_word *ret_word, int64_t *ret_age)
{
    CLEANUP(json_cleanup) json_t *root = NULL;
    const json_t *updated;
    struct session_word word;
    int64_t expires, age;

    root = strchr(cache, '.') ? jwt_open(cache, secret, &expires)
                              : compact_open(cache, secret, &expires);
    if (!root || expires <= now)
        return false;
    updated = json_object_get(root, "updatedAt");
    if (!json_is_real(updated) || json_real_value(updated) < 0 ||
        json_real_value(updated) > (double)PROTO_AMOUNT_MAX)
        return false;
    /* One from the future is another clock's, and its age unknown. */
    age = now - (int64_t)json_real_value(updated);
    if (age < 0 || age > ttl)
        return false;
    if (session_word_read(root, token, true, &word) != NULL || word.expires_at <= now)
        return false;
    *ret_word = word;
    *ret_age = age;
    return true;
}
