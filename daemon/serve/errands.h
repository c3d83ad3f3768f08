/*
 * Errands: single exchanges with StellarTools for requests of clients. The engine gives them their
 * turn (core/link.h); what is asked, and what becomes of the answer, is known here. An answer that
 * is an object is put into the ledger; then whoever waits for the errand is tried again, with the
 * answer at hand. Nobody needs to wait: that is a refresh behind an answer.
 */
#pragma once

#include "request.h"
#include <core/exchange.h>
#include <core/link.h>
#include <msgpack.h>
#include <util/map.h>

struct serve;

/* Refcounted: as many wait for one as there are. */
struct errand_answer {
    unsigned refs;
    enum exchange_outcome outcome;
    uint64_t reveals; /* must be durable before it is told */
    char message[200];
    size_t length;
    uint8_t body[]; /* the object, encoded; an array of all pages' rows for a list */
};

struct errand_answer *errand_answer_unref(struct errand_answer *answer);

/* What is asked, packed as members of a map: errand_params_… */
struct errand_params {
    msgpack_sbuffer members;
    msgpack_packer packer;
    size_t count;
};

void errand_params_init(struct errand_params *params);
void errand_params_deinit(struct errand_params *params);
/* An empty text is left out. */
void errand_param_text(struct errand_params *params, const char *key, struct core_text text);
void errand_param_int(struct errand_params *params, const char *key, int64_t value);
void errand_param_bool(struct errand_params *params, const char *key, bool value);
void errand_param_object(struct errand_params *params, const char *key,
                         const msgpack_object *value);
/* The request's own parameter of that name, if it is there. */
void errand_param_given(struct errand_params *params, const struct request *request,
                        enum proto_parameter parameter);

struct errand_order {
    const char *method;
    const char *member; /* of the answer: where the object is */
    bool is_write, is_list;
    bool overtaken;            /* a list, of which single ones came in since it was begun */
    enum record_table table;   /* where the object goes; TABLE_COUNT_: nowhere */
    struct core_text customer; /* whose it is: its key, with the product's for ACCESS */
    struct core_text product;
    uint32_t uid;
};

struct errands {
    struct serve *serve;
    struct map by_number; /* of the engine → struct errand * */
    struct map by_object; /* refreshes under way, by what they refresh → the same */
    uint64_t last;
};

void serve_errands_init(struct errands *errands, struct serve *serve);
void serve_errands_deinit(struct errands *errands);
/* Begins one; *ret_key is what to wait for. Takes the parameters over, also when it fails. CORE_OK,
 * CORE_QUOTA_TURNS or -errno. */
int errands_begin(struct errands *errands, const struct errand_order *order,
                  struct errand_params *params, struct hash128 *ret_key);
/* The same for reading the object of a table; joins the one that is under way. */
int errands_refresh(struct errands *errands, enum record_table table, struct core_text customer,
                    struct core_text product, uint32_t uid, struct hash128 *ret_key);
/* What a reading of that object brings may be older, by now, than what is there. */
void errands_overtake(struct errands *errands, enum record_table table, struct core_text customer);
/* A write that nobody waits for any more: true if it has been taken back before it left. */
bool errands_cancel(struct errands *errands, struct hash128 key);

struct upstream_common;
/* For the helper: method and parameters of an errand; NULL: there is none of that number. */
const char *errands_method(const struct errands *errands, uint64_t number);
void errands_pack(const struct errands *errands, uint64_t number, msgpack_packer *packer,
                  const struct upstream_common *common);
/* How it ended: `details` is the answer's map, NULL where there was none. After
 * core_exchange_done. */
void errands_done(struct errands *errands, uint64_t number, const struct exchange_answer *answer,
                  const msgpack_object *details);

/* Gives an answer to all who wait for `key`, for when they wake. */
void errand_attach(struct serve *serve, struct hash128 key, struct errand_answer *answer);
/* Gives an answer to all who wait for `key`, and wakes them. NULL: no memory for one. */
void errand_tell(struct serve *serve, struct hash128 key, struct errand_answer *answer);
struct errand_answer *errand_answer_new(enum exchange_outcome outcome, const char *message,
                                        const void *body, size_t length);
/* The answer to what a request waited for in that stage; NULL: it has not waited. */
const struct errand_answer *request_errand_answer(const struct request *request, unsigned stage);
