/* Subscriptions. Part of creditd.h, which says how calls work. */
#include <creditd.h>
#ifndef CREDITD_SUBSCRIPTIONS_H
#define CREDITD_SUBSCRIPTIONS_H

/* Results are read with creditd_read_object(), lists with creditd_read_list(). */

/* A flag that may also be left as it is. */
enum creditd_choice { CREDITD_UNCHANGED, CREDITD_YES, CREDITD_NO };

/* Sent again if there is an idempotency_key, else once. */
struct creditd_subscription_create_request {
    struct creditd_who who;
    const char *product_id;
    const struct creditd_map *metadata;
    enum creditd_choice cancel_at_period_end;
    int64_t trial_days;          /* 0: StellarTools decides */
    const char *idempotency_key; /* NULL; at most 255 bytes */
    uint32_t timeout;
};

int creditd_subscription_create(struct creditd *connection,
                                const struct creditd_subscription_create_request *request,
                                struct creditd_object *ret_subscription);
int creditd_subscription_create_async(struct creditd *connection,
                                      const struct creditd_subscription_create_request *request,
                                      creditd_callback callback, void *data);

/* All of the customer's. Sent again. */
struct creditd_subscription_list_request {
    struct creditd_who who;
    bool fresh; /* asks StellarTools first */
    uint32_t timeout;
};

int creditd_subscription_list(struct creditd *connection,
                              const struct creditd_subscription_list_request *request,
                              struct creditd_list *ret_list);
int creditd_subscription_list_async(struct creditd *connection,
                                    const struct creditd_subscription_list_request *request,
                                    creditd_callback callback, void *data);

/* One of them; of another customer's it is CREDITD_NOT_FOUND. Retrieve is sent again, the others
 * once. Cancel is StellarTools' own: the subscription stays active until its period ends, with
 * cancel_at_period_end set.
 */
struct creditd_subscription_request {
    struct creditd_who who;
    const char *subscription_id;
    bool fresh; /* for retrieve: asks StellarTools first */
    uint32_t timeout;
};

int creditd_subscription_retrieve(struct creditd *connection,
                                  const struct creditd_subscription_request *request,
                                  struct creditd_object *ret_subscription);
int creditd_subscription_retrieve_async(struct creditd *connection,
                                        const struct creditd_subscription_request *request,
                                        creditd_callback callback, void *data);
int creditd_subscription_cancel(struct creditd *connection,
                                const struct creditd_subscription_request *request,
                                struct creditd_object *ret_subscription);
int creditd_subscription_cancel_async(struct creditd *connection,
                                      const struct creditd_subscription_request *request,
                                      creditd_callback callback, void *data);
int creditd_subscription_pause(struct creditd *connection,
                               const struct creditd_subscription_request *request,
                               struct creditd_object *ret_subscription);
int creditd_subscription_pause_async(struct creditd *connection,
                                     const struct creditd_subscription_request *request,
                                     creditd_callback callback, void *data);
int creditd_subscription_resume(struct creditd *connection,
                                const struct creditd_subscription_request *request,
                                struct creditd_object *ret_subscription);
int creditd_subscription_resume_async(struct creditd *connection,
                                      const struct creditd_subscription_request *request,
                                      creditd_callback callback, void *data);

/* Changes what is given. Sent once. */
struct creditd_subscription_update_request {
    struct creditd_who who;
    const char *subscription_id;
    const char *product_id; /* another product; NULL */
    const struct creditd_map *metadata;
    enum creditd_choice cancel_at_period_end;
    uint32_t timeout;
};

int creditd_subscription_update(struct creditd *connection,
                                const struct creditd_subscription_update_request *request,
                                struct creditd_object *ret_subscription);
int creditd_subscription_update_async(struct creditd *connection,
                                      const struct creditd_subscription_update_request *request,
                                      creditd_callback callback, void *data);

#endif
