/*
 * The texts that name the ledger's things on the wire: transaction ids, and the words for states
 * and events.
 */
#pragma once

#include <core/engine.h>
#include <stdint.h>

#define WORDS_TRANSACTION_ID_SIZE 40

/* tx_EPOCH_SEQUENCE: a sequence alone could be used twice after a power cut (ledger.md section 6).
 */
void words_transaction_id(uint32_t epoch, uint64_t sequence,
                          char ret_id[WORDS_TRANSACTION_ID_SIZE]);
/* "sending", "doubt", "parked", "watched"; NULL for none of them. */
const char *words_push_state(unsigned state);
/* Why a push is parked; NULL where it is not. */
const char *words_park_reason(unsigned reason);
/* "credits.low", …; NULL for none of them. */
const char *words_event(enum core_event event);
