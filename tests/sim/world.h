/*
 * One run of the simulation: the engine, and all that is around it. Each part has its file; they
 * share this.
 *
 *   process.c     starts the engine from the ledger, crashes it, drives its planner
 *   clients.c     ask, repeat, forget; judge each answer by the simulation's own books
 *   holds.c       reservations, and the books of them
 *   gives.c       credits given back and granted, and the books of them
 *   people.c      users who want a customer; creates for customers; operators who link
 *   registry.c    upstream's customers and other objects
 *   events.c      which events there must be, and what is said of them
 *   objects.c     objects that come in with events and webhooks
 *   wire.c        the helper: exchanges under way, and what befalls them
 *   operators.c   retry, drop, reload, configure; changes made elsewhere; weather
 *   invariants.c  what must hold after every step
 *   replay.c      a second engine from a prefix of the ledger must come to the same
 *   run.c         the loop, and the end, when faults stop and everything must come to rest
 */
#pragma once

#include "ledger.h"
#include "prng.h"
#include "queue.h"
#include "scenario.h"
#include "upstream.h"
#include <core/event.h>
#include <core/link.h>

#define SIM_CALLS 64
#define SIM_WIRES 64
#define SIM_TRACE_LINES 60
#define SIM_NAME_SIZE 24
#define SIM_START INT64_C(1790000000000)

enum sim_event_kind {
    EVENT_CLIENT,
    EVENT_LOADED,
    EVENT_DEADLINE,
    EVENT_SYNC,
    EVENT_CRASH,
    EVENT_HELPER,
    EVENT_OPERATOR,
    EVENT_ELSEWHERE,
    EVENT_CHECKPOINT,
    EVENT_WEATHER,
    EVENT_JUMP,
    EVENT_SPACE,
    EVENT_PROBE,
    EVENT_ARRIVE,
    EVENT_ANSWER,
    EVENT_LATE,
    EVENT_PERSON,
    EVENT_OBJECT,
};

enum weather { FINE, DOWN, BROKEN, UNAUTHORIZED, FORBIDDEN, READ_ONLY };

struct pair {
    char customer[SIM_NAME_SIZE], product[SIM_NAME_SIZE];
    size_t customer_length, product_length;
    int64_t deducted; /* the shadow's D: of all purchases that the ledger still has */
    int64_t returned; /* given back at once, of what was still pending */
    int64_t gifts;    /* credits of refunds and grants that were to be pushed */
    int64_t gifts_done, gifts_dropped, gifts_counted; /* as the records tell of their pushes */
    bool has_slot;
    uint32_t slot, id;
    uint64_t last_sequence; /* of its latest record */
    int64_t spent_unheard;  /* since upstream last answered about it */
    int64_t asked_unknown;  /* when upstream last said that it does not know the name */
    int64_t busy_until, turns;
};

/* What a client wants, once. Repeats share it. */
struct purchase {
    int pair, client;
    uint32_t uid, pid;
    enum core_repeat repeat;
    uint8_t client_id[16];
    uint64_t counter;
    char key[SIM_NAME_SIZE];
    int64_t raw_amount;
    char metadata[8];
    bool applied, acknowledged;
    uint64_t sequence;
    uint32_t epoch;
    int64_t credits, balance_after, applied_at;
};

/* A reservation, with all that has become of it: a crash may take the last of these back. */
struct hold_state {
    uint64_t sequence;
    unsigned state; /* enum core_hold_state */
    int64_t expires_at;
};

#define SIM_HOLD_STATES 16

struct booked_hold {
    char id[EXCHANGE_PUSH_ID_SIZE];
    char key[SIM_NAME_SIZE];
    int pair;
    uint32_t uid;
    int64_t credits, raw_amount, ttl, ended_at;
    struct hold_state states[SIM_HOLD_STATES];
    size_t count; /* 0: a crash took it */
    int64_t settled_raw, settled_credits, shortfall, balance_after;
    uint64_t sequence;
    uint32_t epoch, settled_epoch;
};

/* Credits given back, or granted. */
struct gift {
    bool is_grant;
    int pair;
    struct core_transaction of; /* refunds */
    int64_t of_credits, of_raw;
    char key[SIM_NAME_SIZE]; /* grants */
    uint32_t uid;
    int64_t raw_amount, credits, pushed, at;
    uint64_t sequence; /* 0: a crash took it */
    uint32_t epoch;
};

