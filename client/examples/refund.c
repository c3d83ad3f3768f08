/*
 * Gives a payment back. The key is the application's own name for the refund: however often this is
 * run for the same one, the payment is given back once.
 *
 *     refund CUSTOMER PAYMENT KEY
 */
#include <creditd.h>
#include <stdio.h>

int main(int argc, char **argv)
{
    struct creditd *connection;
    struct creditd_object refund;
    char status[32];
    int r;

    if (argc != 4) {
        fprintf(stderr, "usage: %s CUSTOMER PAYMENT KEY\n", argv[0]);
        return 2;
    }
    struct creditd_refund_create_request request = {
        .who = {.customer_id = argv[1]},
        .payment_id = argv[2],
        .reason = "requested by the customer",
        .idempotency_key = argv[3],
    };

    if (creditd_open(&connection, NULL, 0) < 0)
        return 1;
    r = creditd_refund_create(connection, &request, &refund);
    if (r == 0) {
        creditd_value_copy_text(creditd_value_get(refund.value, "status"), status, sizeof status);
        printf("refund %s is %s\n", refund.id, status);
        creditd_object_clear(&refund);
    } else {
        fprintf(stderr, "%s\n", creditd_reply_message(creditd_last(connection)));
    }
    creditd_close(connection);
    return r == 0 ? 0 : 1;
}
