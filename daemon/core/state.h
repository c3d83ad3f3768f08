/*
 * The engine's memory. One struct core owns everything; the files around it each do one thing to
 * it:
 * - balances.c: the table of balances and products
 * - append.c: records with their images
 * - event.c: what is told of them; threshold.c: which events a new balance raises
 * - object.c: objects of upstream's; webhook.c: which webhooks have been seen
 * - consume.c: spending; dedupe.c, dedupe_table.c, dedupe_forget.c: repeated requests
 * - hold.c: reservations; give.c: credit refunds and grants
 * - replay.c: loading and replay
 * - planner.c: whose turn it is to talk to upstream; budget.c: how many requests it allows;
 *   turns.c: how many of them one user may cause; trouble.c: whether it answers at all
 * - job.c, errand.c, search.c, intent.c, intent_table.c: jobs.h
 * - reading.c: ends of product and balance readings
 * - push.c: begin and end of pushes; lookup.c: pushes in doubt
 * - operator.c: what an operator asks; refresh.c: balances that are due for a reading
 */
#pragma once

#include "event_log.h"
#include "heap.h"
#include "jobs.h"
#include "object.h"
#include "refresh.h"
#include "subscriber.h"
#include <core/event.h>
#include <core/link.h>
#include <util/map.h>

#define CHUNK_SIZE 1024u
#define NO_SLOT UINT32_MAX
#define NO_PRODUCT UINT32_MAX
#define UID_SELF UINT32_MAX
#define WRITES_MAX 8u /* pushes in flight, in all (P1) */
#define READS_MAX 8u

enum knowledge {
    KNOWN_NOT,      /* never read: cold */
    KNOWN,          /* has a row in the ledger */
    KNOWN_NONE,     /* upstream has no such balance: it counts as zero, for a while */
    KNOWN_CUSTOMER, /* upstream does not know the customer, for a while */
};

struct push {
    struct core_push row;
    unsigned failed_looks; /* … while upstream answered others */
    int64_t failed_at;
    bool
        refused; /* the last attempt, a resend, was refused: no proof, but no reason to repeat it */
    struct push *next; /* of the same balance */
    struct push *all_next, *all_previous;
};

struct hold {
    struct core_hold row;
    struct heap_node by_time;
};

/* A look at upstream's history on behalf of one push; lives only in memory, and starts over when it
 * is interrupted. */
struct lookup {
    struct push *push;
    bool want_balance; /* the history is read, the balance comes next */
    int64_t offset;
    unsigned pages;
    int64_t ours; /* credits of this push's rows */
    int64_t ours_rows;
    bool odd_rows;   /* one of them is not n credits: upstream counts units otherwise */
    int64_t refunds; /* credits of refund rows, which may or may not have lowered `consumed` */
    int64_t certain, possible; /* what the rows say `consumed` has moved by: at least, at most */
    struct map seen;           /* row ids: pages shift while we read */
};

struct balance {
    struct core_row *row; /* in the chunk beside it */
    struct core_reading reading;
    struct hash128 hash;
    char *names; /* customer, then product; owned */
    uint16_t customer_length, product_length;
    bool in_use;
    uint8_t knowledge;
    uint32_t slot;
    uint32_t product;
    uint64_t readings;
    uint64_t last_sequence; /* of its latest record since the start: what a view of it reveals */
    int64_t unknown_until;  /* KNOWN_NONE, KNOWN_CUSTOMER; KNOWN_NOT: when to be forgotten if nobody
                               asks */

    /* planning */
    bool used;               /* since the last reading: worth a refresh */
    bool wanted;             /* somebody waits for a reading */
    bool outdated;           /* it is known to have changed upstream: core_refresh */
    bool outdated_meanwhile; /* … since the exchange that is under way began: its reading is no
                                answer to that */
    bool charged;            /* … and has paid for it */
    bool probe_forbidden;  /* a push was answered 403: a reading tells whether it is the key or the
                              object */
    int64_t pending_since; /* 0: nothing pending */
    int64_t read_at;       /* not before: after failures */
    int64_t push_at;
    int64_t read_tried;        /* when the last reading ended */
    int64_t delay, push_delay; /* grow with failures in a row */
    uint64_t exchange;         /* under way; 0: none */
    uint8_t exchange_kind;
    struct push *push;    /* sending, in doubt, or parked: at most one */
    struct push *watched; /* resolved after a resend */
    struct push *own;     /* refunds and grants that wait, oldest first */
    struct lookup *lookup;

