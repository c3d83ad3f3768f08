/*
 * Work whose price is known only when it is done: the most that it may use is held first, more time
 * is asked for while it goes on, and what was used is settled. If the work fails, the reservation
 * is released; if this process dies, it expires by itself.
 *
 *     job CUSTOMER PRODUCT MOST USED
 */
#include <creditd.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define PARTS 3
#define PART_TIME (INT64_C(10) * 60 * 1000) /* ms that a part of the work may take */

static int fail(struct creditd *connection, const char *what)
{
    fprintf(stderr, "%s: %s\n", what, creditd_reply_message(creditd_last(connection)));
    return 1;
}

/* The work, in parts; each gets its time. 0, or why there is no more time. */
static int work(struct creditd *connection, const char *customer, const char *reservation)
{
    struct creditd_extend_request request = {
        .who = {.customer_id = customer}, .reservation_id = reservation, .ttl = PART_TIME};
    struct creditd_reservation extended;
    int r = 0;

    for (int part = 1; part <= PARTS && r == 0; part++) {
        r = creditd_extend(connection, &request, &extended);
        if (r == 0)
            printf("part %d of %d is done\n", part, PARTS);
    }
    return r;
}

static int settle(struct creditd *connection, const char *customer, const char *reservation,
                  int64_t used)
{
    struct creditd_settle_request request = {
        .who = {.customer_id = customer}, .reservation_id = reservation, .raw_amount = used};
    struct creditd_settle_result settled;

    if (creditd_settle(connection, &request, &settled) != 0)
        return fail(connection, "settle");
    printf("spent %" PRId64 " credits (%s), %" PRId64 " short\n", settled.credits_deducted,
           settled.transaction_id, settled.shortfall);
    return 0;
}

static int give_up(struct creditd *connection, const char *customer, const char *reservation)
{
    struct creditd_release_request request = {.who = {.customer_id = customer},
                                              .reservation_id = reservation};
    struct creditd_release_result released;

    fail(connection, "extend");
    creditd_release(connection, &request, &released);
    return 1;
}

static int run(struct creditd *connection, char **argv)
{
    struct creditd_reserve_request request = {.who = {.customer_id = argv[1]},
                                              .product_id = argv[2],
                                              .raw_amount = strtoll(argv[3], NULL, 10),
                                              .ttl = PART_TIME};
    struct creditd_reservation reservation;

    if (creditd_reserve(connection, &request, &reservation) != 0)
        return fail(connection, "reserve");
    printf("%" PRId64 " credits are held\n", reservation.credits_held);
    if (work(connection, argv[1], reservation.reservation_id) != 0)
        return give_up(connection, argv[1], reservation.reservation_id);
    return settle(connection, argv[1], reservation.reservation_id, strtoll(argv[4], NULL, 10));
}

int main(int argc, char **argv)
{
    struct creditd *connection;
    int r;

    if (argc != 5) {
        fprintf(stderr, "usage: %s CUSTOMER PRODUCT MOST USED\n", argv[0]);
        return 2;
    }
    if (creditd_open(&connection, NULL, 0) < 0)
        return 1;
    r = run(connection, argv);
    creditd_close(connection);
    return r;
}
