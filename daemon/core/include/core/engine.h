/*
 * The engine: balances, deductions, repeated requests, and the pushing of what was deducted. Pure:
 * (state, command, now) → records and effects. It does no I/O, reads no clock, knows no thread; the
 * daemon and the simulation drive it alike.
 *
 * Every change is one record, appended through the sink before the state changes; what fails to be
 * appended has not happened. Replaying the records gives the state back. A caller must show nothing
 * of a change before its record is durable (J3): results carry the sequence that they reveal.
 *
 * `now` is ledger time in ms, never less than in the call before.
 */
#pragma once

#include <core/exchange.h>
#include <core/record.h>
#include <core/rows.h>
#include <core/sink.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <util/hash.h>

struct core;

struct core_text {
    const char *data;
    size_t length;
};

#define CORE_THRESHOLDS_MAX 8u

/* What may change while running (reload): core_set_policy. Durations in ms; -1: no limit. */
struct core_policy {
    int64_t push_interval, refresh_interval, in_doubt_delay;
    int64_t max_offline_spend, max_offline_time;
    int64_t requests_per_minute;             /* 0: learned */
    int64_t thresholds[CORE_THRESHOLDS_MAX]; /* of credits.low: descending, no two alike */
    size_t threshold_count;
    int64_t unknown_ttl; /* how long a name that upstream does not know is remembered as such */
    bool link_unverified_email, trust_customer_id;
    int64_t dedupe_keys_per_user, dedupe_clients_per_user, dedupe_stamps_per_user;
    int64_t turns_per_user, turns_per_customer; /* cold and fresh readings, a minute */
    int64_t retention; /* of events; subscribers that do not move are forgotten some time after */
};

struct core_effects {
    void *userdata;
    /* A reading of that balance has ended, well or not, or its product's has: requests that wait
     * for it may be tried again. */
    void (*ready)(void *userdata, uint32_t slot);
    /* The search for a user's customer has ended, well or not: ask again. The key is core_link's.
     */
    void (*linked)(void *userdata, struct hash128 user_key);
    /* A search went past a customer that has the user's email and is linked to another user. */
    void (*passed)(void *userdata, struct core_text user_id, struct core_text customer);
    /* An intent has ended, or is parked: core_intent_get. */
    void (*intent)(void *userdata, uint64_t sequence);
    /* An event came about with the record of that sequence: tell it no earlier than the record is
     * durable. slot as for ready. */
    void (*event)(void *userdata, enum core_event_type type, uint32_t slot, uint64_t sequence);
};

struct core_options {
    struct hash_key hash_key; /* the ledger's (store_hash_key) */
    uint32_t instance, epoch; /* store_instance, store_epoch */
    struct core_policy policy;
    struct core_sink sink;
    struct core_effects effects;
};

/* Answers of the commands. Negative: -errno from the sink (-ENOSPC: only the reserve is left) or
 * -ENOMEM. */
enum core_status {
    CORE_OK = 0,
    CORE_LOAD, /* the balance may be in the store: read it, core_load_balance or core_load_absent,
                  and ask again */
    CORE_COLD, /* upstream must be asked first, and will be: ask again when the slot is ready */
    CORE_INSUFFICIENT,
    CORE_OFFLINE_LIMIT,
    CORE_UNKNOWN_CUSTOMER,
    CORE_UNKNOWN_PRODUCT,
    CORE_PRODUCT_PARKED,
    CORE_KEY_REUSED,
    CORE_OUTCOME_UNKNOWN,
    CORE_QUOTA_KEYS,
    CORE_QUOTA_CLIENTS,
    CORE_QUOTA_STAMPS,
    CORE_QUOTA_TURNS,
    CORE_QUOTA_INTENTS,
    CORE_NOT_FOUND,
    CORE_MAY_HAVE_RUN, /* push retry */
    CORE_NOT_PARKED,
    CORE_ENDED,      /* the reservation is no longer held: settled, released or expired */
    CORE_GIVEN_BACK, /* the deduction was given back before, otherwise */
    CORE_UNLINKED,   /* links: core/link.h */
    CORE_AMBIGUOUS,
    CORE_TAKEN,
    CORE_REFUSED,
    CORE_TOO_MUCH, /* more than was deducted, or than upstream can count */
};

