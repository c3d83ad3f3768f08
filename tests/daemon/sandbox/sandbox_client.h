/*
 * creditd-sandbox as tests use it: started on a port of the kernel's choice, spoken to over HTTP.
 * All of it asserts on what must not fail. Calls may be made from several threads at once.
 */
#pragma once

#include <curl/curl.h>
#include <jansson.h>
#include <stdbool.h>
#include <sys/types.h>

struct sandbox_process {
    pid_t pid; /* 0: not running */
    char url[64];
};

/* `arguments` beside --listen: NULL-terminated, or NULL. Returns when it listens. */
void sandbox_process_start(struct sandbox_process *process, const char *const *arguments);
/* SIGTERM: its exit status, which is 0, or -1 where a signal ended it. */
int sandbox_process_stop(struct sandbox_process *process);
/* Kills and reaps if it is running: CLEANUP(sandbox_process_deinit). */
void sandbox_process_deinit(struct sandbox_process *process);

struct sandbox_call {
    const char *method; /* NULL: POST where there is a body, else GET */
    const char *path;
    const char *body;    /* JSON, or NULL */
    const char *key;     /* Idempotency-Key, or NULL */
    const char *version; /* StellarTools-Version, or NULL */
    const char *api_key; /* NULL: sk_test_1; "" for none */
    long timeout_ms;     /* 0: 60 s */
};

struct sandbox_answer {
    CURLcode code; /* CURLE_OK, or the rest is empty */
    long status;
    char *headers, *body;
    size_t length;
    json_t *json; /* NULL where the body is none */
};

void sandbox_call(const struct sandbox_process *process, const struct sandbox_call *call,
                  struct sandbox_answer *ret_answer);
void sandbox_answer_deinit(struct sandbox_answer *answer);
/* The value of a header in lower or upper case, or NULL. The caller frees it. */
char *sandbox_answer_header(const struct sandbox_answer *answer, const char *name);
/* Whether the connection was dropped without an answer. */
bool sandbox_answer_dropped(const struct sandbox_answer *answer);

/* A control endpoint, by POST where there is a body; a new reference to what it answers. */
json_t *sandbox_control(const struct sandbox_process *process, const char *path, const char *body);
/* Orders faults: a JSON object. */
void sandbox_order(const struct sandbox_process *process, const char *faults);
/* Credits granted elsewhere, or spent elsewhere where they are negative. */
void sandbox_grant(const struct sandbox_process *process, const char *customer_id,
                   const char *product_id, long long credits, bool record);
/* A new reference. */
json_t *sandbox_dump(const struct sandbox_process *process, bool transactions);
/* Figures of the dump; 0 for a count that is not there, -1 for a balance that does not exist.
 * Order a latency before judging by max_concurrent_writes…: without one, writes are too short to
 * meet. */
long long sandbox_balance(const struct sandbox_process *process, const char *customer_id,
                          const char *product_id);
long long sandbox_transaction_count(const struct sandbox_process *process);
/* How many there are of "customers", "subscriptions", "payments", "refunds" or "balances". */
long long sandbox_object_count(const struct sandbox_process *process, const char *list);
long long sandbox_request_count(const struct sandbox_process *process, const char *group,
                                const char *name);
