/*
 * StellarTools' objects, as the ledger has them: customers, lists of subscriptions, access. They
 * are answered from memory or from the store, however old, and refreshed behind the answer when
 * they are due; what was never seen, or is asked for `fresh`, is waited for.
 */
#pragma once

#include "request.h"
#include <core/link.h>
#include <msgpack.h>

struct serve;
struct errand_order;
struct errand_answer;

/* What an object is known by in maps; apart from the hashes of balances. */
struct hash128 objects_key(const struct core *core, enum record_table table,
                           struct core_text customer, struct core_text product);

struct object_view {
    const void *body;
    size_t length;
    int64_t synced_at;
    bool stale;
};

/* The request's customer's object. True: *ret_object is it, for this turn of the loop. False: the
 * request waits or has been refused, as *ret_result says. `at_least`: not older than that. */
bool objects_get(struct request *request, enum record_table table, int64_t at_least,
                 struct object_view *ret_object, int *ret_result);
/* `at_least` of a request: with `fresh` nothing will do until it has been read for it; else 0. */
int64_t objects_at_least(struct request *request);
/* Keeps what an errand has brought, and says in the answer what it reveals. */
void objects_put(struct serve *serve, const struct errand_order *order,
                 struct errand_answer *answer);
/* The same for what an intent of that kind has made. */
void objects_put_created(struct serve *serve, enum core_intent_kind kind, struct core_text customer,
                         const struct exchange_object *object, uint64_t *reveals);
/* Has the row of a table brought in from the store, after CORE_LOAD: what the method is to answer.
 */
int objects_load(struct request *request, enum record_table table, struct core_text key,
                 unsigned stage);

/* Answers with an object's own map, with synced_at and stale beside its members. */
void objects_answer(struct request *request, const void *body, size_t length, int64_t synced_at,
                    bool stale, uint64_t reveals);
/* A write's end that was not OK. */
void objects_refuse(struct request *request, const struct errand_answer *answer);

/* The row of a list that has that id; NULL: none has. */
const msgpack_object *objects_find(const msgpack_object *list, struct core_text id);
