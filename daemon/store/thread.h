/*
 * Threads and their waits: all signals stay with the owner, and waits count CLOCK_MONOTONIC.
 */
#pragma once

#include <pthread.h>
#include <stdint.h>

int thread_start(pthread_t *thread, void *(*run)(void *), void *userdata);
void thread_condition_init(pthread_cond_t *condition);
/* With a negative timeout it waits until woken. */
void thread_wait(pthread_cond_t *condition, pthread_mutex_t *lock, int64_t timeout_ms);
