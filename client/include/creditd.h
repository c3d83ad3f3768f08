/* clang-format off */
/* libcreditd: ask creditd, the credits daemon of this machine, who may spend what, and spend it.
 *
 * This header is the manual. In one minute:
 *
 *     struct creditd *connection;
 *     if (creditd_open(&connection, NULL, 0) < 0)
 *         return -1;
 *     struct creditd_consume_request request = {
 *         .who = {.customer_id = "cus_123"}, .product_id = "prod_tokens", .raw_amount = 1500};
 *     struct creditd_consume_result result;
 *     int r = creditd_consume(connection, &request, &result);
 *     if (r == 0)
 *         printf("%lld credits left\n", (long long)result.balance);
 *     else if (r == CREDITD_INSUFFICIENT_CREDITS)
 *         puts("no more credits");
 *     else
 *         fprintf(stderr, "%s\n", creditd_reply_message(creditd_last(connection)));
 *     creditd_close(connection);
 *
 * Mechanism
 * ---------
 * A `struct creditd` is one conversation with the daemon over its Unix socket. It owns no thread
 * and no event loop. Calls are queued and carry a deadline; many may be under way at once; they
 * are sent in the order in which they were made and may be answered in any order. A lost
 * connection is opened again, after delays that grow, and what had not been answered is sent again
 * until it is answered or its deadline has passed. So is what a stopping daemon refuses with
 * "shutting_down".
 *
 * There are two ways to use it, and both may be mixed on one connection:
 *   blocking      creditd_consume(), creditd_balance(), ...: returns with the result. While it
 *                 waits, callbacks of asynchronous calls on the same connection are run.
 *   asynchronous  creditd_consume_async(), ...: returns at once, and the callback gets the reply,
 *                 from within creditd_dispatch(). The application waits with its own loop:
 *                 see creditd_fd(). creditd_uv.h does it for libuv.
 *
 * Spending exactly once
 * ---------------------
 * Sending a consume twice would spend twice, so each carries a stamp that the daemon remembers:
 * the second copy is answered with the first one's result, and `replayed` says so. So does each
 * reserve and each grant. The library draws the stamps; a lost connection or a restart of the
 * daemon needs nothing from you.
 *
 * What is left is a call that ends without an answer: its deadline passed, or you closed the
 * connection. creditd_reply_in_doubt() then says whether it may have been executed, and
 * creditd_reply_stamp() gives its stamp. Ask again with that stamp in the request and the same
 * arguments, from this process or another one of the same user (creditd_stamp_to_text() for
 * keeping it): you get the answer of the first, or it is done now. Never ask again without the
 * stamp: that is a new purchase.
 *
 * An application that has a name of its own for the purchase (an order number) may put it into
 * `idempotency_key` instead; it then takes the stamp's place, and no stamp is drawn.
 *
 * The daemon remembers for 24 hours at least, and of each connection's stamps those of the last
 * 1024 changes at least; the library sees to it that a stamp in doubt stays among them. What it
 * cannot remember it answers with CREDITD_OUTCOME_UNKNOWN: it does not know, and has done nothing
 * now.
 *
 * Threads and processes
 * ---------------------
 * A connection belongs to one thread at a time: hand it over as you would any object, or open one
 * for each thread. The library has no global state, starts no thread, installs no signal handler
 * and raises no SIGPIPE. After fork() parent and child may both go on with their copy: the child
 * notices, forgets the calls that were under way (they are the parent's: no callback is run for
 * them in the child), and uses a connection and stamps of its own. creditd_close() in the child
 * disturbs the parent in no way. The descriptor is close-on-exec.
 *
 * What functions return
 * ---------------------
 * 0 for success; a negative errno for what went wrong on this side or on the way; a positive
 * `enum creditd_code` when the daemon said no. Results (`ret_…`) are written only on success.
 *
 * From the function itself, and then nothing was sent and no callback will run:
 *   -EINVAL       an argument cannot be right: not exactly one identity, an id or key that is none,
 *                 an amount below 1. A mistake in the program.
 *   -EMSGSIZE     the request is larger than the daemon takes.
 *   -EAGAIN       too many calls are under way on this connection (CREDITD_CALLS_MAX).
 *   -ENOMEM       no memory.
 *   -EDEADLK      a blocking call, or creditd_dispatch(), from within a callback.
 *   -ENAMETOOLONG from creditd_open(): no Unix socket can have that path.
 *
 * As the status of a reply (a blocking call returns it). Whether the call may have been done is
 * what creditd_reply_in_doubt() says; if so, ask again only with its stamp, and after a call
 * without a stamp look before you ask again. If it says no, nothing was done: ask again at will.
 *   -ENOTCONN     no daemon listens.
 *   -ETIMEDOUT    the deadline passed.
 *   -ECONNRESET   the connection was lost after sending a call that must not be sent twice
 *                 (CREDITD_REPEAT_NEVER), or any call where CREDITD_NO_WAIT was asked for.
 *   -ECANCELED    creditd_close() ended the call.
 *   -EPROTO       the daemon answered, but not with what belongs there (another version?).
 *   -ENOMEM       there was no memory for sending it, for waiting, or for its answer.
 *
 * Units
 * -----
 * Credits and raw amounts are integers (int64_t). `raw_amount` is in the product's own unit
 * (tokens, requests): the daemon deducts ceil(raw_amount / units_per_credit) credits. Times are
 * milliseconds since 1970, durations milliseconds.
 *
 * Strings are UTF-8 and end with NUL. Requests are read before a function returns: nothing that you
 * pass needs to live longer. Begin each request struct zeroed, as designated initialisers do. While
 * the library's soversion is 0, members may be added to structs, with a new soversion each time.
 */
