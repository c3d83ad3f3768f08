/*
 * The shortest way to spend: one blocking call.
 *
 *     spend CUSTOMER PRODUCT AMOUNT
 */
#include <creditd.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
    struct creditd *connection;
    struct creditd_consume_result result;
    int r;

    if (argc != 4) {
        fprintf(stderr, "usage: %s CUSTOMER PRODUCT AMOUNT\n", argv[0]);
        return 2;
    }
    struct creditd_consume_request request = {
        .who = {.customer_id = argv[1]},
        .product_id = argv[2],
        .raw_amount = strtoll(argv[3], NULL, 10),
    };

    if (creditd_open(&connection, NULL, 0) < 0)
        return 1;
    r = creditd_consume(connection, &request, &result);
    if (r == 0)
        printf("spent %" PRId64 " credits (%s), %" PRId64 " left\n", result.credits_deducted,
               result.transaction_id, result.balance);
    else
        fprintf(stderr, "%s\n", creditd_reply_message(creditd_last(connection)));
    creditd_close(connection);
    return r == 0 ? 0 : 1;
}
