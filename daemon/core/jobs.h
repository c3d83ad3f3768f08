/*
 * Jobs: what needs turns besides balances. Errands, searches for a user's customer, and creates.
 */
#pragma once

#include "heap.h"
#include <core/engine.h>

struct core;
struct intent;

/* Whose turn: P6's order. */
enum turn { TURN_DOUBT, TURN_COLD, TURN_PUSH, TURN_REFRESH, TURN_COUNT, TURN_NONE = TURN_COUNT };

enum job_kind { JOB_ERRAND, JOB_SEARCH, JOB_INTENT };

/* Embedded first in each. */
struct job {
    enum job_kind kind;
    bool is_write;
    enum turn queued; /* TURN_NONE: not ready */
    struct job *next, *previous;
    struct heap_node by_time;
    uint64_t exchange; /* under way; 0: none */
    enum exchange_kind exchange_kind;
};

struct job_queue {
    struct job *first, *last;
};

/* --- job.c --- */
/* Room in the heap for one more job; before the job is made. */
int job_init(struct core *core, struct job *job, enum job_kind kind);
void job_deinit(struct core *core, struct job *job);
/* It may have a turn now, or not before that time. */
void job_ready(struct core *core, struct job *job, enum turn turn, bool is_write);
void job_at(struct core *core, struct job *job, int64_t due);
/* Who could go next in that class, if the class's reads or writes may; NULL: nobody. */
struct job *job_first(const struct core *core, enum turn turn, bool reads, bool writes);
void jobs_fire(struct core *core, int64_t now);
int job_begin(struct core *core, struct job *job, int64_t now, struct exchange *exchange);
int job_done(struct core *core, struct job *job, const struct exchange_answer *answer, int64_t now);
void jobs_deinit(struct core *core);

/* --- errand.c, search.c, intent.c --- */
void errand_describe(const struct core *core, struct job *job, struct exchange *exchange);
void errand_done(struct core *core, struct job *job);
void errands_deinit(struct core *core);
void search_fire(struct core *core, struct job *job, int64_t now);
int search_begin(struct core *core, struct job *job, int64_t now, struct exchange *exchange);
int search_done(struct core *core, struct job *job, const struct exchange_answer *answer,
                int64_t now);
void search_intent_ended(struct core *core, struct core_text user_id, int status,
                         const char *message, int64_t now);
int search_resume(struct core *core, struct core_text user_id, struct core_text payload,
                  int64_t now);
void searches_deinit(struct core *core);
struct hash128 user_hash(const struct core *core, struct core_text user_id);
void intent_fire(struct core *core, struct job *job, int64_t now);
int intent_begin_exchange(struct core *core, struct job *job, int64_t now,
                          struct exchange *exchange);
int intent_done(struct core *core, struct job *job, const struct exchange_answer *answer,
                int64_t now);
int intent_load(struct core *core, const void *key, size_t key_length, const void *value,
                size_t value_length);
int intents_start(struct core *core, int64_t now);
void intents_deinit(struct core *core);
/* A customer's create, or the wish for one: what is open for that user, or NULL. */
struct intent *intent_of_user(const struct core *core, struct core_text user_id);
int intent_of_customer(struct core *core, struct core_text user_id, struct core_text payload,
                       bool send, uint32_t uid, int64_t now, uint64_t *ret_sequence);
/* The wish has been met, or cannot be. */
int intent_drop(struct core *core, struct intent *intent, int64_t now);
/* An operator was quicker: what has not left need not. */
void intent_user_linked(struct core *core, struct core_text user_id, int64_t now);
bool intent_is_wish(const struct intent *intent);
uint64_t intent_reveals(const struct intent *intent);
/* Of an intent's job: no answer to it is a first one. */
bool intent_is_resent(const struct job *job);