/* clang-format on */
#ifndef CREDITD_H
#define CREDITD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/* ---- The daemon's refusals ------------------------------------------------------------------- */

/* "Again": whether the same request may succeed later without a change. A refused request has
 * changed nothing, unless it says otherwise here.
 */
enum creditd_code {
    CREDITD_OTHER = 1, /* not known to this version: see creditd_reply_code(). Again: no */

    /* The request itself. Again: no; it is the program or the configuration that must change. */
    CREDITD_INVALID_REQUEST = 2,   /* not a request, or over a limit */
    CREDITD_UNKNOWN_METHOD = 3,    /* the daemon has no such method: it is older than the caller */
    CREDITD_INVALID_PARAMETER = 4, /* data.parameter names it */
    CREDITD_PERMISSION_DENIED = 5, /* [access] does not give this user that role; data.role */
    CREDITD_UNAUTHENTICATED = 6,   /* no valid session: the user must sign in again */

    /* Credits. Again: no, unless said otherwise. */
    /* data.available says what there is. Again: after a purchase. */
    CREDITD_INSUFFICIENT_CREDITS = 10,
    /* StellarTools was not reached for too long, or too much was spent since. Again: yes, later. */
    CREDITD_OFFLINE_LIMIT = 11,
    CREDITD_UNKNOWN_CUSTOMER = 12, /* StellarTools does not know that customer */
    CREDITD_UNKNOWN_PRODUCT = 13,  /* nor that product */
    CREDITD_NOT_FOUND = 14,        /* there is no such object */
    /* StellarTools counts the product's units otherwise. Again: after [products] has been set. */
    CREDITD_PRODUCT_PARKED = 15,

    /* Repeated requests. Again: no, unless said otherwise. */
    CREDITD_KEY_REUSED = 20, /* that key or stamp was used with other arguments: a bug */
    /* A repetition from before what is remembered: not done now, and nobody knows if it was then.
     */
    CREDITD_OUTCOME_UNKNOWN = 21,
    CREDITD_QUOTA_EXCEEDED = 22, /* of this user or customer; data.quota. Again: yes, later */
    CREDITD_CONFLICT = 23,       /* the object is not in a state that allows this */

    /* The daemon and its surroundings. Again: yes, later, unless said otherwise. */
    CREDITD_UPSTREAM_UNAVAILABLE = 30, /* unknown here, and StellarTools was not reached in time */
    CREDITD_SESSION_UNAVAILABLE = 31,  /* the session could not be checked */
    CREDITD_NO_SPACE = 32,      /* the disk is full: nothing is deducted until there is room */
    CREDITD_SHUTTING_DOWN = 33, /* the daemon is stopping and takes no more changes */
    CREDITD_BUSY = 34,          /* too much is under way */
    CREDITD_GAP = 35,           /* records that old are no longer kept. Again: no */
    CREDITD_INTERNAL = 36, /* a fault in creditd. A change may have been done: ask with its stamp */
};

/* The word on the wire, e.g. "insufficient_credits"; for a negative errno a word of the library's
 * own, e.g. "timeout", "no_daemon". Never NULL. */
const char *creditd_code_word(int status);
/* Whether the same request may succeed later without a change. */
bool creditd_code_is_retryable(int status);

/* ---- Connections ----------------------------------------------------------------------------- */

