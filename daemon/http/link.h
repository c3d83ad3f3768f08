/*
 * What libmicrohttpd does not watch of its connections, looked at once a second:
 *
 * - its timeout is over when nothing has come for so long, so that a byte now and then keeps a
 *   connection for ever. Here the head of a request has [http] timeout in all, counted from the end
 *   of the exchange before, and its body as long again. Whoever takes longer has its socket shut,
 *   which libmicrohttpd notices by reading;
 * - it does not look at connections that are suspended. A client that has gone while it waits for
 *   events would keep its place until there is one. Whoever comes back under the same name must not
 *   be refused because of itself, so they are looked at before a stream begins, too.
 */
#pragma once

#include <microhttpd.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>
#include <uv.h>

struct stream;

/* One connection. */
struct link {
    LIST_ENTRY(link) entry;
    int fd;                /* libmicrohttpd's */
    bool is_local;         /* accepted where local programs connect */
    uint64_t deadline;     /* of uv_now(); 0: none */
    struct stream *stream; /* of events, that goes out by it; NULL: none */
};

LIST_HEAD(link_list, link);

struct links {
    struct link_list list;
    uv_timer_t timer;
    uint64_t timeout; /* ms */
    bool *is_local;   /* by descriptor, as it was accepted last */
    size_t size;      /* of that */
};

void links_init(struct links *links, uv_loop_t *loop, uint64_t timeout);
/* Ends the streams whose clients have gone. */
void links_look(const struct links *links);
/* The timer; links are freed with their connections. */
void links_close(struct links *links);
/* The descriptor has been accepted, and goes to libmicrohttpd, which tells of it only later, and by
 * that number alone. -ENOMEM. */
int links_expect(struct links *links, int fd, bool is_local);
/* NULL without memory: then that connection is not watched. */
struct link *link_new(struct links *links, struct MHD_Connection *connection);
void link_free(struct link *link);
/* The connection's: what link_new() gave it. */
struct link *link_of(struct MHD_Connection *connection);
/* The client is to send; NULL is taken. */
void link_awaits(const struct links *links, struct link *link);
/* It has sent all; NULL is taken. */
void link_rests(struct link *link);
