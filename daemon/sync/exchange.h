/*
 * The exchanges that sync can do, as a table: what a request from serve is called, which parameters
 * it takes, how the HTTP request is built from them and how the answer is read. Pure: bytes in,
 * bytes out. A new exchange is a row in exchange.c, a builder in request.c and a reader beside
 * read_*.c.
 */
#pragma once

#include <jansson.h>
#include <msgpack.h>
#include <proto/limits.h>
#include <proto/upstream.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The parameters of all exchanges, decoded and checked; which ones count follows from the kind. */
struct exchange_args {
    char customer_id[PROTO_ID_MAX + 1];
    char product_id[PROTO_ID_MAX + 1];
    char push_id[PROTO_ID_MAX + 1];
    char idempotency_key[PROTO_KEY_MAX + 1];
    char type[PROTO_ID_MAX + 1];
    char reason[PROTO_TEXT_MAX + 1]; /* empty: none */
    int64_t amount, limit, offset;
    int64_t timeout; /* ms; 0: the configuration's */
};

/* What goes over HTTP. A request with a body is a POST: a write. */
struct request {
    char *url;
    char *body;                  /* NULL for a GET */
    const char *idempotency_key; /* the args' own, or NULL */
};

enum read_result {
    READ_NULL = 1,       /* the answer says null: there is no such thing */
    READ_UNREADABLE = 2, /* *ret_reason says what is wrong, without quoting the answer */
};

struct exchange_kind {
    const char *method; /* upstream.… */
    const char *member; /* of the answer map, when outcome is "ok" */
    unsigned needed, known;
    enum upstream_outcome null_outcome; /* what an answer of null means */
    int (*build)(const struct exchange_args *args, const char *base_url,
                 struct request *ret_request);
    /* Packs the member's map. 0, -ENOMEM or an enum read_result; what was packed before a failure
     * is the caller's to drop. */
    int (*read)(const struct exchange_args *args, const json_t *root, msgpack_sbuffer *member,
                const char **ret_reason);
};

/* NULL where there is none of that name. */
const struct exchange_kind *exchange_find(const char *method, size_t length);
/* 0, or -EBADMSG with *ret_parameter naming the culprit. Unknown keys are ignored. */
int exchange_decode(const struct exchange_kind *kind, const msgpack_object *params,
                    struct exchange_args *ret_args, const char **ret_parameter);
void request_deinit(struct request *request);
/* For readers: notes the reason (a literal) and returns READ_UNREADABLE. */
int read_unreadable(const char **ret_reason, const char *reason);

/* The builders (request.c) and readers (read_*.c) of the table. */
int build_product(const struct exchange_args *args, const char *base_url, struct request *ret);
int build_balance(const struct exchange_args *args, const char *base_url, struct request *ret);
int build_transaction(const struct exchange_args *args, const char *base_url, struct request *ret);
int build_history(const struct exchange_args *args, const char *base_url, struct request *ret);
int read_product(const struct exchange_args *args, const json_t *root, msgpack_sbuffer *member,
                 const char **ret_reason);
int read_balance(const struct exchange_args *args, const json_t *root, msgpack_sbuffer *member,
                 const char **ret_reason);
int read_transaction(const struct exchange_args *args, const json_t *root, msgpack_sbuffer *member,
                     const char **ret_reason);
int read_history(const struct exchange_args *args, const json_t *root, msgpack_sbuffer *member,
                 const char **ret_reason);
