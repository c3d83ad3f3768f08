/*
 * A load generator for request-response servers on a Unix socket: so many connections, on each so
 * many requests in flight, for so long, from one thread. The same loop loads Redis and creditd; a
 * target knows how a request looks and where an answer ends.
 *
 * What the generator does takes time from the server, on a machine with few processors, so it does
 * as little as it can, for both: requests are prepared beforehand, one for each balance, and
 * answers are only counted.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct load_target {
    /* Appends one request (at most LOAD_REQUEST_MAX bytes) for that balance; answers its length. */
    size_t (*request)(void *userdata, unsigned connection, uint64_t number, unsigned balance,
                      uint8_t *buffer);
    /* How many whole answers `data` begins with, and how many bytes they are; -1: not an answer, or
     * an error was answered. */
    long (*answers)(void *userdata, unsigned connection, const uint8_t *data, size_t length,
                    size_t *ret_used);
    void *userdata;
};

#define LOAD_REQUEST_MAX 1024

/* A request for one balance, but for what is another each time. */
struct prepared {
    size_t length;
    uint8_t bytes[240];
};

struct load {
    const char *socket;
    unsigned clients, pipeline, balances;
    double seconds;
    uint64_t seed;
};

/* Answers a second, or a negative number after a message on standard error. */
double load_run(const struct load *load, const struct load_target *target);

/* NULL: no memory. */
const struct load_target *target_creditd(bool consume, unsigned clients, unsigned balances);
const struct load_target *target_redis(bool consume, unsigned balances);
/* Puts the script, and `balances` balances, into Redis. 0, or -1 after a message. */
int target_redis_prepare(const char *socket, unsigned balances);