    enum turn queued; /* TURN_NONE: not ready */
    struct balance *queue_next, *queue_previous;
    struct heap_node by_time;                          /* timers: not ready before */
    struct heap_node by_age, by_size;                  /* ready to push */
    struct balance *customer_next, *customer_previous; /* all of its customer's */
    struct balance *product_next;                      /* waits for the product */
    bool waits_for_product;
};

struct product {
    char *id; /* owned */
    size_t length;
    struct hash128 hash;
    struct core_product row;
    bool known;
    bool fetching;
    int64_t unknown_until; /* upstream does not know it */
    int64_t read_at;
    int64_t delay;
    struct balance *waiters;
    uint32_t balances;             /* that name it */
    struct thresholds *thresholds; /* owned; NULL: the policy's */
};

struct object;
struct hook;

struct chunk {
    struct core_row rows[CHUNK_SIZE]; /* one cache line each, side by side */
    struct balance balances[CHUNK_SIZE];
};

/* What one uid uses of what is scarce. */
struct usage {
    int64_t keys, clients, stamps; /* remembered */
    int64_t turns;                 /* left */
    int64_t turns_at;
};

struct dedupe_item {
    struct dedupe_entry row;
    struct hash128 key;      /* in core.entries */
    uint32_t next, previous; /* app keys: oldest first */
    bool is_key;
};

struct dedupe_known_client {
    struct dedupe_client row;
    struct hash128 hash;
    uint32_t next, previous;  /* least recently used first */
    uint64_t forgotten_below; /* while being forgotten: slots done */
    bool in_use;
};

struct dedupe {
    struct map entries; /* stamp or key hash → index of items */
    struct map clients; /* → index of known */
    struct dedupe_item *items;
    uint32_t items_count, items_capacity, items_free;
    uint32_t keys_first, keys_last;
    struct dedupe_known_client *known;
    uint32_t known_count, known_capacity, known_free;
    uint32_t clients_first, clients_last;
    int64_t retry_at; /* forgetting failed: not before */
};

/* How many requests upstream allows. */
struct rate_window {
    int64_t limit;     /* a minute; -1: none known */
    int64_t remaining; /* until reset_at; -1: not known */
    int64_t reset_at;
};
struct budget {
    struct rate_window configured, learned; /* both hold */
    int64_t blocked_until;                  /* a 429 */
};

struct queue {
    struct balance *first, *last;
};

struct core {
    struct hash_key hash_key;
    struct hash128 hash_of_nothing; /* most deductions have no metadata */
    uint32_t instance, epoch;
    struct core_policy policy;
    struct core_sink sink;
    struct core_effects effects;
    uint64_t sequence; /* of the last record */

    struct chunk **chunks;
    uint32_t chunk_count;
    uint32_t slots;                            /* handed out so far */
    struct map job_exchanges;                  /* id → struct job * */
    struct job_queue job_ready[TURN_COUNT][2]; /* reads, writes */
    struct heap job_timers;
    size_t job_count;
    bool take_job[TURN_COUNT], job_wrote[TURN_COUNT]; /* by turns, in each class for itself */
    struct map errands;                               /* number → struct errand *, owned */
    uint64_t last_errand;
    struct map searches; /* user hash → struct search *, owned */
    struct map intents;  /* sequence → struct intent *, owned */
    struct map intents_by_key;
    struct map links;   /* user hash → struct link *, owned */
    struct map owners;  /* customer hash → the same */
    struct map objects; /* hash of table and key → struct object *, owned */
    struct object *objects_first, *objects_last; /* least recently used first */
    size_t object_bytes;
    uint64_t stored;
    struct event_log events;
    bool livemode;
    char upstream[CORE_UPSTREAM_MAX]; /* which one the ledger belongs to */
    size_t upstream_length;
    struct map webhooks; /* id hash → struct webhook_seen *, owned */
    struct heap webhooks_by_age;
    int64_t webhooks_retry_at;
    struct thresholds thresholds; /* of the policy */
    struct map subscribers;       /* hash of uid and name → struct subscriber *, owned */
    struct heap subscribers_by_age;
    int64_t subscribers_retry_at;
    struct hook *hooks[32]; /* owned; NULL: never configured (delivery.h) */
    unsigned hook_turn;
    uint32_t *free_slots;
    uint32_t free_count, free_capacity;
    uint32_t last_id;
    struct map by_hash;     /* → slot */
    struct map by_id;       /* → slot */
    struct map by_customer; /* → the slot of one of its balances */
    struct sweep sweep;
    struct product *products;
    uint32_t product_count, product_capacity;
    uint32_t
        free_product; /* the last one given back, or NO_PRODUCT: they are chained by `balances` */
    struct map products_by_hash;

