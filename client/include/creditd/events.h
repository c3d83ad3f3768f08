/* Events: what comes about, told as it does. Part of creditd.h, which says how calls work.
 *
 *     static int on_low(struct creditd *c, const struct creditd_event *event, void *data)
 *     {
 *         return mail_customer(event->customer_id) ? 0 : -1;
 *     }
 *
 *     struct creditd_subscribe_request request = {
 *         .subscriber = "mailer", .hooks = {.on_credits_low = on_low}};
 *     creditd_subscribe(connection, &request);
 *     while (creditd_wait(connection, -1) == 0)
 *         ;
 *
 * A connection has at most one subscription. It lasts until creditd_unsubscribe(): a lost
 * connection is opened again, and the daemon goes on after the last event that was given to you.
 * So within one process no event is given twice, but for those that a hook has refused, and none is
 * left out.
 *
 * With the name of a subscriber the daemon keeps your place, too, and another process goes on from
 * there. An event is acknowledged when its hook has returned 0, or when the next one is asked for
 * with creditd_event_next(). What was given and not acknowledged when a process ended is given
 * again to the next: at least once, in order. Names belong to the daemon's peer (the uid): the
 * same name is used by one connection at a time, and a second subscription under it ends at once
 * (CREDITD_STREAM_ENDED) with CREDITD_CONFLICT.
 *
 * Events are numbered from 1 on, in the order in which they came about, without gaps; those of
 * types that were not asked for are left out.
 */
#include <creditd.h>
#ifndef CREDITD_EVENTS_H
#define CREDITD_EVENTS_H

/* One event, opened. What it points to lives until the hook returns, or until the next
 * creditd_event_next() or creditd_unsubscribe(). `type` is one of
 *   credits.low, credits.recovered, credits.exhausted, credits.overdrawn: object is the balance
 *     {customer_id, product_id, balance, upstream, pending, held, threshold}
 *   push.parked, push.resumed: object is the push {id, customer_id, product_id, type, credits,
 *     state, reason}
 *   customer.linked, customer.unlinked: object is {user_id, customer_id}
 *   customer.created, .updated, .deleted; subscription.created, .updated, .canceled;
 *     refund.created, .succeeded, .failed; payment.*, payment_method.*, checkout.created: object is
 *     StellarTools' own, whole
 * and newer daemons may have more.
 */
struct creditd_event {
    char id[CREDITD_ID_SIZE]; /* the same for ever, however often the event is given */
    char type[64];
    int64_t sequence; /* its number */
    int64_t created;
    bool livemode;
    char customer_id[CREDITD_ID_SIZE]; /* whose it is; "": nobody's */
    char product_id[CREDITD_ID_SIZE];  /* "": of none */
    const struct creditd_value *object;
    const struct creditd_value *previous; /* members that were otherwise before; NULL: not said */
    const struct creditd_value *value;    /* all of it, as StellarTools' webhooks have it */
};

/* Opens an event of a list, or of a file. 0 or -EPROTO. */
int creditd_event_open(const struct creditd_value *value, struct creditd_event *ret_event);

/* What becomes of the subscription. */
enum creditd_stream_change {
    /* The events after number `after` follow; `last` is the latest that there is now. */
    CREDITD_STREAM_BEGUN,
    /* The connection was lost (`message` says how), or the daemon has cut it off because events
     * were read too slowly. It is opened again without you; BEGUN will say so. */
    CREDITD_STREAM_CUT,
    /* The events from `after` + 1 to `last` are kept no longer, and were not given; `after` is -1
     * where the daemon had the place. With a `last` below `after` the ledger is an older one, from
     * a backup, and its numbers go on from `last`. The stream goes on behind them: look at what
     * you need to know afresh. */
    CREDITD_STREAM_GAP,
    /* Nothing more comes: `status` and `message` are those of a reply. */
    CREDITD_STREAM_ENDED,
};

struct creditd_stream {
    enum creditd_stream_change change;
    int64_t after, last; /* -1: not said */
    int status;
    const char *message; /* lives until the function returns */
};

/* 0: it is dealt with. Anything else: it is given again, after delays from 100 ms to 30 s, and
 * nothing after it before that. Run as callbacks are: from creditd_dispatch(), creditd_wait() or a
 * blocking call; may make asynchronous calls, and may unsubscribe or close the connection. */
