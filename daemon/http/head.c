/* See head.h. */
#include "head.h"
#include <ctype.h>
#include <microhttpd.h>
#include <string.h>
#include <strings.h>
#include <util/macros.h>

static bool is(const char *name, size_t length, const char *known)
{
    return strlen(known) == length && strncasecmp(name, known, length) == 0;
}

static bool begins(const char *name, size_t length, const char *known)
{
    return length >= strlen(known) && strncasecmp(name, known, strlen(known)) == 0;
}

/* RFC 9110, token. */
static bool is_token(const char *name, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (name[i] == '\0' ||
            (!isalnum((unsigned char)name[i]) && !strchr("!#$%&'*+-.^_`|~", name[i])))
            return false;
    return length > 0;
}

static bool has_control(const char *value, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (((unsigned char)value[i] < ' ' && value[i] != '\t') || value[i] == 0x7f)
            return true;
    return false;
}

static bool is_number(const char *value, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (!isdigit((unsigned char)value[i]))
            return false;
    return length > 0;
}

/* Whatever of these there is, also one that we have not heard of: the request is somebody else's.
 */
static bool says_passed_on(const char *name, size_t length)
{
    static const char *const beginnings[] = {"X-Forwarded", "Forwarded",   "Via",
                                             "X-Real-IP",   "X-Client-IP", "True-Client-IP"};

    for (size_t i = 0; i < ARRAY_SIZE(beginnings); i++)
        if (begins(name, length, beginnings[i]))
            return true;
    return false;
}

void head_add(struct head *head, const char *name, size_t name_length, const char *value,
              size_t value_length)
{
    bool has_wrong_bytes = has_control(value, value_length);

    if (!is_token(name, name_length)) {
        head->wrong = "the name of a header is none";
    } else if (is(name, name_length, "Authorization")) {
        head->authorizations++;
        head->has_wrong_authorization |= has_wrong_bytes;
        has_wrong_bytes = false;
    } else if (is(name, name_length, "Content-Length")) {
        head->lengths++;
        if (!is_number(value, value_length))
            head->wrong = "Content-Length is no number";
    } else if (is(name, name_length, "Transfer-Encoding")) {
        head->encodings++;
        if (!is(value, value_length, "chunked"))
            head->wrong = "Transfer-Encoding can be chunked only";
    } else if (is(name, name_length, "Host")) {
        head->hosts++;
    } else if (is(name, name_length, "Cookie")) {
        head->cookies++;
    }
    if (has_wrong_bytes)
        head->wrong = "a header has control characters";
    head->is_passed_on |= says_passed_on(name, name_length);
}

void head_judge(struct head *head, const char *version)
{
    if (head->wrong)
        return;
    if (head->lengths > 1)
        head->wrong = "there are several Content-Length";
    else if (head->encodings > 1 || (head->encodings > 0 && head->lengths > 0))
        head->wrong = "with Transfer-Encoding there can be no other, and no Content-Length";
    else if (head->encodings > 0 && strcmp(version, MHD_HTTP_VERSION_1_1) != 0)
        head->wrong = "Transfer-Encoding needs HTTP/1.1";
    else if (head->hosts > 1)
        head->wrong = "there are several Host";
    else if (head->cookies > 1)
        head->wrong = "there are several Cookie: they are one, with \"; \" between them";
    else if (head->authorizations > 1)
        head->wrong = "there are several Authorization";
}

static enum MHD_Result on_header(void *cls, enum MHD_ValueKind kind, const char *name,
                                 size_t name_length, const char *value, size_t value_length)
{
    (void)kind;
    head_add(cls, name, name_length, value ? value : "", value ? value_length : 0);
    return MHD_YES;
}

void head_read(struct MHD_Connection *connection, const char *version, struct head *ret_head)
{
    *ret_head = (struct head){0};
    MHD_get_connection_values_n(connection, MHD_HEADER_KIND, on_header, ret_head);
    head_judge(ret_head, version);
}