/* An object of upstream's. */
struct registered {
    int kind; /* enum core_intent_kind */
    char id[SIM_NAME_SIZE], email[SIM_NAME_SIZE], customer[SIM_NAME_SIZE];
    char intent[EXCHANGE_PUSH_ID_SIZE]; /* empty: made elsewhere */
    char body[SIM_NAME_SIZE * 2];
    bool was_linked; /* to a user at some time: no match for others then */
};

struct registry_key {
    char key[EXCHANGE_KEY_SIZE];
    bool locked;
    enum exchange_outcome outcome;
    size_t object;
};

struct registry {
    struct registered *objects; /* oldest first */
    size_t count, capacity;
    struct registry_key *keys;
    size_t key_count, key_capacity;
    uint64_t next_id;
    size_t first; /* how many were there before us */
};

struct person {
    char user_id[SIM_NAME_SIZE], email[SIM_NAME_SIZE], claimed[SIM_NAME_SIZE];
    bool verified, waiting, told;
    bool unlinked; /* an operator had a hand in it: a second customer is no wonder */
    struct hash128 key;
    uint64_t linked_at; /* sequence of the record that made the link; 0: none */
    uint64_t wish_sequence;
    int last_end;               /* of its search; −1: none since the wish */
    char set_to[SIM_NAME_SIZE]; /* by an operator */
};

/* A create, by its intent. */
struct booked_intent {
    char id[EXCHANGE_PUSH_ID_SIZE];
    uint64_t sequence;
    uint32_t epoch;
    int kind, person; /* person: of a customer's */
    char key[SIM_NAME_SIZE], customer[SIM_NAME_SIZE], payload[SIM_NAME_SIZE];
    uint64_t made;      /* objects of it upstream */
    bool may_have_run;  /* an attempt left, and its answer did not prove that it came to nothing */
    bool gone, dropped; /* gone: a crash took it; dropped: by an operator, it was not made */
    int64_t at;
};

enum call_state { CALL_FREE, CALL_TRYING, CALL_LOADING, CALL_COLD, CALL_SYNCING };

struct call {
    enum call_state state;
    uint64_t generation;
    size_t purchase;
    int pair; /* these three may differ from the purchase's: K3 */
    int64_t raw_amount;
    char metadata[8];
    uint32_t slot;
    uint64_t reveals;
    bool ready, found;
    struct core_row row; /* as loaded */
    struct core_reading reading;
};

struct client {
    uint32_t uid;
    uint8_t client_id[16];
    uint64_t counter;
};

enum fate {
    FATE_NORMAL,
    FATE_NOT_SENT,
    FATE_LOST_BEFORE,
    FATE_LOST_AFTER,
    FATE_ERROR_BEFORE,
    FATE_ERROR_AFTER,
    FATE_STUCK,
    FATE_LATE,
    FATE_TWICE,
    FATE_REFUSED,
};

struct wire {
    bool active, sent, arrived;
    uint64_t generation;
    struct exchange exchange;
    char customer[SIM_NAME_SIZE], product[SIM_NAME_SIZE];
    int pair, column;
    enum fate fate;
    int64_t arrive_at, close_at, late_at;
    size_t late;                 /* FATE_LATE: the order */
    char subject[SIM_NAME_SIZE]; /* of a create: email or customer; of a list: where it begins */
    bool ran_before;             /* an earlier attempt may have run */
    struct exchange_answer answer;
};

struct late_order {
    int pair;
    char push_id[EXCHANGE_PUSH_ID_SIZE], key[EXCHANGE_KEY_SIZE];
    int push_kind, intent_kind; /* intent_kind 0: a push */
    char subject[SIM_NAME_SIZE];
    int64_t amount;
    int64_t closed_at; /* when its connection was */
    bool done;         /* executed, or cancelled */
};

struct push {
    char id[EXCHANGE_PUSH_ID_SIZE];
    uint64_t sequence;
    uint32_t epoch;
    int pair;
    int64_t executed; /* credits of its rows at upstream */
    int64_t lost;     /* of these, what came after it had been closed or dropped */
    int64_t unseen;   /* what came later than agreed, since its history was last begun to be read */
    int64_t moved;    /* credits that the balance lost without a row */
    int64_t counted;
    unsigned state, attempt, kind;
    bool open, dropped, seen;
};

struct told_event {
    enum core_event_type event;
    uint64_t sequence;
};

struct sim_thresholds {
    int64_t items[CORE_THRESHOLDS_MAX];
    size_t count;
};

/* From the record after `from` on: of each product, and of the policy. */
struct sim_lists {
    size_t from;
    struct sim_thresholds of[SIM_COLUMNS + 1];
};

struct pair_events {
    int64_t available;
    struct sim_thresholds list; /* under which these were told */
    bool told[CORE_THRESHOLDS_MAX];
    bool exhausted, overdrawn;
};

