/*
 * Waiting inside a request without holding the lock: for time to pass, for the client to give up,
 * for a fault to be cleared, and never past the end of the program. Each pause has an eventfd, by
 * which it is woken.
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct pause {
    struct pause *previous, *next;
    int event_fd;
};

struct pauses {
    pthread_mutex_t lock;
    struct pause *first;
    bool stopped;
};

enum pause_result { PAUSE_TIME, PAUSE_WOKEN, PAUSE_CLIENT_GONE, PAUSE_STOPPED };

void pauses_init(struct pauses *pauses);
void pauses_deinit(struct pauses *pauses);
/* Begin, then look at the condition, then wait: a wake-up in between is not lost. */
int pause_begin(struct pauses *pauses, struct pause *pause);
void pause_end(struct pauses *pauses, struct pause *pause);
/* An enum pause_result. fd < 0: no client is watched; timeout_ms < 0: no time. */
int pause_wait(struct pauses *pauses, struct pause *pause, int fd, int64_t timeout_ms);
/* Sleeps; wake-ups do not shorten it, the end of the program does. */
void pauses_sleep(struct pauses *pauses, int64_t ms);
void pauses_wake(struct pauses *pauses);
void pauses_stop(struct pauses *pauses);