    struct dedupe dedupe;
    struct map holds; /* sequence → struct hold *, owned */
    struct heap holds_by_time;
    struct map returned;    /* struct core_transaction → what give.c keeps of it, owned */
    struct map usage_index; /* hash of uid or customer → index */
    struct usage *usages;
    uint32_t usage_count, usage_capacity;
    bool uid_is_free; /* core_charge_uid */

    /* planning */
    bool started, helper;
    uint64_t last_exchange;
    unsigned writes, reads; /* in flight */
    struct map exchanges;   /* id → slot */
    struct budget budget;
    struct queue ready[TURN_COUNT]; /* not TURN_PUSH */
    struct heap timers, oldest, largest;
    unsigned starved[TURN_COUNT]; /* turns that went elsewhere while this class waited */
    bool take_largest;
    bool unanswered; /* no push until a read has succeeded */
    bool paused;
    unsigned errors; /* of upstream's own, to exchanges for balances, one after the other */
    int64_t probe_at, probe_delay;
    uint32_t forbidden_slot; /* whose exchange was answered 403, and no read has succeeded since */
    int64_t last_success;
    int64_t server_ahead; /* upstream's clock minus ours */
    bool server_known;

    struct push *pushes, *pushes_last; /* all, in order */
    int64_t pending_credits, pending_balances;
    int64_t resident;
};

/* --- balances.c --- */
struct balance *balance_at(const struct core *core, uint32_t slot);
struct balance *balance_find(const struct core *core, struct hash128 hash);
struct balance *balance_by_id(const struct core *core, uint32_t id);
/* The first of the customer's that are in memory; the others follow it by customer_next. */
struct balance *balance_of_customer(const struct core *core, struct core_text customer);
/* A slot for that pair; not yet known. NULL: no memory. */
struct balance *balance_new(struct core *core, struct core_text customer, struct core_text product,
                            struct hash128 hash);
int balance_set_id(struct core *core, struct balance *balance, uint32_t id);
void balance_forget(struct core *core, struct balance *balance);
struct core_text balance_customer(const struct balance *balance);
struct core_text balance_product(const struct balance *balance);
void balance_view(const struct core *core, const struct balance *balance, int64_t now,
                  struct core_balance *ret_balance);
/* All changes of a row go through here: keeps the sums over all balances. */
void balance_set_row(struct core *core, struct balance *balance, const struct core_row *row,
                     int64_t now);
uint32_t product_get(struct core *core, struct core_text id); /* NO_PRODUCT: no memory */
/* One balance less names it: it goes when it was never more than a name. */
void product_release(struct core *core, uint32_t product);
void product_tidy(struct core *core, uint32_t product);
static inline int64_t row_pending(const struct core_row *row)
{
    return row->deducted - row->pushed;
}
int64_t row_available(const struct core_row *row);
struct hash128 hash_number(uint64_t number);

/* --- append.c --- */
/* What is to be done once: which method, for whom, with which arguments. */
struct dedupe_command {
    const char *method;
    const struct core_consume *who; /* uid, stamp or key, customer */
    struct hash128 fingerprint;
};
struct dedupe_request {
    enum core_repeat repeat;
    struct hash128 client, key; /* client: of stamps; key: of the entry */
    struct hash128 fingerprint;
    uint16_t slot;
    uint64_t counter;
    uint32_t uid;
    bool new_client;
};
/* The images of a command's name; `entry` and `client` must live until append_finish. */
struct dedupe_images {
    struct dedupe_entry entry;
    struct dedupe_client client;
    uint8_t key[18];
};
struct append {
    uint8_t *buffer;
    uint64_t sequence, place;
    struct record_image images[RECORD_IMAGES_MAX];
    size_t image_count, detail_length;
    struct event_row *events, *last_event; /* owned until the record is written */
    size_t event_count;
};
/* First say what the record will hold (the values are read at append_finish, so they may still
 * learn sequence and place) … */
void append_init(struct append *append);
void append_image(struct append *append, enum record_table table, const void *key,
                  size_t key_length, const void *value, size_t value_length);
/* … then make room for it: sets sequence and place, or fails and nothing has happened … */
int append_begin(struct core *core, struct append *append, size_t detail_length, bool use_reserve);
/* … then write it. Cannot fail. */
void append_finish(struct core *core, struct append *append, enum record_type type,
                   const struct balance *balance, uint32_t uid, uint32_t pid, const void *detail,
                   int64_t now);
/* A balance's change, whole: `row` gets its last_place and becomes the balance's; events are told.
 * `reading`, `push` (a push whose state is 0 is deleted) and `request` (with `images`) may be NULL.
 * The record's own sequence is written to all of `sequences` before anything is encoded, so that
 * rows and details can carry it. */
