/*
 * Which bytes an id and a text may have. Both are asked for every request: an id is one table
 * lookup a byte, and a text is passed over eight bytes at a time while it is plain ASCII.
 */
#include <proto/limits.h>
#include <string.h>

#define TEN 1, 1, 1, 1, 1, 1, 1, 1, 1, 1
#define LETTERS TEN, TEN, 1, 1, 1, 1, 1, 1

static const bool id_bytes[256] = {
    ['-'] = 1, ['.'] = 1, ['0'] = TEN, ['A'] = LETTERS, ['_'] = 1, ['a'] = LETTERS,
};

bool proto_id_valid(const char *id, size_t length)
{
    if (length == 0 || length > PROTO_ID_MAX)
        return false;
    for (size_t i = 0; i < length; i++)
        if (!id_bytes[(uint8_t)id[i]])
            return false;
    return !(id[0] == '.' && (length == 1 || (length == 2 && id[1] == '.')));
}

/* How many of the leading bytes are ASCII without NUL, counted in steps of eight. */
static size_t ascii_prefix(const uint8_t *text, size_t length)
{
    const uint64_t high = UINT64_C(0x8080808080808080), ones = UINT64_C(0x0101010101010101);
    size_t i = 0;

    for (; length - i >= 8; i += 8) {
        uint64_t word;
        memcpy(&word, text + i, 8);
        /* `word - ones` borrows into a byte's high bit exactly where there may be a NUL: a word
         * that passes has none. */
        if (((word | (word - ones)) & high) != 0)
            break;
    }
    return i;
}

/* The length of the well-formed sequence at `text` (RFC 3629: no overlong forms, no surrogates,
 * nothing past U+10FFFF), or 0. */
static size_t utf8_sequence(const uint8_t *text, size_t length)
{
    uint8_t first = text[0], low = 0x80, high = 0xbf;
    size_t size;

    if (first < 0x80)
        return first != 0;
    if (first >= 0xc2 && first <= 0xdf)
        size = 2;
    else if (first >= 0xe0 && first <= 0xef)
        size = 3;
    else if (first >= 0xf0 && first <= 0xf4)
        size = 4;
    else
        return 0;
    if (first == 0xe0)
        low = 0xa0;
    else if (first == 0xf0)
        low = 0x90;
    else if (first == 0xed)
        high = 0x9f;
    else if (first == 0xf4)
        high = 0x8f;
    if (length < size || text[1] < low || text[1] > high)
        return 0;
    for (size_t i = 2; i < size; i++)
        if ((text[i] & 0xc0) != 0x80)
            return 0;
    return size;
}

bool proto_text_valid(const char *text, size_t length)
{
    const uint8_t *bytes = (const uint8_t *)text;
    size_t i;

    if (length == 0)
        return true;
    i = ascii_prefix(bytes, length);
    while (i < length) {
        size_t size = utf8_sequence(bytes + i, length - i);
        if (size == 0)
            return false;
        i += size;
    }
    return true;
}
