/*
 * What goes wrong on the way to StellarTools, as lines of the log: one when a trouble begins, which
 * says what it means and what ends it, and one when it has ended. Nothing in between, however many
 * exchanges fail: the log of a long outage is two lines.
 */
#pragma once

#include <core/engine.h>
#include <core/exchange.h>
#include <stdbool.h>
#include <stddef.h>

/* What was told last. */
struct troubles {
    bool unanswered, paused;
    bool anew; /* the key has been read again: if it is refused still, that is told again */
};

/* After the engine has learned of an exchange's end. `said`: StellarTools' words, or NULL. */
void troubles_tell(struct troubles *troubles, const struct core *core,
                   const struct exchange_answer *answer, const char *said, size_t said_length);
/* Before it: what the exchange names is valid until then. */
void troubles_tell_doubt(const struct exchange *exchange, const struct exchange_answer *answer);
/* The key is read again. */
void troubles_reload(struct troubles *troubles);
