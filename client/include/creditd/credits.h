/* Credits: consume, check, balance, transactions; and what gives credits back or adds them. Part of
 * creditd.h, which says how calls work.
 */
#include <creditd.h>
#ifndef CREDITD_CREDITS_H
#define CREDITD_CREDITS_H

struct creditd_consume_request {
    struct creditd_who who;
    const char *product_id;
    int64_t raw_amount;                 /* from 1 to 2^53 - 1 */
    const struct creditd_map *metadata; /* kept with the transaction; NULL; at most 4 KiB encoded */
    const char *idempotency_key;        /* yours, in place of a stamp; NULL; at most 255 bytes */
    const struct creditd_stamp *stamp;  /* of an earlier call that ended without an answer; NULL */
    uint32_t timeout;
};

struct creditd_consume_result {
    char customer_id[CREDITD_ID_SIZE];
    char product_id[CREDITD_ID_SIZE];
    char transaction_id[CREDITD_ID_SIZE];
    int64_t balance; /* available, after */
    int64_t credits_deducted;
    int64_t billed_units; /* the raw amount */
    int64_t pending;      /* credits deducted here and not yet confirmed by StellarTools */
    int64_t synced_at;    /* when StellarTools was last heard of this balance; 0: never */
    bool stale;           /* that is longer ago than it should be */
    bool replayed;        /* the answer of an earlier, equal request: nothing was deducted now */
};

int creditd_consume(struct creditd *connection, const struct creditd_consume_request *request,
                    struct creditd_consume_result *ret_result);
int creditd_consume_async(struct creditd *connection, const struct creditd_consume_request *request,
                          creditd_callback callback, void *data);
int creditd_read_consume(const struct creditd_reply *reply,
                         struct creditd_consume_result *ret_result);

struct creditd_check_request {
    struct creditd_who who;
    const char *product_id;
    int64_t raw_amount;
    bool fresh; /* asks StellarTools first */
    uint32_t timeout;
};

struct creditd_check_result {
    char customer_id[CREDITD_ID_SIZE];
    char product_id[CREDITD_ID_SIZE];
    int64_t credits_required;
    int64_t balance; /* available */
    int64_t synced_at;
    bool is_sufficient; /* now; a promise of nothing: only a consume takes */
    bool stale;
};

int creditd_check(struct creditd *connection, const struct creditd_check_request *request,
                  struct creditd_check_result *ret_result);
int creditd_check_async(struct creditd *connection, const struct creditd_check_request *request,
                        creditd_callback callback, void *data);
int creditd_read_check(const struct creditd_reply *reply, struct creditd_check_result *ret_result);

struct creditd_balance_request {
    struct creditd_who who;
    const char *product_id;
    bool fresh; /* asks StellarTools first */
    uint32_t timeout;
};

struct creditd_balance_result {
    char customer_id[CREDITD_ID_SIZE];
    char product_id[CREDITD_ID_SIZE];
    int64_t balance;  /* available: upstream - pending - held */
    int64_t upstream; /* as StellarTools last said */
    int64_t pending;
    int64_t held;     /* reserved and not yet settled */
    int64_t consumed; /* in all, as StellarTools counts */
    int64_t granted;
    int64_t units_per_credit;
    int64_t synced_at;
    bool stale;
};

int creditd_balance(struct creditd *connection, const struct creditd_balance_request *request,
                    struct creditd_balance_result *ret_result);
int creditd_balance_async(struct creditd *connection, const struct creditd_balance_request *request,
                          creditd_callback callback, void *data);
int creditd_read_balance(const struct creditd_reply *reply,
                         struct creditd_balance_result *ret_result);

struct creditd_transactions_request {
    struct creditd_who who;
    const char *product_id;
    int64_t limit;      /* at most 100; 0: the daemon's default, 50 */
    int64_t offset;     /* of the newest first; at most 10000 */
    const char *source; /* NULL: what was done here; "upstream": asks StellarTools */
    uint32_t timeout;
};

