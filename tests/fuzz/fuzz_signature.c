/*
 * The header of a webhook, which strangers write: the first line of the input is the header, the
 * rest the body. Whatever it says is judged without a fault, and nobody who does not know the
 * secret is believed; what we sign ourselves is, with the stranger's members around it, unless one
 * of them is a time.
 */
#include "fuzz.h"
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <web/signature.h>

#define REQUIRE(condition)                                                                         \
    do {                                                                                           \
        if (!(condition))                                                                          \
            abort();                                                                               \
    } while (0)

#define SECRET "whsec_fuzz"
#define NOW 1795443617

/* Whether our own member, put before those of the header, still decides. */
static bool leaves_ours(const char *header, size_t length)
{
    for (size_t i = 0; i + 1 < length; i++)
        if (memcmp(header + i, "t=", 2) == 0)
            return false;
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *header = (const char *)data;
    const uint8_t *newline = size > 0 ? memchr(data, '\n', size) : NULL;
    size_t length = newline ? (size_t)(newline - data) : size;
    const uint8_t *body = data + length;
    char made[SIGNATURE_TEXT_SIZE], *joined;
    int verdict;

    verdict = signature_check(SECRET, header, length, body, size - length, NOW);
    REQUIRE(verdict == SIGNATURE_MALFORMED || verdict == SIGNATURE_WRONG);
    REQUIRE(signature_verdict_text((enum signature_verdict)verdict) != NULL);
    REQUIRE(signature_make(SECRET, body, size - length, NOW, made) == 0);
    joined = malloc(sizeof made + 1 + length);
    REQUIRE(joined != NULL);
    strcpy(joined, made);
    strcat(joined, ",");
    memcpy(joined + strlen(made) + 1, header, length);
    verdict = signature_check(SECRET, joined, strlen(made) + 1 + length, body, size - length, NOW);
    REQUIRE(verdict == SIGNATURE_VALID || !leaves_ours(header, length));
    free(joined);
    return 0;
}
