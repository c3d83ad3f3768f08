/*
 * What changes something at StellarTools for a request. A plain write is an errand: it is sent
 * once, and taken back if it could not leave in time, for nothing is queued while StellarTools is
 * away. A create is an intent (core/link.h): once begun it is brought to an end, whoever waits.
 */
#pragma once

#include "errands.h"
#include "request.h"
#include <core/link.h>
#include <stdbool.h>

/* Packs what is asked. */
typedef void (*write_pack_function)(struct request *request, struct errand_params *params);

/* The answer, which is OK; or NULL: the request waits or has been refused, as *ret_result says. */
const struct errand_answer *write_run(struct request *request, const struct errand_order *order,
                                      write_pack_function pack, int *ret_result);

/* What the request waits with, in the order in which a request may go through them. */
enum wait_stage {
    WAIT_OTHER,
    WAIT_OBJECT,
    WAIT_PAYMENT,
    WAIT_HISTORY,
    WAIT_WRITE,
    WAIT_INTENT,
    WAIT_WEBHOOK,
};

/* Whether what ended so may be tried again under the same key. */
typedef bool (*write_again_function)(struct request *request, const struct core_intent *intent);

struct write_order {
    enum core_intent_kind kind;
    struct core_text key;       /* an app's; empty: each request is a new one */
    write_again_function again; /* NULL: never */
    write_pack_function pack;
};

/* Whether write_intent would begin another one: CORE_NOT_FOUND; CORE_OK: it is known by its key;
 * what else there is to be refused with. */
int write_find(struct request *request, const struct write_order *order);
/* Begins an intent, once, and waits for its end: true: *ret_intent is DONE. */
bool write_intent(struct request *request, const struct write_order *order,
                  struct core_intent *ret_intent, int *ret_result);
/* Keeps what creates have made, and attaches it to the requests that wait for their intents; what
 * only says so in its metadata is not told to the engine as such. Before core_exchange_done. */
void write_created(struct serve *serve, const struct exchange *exchange,
                   const struct exchange_answer *answer);
/* The intent's payload, as write_intent packed it, into parameters: how many, and their bytes. */
size_t write_payload_members(const void *payload, size_t length, const void **ret_members,
                             size_t *ret_length);
/* One of those that are text, of an intent that is no customer's; empty where there is none. Valid
 * until the next command. */
struct core_text write_payload_text(const struct serve *serve, const struct core_intent *intent,
                                    const char *name);