struct change {
    struct balance *balance;
    struct core_row row;
    const struct core_reading *reading;
    const struct core_push *push;
    struct record_image extra[2];
    size_t extra_count;
    const struct dedupe_request *request;
    struct dedupe_images *images;
    uint64_t *sequences[4];
    size_t sequence_count;
    enum record_type type;
    uint32_t uid, pid;
    uint32_t events; /* bits, told of this balance; what follows from the row is added to them */
    bool spent;      /* by a consume, or held for one */
    const void *detail;
    size_t detail_length;
    bool use_reserve;
};
int change_append(struct core *core, struct change *change, int64_t now, uint64_t *ret_sequence);

/* --- consume.c --- */
#define CONSUME_DETAIL_MAX (sizeof(struct record_consume) + CORE_METADATA_MAX)
/* Writes a deduction's detail into a buffer of CONSUME_DETAIL_MAX bytes; its length. */
size_t consume_detail(uint8_t *buffer, const struct record_consume *head,
                      struct core_text metadata);
/* CORE_OK: known and in memory; else what core_balance_get answers. *ret_balance is set unless
 * CORE_LOAD. */
int balance_look_up(struct core *core, struct core_text customer, struct core_text product,
                    uint32_t uid, int64_t now, struct balance **ret_balance);
/* Whether that much may be taken from what is available; fills in ret_consumed's credits and
 * balance. */
int consume_check(struct core *core, const struct core_consume *command,
                  const struct balance *balance, int64_t now, struct core_consumed *ret_consumed);
int consume_refused(struct core *core, struct balance *balance, int status, int64_t now);

/* --- dedupe.c --- */
void dedupe_init(struct dedupe *dedupe);
void dedupe_deinit(struct dedupe *dedupe);
/* CORE_OK: new, go on with dedupe_remember; a positive refusal; or CORE_OK with *ret_known:
 * answered before by that. */
int dedupe_check(struct core *core, const struct dedupe_command *command, int64_t now,
                 struct dedupe_request *ret_request, const struct dedupe_entry **ret_known);
/* Makes room in memory, so that dedupe_remember cannot fail after the record is appended. */
int dedupe_reserve(struct core *core, const struct dedupe_request *request);
void dedupe_release(struct core *core, const struct dedupe_request *request);
int dedupe_start(struct core *core);
/* The arguments that all commands for a balance have; `more` is what a method adds. */
struct hash128 dedupe_fingerprint(const struct core *core, const char *method,
                                  const struct balance *balance, const struct core_consume *command,
                                  int64_t more);
void dedupe_append_images(struct append *append, const struct dedupe_request *request,
                          struct dedupe_images *images);
void dedupe_remember(struct core *core, const struct dedupe_request *request,
                     const struct dedupe_entry *entry);
int dedupe_load(struct core *core, enum record_table table, const void *key, size_t key_length,
                const void *value, size_t value_length);
int dedupe_tick(struct core *core, int64_t now);
int64_t dedupe_wakeup(const struct core *core);

/* --- link.c, object.c --- */
struct link;
const struct link *link_find(const struct core *core, struct core_text user_id);
struct core_text link_customer(const struct link *link);
const struct link *link_of_customer(const struct core *core, struct core_text customer);
uint64_t link_sequence(const struct link *link);
/* Makes a link, which is a new one, by a record of its own; `body` (may be NULL) is the customer's
 * object, `created`: that we have just created. */
int link_make(struct core *core, struct core_text user_id, struct core_text customer,
              const void *body, size_t length, bool created, uint32_t uid, int64_t now,
              uint64_t *ret_sequence);
int link_load(struct core *core, enum record_table table, const void *key, size_t key_length,
              const void *value, size_t value_length);
void links_deinit(struct core *core);

/* --- delivery_table.c, delivery_record.c --- */
int delivery_load(struct core *core, enum record_table table, const void *key, size_t key_length,
                  const void *value, size_t value_length);
int deliveries_start(struct core *core, int64_t now);
int deliveries_tick(struct core *core, int64_t now);
int64_t deliveries_wakeup(const struct core *core);
void deliveries_deinit(struct core *core);
/* For core_check: what is wrong, or NULL. */
const char *deliveries_check(const struct core *core);

/* --- upstream.c --- */
int upstream_load(struct core *core, const void *value, size_t value_length);

/* --- hold.c, give.c --- */
int hold_load(struct core *core, const void *key, size_t key_length, const void *value,
              size_t value_length);
