/*
 * One request, from its bytes to its answer. It is decoded, authorized, given to its method, and
 * then answered, or parked (waiting.h) until what it waits for is there; a parked request is
 * decoded and applied anew from a copy of its bytes, so that everything is decided when it is
 * applied (K1).
 */
#pragma once

#include <core/engine.h>
#include <ipc/access.h>
#include <msgpack.h>
#include <proto/message.h>
#include <proto/methods.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <util/hash.h>

struct serve;
struct connection;
struct parked;
struct verdict;

struct request {
    struct serve *serve;
    struct connection *connection;
    uint32_t msgid;
    const struct message *message;
    enum proto_method method;
    struct proto_params params;
    struct identity identity;
    struct verdict *verdict; /* on the session; NULL: there is none, or not yet */
    uint64_t reveals;        /* the answer shows as much at least */
    struct parked *parked;   /* NULL at the first try */
    /* What a method that must wait says of it. */
    uint32_t wait_slot;
    bool wait_fresh;
    uint64_t wait_readings;
    struct hash128 wait_key;
    unsigned wait_stage;      /* enum wait_stage */
    uint64_t wait_intent;     /* that has been begun for it; 0: none */
    struct refusal wait_late; /* what is told when it does not come in time */
};

/* What a method has done. */
enum request_result {
    REQUEST_ANSWERED = 0, /* … or has seen to it that an answer comes */
    REQUEST_LOAD,         /* the balance must be brought in from the store first */
    REQUEST_COLD,         /* wait_slot must be read first */
    REQUEST_ROOM,         /* the ledger takes no more for a moment: again when it has got on */
    REQUEST_WAIT,         /* something else, known by wait_key, must happen first */
};

typedef int (*request_function)(struct request *request);

/* Takes one request of a connection. */
void request_receive(struct connection *connection, const struct message *message);
/* Tries a parked request again; it is answered or parked anew, and `parked` may be gone then. */
void request_resume(struct serve *serve, struct parked *parked);

/* Whether this is the last try: what it waited for has not come in time. */
bool request_is_late(const struct request *request);

struct core_text request_customer(const struct request *request);
struct core_text request_product(const struct request *request);

/* --- answers: each request gets exactly one --- */

/* Begins a result that is a map of `members`; the packer is valid until request_reply. */
msgpack_packer *request_result(struct request *request, size_t members);
/* Sends the result once every record up to `reveals` is durable (J3). */
void request_reply(struct request *request, uint64_t reveals);
/* Has the answer wait for all that was appended so far: where it tells of a record, but not of
 * which. It costs nothing while all of that is durable. */
void request_tells_all(struct request *request);
/* Errors. data_key may be NULL: no data. The first goes out at once: it must tell of no record. */
void request_refuse(struct request *request, enum proto_error error, const char *text,
                    const char *data_key, const char *data_value);
void request_refuse_int(struct request *request, enum proto_error error, const char *text,
                        const char *data_key, int64_t data_value, uint64_t reveals);
/* Events that are no longer kept were asked for; the oldest that is. */
void request_refuse_gap(struct request *request, uint64_t oldest);
/* The answers that core's statuses, other than CORE_OK, LOAD and COLD, and -errno have in common.
 * Those that tell of records wait for what was appended so far (J3). */
void request_refuse_status(struct request *request, int status);
