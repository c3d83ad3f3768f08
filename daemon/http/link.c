/* See link.h. */
#include "link.h"
#include "stream.h"
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define LOOK_MS 1000

static bool is_over(const struct links *links, const struct link *link)
{
    return link->deadline > 0 && uv_now(links->timer.loop) >= link->deadline;
}

/* Streams go to Unix sockets only, where whoever closes can be told from whoever only sends no
 * more. */
static bool has_gone(const struct link *link)
{
    struct pollfd poller = {.fd = link->fd, .events = 0}; /* POLLHUP comes unasked */

    return poll(&poller, 1, 0) > 0;
}

void links_look(const struct links *links)
{
    struct link *link;

    LIST_FOREACH(link, &links->list, entry)
    if (link->stream && has_gone(link))
        stream_leave(link->stream); /* its connection ends in libmicrohttpd's next turns */
}

static void on_look(uv_timer_t *timer)
{
    struct links *links = timer->data;
    struct link *link;

    LIST_FOREACH(link, &links->list, entry)
    if (is_over(links, link)) {
        link->deadline = 0;
        shutdown(link->fd, SHUT_RDWR);
    }
    links_look(links);
}

void links_init(struct links *links, uv_loop_t *loop, uint64_t timeout)
{
    LIST_INIT(&links->list);
    links->is_local = NULL;
    links->size = 0;
    uv_timer_init(loop, &links->timer);
    links->timer.data = links;
    links->timeout = timeout;
    uv_timer_start(&links->timer, on_look, LOOK_MS, LOOK_MS);
}

void links_close(struct links *links)
{
    uv_close((uv_handle_t *)&links->timer, NULL);
    free(links->is_local);
    links->is_local = NULL;
    links->size = 0;
}

int links_expect(struct links *links, int fd, bool is_local)
{
    if ((size_t)fd >= links->size) {
        size_t size = 2 * (size_t)fd + 64;
        bool *grown = reallocarray(links->is_local, size, sizeof(*grown));

        if (!grown)
            return -ENOMEM;
        memset(grown + links->size, 0, (size - links->size) * sizeof(*grown));
        links->is_local = grown;
        links->size = size;
    }
    links->is_local[fd] = is_local;
    return 0;
}

struct link *link_new(struct links *links, struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    struct link *link = info ? calloc(1, sizeof(*link)) : NULL;

    if (!link)
        return NULL;
    link->fd = info->connect_fd;
    link->is_local = (size_t)link->fd < links->size && links->is_local[link->fd];
    LIST_INSERT_HEAD(&links->list, link, entry);
    link_awaits(links, link);
    return link;
}

void link_free(struct link *link)
{
    if (!link)
        return;
    LIST_REMOVE(link, entry);
    free(link);
}

struct link *link_of(struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

    return info ? info->socket_context : NULL;
}

void link_awaits(const struct links *links, struct link *link)
{
    if (link)
        link->deadline = uv_now(links->timer.loop) + links->timeout;
}

void link_rests(struct link *link)
{
    if (link)
        link->deadline = 0;
}
