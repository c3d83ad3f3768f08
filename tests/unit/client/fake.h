/*
 * The outside, owned by a test: a daemon in memory, byte by byte, two clocks, a process id and a
 * sequence for randomness. Give it to engine_open() with fake_io and the fake as its context.
 */
#pragma once

#include "engine.h"
#include <proto/message.h>

#define FAKE_REQUESTS 8192

struct fake_request {
    int connection; /* from 1 on */
    uint32_t msgid;
    char method[64], key[64];
    int64_t raw_amount;
    int64_t after, sequence; /* -1: not there */
    size_t types;
    char subscriber[64], type[64]; /* "": not there; the first type */
    bool has_stamp;
    struct creditd_stamp stamp;
};

struct fake {
    uint64_t now, wall;
    long process;
    uint64_t random_state;
    int random_error, connect_error, wait_error; /* negative errno; 0: it works */
    int connections, closes;
    int fd;                         /* of the current connection, -1 */
    msgpack_sbuffer sent, answers;  /* of the current connection */
    size_t parsed, read;            /* how far into them */
    bool is_ended;                  /* after the answers comes the end */
    int read_error;                 /* after the answers comes this */
    size_t read_chunk, write_chunk; /* at most so many bytes at once; 0: any number */
    int64_t write_room;             /* then -EAGAIN; -1: no bound */
    struct fake_request requests[FAKE_REQUESTS];
    size_t count;
    void (*on_wait)(struct fake *fake); /* a blocking call waits */
};

extern const struct client_io fake_io;

void fake_init(struct fake *fake);
void fake_deinit(struct fake *fake);
/* One turn of the client, with the events that the fake has for it. */
void fake_turn(struct fake *fake, struct creditd *c);
/* Parses what the client has sent into `requests`; asserts that it is well-formed. */
void fake_take(struct fake *fake);
void fake_answer_bytes(struct fake *fake, const void *bytes, size_t length);
void fake_answer_consume(struct fake *fake, const struct fake_request *request, int64_t balance,
                         bool is_replayed);
void fake_answer_nil(struct fake *fake, const struct fake_request *request);
void fake_answer_error(struct fake *fake, const struct fake_request *request,
                       enum proto_error error, const char *key, const char *value);
void fake_answer_subscribed(struct fake *fake, const struct fake_request *request, int64_t after,
                            int64_t last);
void fake_answer_gap(struct fake *fake, const struct fake_request *request, int64_t oldest);
void fake_answer_acked(struct fake *fake, const struct fake_request *request);
/* An event of a customer cus_NUMBER. */
void fake_event(struct fake *fake, int64_t sequence, const char *type);