int core_new(const struct core_options *options, struct core **ret_core);
struct core *core_free(struct core *core);
void core_set_policy(struct core *core, const struct core_policy *policy, int64_t now);

/* --- start: rows from the store, then records beyond them, then core_start once --- */

/* Rows of NAME+BALANCE+READING come by core_load_balance; PRODUCT, PUSH, CLIENT, STAMP, KEY and
 * META rows by this. -EBADMSG: not a row of ours. */
int core_load_row(struct core *core, enum record_table table, const void *key, size_t key_length,
                  const void *value, size_t value_length);
/* Applies a record's images. Idempotent; appends nothing. -EBADMSG as above. A balance whose name
 * is not in memory must be loaded before: *ret_missing is its id then, and -ENOENT the answer. */
int core_replay(struct core *core, const struct record *record, uint64_t place,
                uint32_t *ret_missing);
/* Ends the loading: open pushes that were under way are in doubt anew, from now (P3). `helper` may
 * come later. */
int core_start(struct core *core, int64_t now);

/* --- balances in and out of memory --- */

struct core_balance_rows {
    struct core_text customer, product;
    struct core_row row;
    struct core_reading reading;
};

struct hash128 core_balance_hash(const struct core *core, struct core_text customer,
                                 struct core_text product);
/* Gives a balance its place in memory; if it is there already, nothing changes (memory is never
 * older than the store). */
int core_load_balance(struct core *core, const struct core_balance_rows *rows, uint32_t *ret_slot);
/* The store does not have it: from now on only upstream can tell. */
int core_load_absent(struct core *core, struct core_text customer, struct core_text product,
                     int64_t now);

struct core_balance {
    uint32_t slot;
    struct core_text customer, product; /* valid while the balance is in memory */
    int64_t upstream, pending, held, available;
    int64_t consumed, granted;
    int64_t units_per_credit;
    int64_t synced_at;
    bool stale;
    uint64_t reveals;  /* sequence that must be durable before this is shown */
    uint64_t readings; /* grows with each reading that ends: for `fresh` */
    uint64_t last_place;
    int64_t pushed_total, deducted_total;
};

/* Whether the uid of the commands that follow pays for the upstream turns that they cost, as it
 * does at first. That of sessions does not: one application has those of all its users, and no user
 * must spend what is the others'. Their customers pay, as always. */
void core_charge_uid(struct core *core, bool charges);
/* CORE_OK, CORE_LOAD, CORE_COLD (*ret_slot says whom to wait for), CORE_UNKNOWN_…,
 * CORE_QUOTA_TURNS. Marks the balance as used, so that it is refreshed when due. */
int core_balance_get(struct core *core, struct core_text customer, struct core_text product,
                     uint32_t uid, int64_t now, struct core_balance *ret_balance,
                     uint32_t *ret_slot);
/* Has upstream read soon, ahead of its time: `fresh`. CORE_OK or CORE_QUOTA_TURNS. */
int core_balance_refresh(struct core *core, uint32_t slot, uint32_t uid, int64_t now);
/* Has balances read ahead of their time, as refreshes, behind all else and at no user's cost: of
 * that customer, of that product; an empty text means any. Of those in memory: others are as old as
 * they are when they come in. Answers how many; without a customer they are gone through by
 * core_tick bit by bit, and it answers how many there are. */
size_t core_refresh(struct core *core, struct core_text customer, struct core_text product,
                    int64_t now);

/* --- spending --- */

#define CORE_METADATA_MAX 4096u

enum core_repeat { CORE_REPEAT_NONE, CORE_REPEAT_STAMP, CORE_REPEAT_KEY };

struct core_consume {
    struct core_text customer, product;
    int64_t raw_amount; /* 1 to 2^53 − 1 */
    struct core_text metadata;
    uint32_t uid, pid;
    enum core_repeat repeat;
    uint8_t client_id[16]; /* stamp */
    uint64_t counter;
    struct core_text key; /* app's key */
};

