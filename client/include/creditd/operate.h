/* For operators: ping, status, and the pushes. Part of creditd.h, which says how calls work.
 */
#include <creditd.h>
#ifndef CREDITD_OPERATE_H
#define CREDITD_OPERATE_H

struct creditd_ping_result {
    char version[64]; /* the daemon's */
};

int creditd_ping(struct creditd *connection, struct creditd_ping_result *ret_result);
int creditd_ping_async(struct creditd *connection, creditd_callback callback, void *data);
int creditd_read_ping(const struct creditd_reply *reply, struct creditd_ping_result *ret_result);

/* -1 stands for a number that the daemon does not know (yet), "" for a text. */
struct creditd_status_result {
    char version[64];
    char health[32]; /* "ok", "degraded", "stopping" */
    int64_t uptime;
    struct {
        bool asked; /* since the daemon started; else nobody knows whether it is reachable */
        bool reachable;
        bool helper;     /* creditd-sync is connected */
        char paused[64]; /* why nothing is pushed: "unauthorized", … */
        int64_t last_success, requests_remaining, requests_limit;
    } upstream;
    struct {
        int64_t credits, balances, oldest_age;
    } pending;
    struct {
        int64_t open, doubt, parked;
    } pushes;
    struct {
        int64_t sequence, durable_sequence, stored_sequence;
        char durability[32]; /* "always", "interval" */
        char space[32];      /* "ok", "reserve" */
    } ledger;
    int64_t resident; /* balances in memory */
    int64_t connections;
    struct {
        int64_t total, refused;
    } requests;
};

int creditd_status(struct creditd *connection, struct creditd_status_result *ret_result);
int creditd_status_async(struct creditd *connection, creditd_callback callback, void *data);
int creditd_read_status(const struct creditd_reply *reply,
                        struct creditd_status_result *ret_result);

struct creditd_push_list_request {
    const char *state; /* NULL: all that are open or parked */
    int64_t limit;     /* 0: the daemon's default */
    uint32_t timeout;
};

/* A deduction, refund or grant of credits; or a create: of a customer, a subscription, or the
 * refund of a payment. */
struct creditd_push {
    char push_id[CREDITD_ID_SIZE];
    char customer_id[CREDITD_ID_SIZE]; /* "": a customer's create, see user_id */
    char product_id[CREDITD_ID_SIZE];  /* "": there is none */
    char payment_id[CREDITD_ID_SIZE];  /* that is to be given back; "": it is none */
    char user_id[CREDITD_ID_SIZE];     /* whose customer is to be made; "": it is none */
    /* "deduct", "refund", "grant"; "create_customer", "create_subscription", "refund_payment" */
    char type[32];
    char state[32];   /* "sending", "doubt", "parked", "watched" */
    char reason[256]; /* cut there; "": none */
    int64_t credits, attempt, begun_at;
    int64_t consumed_before; /* upstream, when it was begun */
    int64_t consumed_seen;   /* -1: not looked yet */
    int64_t rows_seen;       /* -1: not looked yet */
};

struct creditd_push_list_result {
    struct creditd_push *data;
    size_t count;
    bool has_more;
};

int creditd_push_list(struct creditd *connection, const struct creditd_push_list_request *request,
                      struct creditd_push_list_result *ret_result);
int creditd_push_list_async(struct creditd *connection,
                            const struct creditd_push_list_request *request,
                            creditd_callback callback, void *data);
int creditd_read_push_list(const struct creditd_reply *reply,
                           struct creditd_push_list_result *ret_result);
void creditd_push_list_clear(struct creditd_push_list_result *result);

/* None of these is ever sent twice: after -ECONNRESET or -ETIMEDOUT look at the list. */
struct creditd_push_request {
    const char *push_id;
    const char *reason; /* for drop: kept with the record; NULL */
    uint32_t timeout;
    const char *refund_id; /* for settle: the refund that was made */
};

struct creditd_push_result {
    char push_id[CREDITD_ID_SIZE];
    char state[32];
};

/* Sends a parked push again; CREDITD_CONFLICT where it may have run. */
int creditd_push_retry(struct creditd *connection, const struct creditd_push_request *request,
                       struct creditd_push_result *ret_result);
int creditd_push_retry_async(struct creditd *connection, const struct creditd_push_request *request,
                             creditd_callback callback, void *data);
/* Writes a parked push off: its credits will never be taken upstream. */
int creditd_push_drop(struct creditd *connection, const struct creditd_push_request *request,
                      struct creditd_push_result *ret_result);
int creditd_push_drop_async(struct creditd *connection, const struct creditd_push_request *request,
                            creditd_callback callback, void *data);
/* A parked refund of a payment was made after all, as refund_id: whoever asks for it again gets
 * that one. */
int creditd_push_settle(struct creditd *connection, const struct creditd_push_request *request,
                        struct creditd_push_result *ret_result);
int creditd_push_settle_async(struct creditd *connection,
                              const struct creditd_push_request *request, creditd_callback callback,
                              void *data);
/* For all three. */
int creditd_read_push(const struct creditd_reply *reply, struct creditd_push_result *ret_result);

#endif
