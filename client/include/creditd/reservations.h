/* Reservations, for work whose price is known when it is done. Part of creditd.h, which says how
 * calls work.
 */
#include <creditd.h>
#ifndef CREDITD_RESERVATIONS_H
#define CREDITD_RESERVATIONS_H

/* Credits are held while the work is under way, cannot be spent by anybody else meanwhile, and end
 * settled, released or expired.
 *
 *     reserve ──► held ── settle ──► deducted: what was really used; the rest is free again
 *                 │ ▲ └── release ─► free again
 *          extend └─┘ └── expires ─► free again; a settle that comes too late still takes what is
 *                                    available, and says what was missing (shortfall)
 *
 * Stamped as a consume is, and sent again: the same stamp or key holds once.
 *
 * With a session, only the uid that made a reservation extends, settles or releases it: for any
 * other it is as if it were not there. (A customer or a user is named by whoever has the role.)
 */
struct creditd_reserve_request {
    struct creditd_who who;
    const char *product_id;
    int64_t raw_amount;                 /* the most that the work may use */
    int64_t ttl;                        /* ms, at most 24 h; 0: the daemon's default, ten minutes */
    const struct creditd_map *metadata; /* NULL; at most 4 KiB encoded */
    const char *idempotency_key;        /* yours, in place of a stamp; NULL */
    const struct creditd_stamp *stamp;  /* of an earlier call that ended without an answer; NULL */
    uint32_t timeout;
};

struct creditd_reservation {
    char reservation_id[CREDITD_ID_SIZE]; /* keep it: whoever ends the work needs it */
    char customer_id[CREDITD_ID_SIZE];
    char product_id[CREDITD_ID_SIZE];
    int64_t credits_held; /* by this one */
    int64_t held;         /* by all of the balance's reservations */
    int64_t balance;      /* available, after */
    int64_t expires_at;
    int64_t synced_at; /* when StellarTools was last heard of this balance; 0: never */
    bool stale;        /* that is longer ago than it should be */
    bool replayed;     /* the answer of an earlier, equal request: nothing was held now */
};

int creditd_reserve(struct creditd *connection, const struct creditd_reserve_request *request,
                    struct creditd_reservation *ret_result);
int creditd_reserve_async(struct creditd *connection, const struct creditd_reserve_request *request,
                          creditd_callback callback, void *data);

/* Sets the end anew: `ttl` from now. Sent again. CREDITD_CONFLICT where it has ended; here and
 * below, CREDITD_NOT_FOUND where there is none of that id, or it is somebody else's. */
struct creditd_extend_request {
    struct creditd_who who;
    const char *reservation_id;
    int64_t ttl; /* as for reserve */
    uint32_t timeout;
};

int creditd_extend(struct creditd *connection, const struct creditd_extend_request *request,
                   struct creditd_reservation *ret_result);
int creditd_extend_async(struct creditd *connection, const struct creditd_extend_request *request,
                         creditd_callback callback, void *data);
/* For both. */
int creditd_read_reservation(const struct creditd_reply *reply,
                             struct creditd_reservation *ret_result);

/* Deducts what was really used, be it less than was held, or more as far as credits are available.
 * Sent again: a reservation is settled once, and later ones are answered with that result
 * (CREDITD_CONFLICT where they name another amount). To deduct nothing, release it.
 */
struct creditd_settle_request {
    struct creditd_who who;
    const char *reservation_id;
    int64_t raw_amount;                 /* used, from 1 on */
    const struct creditd_map *metadata; /* kept with the transaction; NULL */
    uint32_t timeout;
};

struct creditd_settle_result {
    char transaction_id[CREDITD_ID_SIZE];
    char reservation_id[CREDITD_ID_SIZE];
    int64_t credits_deducted;
    int64_t billed_units; /* the raw amount */
    int64_t shortfall;    /* credits that were used and not there to be deducted */
    int64_t balance;      /* available, after */
    int64_t pending;      /* credits deducted here and not yet confirmed by StellarTools */
    bool replayed;        /* it had been settled before: nothing was deducted now */
};

int creditd_settle(struct creditd *connection, const struct creditd_settle_request *request,
                   struct creditd_settle_result *ret_result);
int creditd_settle_async(struct creditd *connection, const struct creditd_settle_request *request,
                         creditd_callback callback, void *data);
int creditd_read_settle(const struct creditd_reply *reply,
                        struct creditd_settle_result *ret_result);

/* Sent again: what was released stays so. CREDITD_CONFLICT where it was settled. */
struct creditd_release_request {
    struct creditd_who who;
    const char *reservation_id;
    uint32_t timeout;
};

struct creditd_release_result {
    char reservation_id[CREDITD_ID_SIZE];
    int64_t balance; /* available, after */
    int64_t held;    /* by the balance's other reservations */
    bool released;
};

int creditd_release(struct creditd *connection, const struct creditd_release_request *request,
                    struct creditd_release_result *ret_result);
int creditd_release_async(struct creditd *connection, const struct creditd_release_request *request,
                          creditd_callback callback, void *data);
int creditd_read_release(const struct creditd_reply *reply,
                         struct creditd_release_result *ret_result);

#endif