struct core_consumed {
    struct core_balance balance; /* after */
    int64_t credits;             /* deducted (INSUFFICIENT: what it would have taken) */
    uint64_t sequence;           /* transaction id, with the epoch */
    uint32_t epoch;
    int64_t
        balance_after; /* available right after it; differs from balance.available when replayed */
    bool replayed;
};

/* CORE_OK with *ret_consumed, CORE_LOAD, CORE_COLD with ret_consumed->balance.slot, or a refusal,
 * which changed nothing. With CORE_INSUFFICIENT and CORE_OFFLINE_LIMIT, ret_consumed->balance and
 * ->credits are filled in. */
int core_consume(struct core *core, const struct core_consume *command, int64_t now,
                 struct core_consumed *ret_consumed);
/* --- reservations: credits held until they are settled, released, or their time is over --- */

#define CORE_TTL_MAX (INT64_C(24) * 60 * 60 * 1000)

struct core_reserved {
    struct core_balance balance; /* after */
    int64_t credits;
    int64_t expires_at;
    uint64_t sequence; /* reservation id, with the epoch */
    uint32_t epoch;
    bool replayed;
};

/* Like core_consume; `ttl` in ms, 1 to CORE_TTL_MAX. */
int core_reserve(struct core *core, const struct core_consume *command, int64_t ttl, int64_t now,
                 struct core_reserved *ret_reserved);

struct core_reservation {
    struct core_text customer, product;
    struct core_hold hold;
    uint32_t slot;
};

/* CORE_OK or CORE_NOT_FOUND. For finding out whose it is, before anything is done with it. */
int core_reservation_get(const struct core *core, struct core_text reservation_id,
                         struct core_reservation *ret_reservation);
void core_reservation_id(const struct core *core, uint32_t epoch, uint64_t sequence,
                         char ret_id[EXCHANGE_PUSH_ID_SIZE]);
/* CORE_OK, CORE_NOT_FOUND or CORE_ENDED. The new time counts from now. */
int core_extend(struct core *core, struct core_text reservation_id, int64_t ttl, uint32_t uid,
                uint32_t pid, int64_t now, struct core_reserved *ret_reserved);

struct core_settled {
    struct core_balance balance;
    int64_t credits;   /* deducted */
    int64_t shortfall; /* used, and not there to be deducted */
    int64_t balance_after;
    uint64_t sequence; /* transaction id, with the epoch */
    uint32_t epoch;
    bool replayed;
};

/* Deducts what was really used: what is held, and beyond it what is available. After expiry, what
 * is available. A second settle with the same amount gets the first one's answer, with another one
 * CORE_KEY_REUSED; after a release, CORE_ENDED. */
int core_settle(struct core *core, struct core_text reservation_id, int64_t raw_amount,
                struct core_text metadata, uint32_t uid, uint32_t pid, int64_t now,
                struct core_settled *ret_settled);
/* CORE_OK also where it was released or had expired before; CORE_ENDED where it was settled. */
int core_release(struct core *core, struct core_text reservation_id, uint32_t uid, uint32_t pid,
                 int64_t now, struct core_reserved *ret_reserved);

/* --- giving back, and giving (P10) --- */

struct core_give_back {
    struct core_text customer, product;
    /* The deduction, as its record says. */
    struct core_transaction of;
    int64_t of_credits, of_raw_amount;
    int64_t raw_amount; /* 0: all of it */
    struct core_text reason;
    uint32_t uid, pid;
};

struct core_given {
    struct core_balance balance; /* after */
    int64_t credits;
    int64_t pushed; /* of these, spendable only when StellarTools has confirmed */
    uint64_t sequence;
    uint32_t epoch;
    bool replayed;
};

/* CORE_OK; CORE_GIVEN_BACK; CORE_TOO_MUCH; or as core_consume where the balance is not at hand. */
int core_credit_refund(struct core *core, const struct core_give_back *command, int64_t now,
                       struct core_given *ret_given);
