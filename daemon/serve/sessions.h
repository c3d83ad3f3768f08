/*
 * Sessions: a credential's verdict, from memory (verdicts.h) or from creditd-sync, which alone has
 * the secret. One request for a credential, however many wait for its verdict.
 *
 * A credential stands in three places, and each is wiped: in the connection's input, as soon as the
 * request has been taken; in the check below, as soon as its verdict is there; in the message to
 * sync, once that is written. A parked request's copy never has it.
 */
#pragma once

#include "list.h"
#include "request.h"
#include "verdicts.h"
#include <uv.h>

struct serve;

struct sessions {
    struct serve *serve;
    struct verdicts verdicts;
    struct map checks;  /* of credentials, under way → struct session_check * */
    struct list queued; /* those that have not been sent */
    size_t sent;
    uv_timer_t timer;
};

int sessions_init(struct sessions *sessions, struct serve *serve);
void sessions_close(struct sessions *sessions);
void sessions_deinit(struct sessions *sessions);

/* The verdict on the request's session: REQUEST_ANSWERED with request->verdict, or REQUEST_WAIT
 * (request->wait_key; then parked->verdict), or -errno. */
int sessions_verify(struct sessions *sessions, struct request *request);
/* Sends what is queued, where there is a helper. */
void sessions_pump(struct sessions *sessions);
/* The configuration has changed: nothing that was judged before counts. */
void sessions_clear(struct sessions *sessions);
