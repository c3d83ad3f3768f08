/*
 * The memory behind dedupe.c: entries found by their names, app keys linked by age, clients by
 * their last use.
 */
#pragma once

#include "state.h"

#define DEDUPE_NONE UINT32_MAX
#define DEDUPE_WINDOW 2048u            /* counters; more than a connection may have in flight */
#define DEDUPE_COUNTER_NONE UINT64_MAX /* no request has it: a place that is taken, not filled */
#define DEDUPE_HOUR_MS (INT64_C(60) * 60 * 1000)
#define DEDUPE_KEEP_KEY (24 * DEDUPE_HOUR_MS)
#define DEDUPE_ACCEPT_CLIENT (24 * DEDUPE_HOUR_MS)
#define DEDUPE_KEEP_CLIENT (48 * DEDUPE_HOUR_MS)

/* The name of a client's slot among the entries. */
struct hash128 dedupe_slot_hash(struct hash128 client, uint16_t slot);
/* The entry of that name, made if it is not there; NULL: no memory. */
struct dedupe_item *dedupe_item_get(struct dedupe *dedupe, struct hash128 key, uint32_t *ret_index,
                                    bool *ret_new);
/* Takes an unfilled place back. */
void dedupe_item_drop(struct dedupe *dedupe, uint32_t index);
void dedupe_key_link_last(struct dedupe *dedupe, uint32_t index);
struct dedupe_known_client *dedupe_client_get(struct core *core, struct hash128 hash, uint32_t uid);
void dedupe_client_used(struct dedupe *dedupe, struct dedupe_known_client *client, uint64_t counter,
                        int64_t time);
enum dedupe_charged { DEDUPE_CHARGE_KEY, DEDUPE_CHARGE_CLIENT, DEDUPE_CHARGE_STAMP };
/* Counts (or no longer counts) one against its uid. */
void dedupe_charge(struct core *core, uint32_t uid, enum dedupe_charged what, int64_t count);
void dedupe_forget_client(struct core *core, struct hash128 hash);
void dedupe_forget_entry(struct core *core, struct hash128 key);
