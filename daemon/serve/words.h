/*
 * The texts that name the ledger's things on the wire: transaction ids, and the words for states.
 */
#pragma once

#include <core/engine.h>
#include <stdbool.h>
#include <stdint.h>

#define WORDS_TRANSACTION_ID_SIZE 40

/* tx_EPOCH_SEQUENCE: a sequence alone could be used twice after a power cut (ledger.md section 6).
 */
void words_transaction_id(uint32_t epoch, uint64_t sequence,
                          char ret_id[WORDS_TRANSACTION_ID_SIZE]);
/* PREFIX_EPOCH_SEQUENCE: refunds (rf), grants (gr), reservations (rsv); events (evt), by number. A
 * prefix of at most 3. */
void words_id(const char *prefix, uint32_t epoch, uint64_t sequence,
              char ret_id[WORDS_TRANSACTION_ID_SIZE]);
/* The deduction of that id; false: it is none that was ever given. */
bool words_read_transaction_id(struct core_text id, struct core_transaction *ret_transaction);
/* "sending", "doubt", "parked", "watched", "queued"; NULL for none of them. */
const char *words_push_state(unsigned state);
/* The same for a create that is open; NULL for one that is not. */
const char *words_intent_state(unsigned state);
/* "create_customer", "create_subscription", "refund_payment"; NULL for none of them. */
const char *words_intent_reason(unsigned state); /* why it waits for an operator; NULL */
const char *words_intent_kind(unsigned kind);
/* "deduct", "refund", "grant"; NULL for none of them. */
const char *words_push_kind(unsigned kind);
/* Why a push is parked; NULL where it is not. */
const char *words_park_reason(unsigned reason);
