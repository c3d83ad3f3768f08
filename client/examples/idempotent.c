/*
 * A purchase that survives this process. It is asked with a short deadline; if no answer comes in
 * time, its stamp is printed, and a later run that is given the stamp asks again without spending
 * twice.
 *
 *     idempotent CUSTOMER PRODUCT AMOUNT [STAMP]
 */
#include <creditd.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static int explain(const struct creditd_reply *reply)
{
    char text[CREDITD_STAMP_TEXT_SIZE];

    fprintf(stderr, "%s\n", creditd_reply_message(reply));
    if (!creditd_reply_in_doubt(reply) || !creditd_reply_stamp(reply))
        return 1;
    creditd_stamp_to_text(creditd_reply_stamp(reply), text);
    printf("ask again with %s\n", text);
    return 4;
}

int main(int argc, char **argv)
{
    struct creditd *connection;
    struct creditd_consume_result result;
    struct creditd_stamp stamp;
    int r;

    if (argc < 4 || argc > 5 || (argc == 5 && creditd_stamp_from_text(argv[4], &stamp) < 0)) {
        fprintf(stderr, "usage: %s CUSTOMER PRODUCT AMOUNT [STAMP]\n", argv[0]);
        return 2;
    }
    struct creditd_consume_request request = {
        .who = {.customer_id = argv[1]},
        .product_id = argv[2],
        .raw_amount = strtoll(argv[3], NULL, 10),
        .stamp = argc == 5 ? &stamp : NULL,
        .timeout = 500,
    };

    if (creditd_open(&connection, NULL, 0) < 0)
        return 1;
    r = creditd_consume(connection, &request, &result);
    if (r == 0)
        printf("%s %" PRId64 " credits, %" PRId64 " left\n",
               result.replayed ? "had already spent" : "spent", result.credits_deducted,
               result.balance);
    else
        r = explain(creditd_last(connection));
    creditd_close(connection);
    return r;
}
