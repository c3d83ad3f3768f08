/*
 * event.list under way: pages of the reader's, until there are as many events as were asked for.
 *
 * One request looks at a few thousand events at most and answers a few hundred KiB: whoever wants
 * more goes on from where the answer says.
 */
#pragma once

#include "request.h"
#include <stdint.h>

struct connection;

struct event_listing_order {
    uint64_t after;
    uint32_t types;
    size_t limit;
};

/* The request is answered when that is done. 0 or -errno. */
int event_listing_begin(struct request *request, const struct event_listing_order *order);
/* The connection ends: its listings end, and are answered to nobody. */
void event_listing_forget(struct connection *connection);
