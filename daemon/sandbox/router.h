/*
 * Which endpoint a request is for. Endpoints are rows of a table: to add one, write its function
 * and its row.
 *
 * Two servers share the table: the present one at the root, and the older one, camelCase and
 * without some endpoints, below /api. A path in a row has its parameters as {}.
 */
#pragma once

#include "plan.h"
#include "request.h"

struct sandbox;
struct route;

#define MATCH_PARAMETERS 2

struct match {
    const struct route *route;
    char *parameters[MATCH_PARAMETERS]; /* decoded */
    bool old;                           /* below /api */
};

/* One request on its way through an endpoint; the sandbox is locked. */
struct call {
    struct sandbox *sandbox;
    const struct request *request;
    const struct match *match;
    const struct plan *plan;
    struct reply *reply;
};

typedef int (*endpoint_fn)(struct call *call);

enum route_servers { ROUTE_NEW = 1, ROUTE_OLD = 2, ROUTE_BOTH = 3, ROUTE_CONTROL = 4 };

struct route {
    const char *method;
    const char *path;
    enum kind kind;
    enum route_servers servers;
    endpoint_fn run;
};

enum match_result { MATCH_FOUND, MATCH_UNKNOWN, MATCH_METHOD, MATCH_SLASH };

/* An enum match_result, or -ENOMEM. *ret_match is written for MATCH_FOUND alone. */
int route_match(const struct route *routes, size_t count, const char *method, const char *path,
                struct match *ret_match);
void match_deinit(struct match *match);