typedef int (*creditd_hook)(struct creditd *connection, const struct creditd_event *event,
                            void *data);

/* on_event gets every event of the types that were asked for, also those that have a hook of their
 * own, after that one; when it refuses, both get the event again. */
struct creditd_hooks {
    creditd_hook on_customer_created;
    creditd_hook on_subscription_created;
    creditd_hook on_subscription_canceled;
    creditd_hook on_credits_low;
    creditd_hook on_event;
    /* NULL: you do not need to know. */
    void (*on_stream)(struct creditd *connection, const struct creditd_stream *stream, void *data);
};

enum creditd_from {
    CREDITD_FROM_PLACE,  /* the subscriber's place; a new one's, or without one: now */
    CREDITD_FROM_AFTER,  /* the event after number `after` */
    CREDITD_FROM_OLDEST, /* the oldest that is kept */
};

struct creditd_subscribe_request {
    const char *subscriber; /* an id; NULL: the daemon keeps no place */
    /* "credits.low", "credits.*", "*"; ends with NULL. NULL: those that the hooks are for, or
     * all. */
    const char *const *types;
    enum creditd_from from;
    int64_t after;
    bool no_ack; /* you call creditd_event_ack() yourself */
    /* Without any hook for events, they wait for creditd_event_next(). */
    struct creditd_hooks hooks;
    void *data; /* for the hooks */
};

/* Begins; nothing has been sent yet. 0, -EINVAL, -EBUSY where the connection has a subscription,
 * -ENOMEM. The request and its texts are yours again. Whether the daemon allows it (the role read,
 * types that there are), on_stream and creditd_event_next() say. On a connection with
 * CREDITD_NO_WAIT it ends as soon as no daemon listens. */
int creditd_subscribe(struct creditd *connection, const struct creditd_subscribe_request *request);
/* Ends it; no hook is run any more. The daemon is told by creditd_close() only. Acknowledgements
 * may still be under way: creditd_pending() says so, and creditd_close() would drop them. */
void creditd_unsubscribe(struct creditd *connection);
/* Nothing more is given until creditd_resume(); a hook that pauses may refuse its event, too. For
 * those who pass events on to somebody slow. */
void creditd_pause(struct creditd *connection);
void creditd_resume(struct creditd *connection);

/* The next event, waiting at most `timeout` ms (-1: as long as it takes), with callbacks of other
 * calls run meanwhile. It also acknowledges the one before. 0; -ETIMEDOUT; -EINTR after a signal;
 * -EINVAL without a subscription, or with one that has hooks; -EDEADLK from within a callback;
 * CREDITD_GAP, once, where events are gone: the next call goes on behind them; or how the
 * subscription ended. creditd_last() says it in words.
 */
int creditd_event_next(struct creditd *connection, struct creditd_event *ret_event, int timeout);

/* All events up to that number are dealt with: the subscriber goes on after it. Never moves a place
 * back. Sent again. */
struct creditd_event_ack_request {
    const char *subscriber;
    int64_t sequence;
    uint32_t timeout;
};

struct creditd_event_ack_result {
    int64_t sequence; /* the place as it is now */
};

int creditd_event_ack(struct creditd *connection, const struct creditd_event_ack_request *request,
                      struct creditd_event_ack_result *ret_result);
int creditd_event_ack_async(struct creditd *connection,
                            const struct creditd_event_ack_request *request,
                            creditd_callback callback, void *data);
int creditd_read_event_ack(const struct creditd_reply *reply,
                           struct creditd_event_ack_result *ret_result);

/* A page of what is kept, oldest first: open its elements with creditd_event_open(). Read with
 * creditd_read_list(). CREDITD_GAP where events after `after` are gone; data.oldest. Sent again. */
struct creditd_event_list_request {
    const char *const *types; /* as above; NULL: all */
    int64_t after;            /* 0: from the oldest on */
    int64_t limit;            /* 0: the daemon's default */
    uint32_t timeout;
};

int creditd_event_list(struct creditd *connection, const struct creditd_event_list_request *request,
                       struct creditd_list *ret_list);
int creditd_event_list_async(struct creditd *connection,
                             const struct creditd_event_list_request *request,
                             creditd_callback callback, void *data);

#endif
