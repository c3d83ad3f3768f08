/*
 * Cancels whatever a customer is subscribed to; each ends with its period.
 *
 *     subscriptions CUSTOMER
 */
#include <creditd.h>
#include <stdio.h>

static int cancel(struct creditd *connection, const char *customer, const char *id)
{
    struct creditd_subscription_request request = {.who = {.customer_id = customer},
                                                   .subscription_id = id};
    struct creditd_object subscription;
    char end[64];

    if (creditd_subscription_cancel(connection, &request, &subscription) != 0)
        return 1;
    creditd_value_copy_text(creditd_value_get(subscription.value, "current_period_end"), end,
                            sizeof end);
    printf("%s ends %s\n", subscription.id, end);
    creditd_object_clear(&subscription);
    return 0;
}

static int cancel_all(struct creditd *connection, const char *customer)
{
    struct creditd_subscription_list_request request = {.who = {.customer_id = customer},
                                                        .fresh = true};
    struct creditd_list list;
    int r = 0;

    if (creditd_subscription_list(connection, &request, &list) != 0)
        return 1;
    for (size_t i = 0; i < list.count && r == 0; i++) {
        const struct creditd_value *one = creditd_value_at(list.data, i);
        char id[CREDITD_ID_SIZE];

        if (creditd_value_is_text(creditd_value_get(one, "status"), "active") &&
            creditd_value_copy_text(creditd_value_get(one, "id"), id, sizeof id))
            r = cancel(connection, customer, id);
    }
    creditd_list_clear(&list);
    return r;
}

int main(int argc, char **argv)
{
    struct creditd *connection;
    int r;

    if (argc != 2) {
        fprintf(stderr, "usage: %s CUSTOMER\n", argv[0]);
        return 2;
    }
    if (creditd_open(&connection, NULL, 0) < 0)
        return 1;
    r = cancel_all(connection, argv[1]);
    if (r != 0)
        fprintf(stderr, "%s\n", creditd_reply_message(creditd_last(connection)));
    creditd_close(connection);
    return r;
}
