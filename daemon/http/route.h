/*
 * Which requests there are: one table of paths, and the table of methods behind /v1/.
 *
 *     PREFIX/customer/create …    the adapter's endpoints; a session is needed
 *     PREFIX/webhook, /v1/webhook  StellarTools' webhooks, raw
 *     /v1/METHOD                  any method of creditd-serve, its parameters as a JSON object
 *     /v1/events                  event.subscribe, as server-sent events
 *     /metrics, /livez, /readyz   for monitoring
 *
 * A path is compared as it was sent: nothing in ours needs percent-encoding, and what is not
 * decoded cannot be decoded otherwise by the proxy in front.
 */
#pragma once

#include <proto/methods.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum route_kind {
    ROUTE_ENDPOINT,
    ROUTE_METHOD,
    ROUTE_WEBHOOK,
    ROUTE_EVENTS,
    ROUTE_METRICS,
    ROUTE_LIVE,
    ROUTE_READY,
};

enum route_verb { VERB_OTHER = 0, VERB_GET = 1, VERB_HEAD = 2, VERB_POST = 4, VERB_OPTIONS = 8 };

struct route {
    const char *path;
    bool is_prefixed; /* the path follows [http] prefix */
    unsigned verbs;   /* VERB_GET includes HEAD; all have OPTIONS */
    enum route_kind kind;
    enum proto_method method; /* of an endpoint, of webhooks and of events */
    uint64_t taken;           /* the parameters that an endpoint takes, as bits */
};

/* All but /v1/METHOD. */
extern const struct route route_table[];
extern const size_t route_count;

/* Where a request goes: kind, verbs and method as above. -ENOENT where there is nothing. */
int route_find(const char *prefix, const char *path, size_t length, struct route *ret_route);
enum route_verb route_verb(const char *word);
/* The value of the header Allow. */
const char *route_allow(const struct route *route);