struct creditd;
struct creditd_reply;
struct creditd_value;
struct creditd_map;

/* A call ends with -ENOTCONN as soon as no daemon listens, in place of waiting for one until its
 * deadline. For tools; a service waits. */
#define CREDITD_NO_WAIT 1u

#define CREDITD_TIMEOUT_DEFAULT 10000u /* ms */
#define CREDITD_FOREVER UINT32_MAX     /* as a timeout: no deadline */
#define CREDITD_CALLS_MAX 16384        /* calls under way or waiting, for one connection */
#define CREDITD_ID_SIZE 129            /* an id with its NUL */

/* Makes a connection; nothing is sent yet, and the daemon need not be running. `path` NULL means:
 * the environment's CREDITD_SOCKET; or else the user's own daemon
 * ($XDG_RUNTIME_DIR/creditd/creditd.sock, or for users from uid 1000 on
 * ~/.local/state/creditd/run/creditd.sock, where a daemon is that was started without a session) if
 * its socket is there; or else the machine's, /run/creditd/creditd.sock. It is looked for until a
 * daemon listens, and not again: a connection never changes from one ledger to another. 0, -EINVAL
 * for an unknown flag, -ENAMETOOLONG for a path that no Unix socket can have, -ENOMEM.
 */
int creditd_open(struct creditd **ret_connection, const char *path, unsigned flags);
/* Ends what is under way with -ECANCELED (their callbacks run now), and frees everything. Takes
 * NULL, returns NULL. May be called from a callback: the memory is then freed when
 * creditd_dispatch() returns.
 */
struct creditd *creditd_close(struct creditd *connection);
/* The socket's path; lives as long as the connection. Where none was named, another may be found as
 * long as no daemon has listened. */
const char *creditd_path(const struct creditd *connection);
/* For calls that name no timeout of their own. */
void creditd_set_timeout(struct creditd *connection, uint32_t timeout);
/* Calls that have neither been answered nor ended, and one more for a subscription to events. */
size_t creditd_pending(const struct creditd *connection);
const char *creditd_version(void);

/* ---- Waiting with a loop of your own --------------------------------------------------------- */

/*
 *     for (;;) {
 *         struct pollfd p = {.fd = creditd_fd(c), .events = creditd_wanted(c)};
 *         poll(&p, 1, creditd_timeout(c));
 *         creditd_dispatch(c, p.revents);
 *     }
 *
 * Making a call only queues it: all input, output and connecting is done by creditd_dispatch().
 * After each dispatch, and after each call made outside a callback, ask the three again: the
 * descriptor changes when the connection is opened again, and is -1 while there is none.
 */
int creditd_fd(const struct creditd *connection);
/* POLLIN, POLLOUT, both, or 0. */
short creditd_wanted(const struct creditd *connection);
/* In how many ms creditd_dispatch() wants to be called even if the descriptor is quiet: 0 for now,
 * -1 for never. */
int creditd_timeout(const struct creditd *connection);
/* Does what can be done without waiting, and runs callbacks. `events` is what poll() returned (0
 * when only the time has come). 0, or -EDEADLK from within a callback. Troubles are told to the
 * calls concerned. */
int creditd_dispatch(struct creditd *connection, short events);
/* One round of the loop above, for programs without one: waits at most `timeout` ms (-1: until
 * something happens), and dispatches. 0, -EDEADLK, -EINTR after a signal. */
int creditd_wait(struct creditd *connection, int timeout);
/* For adapters: `changed` is run when a call was queued outside creditd_dispatch(), and just before
 * a descriptor is closed (creditd_fd() is -1 then), so that no loop watches one that is not there.
 * It must make no call on the connection but the three above. One for each connection. */
void creditd_on_change(struct creditd *connection,
                       void (*changed)(struct creditd *connection, void *data), void *data);

/* ---- Replies --------------------------------------------------------------------------------- */

/* How a call ended. In a callback: lives until the callback returns. creditd_last(): how the last
 * blocking call on the connection ended, until the next blocking call; never NULL. Everything that
 * the functions below return lives as long as the reply.
 *
 * Each asynchronous call that returned 0 runs its callback exactly once, from creditd_dispatch(),
 * creditd_wait(), creditd_close() or a blocking call on the same connection, and never from the
 * function that queued it. A callback may make further asynchronous calls and may close the
 * connection.
 */
typedef void (*creditd_callback)(struct creditd *connection, const struct creditd_reply *reply,
                                 void *data);
