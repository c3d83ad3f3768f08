/* Percent-encoding: see url.h. */
#include "url.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <util/macros.h>

static void append(struct url *url, const char *text, size_t length)
{
    if (url->error)
        return;
    if (url->capacity - url->length <= length) {
        size_t capacity = (url->length + length + 1) * 2;
        char *grown = realloc(url->text, capacity);

        if (!grown) {
            url->error = -ENOMEM;
            return;
        }
        url->text = grown;
        url->capacity = capacity;
    }
    memcpy(url->text + url->length, text, length);
    url->length += length;
    url->text[url->length] = '\0';
}

static bool is_unreserved(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
           (c != '\0' && strchr("-._~", c));
}

static void append_encoded(struct url *url, const char *text)
{
    for (; *text != '\0'; text++) {
        char code[4];

        if (is_unreserved(*text)) {
            append(url, text, 1);
        } else {
            snprintf(code, sizeof code, "%%%02X", (unsigned char)*text);
            append(url, code, 3);
        }
    }
}

void url_init(struct url *url, const char *base)
{
    *url = (struct url){0};
    append(url, base, strlen(base));
}

void url_segment(struct url *url, const char *segment)
{
    append(url, "/", 1);
    append_encoded(url, segment);
}

void url_query(struct url *url, const char *name, const char *value)
{
    append(url, url->has_query ? "&" : "?", 1);
    url->has_query = 1;
    append_encoded(url, name);
    append(url, "=", 1);
    append_encoded(url, value);
}

void url_query_int(struct url *url, const char *name, int64_t value)
{
    char text[24];

    snprintf(text, sizeof text, "%" PRId64, value);
    url_query(url, name, text);
}

int url_take(struct url *url, char **ret_text)
{
    int r = url->error;

    if (r == 0)
        *ret_text = TAKE_PTR(url->text);
    free(url->text);
    *url = (struct url){0};
    return r;
}
