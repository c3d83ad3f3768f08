/*
 * What a web application does for a request: it passes the Cookie header on as it came, and the
 * daemon says whose it is. Nobody here looks into the session, or needs to be trusted with whose
 * credits are spent. Prints the status that the application would answer with.
 *
 *     session PRODUCT AMOUNT < cookie-header
 */
#include <creditd.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int http_status(int status)
{
    switch (status) {
    case 0:
        return 200;
    case CREDITD_UNAUTHENTICATED:
        return 401; /* to the login page */
    case CREDITD_INSUFFICIENT_CREDITS:
        return 402; /* to the shop */
    default:
        return creditd_code_is_retryable(status) ? 503 : 500;
    }
}

static int answer(struct creditd *connection, const char *cookie, char **argv)
{
    struct creditd_who who = {.session = cookie};
    struct creditd_access_check_request check = {.who = who, .product_id = argv[1]};
    struct creditd_consume_request consume = {
        .who = who, .product_id = argv[1], .raw_amount = strtoll(argv[2], NULL, 10)};
    struct creditd_access_result access;
    struct creditd_consume_result consumed;
    int r = creditd_access_check(connection, &check, &access);

    if (r == 0 && !access.has_access)
        return 403;
    if (r == 0)
        r = creditd_consume(connection, &consume, &consumed);
    if (r == 0)
        printf("%" PRId64 " credits left\n", consumed.balance);
    else
        fprintf(stderr, "%s\n", creditd_reply_message(creditd_last(connection)));
    return http_status(r);
}

int main(int argc, char **argv)
{
    static char cookie[CREDITD_SESSION_MAX + 1];
    struct creditd *connection;
    int status;

    if (argc != 3 || !fgets(cookie, sizeof cookie, stdin)) {
        fprintf(stderr, "usage: %s PRODUCT AMOUNT < COOKIE-HEADER\n", argv[0]);
        return 2;
    }
    cookie[strcspn(cookie, "\r\n")] = '\0';
    if (creditd_open(&connection, NULL, 0) < 0)
        return 1;
    status = answer(connection, cookie, argv);
    creditd_close(connection);
    printf("%d\n", status);
    return status == 200 ? 0 : 1;
}
