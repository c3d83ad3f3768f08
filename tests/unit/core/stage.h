/*
 * A stage for the engine: records go into a vector, exchanges are answered by the test's script,
 * time is a number. Each helper asserts what a test takes for granted.
 */
#pragma once

#include <core/engine.h>
#include <core/link.h>

#define STAGE_NOW INT64_C(1790000000000)
#define STAGE_UID 1000u
#define STAGE_RECORDS 4096

struct stage {
    struct core *core;
    struct core_options options;
    int64_t now;
    struct {
        uint8_t *bytes;
        size_t size;
        uint64_t place;
    } records[STAGE_RECORDS];
    size_t count;
    int append_error; /* given to appends that may not use the reserve */
    bool full;        /* nothing may be appended: -ENOSPC */
    uint32_t events;  /* all that were told */
    unsigned event_count;
    uint32_t ready[64];
    unsigned ready_count;
    unsigned linked_count, intent_count, passed_count; /* effects told */
    uint64_t counter;
    int64_t server_ahead;                                        /* of upstream's clock */
    bool no_date;                                                /* its answers do not tell it */
    int64_t rate_limit, rate_remaining, rate_reset, retry_after; /* of the next answers; -1 */
};

/* Defaults: no limits, push_interval 1 s, refresh_interval 60 s, in_doubt_delay 120 s, low at 10.
 */
struct core_policy stage_policy(void);
void stage_init(struct stage *stage, const struct core_policy *policy);
void stage_deinit(struct stage *stage);
/* As after kill -9, all records being durable. */
void stage_restart(struct stage *stage);
/* As after kill -9 with only that many records left. */
void stage_restart_with(struct stage *stage, size_t records);
void stage_later(struct stage *stage, int64_t ms);
/* Goes on to where the engine wants to be woken, at most `most` ms. */
void stage_wake(struct stage *stage, int64_t most);

/* --- commands --- */
int stage_consume(struct stage *stage, const char *customer, const char *product, int64_t raw,
                  struct core_consumed *ret_consumed);
int stage_consume_with(struct stage *stage, struct core_consume *command,
                       struct core_consumed *ret_consumed);
struct core_consume stage_command(const char *customer, const char *product, int64_t raw);
/* Makes the balance known: product and balance are read. */
void stage_know(struct stage *stage, const char *customer, const char *product, int64_t units,
                int64_t balance);
struct core_balance stage_balance(struct stage *stage, const char *customer, const char *product);
void stage_spend(struct stage *stage, const char *customer, const char *product, int64_t raw);

/* --- exchanges --- */
struct exchange stage_next(struct stage *stage, enum exchange_kind kind);
void stage_idle(struct stage *stage);
/* Waits (wakes) until there is one. */
struct exchange stage_await(struct stage *stage, enum exchange_kind kind, int64_t most);
struct exchange_answer stage_answer(const struct stage *stage, enum exchange_outcome outcome);
void stage_end(struct stage *stage, const struct exchange *exchange, enum exchange_outcome outcome);
void stage_end_product(struct stage *stage, const struct exchange *exchange, int64_t units);
void stage_end_balance(struct stage *stage, const struct exchange *exchange, int64_t balance,
                       int64_t consumed);
void stage_end_push(struct stage *stage, const struct exchange *exchange, int64_t credits,
                    int64_t balance);
/* Rows: newest first. push_id NULL: from elsewhere. */
struct stage_row {
    const char *id, *push_id;
    int64_t credits, age; /* ms ago, now */
};
void stage_end_history(struct stage *stage, const struct exchange *exchange,
                       const struct stage_row *rows, size_t count, bool has_more);
/* One look at a doubtful push: history, then balance. */
void stage_look(struct stage *stage, int64_t most, const struct stage_row *rows, size_t count,
                int64_t balance, int64_t consumed);
/* A push of `credits` begun and ended so. Returns its exchange. */
struct exchange stage_push(struct stage *stage, enum exchange_outcome outcome);

/* The only open push. */
struct core_push stage_only_push(struct stage *stage);
size_t stage_pushes(struct stage *stage);
/* Ends a list of customers or subscriptions, or a create, with these objects. */
struct stage_object {
    const char *id, *email, *intent;
};
void stage_end_objects(struct stage *stage, const struct exchange *exchange,
                       const struct stage_object *objects, size_t count, const char *cursor);
struct core_text stage_text(const char *data);
unsigned stage_records_of(const struct stage *stage, enum record_type type);
