/*
 * A load generator for request-response servers on a Unix socket: so many connections, on each so
 * many requests in flight, for so long, from one thread. The same loop loads Redis and creditd; a
 * target knows how a request looks and where an answer ends.
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

struct load {
    const char *socket;
    unsigned clients, pipeline, balances;
    double seconds;
    uint64_t seed;
};

/* Answers a second, or a negative number after a message on standard error. */
double load_run(const struct load *load, const struct load_target *target);

const struct load_target *target_creditd(bool consume, unsigned clients);
const struct load_target *target_redis(bool consume);
/* Puts the script, and `balances` balances, into Redis. 0, or -1 after a message. */
int target_redis_prepare(const char *socket, unsigned balances);
