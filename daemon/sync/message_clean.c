/*
 * Texts from outside, made fit to be passed on: StellarTools has been seen to quote a wrong key in
 * its error, and a quoted key must not reach a log by way of serve.
 */
#include "answer.h"

#include <string.h>

#define KEY_STRETCH 12

/* The length of the longest common prefix. */
static size_t common(const char *a, const char *b)
{
    size_t length = 0;

    while (a[length] != '\0' && a[length] == b[length])
        length++;
    return length;
}

/* How much of the key stands at the beginning of `text`; 0 where it is too little to matter. */
static size_t key_stretch(const char *text, const char *api_key)
{
    size_t key_length = strlen(api_key);
    size_t least = key_length < KEY_STRETCH ? key_length : KEY_STRETCH;
    size_t longest = 0;

    for (size_t i = 0; i < key_length; i++) {
        size_t length = common(text, api_key + i);

        if (length > longest)
            longest = length;
    }
    return longest >= least ? longest : 0;
}

static bool is_continuation(char c)
{
    return ((unsigned char)c & 0xc0) == 0x80;
}

void message_clean(const char *text, const char *api_key, char ret_message[ANSWER_MESSAGE_MAX + 1])
{
    size_t length = 0;

    while (*text != '\0' && length < ANSWER_MESSAGE_MAX) {
        size_t stretch = api_key ? key_stretch(text, api_key) : 0;

        if (stretch > 0) {
            text += stretch;
            for (int i = 0; i < 3 && length < ANSWER_MESSAGE_MAX; i++)
                ret_message[length++] = '*';
            continue;
        }
        ret_message[length++] = (unsigned char)*text < 0x20 || *text == 0x7f ? ' ' : *text;
        text++;
    }
    /* Cut in the middle of a character: drop its beginning too. */
    if (is_continuation(*text)) {
        while (length > 0 && is_continuation(ret_message[length - 1]))
            length--;
        if (length > 0)
            length--;
    }
    ret_message[length] = '\0';
}