const struct creditd_reply *creditd_last(const struct creditd *connection);

/* 0, a negative errno, or an enum creditd_code, as above. */
int creditd_reply_status(const struct creditd_reply *reply);
/* The daemon's own word where it answered with an error; else as creditd_code_word(). */
const char *creditd_reply_code(const struct creditd_reply *reply);
/* For people; says what to do where that is known. Never NULL, "" on success. */
const char *creditd_reply_message(const struct creditd_reply *reply);
/* What the error names, e.g. {"available": 3}; NULL where there is nothing. */
const struct creditd_value *creditd_reply_data(const struct creditd_reply *reply);
/* The whole result, with members that the typed readers below do not know; NULL on error. */
const struct creditd_value *creditd_reply_result(const struct creditd_reply *reply);
/* Whether the call ended without an answer after it had been sent: it may have been executed, or
 * not. */
bool creditd_reply_in_doubt(const struct creditd_reply *reply);

/* ---- Stamps ---------------------------------------------------------------------------------- */

/* Opaque; may be copied, compared with memcmp, kept. */
struct creditd_stamp {
    unsigned char bytes[24];
};

#define CREDITD_STAMP_TEXT_SIZE 49 /* 48 hexadecimal digits and NUL */

/* The stamp that a call carried, whether it was answered or not; NULL for calls without one. */
const struct creditd_stamp *creditd_reply_stamp(const struct creditd_reply *reply);
void creditd_stamp_to_text(const struct creditd_stamp *stamp, char text[CREDITD_STAMP_TEXT_SIZE]);
/* 0 or -EINVAL. */
int creditd_stamp_from_text(const char *text, struct creditd_stamp *ret_stamp);

/* ---- Maps: metadata, and parameters of the generic call -------------------------------------- */

/* A map that is built once, from the first key to the last. Mistakes (a key twice open, no memory,
 * text that is not UTF-8) are remembered and told by the call that the map is used in, so that none
 * of these needs to be looked at. A map may be used in any number of calls. `key` is ignored (NULL)
 * inside an array.
 */
struct creditd_map *creditd_map_new(void); /* NULL: no memory */
struct creditd_map *creditd_map_free(struct creditd_map *map);
void creditd_map_text(struct creditd_map *map, const char *key, const char *text); /* NULL: null */
void creditd_map_text_n(struct creditd_map *map, const char *key, const char *text, size_t length);
void creditd_map_bytes(struct creditd_map *map, const char *key, const void *bytes, size_t length);
void creditd_map_int(struct creditd_map *map, const char *key, int64_t value);
void creditd_map_real(struct creditd_map *map, const char *key, double value);
void creditd_map_bool(struct creditd_map *map, const char *key, bool value);
void creditd_map_null(struct creditd_map *map, const char *key);
/* What follows goes into a map, or an array, of its own, until creditd_map_end(). */
void creditd_map_begin_map(struct creditd_map *map, const char *key);
void creditd_map_begin_array(struct creditd_map *map, const char *key);
void creditd_map_end(struct creditd_map *map);
/* 0, -EINVAL (also while something is still open), -ENOMEM, -EMSGSIZE. */
int creditd_map_check(const struct creditd_map *map);

/* ---- Values: what is in a reply -------------------------------------------------------------- */

enum creditd_type {
    CREDITD_TYPE_NULL,
    CREDITD_TYPE_BOOL,
    CREDITD_TYPE_INT,
    CREDITD_TYPE_REAL,
    CREDITD_TYPE_TEXT,
    CREDITD_TYPE_BYTES,
    CREDITD_TYPE_ARRAY,
    CREDITD_TYPE_MAP,
};

/* All take NULL, which is as null: chains of them need one check at the end. */
enum creditd_type creditd_value_type(const struct creditd_value *value);
/* The member of a map; NULL where there is none, or `map` is none. */
const struct creditd_value *creditd_value_get(const struct creditd_value *map, const char *key);
/* Elements of an array, members of a map; 0 for all else. */
size_t creditd_value_count(const struct creditd_value *value);
/* Element of an array, or value of a map's member; NULL past the end. */
const struct creditd_value *creditd_value_at(const struct creditd_value *value, size_t index);
/* The key of a map's member (it is a text); NULL past the end. */
const struct creditd_value *creditd_value_key_at(const struct creditd_value *map, size_t index);
/* `otherwise` where it is of another type. Integers above INT64_MAX are reals. */
int64_t creditd_value_int(const struct creditd_value *value, int64_t otherwise);
double creditd_value_real(const struct creditd_value *value, double otherwise);
bool creditd_value_bool(const struct creditd_value *value, bool otherwise);
/* Text or bytes, NOT terminated by NUL; NULL for another type. */
const char *creditd_value_text(const struct creditd_value *value, size_t *ret_length);
/* The text with a NUL behind it, cut between two characters where it is longer than the buffer.
 * False, and "", where the value is no text. */