struct event_books {
    struct sim_lists *lists;
    size_t list_count;
    struct pair_events pairs[SIM_PAIRS];
    char linked[SIM_PERSONS_MAX][SIM_NAME_SIZE], unlinked[SIM_NAME_SIZE];
    bool livemode;
    struct told_event *items; /* by number, from 1 */
    size_t count, capacity;
    uint64_t first;
    size_t told; /* up to there, what was told has been compared */
};

struct sim {
    uint64_t seed, step;
    struct scenario scenario, drawn; /* as it is now; as the seed drew it */
    struct prng prng;
    struct prng side; /* of events.c and objects.c, which leave the rest of a seed as it is */
    struct queue queue;
    int64_t now;
    struct ledger ledger;
    struct upstream upstream;
    struct core *core;
    struct core_options options;
    enum weather weather;
    bool helper, calm, verbose, sync_ordered;
    bool alone; /* nobody else changes balances, and nothing is told wrongly: figures must match */

    struct pair pairs[SIM_PAIRS];
    struct client clients[8];
    struct purchase *purchases;
    size_t purchase_count, purchase_capacity;
    struct call calls[SIM_CALLS];
    struct wire wires[SIM_WIRES];
    struct late_order *lates;
    size_t late_count, late_capacity;
    struct push *pushes;
    size_t push_count, push_capacity;
    struct booked_hold *holds;
    size_t hold_count, hold_capacity;
    struct gift *gifts;
    size_t gift_count, gift_capacity;
    uint64_t *done_gifts; /* pushes of gifts that have ended, by sequence */
    size_t done_count, done_capacity;
    struct registry registry;
    struct person persons[SIM_PERSONS_MAX];
    struct booked_intent *intents;
    size_t intent_count, intent_capacity;
    struct told_event told[4096];
    size_t told_count;
    struct event_books events;
    size_t noted; /* records looked at by invariants.c */

    int64_t blocked_until;               /* by a 429 that was told */
    int64_t minute, exchanges_in_minute; /* against spinning */
    int64_t started_at;
    uint64_t started_with;     /* records, all durable then */
    uint64_t limited_at_start; /* 429s before this process */
    bool probe;                /* this step is only a look whether the planner had overslept */

    uint64_t crashes, exchanges, push_exchanges, doubts, parked, replays, acknowledged, refused,
        reused, executed_twice, lost_credits, unknown_outcomes, last_limited;
    char trace[SIM_TRACE_LINES][200];
    uint64_t trace_count;
    bool failed;
    char failure[300];
};

