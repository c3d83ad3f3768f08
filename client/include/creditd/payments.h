/* Payments: giving them back, and what was paid for. Part of creditd.h, which says how calls work.
 */
#include <creditd.h>
#ifndef CREDITD_PAYMENTS_H
#define CREDITD_PAYMENTS_H

/* Gives a payment back, if it is the caller's, or that customer's (or user's) whom a trusted peer
 * names; else the answer is not_found. StellarTools is asked for the payment first. The result is
 * StellarTools' refund, read with creditd_read_object(); its "status" says how far it is. Sent
 * again if there is an idempotency_key, else once. Credits are given back by
 * creditd_credit_refund().
 */
struct creditd_refund_create_request {
    struct creditd_who who;
    const char *payment_id;
    const char *reason;                 /* NULL */
    const struct creditd_map *metadata; /* NULL */
    const char *idempotency_key;        /* NULL; at most 255 bytes */
    uint32_t timeout;
};

int creditd_refund_create(struct creditd *connection,
                          const struct creditd_refund_create_request *request,
                          struct creditd_object *ret_refund);
int creditd_refund_create_async(struct creditd *connection,
                                const struct creditd_refund_create_request *request,
                                creditd_callback callback, void *data);

/* Whether the customer may use a product, and by what. Sent again. */
struct creditd_access_check_request {
    struct creditd_who who;
    const char *product_id;
    bool fresh; /* asks StellarTools first */
    uint32_t timeout;
};

/* "" is what the grant does not say; creditd_reply_result() has all of it. */
struct creditd_access_result {
    bool has_access;
    struct {
        char type[32]; /* "subscription", "one_time"; "": no grant */
        char status[32];
        char subscription_id[CREDITD_ID_SIZE];
        char payment_id[CREDITD_ID_SIZE];
    } grant;
    int64_t synced_at;
    bool stale;
};

int creditd_access_check(struct creditd *connection,
                         const struct creditd_access_check_request *request,
                         struct creditd_access_result *ret_result);
int creditd_access_check_async(struct creditd *connection,
                               const struct creditd_access_check_request *request,
                               creditd_callback callback, void *data);
int creditd_read_access(const struct creditd_reply *reply,
                        struct creditd_access_result *ret_result);

#endif
