/*
 * An application whose customer's credits fall below every threshold and rise again, without pause:
 * what raises the most events. It never looks at its connection, and each call has a deadline.
 *
 *     churner SOCKET PRODUCT CUSTOMER CYCLES AMOUNT DEADLINE_MS
 *
 * A cycle deducts AMOUNT and gives it back. Then it prints
 *
 *     N answered, longest wait L ms
 *
 * and exits with 0, or with 1 if any call was refused or ended without an answer: the first such is
 * told on standard error.
 */
#include <creditd.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct churner {
    struct creditd *connection;
    const char *product, *customer;
    int64_t amount, answered, longest_ns;
};

static int64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

static int answered(struct churner *churner, const char *what, int64_t began_ns, int r)
{
    int64_t took_ns = now_ns() - began_ns;

    if (r != 0) {
        fprintf(stderr, "churner: %s: %d after %" PRId64 " ms: %s\n", what, r, took_ns / 1000000,
                creditd_reply_message(creditd_last(churner->connection)));
        return -1;
    }
    churner->answered++;
    if (took_ns > churner->longest_ns)
        churner->longest_ns = took_ns;
    return 0;
}

static int cycle(struct churner *churner)
{
    const struct creditd_who who = {.customer_id = churner->customer};
    struct creditd_consume_request consume = {
        .who = who, .product_id = churner->product, .raw_amount = churner->amount};
    struct creditd_consume_result consumed;
    int64_t began_ns = now_ns();
    int r = creditd_consume(churner->connection, &consume, &consumed);

    if (answered(churner, "consume", began_ns, r) < 0)
        return -1;
    struct creditd_credit_refund_request refund = {
        .who = who, .product_id = churner->product, .transaction_id = consumed.transaction_id};
    struct creditd_credit_refund_result refunded;
    began_ns = now_ns();
    r = creditd_credit_refund(churner->connection, &refund, &refunded);
    return answered(churner, "refund", began_ns, r);
}

int main(int argc, char **argv)
{
    struct churner churner = {0};
    long cycles;
    int r = 0;

    if (argc != 7) {
        fprintf(stderr, "usage: %s SOCKET PRODUCT CUSTOMER CYCLES AMOUNT DEADLINE_MS\n", argv[0]);
        return 2;
    }
    churner.product = argv[2];
    churner.customer = argv[3];
    cycles = strtol(argv[4], NULL, 10);
    churner.amount = strtoll(argv[5], NULL, 10);
    if (creditd_open(&churner.connection, argv[1], 0) < 0)
        return 1;
    creditd_set_timeout(churner.connection, (uint32_t)strtoul(argv[6], NULL, 10));
    for (long i = 0; r == 0 && i < cycles; i++)
        r = cycle(&churner);
    creditd_close(churner.connection);
    printf("%" PRId64 " answered, longest wait %" PRId64 " ms\n", churner.answered,
           churner.longest_ns / 1000000);
    return r == 0 ? 0 : 1;
}
