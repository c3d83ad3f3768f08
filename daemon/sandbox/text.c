#include "text.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void text_deinit(struct text *text)
{
    free(text->data);
    *text = (struct text){0};
}

/* Room for `more` bytes and a NUL. */
static bool text_reserve(struct text *text, size_t more)
{
    size_t capacity = text->capacity ? text->capacity : 256;
    char *data;

    if (text->failed)
        return false;
    while (capacity - text->length <= more)
        capacity *= 2;
    if (capacity == text->capacity)
        return true;
    data = realloc(text->data, capacity);
    if (!data) {
        text->failed = true;
        return false;
    }
    text->data = data;
    text->capacity = capacity;
    return true;
}

void text_add(struct text *text, const char *data, size_t length)
{
    if (!text_reserve(text, length))
        return;
    memcpy(text->data + text->length, data, length);
    text->length += length;
    text->data[text->length] = '\0';
}

void text_adds(struct text *text, const char *string)
{
    text_add(text, string, strlen(string));
}

void text_addf(struct text *text, const char *format, ...)
{
    char buffer[256];
    va_list arguments;
    int length;

    va_start(arguments, format);
    length = vsnprintf(buffer, sizeof(buffer), format, arguments);
    va_end(arguments);
    if (length < 0 || (size_t)length >= sizeof(buffer))
        text->failed = true;
    else
        text_add(text, buffer, (size_t)length);
}

static void text_add_json_char(struct text *text, char c)
{
    if (c == '"' || c == '\\')
        text_addf(text, "\\%c", c);
    else if ((unsigned char)c < 0x20)
        text_addf(text, "\\u%04x", (unsigned)c);
    else
        text_add(text, &c, 1);
}

void text_add_json(struct text *text, const char *string)
{
    if (!string) {
        text_adds(text, "null");
        return;
    }
    text_add(text, "\"", 1);
    for (const char *c = string; *c; c++)
        text_add_json_char(text, *c);
    text_add(text, "\"", 1);
}

char *text_take(struct text *text, size_t *ret_length)
{
    char *data;

    text_add(text, "", 0);
    if (text->failed) {
        text_deinit(text);
        return NULL;
    }
    data = text->data;
    if (ret_length)
        *ret_length = text->length;
    *text = (struct text){0};
    return data;
}

int text_refuse(char **ret_error, const char *format, ...)
{
    va_list arguments;
    int length;

    va_start(arguments, format);
    length = vasprintf(ret_error, format, arguments);
    va_end(arguments);
    return length < 0 ? -ENOMEM : -EINVAL;
}
