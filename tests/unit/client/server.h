/*
 * A small daemon on a real Unix socket, in a thread of the test: one ledger in memory, one balance
 * for everybody. Enough for the blocking API, the examples and creditctl.
 */
#pragma once

#include <creditd.h>
#include <msgpack.h>
#include <proto/frame.h>
#include <proto/methods.h>
#include <pthread.h>
#include <stdint.h>

struct server_peer {
    int fd;
    msgpack_sbuffer input;
    struct frame_scanner scanner;
};

struct server {
    char directory[64], path[108];
    int listener, stop[2];
    pthread_t thread;
    pthread_mutex_t lock; /* over what follows */
    int64_t balance;
    size_t stamps, connections;
    struct {
        char key[80];
        int64_t amount;
    } seen[4096];
    struct server_peer peers[64]; /* the thread's own */
    int mute;                     /* so many changes are done and not answered */
    int hang_ups; /* so many changes are done, and the connection is closed before the answer */
    int64_t events, events_gone;       /* how many have come about, and are kept no longer */
    int64_t place;                     /* that was acknowledged */
    bool is_unknown;                   /* nothing was ever granted or spent */
    int cuts;                          /* so many streams are cut off after two events */
    size_t asked[PROTO_METHOD_COUNT_]; /* how often each method was asked for */
    struct proto_params last;          /* of the last request; texts are not there any more */
};

void server_start(struct server *server, int64_t balance);
void server_stop(struct server *server);
int64_t server_balance(struct server *server);
