/*
 * Any bytes on the socket: an error or a closed connection, never a crash, and never a wait for
 * others. Random bytes, and good requests that were bent; the seed is printed and can be given.
 */
#include "fixture.h"
#include <criterion/criterion.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define ROUNDS 400

static struct fixture fixture;

static void teardown(void)
{
    fixture_deinit(&fixture);
}

TestSuite(bytes, .fini = teardown, .timeout = 500);

static unsigned seed_now(void)
{
    const char *given = getenv("CREDITD_SEED");
    unsigned seed = given != NULL ? (unsigned)strtoul(given, NULL, 10) : (unsigned)time(NULL);

    printf("# CREDITD_SEED=%u\n", seed);
    fflush(stdout);
    return seed;
}

static size_t good_request(uint8_t *bytes)
{
    static const char consume[] = "\x94\x00\x07\xaf"
                                  "credits.consume\x91\x84\xab"
                                  "customer_id"
                                  "\xa5"
                                  "cus_1\xaa"
                                  "product_id\xa6"
                                  "prod_1\xaa"
                                  "raw_amount\x0a"
                                  "\xa8"
                                  "metadata\x81\xa1k\x93\x01\xc0\xcb\x3f\xf0\0\0\0\0\0\0";

    memcpy(bytes, consume, sizeof(consume) - 1);
    return sizeof(consume) - 1;
}

/* Bytes flipped, cut, repeated or all random. */
static size_t bend(uint8_t *bytes, size_t size)
{
    size_t length = 0;

    if (rand() % 4 == 0) {
        length = (size_t)rand() % size;
        for (size_t i = 0; i < length; i++)
            bytes[i] = (uint8_t)rand();
        return length;
    }
    for (int i = rand() % 4; i >= 0; i--)
        length += good_request(bytes + length);
    for (int i = rand() % 6; i > 0; i--)
        bytes[(size_t)rand() % length] = (uint8_t)rand();
    return rand() % 3 == 0 ? (size_t)rand() % length : length;
}

/* Sends in pieces; that it is closed meanwhile is as good an answer as any. */
static void send_pieces(int fd, const uint8_t *bytes, size_t length)
{
    while (length > 0) {
        size_t piece = 1 + (size_t)rand() % length;
        ssize_t sent = send(fd, bytes, piece, MSG_NOSIGNAL);

        if (sent < 0)
            return;
        bytes += sent;
        length -= (size_t)sent;
    }
}

FIXTURE_TEST(bytes, any_bytes_are_survived, &fixture, NULL)
{
    uint8_t bytes[2048], answer[4096];

    srand(seed_now());
    for (int round = 0; round < ROUNDS; round++) {
        struct harness_connection connection;
        size_t length = bend(bytes, sizeof(bytes));

        fixture_connect(&fixture, &connection);
        send_pieces(connection.fd, bytes, length);
        if (rand() % 2 == 0) {
            shutdown(connection.fd, SHUT_WR);
            while (recv(connection.fd, answer, sizeof(answer), 0) > 0)
                ; /* an end comes, whatever was sent */
        }
        harness_connection_deinit(&connection);
        if (round % 16 == 0)
            json_decref(harness_call(&fixture.client, "ping", "{}"));
    }
    fixture_wait_status(&fixture, "connections", 1);
}

/* Half a message, for ever, from many: nobody else notices. */
FIXTURE_TEST(bytes, unfinished_messages_block_nobody, &fixture, NULL)
{
    struct harness_connection halves[50];
    uint8_t bytes[256];
    size_t length = good_request(bytes);

    for (size_t i = 0; i < 50; i++) {
        fixture_connect(&fixture, &halves[i]);
        harness_send_bytes(&halves[i], bytes, 1 + i % (length - 1));
    }
    for (int i = 0; i < 50; i++)
        json_decref(harness_call(&fixture.client, "credits.consume", "{s:s, s:s, s:i}",
                                 "customer_id", "cus_1", "product_id", "prod_1", "raw_amount", 10));
    for (size_t i = 0; i < 50; i++)
        harness_connection_deinit(&halves[i]);
    fixture_wait_status(&fixture, "connections", 1);
}

/* What claims to be sync is believed in nothing. */
FIXTURE_TEST(bytes, any_bytes_from_a_helper_are_survived, &fixture, NULL)
{
    uint8_t bytes[2048];

    srand(seed_now());
    fake_sync_stop(&fixture.sync);
    for (int round = 0; round < 50; round++) {
        struct harness_connection connection;

        harness_connect(&connection, fixture.sync_path);
        send_pieces(connection.fd, bytes, bend(bytes, sizeof(bytes)));
        harness_connection_deinit(&connection);
        json_decref(harness_call(&fixture.client, "ping", "{}"));
    }
    fake_sync_start(&fixture.sync, fixture.sync_path);
    json_decref(harness_call(&fixture.client, "credits.consume", "{s:s, s:s, s:i}", "customer_id",
                             "cus_1", "product_id", "prod_1", "raw_amount", 10));
}
