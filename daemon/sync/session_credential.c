/* See session_credential.h. */
#include "session_credential.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <util/fd.h>
#include <util/macros.h>

#define SECURE "__Secure-"
#define NAME_SIZE 300
#define CHUNKS_MAX 100

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static struct span trim(struct span span)
{
    while (span.length > 0 && is_blank(span.text[0]))
        span = (struct span){span.text + 1, span.length - 1};
    while (span.length > 0 && is_blank(span.text[span.length - 1]))
        span.length--;
    return span;
}

/* Takes off a word that the text begins with, whatever its case. */
static bool skip_word(struct span *span, const char *word)
{
    size_t length = strlen(word);

    if (span->length < length || strncasecmp(span->text, word, length) != 0)
        return false;
    *span = trim((struct span){span->text + length, span->length - length});
    return true;
}

/* Before and after the first `mark`; without one, all is before it. */
static struct span cut(struct span *rest, char mark)
{
    const char *at = rest->length > 0 ? memchr(rest->text, mark, rest->length) : NULL;
    struct span before = {rest->text, at ? (size_t)(at - rest->text) : rest->length};
    size_t used = before.length + (at ? 1 : 0);

    *rest = (struct span){rest->text + used, rest->length - used};
    return before;
}

/* --- tokens --- */