/* run.c */
void sim_trace(struct sim *sim, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The first failure counts. */
void sim_fail(struct sim *sim, const char *format, ...) __attribute__((format(printf, 2, 3)));
void sim_later(struct sim *sim, int64_t mean, enum sim_event_kind kind, uint64_t subject,
               uint64_t generation);
struct core_text sim_text(const char *text);
int sim_pair_of(const struct sim *sim, const char *customer, size_t customer_length,
                const char *product, size_t product_length);
bool sim_init(struct sim *sim, uint64_t seed, int64_t steps, bool verbose);
void sim_deinit(struct sim *sim);
/* True when all held. */
bool sim_run(struct sim *sim);

/* process.c */
void process_start(struct sim *sim);
void process_crash(struct sim *sim);
void process_pump(struct sim *sim);
void process_settle(struct sim *sim);
/* Not even the reserve is left: nothing can be recorded, and nothing may happen. */
bool process_may_fail(const struct sim *sim, int result);
void process_probe(struct sim *sim);
/* Loads the rows of `rows` into `core`, then the records after `from` up to `to`. */
int process_load(struct core *core, struct sim *sim, const struct rowset *rows, uint64_t from,
                 uint64_t to);
bool process_load_pair(struct core *core, struct sim *sim, const struct rowset *rows, int pair,
                       bool *ret_found, uint32_t *ret_slot);
/* The rows of a balance, by its names' hash. */
bool process_find(const struct core *core, const struct sim *sim, const struct rowset *rows,
                  int pair, uint32_t *ret_id, struct core_row *ret_row,
                  struct core_reading *ret_reading);

/* clients.c */
void clients_init(struct sim *sim);
void clients_event(struct sim *sim, size_t client);
void clients_loaded(struct sim *sim, size_t call, uint64_t generation);
void clients_deadline(struct sim *sim, size_t call, uint64_t generation);
/* Tries again what became ready, answers what became durable. */
void clients_settle(struct sim *sim);
void clients_ready(struct sim *sim, uint32_t slot);
void clients_crash(struct sim *sim);
void clients_look(struct sim *sim, int pair, bool fresh);

/* judge.c */
struct before {
    size_t records;
    bool known;
    struct core_balance balance;
};
void judge_before(struct sim *sim, int pair, struct before *ret_before);
void judge_consume(struct sim *sim, struct call *call, int status,
                   const struct core_consumed *consumed, const struct before *before);

/* holds.c */
void holds_event(struct sim *sim, uint32_t uid);
void holds_note(struct sim *sim, const struct record *record);
/* What the open reservations of a pair add up to. */
int64_t holds_sum(const struct sim *sim, int pair);
void holds_check(struct sim *sim);
void holds_crash(struct sim *sim);
void holds_release_all(struct sim *sim);
void holds_compare(struct sim *sim, const struct core *core, uint64_t sequence);
/* Has the balance in memory; false where nobody knows it. */
bool holds_have(struct sim *sim, int pair, struct core_balance *ret_balance);

/* gives.c */
void gives_event(struct sim *sim, uint32_t uid);
void gives_note(struct sim *sim, int pair, const struct record *record);
void gives_forget(struct sim *sim);
void gives_check(struct sim *sim, int pair, const struct core_reading *reading,
                 int64_t uncounted_given);
void gives_crash(struct sim *sim);

/* people.c */
void people_init(struct sim *sim);
void people_event(struct sim *sim);
void people_linked(struct sim *sim, struct hash128 key);
void people_note(struct sim *sim, const struct record *record);
void people_crash(struct sim *sim);
void people_check(struct sim *sim);
void people_settle(struct sim *sim);
bool people_at_rest(struct sim *sim);
void people_look(struct sim *sim);
void people_trace(struct sim *sim);
void people_compare(struct sim *sim, struct core *core, const struct rowset *rows);
struct booked_intent *people_intent(struct sim *sim, const char *id);

/* events.c */
/* Other thresholds, from the next record on; the engine hears of the products' by the second, of
 * the policy's by core_set_policy. */
void events_draw_lists(struct sim *sim);
void events_set_lists(struct sim *sim, struct core *core);
void events_note(struct sim *sim, const struct ledger_record *entry);
void events_forget(struct sim *sim);
void events_check(struct sim *sim);
int events_load(struct core *core, const struct rowset *rows);
void events_compare(struct sim *sim, const struct core *core, const struct rowset *store,
                    const struct rowset *rows);
void events_deinit(struct sim *sim);

/* objects.c */
void objects_later(struct sim *sim);
void objects_event(struct sim *sim);
void objects_check(struct sim *sim);
void objects_compare(struct sim *sim, struct core *core, const struct rowset *store,
                     const struct rowset *rows);

/* registry.c */
void registry_init(struct sim *sim);
void registry_deinit(struct registry *registry);
void registry_create(struct sim *sim, int kind, const char *intent, const char *key,
                     const char *subject, bool keep_locked, struct exchange_answer *ret_answer);
void registry_read(struct sim *sim, struct wire *wire);
void registry_take(struct sim *sim, struct wire *wire);
const struct registered *registry_find(const struct sim *sim, const char *id, size_t length);

/* wire.c */
void wire_take(struct sim *sim, const struct exchange *exchange);
void wire_release(struct sim *sim);
void wire_arrive(struct sim *sim, size_t wire, uint64_t generation);
void wire_answer(struct sim *sim, size_t wire, uint64_t generation);
void wire_late(struct sim *sim, size_t order);
/* The connection is gone: what was under way may still execute. `tell`: the engine is told. */
void wire_cut(struct sim *sim, bool tell);

/* faults.c */
enum fate faults_draw(struct sim *sim, const struct wire *wire);
bool faults_weather(struct sim *sim, struct wire *wire);
void faults_deduct(struct sim *sim, int pair, int kind, const char *push_id, const char *key,
                   int64_t amount, bool keep_locked, bool plain,
                   struct exchange_answer *ret_answer);

/* operators.c */
void operators_event(struct sim *sim);
void operators_resolve(struct sim *sim, bool force);
void operators_elsewhere(struct sim *sim);
void operators_weather(struct sim *sim);
void operators_helper(struct sim *sim);
void operators_configure(struct sim *sim, int column);
void operators_resume(struct sim *sim);

/* invariants.c */
void invariants_check(struct sim *sim);
struct push *invariants_push(struct sim *sim, const char *id);
void invariants_forget(struct sim *sim); /* after a crash */
/* Upstream shows the first page of that history. */
void invariants_look(struct sim *sim, int pair);

/* replay.c */
void replay_check(struct sim *sim);
