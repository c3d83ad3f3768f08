/*
 * An application that spends without pause, and counts what was acknowledged to it. It never looks
 * at its connection: what happens to the daemon meanwhile is the library's business.
 *
 *     spender SOCKET PRODUCT CUSTOMER [COUNT [WINDOW [AMOUNTS]]]
 *
 * spends COUNT times (0: until SIGTERM), with WINDOW calls under way at any time, raw amounts from
 * 1 to AMOUNTS in turn. A CUSTOMER "cus_:1000" stands for cus_0 to cus_999 in turn. Then it prints
 *
 *     N acknowledged, C credits, R replayed, longest wait L ms, in T ms
 *
 * and exits with 0, or with 1 if any call was refused or ended without an answer: the first such is
 * told on standard error.
 */
#include <creditd.h>
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define WINDOW_MAX 1024
#define TIMEOUT_MS 120000

struct spender;

struct slot {
    struct spender *spender;
    int64_t began_ns;
};

struct spender {
    struct creditd *connection;
    const char *product, *customer;
    long spread; /* 0: `customer` is the whole name */
    long count, amounts;
    long begun, under_way;
    bool failed;
    int64_t acknowledged, credits, replayed, longest_ns;
    struct slot slots[WINDOW_MAX];
};

static volatile sig_atomic_t stop;

static void on_term(int number)
{
    (void)number;
    stop = 1;
}

static int64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

static void spend(struct slot *slot);

static void fail(struct spender *spender, const struct creditd_reply *reply, int status)
{
    if (!spender->failed)
        fprintf(stderr, "spender: %s: %s\n", reply ? creditd_reply_code(reply) : strerror(-status),
                reply ? creditd_reply_message(reply) : "not sent");
    spender->failed = true;
}

static void on_reply(struct creditd *connection, const struct creditd_reply *reply, void *data)
{
    struct slot *slot = data;
    struct spender *spender = slot->spender;
    struct creditd_consume_result result;
    int64_t took_ns = now_ns() - slot->began_ns;

    (void)connection;
    spender->under_way--;
    if (took_ns > spender->longest_ns)
        spender->longest_ns = took_ns;
    if (creditd_read_consume(reply, &result) != 0) {
        fail(spender, reply, 0);
        return;
    }
    spender->acknowledged++;
    spender->credits += result.credits_deducted;
    spender->replayed += result.replayed;
    spend(slot);
}

static void spend(struct slot *slot)
{
    struct spender *spender = slot->spender;
    char name[CREDITD_ID_SIZE];
    struct creditd_consume_request request = {
        .who = {.customer_id = spender->customer},
        .product_id = spender->product,
        .raw_amount = 1 + spender->begun % spender->amounts,
    };
    int r;

    if (stop || spender->failed || (spender->count > 0 && spender->begun == spender->count))
        return;
    if (spender->spread > 0) {
        snprintf(name, sizeof(name), "%s%ld", spender->customer, spender->begun % spender->spread);
        request.who.customer_id = name;
    }
    slot->began_ns = now_ns();
    r = creditd_consume_async(spender->connection, &request, on_reply, slot);
    if (r < 0) {
        fail(spender, NULL, r);
        return;
    }
    spender->begun++;
    spender->under_way++;
}

static long number(int argc, char **argv, int index, long otherwise)
{
    return index < argc ? strtol(argv[index], NULL, 10) : otherwise;
}

static int run(struct spender *spender, long window)
{
    int64_t began_ns = now_ns();

    for (long i = 0; i < window; i++) {
        spender->slots[i].spender = spender;
        spend(&spender->slots[i]);
    }
    while (spender->under_way > 0) {
        int r = creditd_wait(spender->connection, 1000);

        if (r < 0 && r != -EINTR)
            return 1;
    }
    printf("%" PRId64 " acknowledged, %" PRId64 " credits, %" PRId64
           " replayed, longest wait %" PRId64 " ms, in %" PRId64 " ms\n",
           spender->acknowledged, spender->credits, spender->replayed,
           spender->longest_ns / 1000000, (now_ns() - began_ns) / 1000000);
    return spender->failed ? 1 : 0;
}

int main(int argc, char **argv)
{
    static struct spender spender;
    long window = number(argc, argv, 5, 1);
    char *colon;
    int r;

    spender.count = number(argc, argv, 4, 0);
    spender.amounts = number(argc, argv, 6, 1);
    if (argc < 4 || argc > 7 || window < 1 || window > WINDOW_MAX || spender.amounts < 1) {
        fprintf(stderr, "usage: %s SOCKET PRODUCT CUSTOMER [COUNT [WINDOW [AMOUNTS]]]\n", argv[0]);
        return 2;
    }
    spender.product = argv[2];
    spender.customer = argv[3];
    colon = strchr(argv[3], ':');
    if (colon) {
        *colon = '\0';
        spender.spread = strtol(colon + 1, NULL, 10);
    }
    sigaction(SIGTERM, &(struct sigaction){.sa_handler = on_term}, NULL);
    if (creditd_open(&spender.connection, argv[1], 0) < 0)
        return 1;
    creditd_set_timeout(spender.connection, TIMEOUT_MS);
    r = run(&spender, window);
    creditd_close(spender.connection);
    return r;
}
