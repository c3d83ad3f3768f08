/* See subscribers.h. */
#include "subscribers.h"
#include "connection.h"
#include "serve.h"
#include <errno.h>
#include <inttypes.h>
#include <proto/events.h>
#include <proto/message.h>
#include <stdlib.h>
#include <string.h>
#include <util/log.h>
#include <util/macros.h>

#define PAGE_BYTES (64u * 1024u) /* packed in one go; the socket's own buffer takes as much */

void subscribers_init(struct subscribers *subscribers, struct serve *serve)
{
    memset(subscribers, 0, sizeof(*subscribers));
    subscribers->serve = serve;
    list_init(&subscribers->held);
    list_init(&subscribers->stalled);
}

static struct subscribers *of(const struct subscription *subscription)
{
    return &subscription->connection->serve->subscribers;
}

static void cut_off(const struct subscription *subscription, const char *why)
{
    const struct connection *connection = subscription->connection;

    of(subscription)->cut_off++;
    log_notice("subscriber %.*s of uid %u, pid %u, after event %" PRIu64 ": %s; it is cut off",
               (int)subscription->name_length, subscription->name, connection->peer.uid,
               connection->peer.pid, subscription->sent, why);
    ipc_stream_close(connection->stream);
}

/* --- sending --- */

static void pack_event(struct subscription *subscription, const struct event_told *told)
{
    struct ipc_stream *stream = subscription->connection->stream;
    msgpack_sbuffer *output = ipc_stream_output(stream);

    if (message_pack_notification(output, PROTO_NOTIFY_EVENT) < 0 ||
        msgpack_sbuffer_write(output, told->envelope, told->length) != 0) {
        ipc_stream_close(stream); /* no memory; half a message must not follow */
        return;
    }
    of(subscription)->told++;
}

/* As many as go out in one piece; the rest is read again, from the cache. */
static void pack_page(struct subscription *subscription, const struct event_page *page)
{
    struct ipc_stream *stream = subscription->connection->stream;

    for (size_t i = 0; i < page->count && ipc_stream_queued(stream) < PAGE_BYTES; i++) {
        if (page->events[i].envelope != NULL)
            pack_event(subscription, &page->events[i]);
        subscription->sent = page->events[i].event.number;
    }
}

static void on_page(void *userdata, const struct event_page *page);

static void read_on(struct subscription *subscription)
{
    subscription->read.from = subscription->sent + 1;
    subscription->read.limit = EVENT_PAGE_MAX;
    subscription->read.types = subscription->types;
    subscription->read.wait = true;
    subscription->read.function = on_page;
    subscription->read.userdata = subscription;
    event_reader_read(&subscription->connection->serve->event_reader, &subscription->read);
}

static void go_on(struct subscription *subscription)
{
    struct serve *serve = subscription->connection->serve;
    struct ipc_stream *stream = subscription->connection->stream;

    ipc_stream_flush(stream);
    if (!ipc_stream_is_open(stream))
        return;
    if (ipc_stream_queued(stream) == 0) {
        read_on(subscription);
        return;
    }
    subscription->stalled_at = serve->event_reader.through;
    list_append(&serve->subscribers.stalled, &subscription->of_waiting);
}

static void on_page(void *userdata, const struct event_page *page)
{
    struct subscription *subscription = userdata;

    if (page->result == -ECANCELED)
        return;
    if (page->result < 0)
        cut_off(subscription, "the events that it is to be told cannot be read");
    else if (page->gone_through != 0)
        cut_off(subscription, "the events that it is to be told are past the retention");
    else if ((connection_roles(subscription->connection) & (1u << PROTO_ROLE_READ)) == 0)
        cut_off(subscription, "it may not read any more");
    else {
        pack_page(subscription, page);
        go_on(subscription);
    }
}

void subscription_drained(struct connection *connection)
{
    struct subscription *subscription = connection->subscription;

    if (subscription == NULL || subscription->stalled_at == 0)
        return;
    subscription->stalled_at = 0;
    list_remove(&subscription->of_waiting);
    read_on(subscription);
}

/* --- as the ledger gets on --- */

static void begin_held(struct subscribers *subscribers)
{
    struct list due;

    list_init(&due);
    list_move_all(&due, &subscribers->held);
    while (!list_is_empty(&due)) {
        struct subscription *subscription = CONTAINER_OF(due.next, struct subscription, of_waiting);

        list_remove(&subscription->of_waiting);
        if (subscription->reveals <= subscribers->serve->gate.passed)
            read_on(subscription);
        else
            list_append(&subscribers->held, &subscription->of_waiting);
    }
}

static void end_stalled(struct subscribers *subscribers)
{
    uint64_t lag = (uint64_t)subscribers->serve->config->limits.event_lag;
    struct list due;

    list_init(&due);
    list_move_all(&due, &subscribers->stalled);
    while (!list_is_empty(&due)) {
        struct subscription *subscription = CONTAINER_OF(due.next, struct subscription, of_waiting);

        list_remove(&subscription->of_waiting);
        if (subscribers->serve->event_reader.through - subscription->stalled_at > lag)
            cut_off(subscription, "it does not read, and too many events have passed it by");
        else
            list_append(&subscribers->stalled, &subscription->of_waiting);
    }
}

void subscribers_pass(struct subscribers *subscribers)
{
    begin_held(subscribers);
    end_stalled(subscribers);
}

/* --- begin and end --- */

int subscription_begin(struct connection *connection, uint64_t after, uint32_t types,
                       struct core_text name, uint64_t reveals)
{
    struct subscribers *subscribers = &connection->serve->subscribers;
    struct subscription *subscription = calloc(1, sizeof(*subscription));

    if (subscription == NULL)
        return -ENOMEM;
    subscription_end(connection);
    subscription->connection = connection;
    subscription->types = types;
    subscription->sent = after;
    subscription->reveals = reveals;
    subscription->name_length = name.length;
    if (name.length > 0)
        memcpy(subscription->name, name.data, name.length);
    list_init(&subscription->of_waiting);
    event_read_init(&subscription->read);
    connection->subscription = subscription;
    subscribers->count++;
    if (reveals <= connection->serve->gate.passed)
        read_on(subscription);
    else
        list_append(&subscribers->held, &subscription->of_waiting);
    return 0;
}

/* One whose process has closed it, or has died, is over, although its end has not been read yet:
 * whoever comes back at once is not refused because of itself. */
static bool has_name(const struct connection *connection, uint32_t uid, struct core_text name)
{
    const struct subscription *subscription = connection->subscription;

    return subscription != NULL && connection->peer.uid == uid &&
           subscription->name_length == name.length &&
           memcmp(subscription->name, name.data, name.length) == 0 &&
           ipc_stream_is_open(connection->stream) && !ipc_stream_peer_has_left(connection->stream);
}

bool subscription_is_elsewhere(const struct connection *connection, struct core_text name)
{
    const struct list *all = &connection->serve->connections;

    if (name.length == 0)
        return false;
    for (const struct list *link = all->next; link != all; link = link->next) {
        const struct connection *other = CONTAINER_OF(link, const struct connection, of_serve);

        if (other != connection && has_name(other, connection->peer.uid, name))
            return true;
    }
    return false;
}

void subscription_end(struct connection *connection)
{
    struct subscription *subscription = connection->subscription;

    if (subscription == NULL)
        return;
    connection->subscription = NULL;
    connection->serve->subscribers.count--;
    event_read_cancel(&subscription->read);
    list_remove(&subscription->of_waiting);
    free(subscription);
}