/* Uses customer, product, raw_amount, metadata (as the reason's text), and who asks. CORE_NOT_FOUND
 * where upstream has no such balance: nothing there creates one. */
int core_grant(struct core *core, const struct core_consume *command, int64_t now,
               struct core_given *ret_given);

/* ceil(raw_amount / units_per_credit) */
int64_t core_credits(int64_t raw_amount, int64_t units_per_credit);

/* --- upstream: see exchange.h --- */

/* Which upstream the ledger belongs to, as serve names it; empty: nobody has said yet. */
struct core_text core_upstream(const struct core *core);
/* Records it, in place of what stood there. -EINVAL: empty, or longer than CORE_UPSTREAM_MAX. */
int core_set_upstream(struct core *core, struct core_text upstream, uint32_t uid, int64_t now,
                      uint64_t *ret_sequence);

/* Whether a helper is there to perform exchanges. Without one no exchange begins. One that is gone:
 * those under way must be ended by core_exchange_done(UNANSWERED) or (never handed over) NOT_SENT
 * by the caller first. One that is not to be used any more may still end them. */
void core_set_helper(struct core *core, bool present, int64_t now);
/* The next exchange to perform: 0 with *ret_exchange, -EAGAIN if there is none now, or another
 * -errno from the sink. */
int core_next_exchange(struct core *core, int64_t now, struct exchange *ret_exchange);
/* How it ended. Exactly once for each exchange. */
int core_exchange_done(struct core *core, uint64_t exchange_id,
                       const struct exchange_answer *answer, int64_t now);
/* When core_next_exchange or core_tick should next be called, in ledger time; INT64_MAX: when
 * something has happened. */
int64_t core_wakeup(const struct core *core);
/* Forgets what is past its time, in small steps. */
int core_tick(struct core *core, int64_t now);
/* The key may have been changed: ends the pause that a 401 began. */
void core_resume(struct core *core, int64_t now);
/* A product's unit from the configuration: unparks it. units_per_credit 0: no longer configured. */
int core_configure_product(struct core *core, struct core_text product, int64_t units_per_credit,
                           int64_t now);

/* --- operators --- */

/* Open, parked and watched pushes, in order: start with *position = 0; false at the end. */
bool core_next_push(const struct core *core, size_t *position, struct core_push *ret_push,
                    uint32_t *ret_slot);
void core_push_id(const struct core *core, uint32_t epoch, uint64_t sequence,
                  char ret_id[EXCHANGE_PUSH_ID_SIZE]);
int core_push_retry(struct core *core, struct core_text push_id, uint32_t uid, int64_t now,
                    uint64_t *ret_sequence);
int core_push_drop(struct core *core, struct core_text push_id, uint32_t uid,
                   struct core_text reason, int64_t now, uint64_t *ret_sequence);
/* Of a balance in memory; false for a slot that is free. */
bool core_balance_at(const struct core *core, uint32_t slot, int64_t now,
                     struct core_balance *ret_balance);

struct core_summary {
    bool asked;                                 /* anything at all, since the start */
    bool reachable;                             /* the last exchange was answered */
    bool paused;                                /* a 401 (or 403): pushing waits for core_resume */
    int64_t last_success;                       /* 0: never */
    int64_t requests_limit, requests_remaining; /* -1: not known */
    int64_t pending_credits, pending_balances,
        oldest_pending; /* oldest_pending: since when; 0: none */
    int64_t resident;   /* balances in memory */
    int64_t pushes_open, pushes_doubt, pushes_parked;
};
void core_get_summary(const struct core *core, struct core_summary *ret_summary);
/* Two of its words, without its walk: the last exchange had no good answer; the key is refused. */
bool core_is_unanswered(const struct core *core);
bool core_is_paused(const struct core *core);

/* Asserts the invariants that can be seen from inside (ledger.md section 7); 0, or -EPROTO with
 * *ret_what naming the first that is broken. */
int core_check(const struct core *core, const char **ret_what);
