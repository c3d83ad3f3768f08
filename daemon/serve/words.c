/* See words.h. */
#include "words.h"
#include <core/link.h>
#include <core/rows.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <util/macros.h>

void words_id(const char *prefix, uint32_t epoch, uint64_t sequence,
              char ret_id[WORDS_TRANSACTION_ID_SIZE])
{
    /* By hand: this is on the way of every deduction, and snprintf takes longer than all the rest
     * of an answer. */
    char digits[32], *end = digits + sizeof(digits), *p = end, *out = ret_id;

    do
        *--p = (char)('0' + sequence % 10);
    while ((sequence /= 10) != 0);
    *--p = '_';
    do
        *--p = (char)('0' + epoch % 10);
    while ((epoch /= 10) != 0);
    *--p = '_';
    while (*prefix != '\0')
        *out++ = *prefix++;
    while (p < end)
        *out++ = *p++;
    *out = '\0';
}

void words_transaction_id(uint32_t epoch, uint64_t sequence, char ret_id[WORDS_TRANSACTION_ID_SIZE])
{
    words_id("tx", epoch, sequence, ret_id);
}

bool words_read_transaction_id(struct core_text id, struct core_transaction *ret_transaction)
{
    char text[WORDS_TRANSACTION_ID_SIZE], again[WORDS_TRANSACTION_ID_SIZE];
    uint64_t sequence;
    uint32_t epoch;

    if (id.length >= sizeof(text))
        return false;
    memcpy(text, id.data, id.length);
    text[id.length] = '\0';
    if (sscanf(text, "tx_%10" SCNu32 "_%20" SCNu64, &epoch, &sequence) != 2)
        return false;
    words_transaction_id(epoch, sequence, again); /* one spelling only */
    if (strcmp(text, again) != 0)
        return false;
    *ret_transaction = (struct core_transaction){.sequence = sequence, .epoch = epoch};
    return true;
}

const char *words_push_state(unsigned state)
{
    switch (state) {
    case CORE_PUSH_SENDING:
        return "sending";
    case CORE_PUSH_DOUBT:
        return "doubt";
    case CORE_PUSH_PARKED:
        return "parked";
    case CORE_PUSH_WATCHED:
        return "watched";
    case CORE_PUSH_QUEUED:
        return "queued";
    default:
        return NULL;
    }
}

const char *words_intent_state(unsigned state)
{
    switch (state) {
    case CORE_INTENT_SENDING:
        return "sending";
    case CORE_INTENT_DOUBT:
        return "doubt";
    case CORE_INTENT_PARKED:
        return "parked";
    default:
        return NULL;
    }
}

const char *words_intent_reason(unsigned state)
{
    return state == CORE_INTENT_PARKED
               ? "whether it was done is not known, and it is not sent twice"
               : NULL;
}

const char *words_intent_kind(unsigned kind)
{
    static const char *const kinds[] = {
        [CORE_INTENT_CUSTOMER] = "create_customer",
        [CORE_INTENT_SUBSCRIPTION] = "create_subscription",
        [CORE_INTENT_REFUND] = "refund_payment",
    };

    return kind < ARRAY_SIZE(kinds) ? kinds[kind] : NULL;
}

const char *words_push_kind(unsigned kind)
{
    static const char *const kinds[] = {
        [CORE_PUSH_DEDUCT] = "deduct",
        [CORE_PUSH_REFUND] = "refund",
        [CORE_PUSH_GRANT] = "grant",
    };

    return kind < ARRAY_SIZE(kinds) ? kinds[kind] : NULL;
}

const char *words_park_reason(unsigned reason)
{
    switch (reason) {
    case CORE_PARK_REFUSED:
        return "StellarTools refused it; it did not run";
    case CORE_PARK_STORIES:
        return "its history and its balance disagree; it may have run";
    case CORE_PARK_UNKNOWN:
        return "too much history to find it in; it may have run";
    default:
        return NULL;
    }
}