bool creditd_value_copy_text(const struct creditd_value *value, char *buffer, size_t size);
/* Whether it is that text: creditd_value_is_text(creditd_value_get(map, "status"), "active"). */
bool creditd_value_is_text(const struct creditd_value *value, const char *text);

/* ---- Any method ------------------------------------------------------------------------------ */

/* What may be done when the connection is lost before the answer. */
enum creditd_repeat {
    CREDITD_REPEAT_NEVER,   /* not sent again: ends with -ECONNRESET */
    CREDITD_REPEAT_SAFE,    /* reads, and changes with an idempotency key: sent again */
    CREDITD_REPEAT_STAMPED, /* the library adds a stamp: sent again with it */
};

struct creditd_call_options {
    uint32_t timeout; /* ms; 0: the connection's */
    enum creditd_repeat repeat;
    const struct creditd_stamp *stamp; /* with REPEAT_STAMPED: this one, not a new one */
};

/* `params` and `options` may be NULL. The blocking form returns the reply's status; see
 * creditd_last(). */
int creditd_call(struct creditd *connection, const char *method, const struct creditd_map *params,
                 const struct creditd_call_options *options);
int creditd_call_async(struct creditd *connection, const char *method,
                       const struct creditd_map *params, const struct creditd_call_options *options,
                       creditd_callback callback, void *data);

/* ---- Whose ----------------------------------------------------------------------------------- */

#define CREDITD_SESSION_MAX (16u * 1024) /* bytes of a session */

/* Exactly one. A session reaches what is its own user's, and nothing else; user_id and customer_id
 * are for peers that [access] trusts.
 */
struct creditd_who {
    const char *session; /* the whole Cookie header of a Better Auth request, or a session token */
    const char *user_id;
    const char *customer_id;
};

/* ---- Objects of StellarTools ----------------------------------------------------------------- */

/* A customer, a subscription, a refund: whole, with the fields that no one here knows. Read it with
 * the creditd_value functions: creditd_value_get(object.value, "email"). It is yours until
 * creditd_object_clear(), whatever becomes of the connection.
 */
struct creditd_object {
    char id[CREDITD_ID_SIZE];          /* its "id"; "": it has none */
    const struct creditd_value *value; /* a map */
    int64_t synced_at;                 /* when StellarTools was asked; -1: not said */
    bool stale;                        /* that is longer ago than it should be */
    void *owner;
};

/* Many of them: creditd_value_at(list.data, i) for i below list.count. */
struct creditd_list {
    const struct creditd_value *data; /* an array */
    size_t count;
    int64_t synced_at;
    bool has_more, stale;
    void *owner;
};

/* Both read any reply whose result is a map, or a list, as the readers below do; also those of
 * creditd_call(). */
int creditd_read_object(const struct creditd_reply *reply, struct creditd_object *ret_object);
int creditd_read_list(const struct creditd_reply *reply, struct creditd_list *ret_list);
/* Free what was read; take NULL and zeroed ones. */
void creditd_object_clear(struct creditd_object *object);
void creditd_list_clear(struct creditd_list *list);

/* ---- The methods ----------------------------------------------------------------------------- */

/* A header for each topic. Each method comes as three functions: creditd_X() blocks and gives the
 * result; creditd_X_async() queues; creditd_read_X() reads the result in the callback, and returns
 * the reply's status, or -EPROTO where the result is not of that shape (-ENOMEM for one that has a
 * creditd_..._clear()). Where several methods answer alike, one reader serves them all.
 *
 * `timeout` 0 is the connection's. Strings that are NULL, numbers that are 0 and flags that are
 * false are left out. Results are plain values of yours, unless there is a creditd_..._clear().
 *
 * What a lost connection means is said with each request: "sent again" is done for you until the
 * deadline; "sent once" ends with -ECONNRESET where it may have been done: look before you ask
 * again.
 */
#include <creditd/credits.h>
#include <creditd/customers.h>
#include <creditd/events.h>
#include <creditd/operate.h>
#include <creditd/payments.h>
#include <creditd/reservations.h>
#include <creditd/subscriptions.h>

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif
