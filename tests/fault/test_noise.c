/*
 * Any bytes on the socket: an error or a closed connection, never a crash, and no hitch for an
 * application that is served meanwhile.
 */
#include "house.h"
#include <criterion/criterion.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static struct house house;

static void teardown(void)
{
    house_deinit(&house);
}

TestSuite(noise, .fini = teardown, .timeout = 500);

/* A request that serve takes, as bytes: what the noise is made of when it is near to sense. */
static const uint8_t sense[] = {
    0x94, 0x00, 0x01, 0xaf, 'c',  'r',  'e',  'd', 'i', 't',  's', '.', 'c', 'o',  'n',
    's',  'u',  'm',  'e',  0x91, 0x83, 0xab, 'c', 'u', 's',  't', 'o', 'm', 'e',  'r',
    '_',  'i',  'd',  0xa5, 'c',  'u',  's',  '_', '0', 0xaa, 'p', 'r', 'o', 'd',  'u',
    'c',  't',  '_',  'i',  'd',  0xab, 'p',  'r', 'o', 'd',  '_', 't', 'o', 'k',  'e',
    'n',  's',  0xaa, 'r',  'a',  'w',  '_',  'a', 'm', 'o',  'u', 'n', 't', 0x01,
};

/* Noise from the first byte on, or a few requests with some bytes changed, or cut short. */
static size_t make_noise(uint64_t *random, uint8_t *bytes, size_t size)
{
    size_t length = 1 + (size_t)random_below(random, (int)size), changes;

    switch (random_below(random, 3)) {
    case 0:
        for (size_t i = 0; i < length; i++)
            bytes[i] = (uint8_t)random_next(random);
        return length;
    case 1:
        length = 0;
        break;
    default:
        length = 1 + (size_t)random_below(random, (int)sizeof(sense));
        memcpy(bytes, sense, length);
        return length;
    }
    for (int i = 1 + random_below(random, 8); i > 0; i--) {
        memcpy(bytes + length, sense, sizeof(sense));
        length += sizeof(sense);
    }
    changes = 1 + (size_t)random_below(random, 6);
    for (size_t i = 0; i < changes; i++)
        bytes[random_below(random, (int)length)] = (uint8_t)random_next(random);
    return length;
}

/* Takes what is answered for a moment, or leaves at once. */
static void listen_for_a_moment(int fd, uint64_t *random)
{
    uint8_t answer[4096];
    struct pollfd poller = {.fd = fd, .events = POLLIN};

    if (random_below(random, 3) == 0)
        return;
    if (random_below(random, 2) == 0)
        shutdown(fd, SHUT_WR);
    while (poll(&poller, 1, 5) > 0 && recv(fd, answer, sizeof(answer), MSG_DONTWAIT) > 0)
        ;
}

static void make_one(uint64_t *random)
{
    uint8_t bytes[1024];
    struct harness_connection connection;
    size_t length = make_noise(random, bytes, sizeof(bytes)), sent = 0;

    harness_connect(&connection, house.socket);
    while (sent < length) { /* in pieces, until it hangs up */
        size_t piece = 1 + (size_t)random_below(random, (int)(length - sent));
        ssize_t count = send(connection.fd, bytes + sent, piece, MSG_NOSIGNAL);

        if (count < 0) {
            cr_assert(errno == EPIPE || errno == ECONNRESET, "%s", strerror(errno));
            break;
        }
        sent += (size_t)count;
    }
    listen_for_a_moment(connection.fd, random);
    harness_connection_deinit(&connection);
}

Test(noise, others_are_served_without_a_hitch)
{
    uint64_t random = random_seed();
    int count = scaled(3000, 300);
    struct spender spender;
    pid_t serve;

    house_start(&house, 1, 1000000000LL, "push_interval = 100ms\n");
    serve = house_role(&house, "creditd-serve", 0);
    spender_start(&spender, &house, "cus_0", 0, 1, 1);
    for (int i = 0; i < count; i++)
        make_one(&random);
    spender_stop(&spender);
    spender_wait(&spender);
    tell("%d connections full of noise; meanwhile %lld deductions, the longest wait was %lld ms",
         count, spender.acknowledged, spender.longest_ms);
    cr_assert_eq(house_role(&house, "creditd-serve", 0), serve, "it is still the same process");
    cr_assert_eq(spender.replayed, 0, "and never lost a connection");
    cr_assert_lt(spender.longest_ms, 30000);
    house_wait_status(&house, "connections", 1); /* the one that asks */
    house_deinit(&house); /* status 0: under sanitizers that is no leak too */
}
