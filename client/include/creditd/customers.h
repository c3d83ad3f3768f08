/* Customers, and which user is which customer. Part of creditd.h, which says how calls work. */
#include <creditd.h>
#ifndef CREDITD_CUSTOMERS_H
#define CREDITD_CUSTOMERS_H

/* Whoever asks by session or user_id needs no customer: the first call that needs one finds or
 * makes it. Results are read with creditd_read_object().
 */

/* Creates or links the caller's customer, and gives it; one that is linked is just given. Sent
 * once; but asking again is safe, since a user has one customer. A session says who the user is; a
 * trusted peer that names a user_id says it here.
 */
struct creditd_customer_create_request {
    struct creditd_who who;
    const char *email, *name, *image;
    uint32_t timeout;
};

int creditd_customer_create(struct creditd *connection,
                            const struct creditd_customer_create_request *request,
                            struct creditd_object *ret_customer);
int creditd_customer_create_async(struct creditd *connection,
                                  const struct creditd_customer_create_request *request,
                                  creditd_callback callback, void *data);

/* As it was last heard from StellarTools. Sent again. */
struct creditd_customer_retrieve_request {
    struct creditd_who who;
    bool fresh; /* asks StellarTools first */
    uint32_t timeout;
};

int creditd_customer_retrieve(struct creditd *connection,
                              const struct creditd_customer_retrieve_request *request,
                              struct creditd_object *ret_customer);
int creditd_customer_retrieve_async(struct creditd *connection,
                                    const struct creditd_customer_retrieve_request *request,
                                    creditd_callback callback, void *data);

/* Changes what is not NULL; metadata is merged there. Sent once, and only while StellarTools is
 * reached: else CREDITD_UPSTREAM_UNAVAILABLE. */
struct creditd_customer_update_request {
    struct creditd_who who;
    const char *email, *name, *phone, *image;
    const struct creditd_map *metadata;
    uint32_t timeout;
};

int creditd_customer_update(struct creditd *connection,
                            const struct creditd_customer_update_request *request,
                            struct creditd_object *ret_customer);
int creditd_customer_update_async(struct creditd *connection,
                                  const struct creditd_customer_update_request *request,
                                  creditd_callback callback, void *data);

/* Links a user to a customer, in place of an old link. Takes the role "admin". Sent once. */
struct creditd_customer_link_request {
    const char *user_id;
    const char *customer_id;
    uint32_t timeout;
};

int creditd_customer_link(struct creditd *connection,
                          const struct creditd_customer_link_request *request,
                          struct creditd_object *ret_link);
int creditd_customer_link_async(struct creditd *connection,
                                const struct creditd_customer_link_request *request,
                                creditd_callback callback, void *data);

/* Forgets a user's link; the customer stays. Takes the role "admin". Sent once. */
struct creditd_customer_unlink_request {
    const char *user_id;
    uint32_t timeout;
};

int creditd_customer_unlink(struct creditd *connection,
                            const struct creditd_customer_unlink_request *request,
                            struct creditd_object *ret_link);
int creditd_customer_unlink_async(struct creditd *connection,
                                  const struct creditd_customer_unlink_request *request,
                                  creditd_callback callback, void *data);

/* The signup hook, for a peer with the role "consume". It is answered at once; where the
 * configuration says create_customer_on_signup, the customer is made in the background, however
 * long StellarTools is away. Sent once; asking again is safe.
 */
struct creditd_user_created_request {
    const char *user_id;
    const char *email;
    const char *name, *image; /* NULL */
    uint32_t timeout;
};

int creditd_user_created(struct creditd *connection,
                         const struct creditd_user_created_request *request,
                         struct creditd_object *ret_result);
int creditd_user_created_async(struct creditd *connection,
                               const struct creditd_user_created_request *request,
                               creditd_callback callback, void *data);

#endif