int hold_tick(struct core *core, int64_t now);
int64_t hold_wakeup(const struct core *core);
/* What the open reservations of a balance add up to: for core_check. */
int64_t hold_sum(const struct core *core, uint32_t balance);
void hold_deinit(struct core *core);
int give_load(struct core *core, const void *key, size_t key_length, const void *value,
              size_t value_length);
void give_forget(struct core *core, const struct core_transaction *of);
void give_deinit(struct core *core);

/* --- turns.c --- */
int usage_get(struct core *core, struct hash128 whose, struct usage **ret_usage);
struct hash128 usage_of_uid(uint32_t uid);
/* Takes one turn from both; CORE_OK or CORE_QUOTA_TURNS, or -ENOMEM. */
int turns_take(struct core *core, uint32_t uid, struct core_text customer, int64_t now);

/* --- budget.c --- */
void budget_init(struct budget *budget);
/* The policy's limit is another: its minute begins anew, and what upstream has said holds. */
void budget_configured(struct budget *budget);
/* The window that leaves less. */
const struct rate_window *budget_tightest(const struct budget *budget);
bool budget_allows(const struct core *core, int64_t now);
int64_t budget_opens_at(const struct core *core);
void budget_take(struct core *core, int64_t now);
void budget_learn(struct core *core, const struct exchange_answer *answer, int64_t now);

/* --- trouble.c --- */
/* Upstream does not answer, or not to us: only reads go out, one at a time. */
bool plan_troubled(const struct core *core);
/* What an answer says of upstream as a whole. slot: of the balance, or NO_SLOT. */
void learn_trouble(struct core *core, enum exchange_kind kind, bool is_read, uint32_t slot,
                   const struct exchange_answer *answer, int64_t now);

/* --- planner.c --- */
/* After anything about the balance has changed: finds out what it needs next, and when. */
void plan(struct core *core, struct balance *balance, int64_t now);
void plan_withdraw(struct core *core, struct balance *balance);
/* A balance that is ready to push has grown. */
void plan_grown(struct core *core, struct balance *balance);
void plan_failed(struct core *core, struct balance *balance, int64_t now);
void plan_succeeded(struct core *core, struct balance *balance, int64_t now);
/* After a deduction: the balance has more to push than before. */
void plan_spent(struct core *core, struct balance *balance, bool was_pending, int64_t now);
/* Somebody waits for a reading. */
void plan_want(struct core *core, struct balance *balance, int64_t now);

/* --- reading.c, push.c, lookup.c --- */
void reading_product_done(struct core *core, struct balance *balance,
                          const struct exchange_answer *answer, int64_t now);
int reading_balance_done(struct core *core, struct balance *balance,
                         const struct exchange_answer *answer, int64_t now);
int push_begin(struct core *core, struct balance *balance, struct exchange *exchange, int64_t now);
int64_t push_size(const struct core *core, const struct balance *balance);
int push_done(struct core *core, struct balance *balance, const struct exchange_answer *answer,
              int64_t now);
int push_park(struct core *core, struct balance *balance, struct push *push,
              enum core_park_reason reason, const struct exchange_answer *answer, int64_t now);
int push_undo(struct core *core, struct balance *balance, struct push *push,
              const struct exchange_answer *answer, bool read_first, uint32_t uid, uint32_t events,
              int64_t now, uint64_t *ret_sequence);
/* After loading: each push where its state says, and one at most in a balance's place. */
int push_settle_places(struct core *core);
struct push *push_new(struct core *core, const struct core_push *row, struct balance *balance);
void push_free(struct core *core, struct balance *balance, struct push *push);
/* Puts credits that upstream took under a push into P; 0 credits are fine. `push` is deleted, or
 * kept as `watch` says. */
int push_resolve(struct core *core, struct balance *balance, struct push *push, int64_t credits,
                 const int64_t *upstream, bool watch, const struct exchange_answer *answer,
                 int64_t now);
int product_park(struct core *core, uint32_t product, const struct core_push *push, int64_t credits,
                 int64_t now);
/* The push that is looked up, or wants to be first, and since or from when; else NULL. */
struct push *lookup_due(const struct balance *balance, int64_t *ret_due);
/* Two readings found no row of its push: it is sent again. */
bool lookup_wants_resend(const struct balance *balance);
int lookup_begin(struct core *core, struct balance *balance, struct push *push,
                 struct exchange *exchange);
int lookup_history_done(struct core *core, struct balance *balance,
                        const struct exchange_answer *answer, int64_t now);
int lookup_balance_done(struct core *core, struct balance *balance,
                        const struct exchange_answer *answer, int64_t now);
void lookup_abandon(struct balance *balance);
