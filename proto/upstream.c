/*
 * The outcomes of an upstream exchange, as words on the internal channel.
 */
#include <proto/upstream.h>
#include <string.h>

static const char *const outcome_words[UPSTREAM_OUTCOME_COUNT_] = {
#define X(name, word, proof) [UPSTREAM_##name] = word,
    UPSTREAM_OUTCOMES(X)
#undef X
};

const char *upstream_outcome_word(enum upstream_outcome outcome)
{
    if ((unsigned)outcome >= UPSTREAM_OUTCOME_COUNT_)
        return outcome_words[UPSTREAM_UNANSWERED];
    return outcome_words[outcome];
}

enum upstream_outcome upstream_outcome_from_word(const char *word, unsigned long length)
{
    for (unsigned i = 0; i < UPSTREAM_OUTCOME_COUNT_; i++) {
        const char *known = outcome_words[i];
        if (strlen(known) == length && memcmp(known, word, length) == 0)
            return (enum upstream_outcome)i;
    }
    return UPSTREAM_UNANSWERED;
}
