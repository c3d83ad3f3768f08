#include "bytes.h"
#include <assert.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

static void append(struct bytes *bytes, uint8_t byte)
{
    bytes->data = realloc(bytes->data, bytes->length + 1);
    assert(bytes->data != NULL);
    bytes->data[bytes->length++] = byte;
}

static uint8_t digit(char c)
{
    assert(isxdigit((unsigned char)c));
    return (uint8_t)(c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
}

struct bytes bytes_parse(const char *text)
{
    struct bytes bytes = {NULL, 0};

    while (*text != '\0') {
        unsigned long times = 1;
        uint8_t byte;

        if (*text == ' ') {
            text++;
            continue;
        }
        if (*text == '\'') {
            for (text++; *text != '\''; text++)
                append(&bytes, (uint8_t)*text);
            text++;
            continue;
        }
        byte = (uint8_t)(digit(text[0]) << 4 | digit(text[1]));
        text += 2;
        if (*text == '*') {
            char *end;
            times = strtoul(text + 1, &end, 10);
            text = end;
        }
        while (times-- > 0)
            append(&bytes, byte);
    }
    return bytes;
}

struct bytes bytes_copy(const void *data, size_t length)
{
    struct bytes bytes = {malloc(length > 0 ? length : 1), length};

    assert(bytes.data != NULL);
    if (length > 0)
        memcpy(bytes.data, data, length);
    return bytes;
}

void bytes_free(struct bytes *bytes)
{
    free(bytes->data);
    bytes->data = NULL;
}