struct creditd_transaction {
    char id[CREDITD_ID_SIZE];
    char type[32]; /* "deduct", "refund" (of credits), "grant" */
    char customer_id[CREDITD_ID_SIZE];
    char product_id[CREDITD_ID_SIZE];
    char push_state[32];                           /* "pending", "pushed", "dropped" */
    char reservation_id[CREDITD_ID_SIZE];          /* that was settled; "": none */
    char refunded_transaction_id[CREDITD_ID_SIZE]; /* of a refund; "": it is none */
    char reason[256];                              /* cut there; "": none */
    int64_t amount;                                /* credits */
    int64_t raw_amount;                            /* -1: it has none */
    int64_t balance_after, created_at;
    const struct creditd_value *metadata; /* NULL: none; lives until creditd_transactions_clear() */
};

struct creditd_transactions_result {
    struct creditd_transaction *data; /* newest first */
    size_t count;
    bool has_more;
    bool has_gap; /* there were older ones, which are no longer kept */
    void *owner;
};

int creditd_transactions(struct creditd *connection,
                         const struct creditd_transactions_request *request,
                         struct creditd_transactions_result *ret_result);
int creditd_transactions_async(struct creditd *connection,
                               const struct creditd_transactions_request *request,
                               creditd_callback callback, void *data);
int creditd_read_transactions(const struct creditd_reply *reply,
                              struct creditd_transactions_result *ret_result);
/* Frees what the result owns; takes NULL and a zeroed result. */
void creditd_transactions_clear(struct creditd_transactions_result *result);

/* Gives a deduction back, whole or in part, once: asked again, it is answered with the first one's
 * result, or CREDITD_CONFLICT where another amount was named. Sent again. Takes the role "refund",
 * with a session as well: a user could otherwise give their own spending back.
 */
struct creditd_credit_refund_request {
    struct creditd_who who;
    const char *product_id;
    const char *transaction_id; /* of the consume or the settle */
    int64_t raw_amount;         /* of it; 0: all of it */
    const char *reason;         /* for the record; NULL */
    uint32_t timeout;
};

struct creditd_credit_refund_result {
    char transaction_id[CREDITD_ID_SIZE]; /* of the refund */
    int64_t credits_refunded;
    int64_t pending_confirmation; /* of them, spendable when StellarTools has confirmed them */
    int64_t balance;              /* available */
    bool replayed;
};

int creditd_credit_refund(struct creditd *connection,
                          const struct creditd_credit_refund_request *request,
                          struct creditd_credit_refund_result *ret_result);
int creditd_credit_refund_async(struct creditd *connection,
                                const struct creditd_credit_refund_request *request,
                                creditd_callback callback, void *data);
int creditd_read_credit_refund(const struct creditd_reply *reply,
                               struct creditd_credit_refund_result *ret_result);

/* Adds credits to a balance that StellarTools has. Takes the role "admin". Stamped as a consume is,
 * and sent again. */
struct creditd_grant_request {
    struct creditd_who who;
    const char *product_id;
    int64_t raw_amount;
    const char *reason;                /* for the record; NULL */
    const char *idempotency_key;       /* yours, in place of a stamp; NULL */
    const struct creditd_stamp *stamp; /* of an earlier call that ended without an answer; NULL */
    uint32_t timeout;
};

struct creditd_grant_result {
    char grant_id[CREDITD_ID_SIZE];
    int64_t credits_granted;
    int64_t pending_confirmation; /* of them, spendable when StellarTools has confirmed them */
    int64_t balance;              /* available */
    bool replayed;
};

int creditd_grant(struct creditd *connection, const struct creditd_grant_request *request,
                  struct creditd_grant_result *ret_result);
int creditd_grant_async(struct creditd *connection, const struct creditd_grant_request *request,
                        creditd_callback callback, void *data);
int creditd_read_grant(const struct creditd_reply *reply, struct creditd_grant_result *ret_result);

#endif