static bool is_token(struct span span)
{
    for (size_t i = 0; i < span.length; i++) {
        char c = span.text[i];

        if (!((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
              c == '-' || c == '_'))
            return false;
    }
    return span.length > 0 && span.length <= CREDENTIAL_TOKEN_MAX;
}

static bool is_signature(struct span span)
{
    if (span.length != SIGNATURE_BASE64_LENGTH || span.text[span.length - 1] != '=')
        return false;
    for (size_t i = 0; i + 1 < span.length; i++) {
        char c = span.text[i];

        if (!((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
              c == '+' || c == '/'))
            return false;
    }
    return true;
}

/* TOKEN.SIGNATURE, or TOKEN; percent-encoded or not. */
static int token_parse(struct span given, struct credential *credential)
{
    CLEANUP(secret_cleanup) char *text = NULL;
    struct span rest, token;
    int r = percent_decode(given, &text);

    if (r < 0)
        return r;
    rest = (struct span){text, strlen(text)};
    token = cut(&rest, '.');
    if (!is_token(token) || (token.length < strlen(text) && !is_signature(rest)))
        return -EBADMSG;
    credential->token = span_copy(token);
    if (rest.length > 0)
        credential->signature = span_copy(rest);
    return credential->token && (credential->signature || rest.length == 0) ? 0 : -ENOMEM;
}

/* --- cookies --- */

/* The value of the first cookie of that name. */
static bool cookie_find(struct span header, const char *name, struct span *ret_value)
{
    while (header.length > 0) {
        struct span value = cut(&header, ';');
        size_t length = value.length;
        struct span found = cut(&value, '=');

        if (found.length == length || !span_equals(trim(found), name))
            continue;
        value = trim(value);
        if (value.length >= 2 && value.text[0] == '"' && value.text[value.length - 1] == '"')
            value = (struct span){value.text + 1, value.length - 2};
        *ret_value = value;
        return true;
    }
    return false;
}

static int cookie_name(char name[NAME_SIZE], bool is_secure, const char *prefix, const char *what)
{
    int length = snprintf(name, NAME_SIZE, "%s%s.%s", is_secure ? SECURE : "", prefix, what);

    return length > 0 && length < NAME_SIZE ? 0 : -EBADMSG;
}

/* Appends the cookie's value to `joined`, which has room for it. */
static bool cache_append(struct span header, const char *name, char *joined)
{
    struct span value;
    size_t length = strlen(joined);

    if (!cookie_find(header, name, &value))
        return false;
    memcpy(joined + length, value.text, value.length);
    joined[length + value.length] = '\0';
    return true;
}

/* All chunks stand in the header: together they are no longer than it. */
static int cache_parse(struct span header, const char *prefix, struct credential *credential)
{
    CLEANUP(secret_cleanup) char *joined = NULL;
    char name[NAME_SIZE], chunk[NAME_SIZE + 16];
    int r = cookie_name(name, credential->is_secure, prefix, "session_data");

    if (r < 0)
        return r;
    joined = calloc(1, header.length + 1);
    if (!joined)
        return -ENOMEM;
    if (!cache_append(header, name, joined))
        for (int i = 0; i < CHUNKS_MAX; i++) {
            snprintf(chunk, sizeof chunk, "%s.%d", name, i);
            if (!cache_append(header, chunk, joined))
                break;
        }
    if (joined[0] == '\0')
        return 0;
    credential->cache = span_copy((struct span){joined, strlen(joined)});
    return credential->cache ? 0 : -ENOMEM;
}

static int cookies_parse(struct span header, const char *prefix, struct credential *credential)
{
    char name[NAME_SIZE];
    struct span value;
    int r;

    credential->form = CREDENTIAL_COOKIE;
    for (int plain = 0; plain < 2; plain++) {
        credential->is_secure = !plain;
        r = cookie_name(name, credential->is_secure, prefix, "session_token");
        if (r < 0)
            return r;
        if (!cookie_find(header, name, &value))
            continue;
        r = token_parse(value, credential);
        if (r == 0 && !credential->signature)
            r = -EBADMSG; /* a cookie is always signed */
        return r < 0 ? r : cache_parse(header, prefix, credential);
    }
    return -EBADMSG;
}

int credential_parse(struct span given, const char *cookie_prefix, struct credential *ret)
{
    struct credential credential = {0};
    struct span rest = trim(given);
    bool is_bearer = skip_word(&rest, "Bearer ");
    bool is_header = !is_bearer && skip_word(&rest, "Cookie:");
    int r = -EBADMSG;

    if (!is_header)
        r = token_parse(rest, &credential);
    if (r == 0) {
        credential.form = credential.signature ? CREDENTIAL_SIGNED : CREDENTIAL_BARE;
    } else if (r == -EBADMSG && !is_bearer) {
        credential_deinit(&credential);
        r = cookies_parse(rest, cookie_prefix, &credential);
    }
    if (r < 0)
        credential_deinit(&credential);
    else
        *ret = credential;
    return r;
}

void credential_deinit(struct credential *credential)
{
    secret_free(credential->token);
    secret_free(credential->signature);
    secret_free(credential->cache);
    *credential = (struct credential){0};
}

/* --- the headers --- */

/* + / = would mean something else to some readers of cookies. */
static void signature_encode(const char *signature, char encoded[3 * SIGNATURE_BASE64_LENGTH + 1])
{
    size_t length = 0;

    for (; *signature != '\0'; signature++) {
        const char *code = *signature == '+'   ? "%2B"
                           : *signature == '/' ? "%2F"
                           : *signature == '=' ? "%3D"
                                               : NULL;

        if (code) {
            memcpy(encoded + length, code, 3);
            length += 3;
        } else {
            encoded[length++] = *signature;
        }
    }
    encoded[length] = '\0';
}

int credential_cookie_header(const struct credential *credential, const char *cookie_prefix,
                             char **ret)
{
    char encoded[3 * SIGNATURE_BASE64_LENGTH + 1];
    const char *prefix = cookie_prefix, *token = credential->token;
    char *header = NULL;
    int length = 0;

    if (credential->form != CREDENTIAL_BARE)
        signature_encode(credential->signature, encoded);
    if (credential->form == CREDENTIAL_COOKIE)
        length = asprintf(&header, "%s%s.session_token=%s.%s", credential->is_secure ? SECURE : "",
                          prefix, token, encoded);
    else if (credential->form == CREDENTIAL_SIGNED)
        length = asprintf(&header, "%s.session_token=%s.%s; " SECURE "%s.session_token=%s.%s",
                          prefix, token, encoded, prefix, token, encoded);
    explicit_bzero(encoded, sizeof encoded);
    if (length < 0)
        return -ENOMEM;
    *ret = header;
    return 0;
}

int credential_authorization_header(const struct credential *credential, char **ret)
{
    char *header = NULL;
    int length = 0;

    if (credential->form == CREDENTIAL_BARE)
        length = asprintf(&header, "Bearer %s", credential->token);
    if (length < 0)
        return -ENOMEM;
    *ret = header;
    return 0;
}
