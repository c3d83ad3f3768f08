/* See event_listing.h. */
#include "event_listing.h"
#include "connection.h"
#include "serve.h"
#include <errno.h>
#include <proto/message.h>
#include <stdlib.h>
#include <string.h>
#include <util/macros.h>

#define LOOKED_AT_MAX 4096u
#define BYTES_MAX (256u * 1024u)

struct listing {
    struct list of_connection;
    struct connection *connection;
    struct event_read read;
    uint32_t msgid;
    uint64_t after; /* looked at up to here */
    size_t limit, count, looked_at;
    size_t charged;
    msgpack_sbuffer data;
};

static void listing_free(struct listing *listing)
{
    event_read_cancel(&listing->read);
    list_remove(&listing->of_connection);
    connection_uncharge(listing->connection, listing->charged);
    msgpack_sbuffer_destroy(&listing->data);
    free(listing);
}

void event_listing_forget(struct connection *connection)
{
    while (!list_is_empty(&connection->listings))
        listing_free(CONTAINER_OF(connection->listings.next, struct listing, of_connection));
}

/* --- answers --- */

static void listing_refuse(struct listing *listing, enum proto_error error, const char *text)
{
    struct request request = {.serve = listing->connection->serve,
                              .connection = listing->connection,
                              .msgid = listing->msgid};

    listing_free(listing);
    request_refuse(&request, error, text, NULL, NULL);
}

static void listing_fail(struct listing *listing, int error)
{
    struct request request = {.serve = listing->connection->serve,
                              .connection = listing->connection,
                              .msgid = listing->msgid};

    listing_free(listing);
    request_refuse_status(&request, error);
}

static void listing_answer(struct listing *listing)
{
    struct serve *serve = listing->connection->serve;
    struct request request = {
        .serve = serve, .connection = listing->connection, .msgid = listing->msgid};
    msgpack_packer *packer = request_result(&request, 6);

    pack_kv_text(packer, "object", "list");
    pack_key(packer, "data");
    pack_array(packer, listing->count);
    if (listing->data.size > 0 &&
        msgpack_pack_str_body(packer, listing->data.data, listing->data.size) != 0)
        pack_break(packer);
    pack_kv_bool(packer, "has_more", listing->after < serve->event_reader.through);
    pack_kv_int(packer, "after", (int64_t)listing->after);
    pack_kv_int(packer, "first", (int64_t)event_keeping_first(&serve->event_keeping));
    pack_kv_int(packer, "last", (int64_t)serve->event_reader.through);
    listing_free(listing);
    request_reply(&request, 0); /* the reader reads what is durable */
}

/* --- reading --- */

static bool is_full(const struct listing *listing)
{
    return listing->count == listing->limit || listing->looked_at >= LOOKED_AT_MAX ||
           listing->data.size >= BYTES_MAX;
}

static int take(struct listing *listing, const struct event_told *told)
{
    int r;

    listing->after = told->event.number;
    listing->looked_at++;
    if (told->envelope == NULL)
        return 0;
    r = connection_charge(listing->connection, told->length);
    if (r < 0)
        return r;
    listing->charged += told->length;
    listing->count++;
    return msgpack_sbuffer_write(&listing->data, told->envelope, told->length) == 0 ? 0 : -ENOMEM;
}

static void read_on(struct listing *listing);

static void on_page(void *userdata, const struct event_page *page)
{
    struct listing *listing = userdata;
    struct serve *serve = listing->connection->serve;
    int r = 0;

    if (page->result == -ECANCELED) {
        listing_refuse(listing, PROTO_ERROR_SHUTTING_DOWN, "creditd is stopping");
        return;
    }
    if (page->gone_through != 0 && listing->looked_at == 0) {
        struct request request = {
            .serve = serve, .connection = listing->connection, .msgid = listing->msgid};

        listing_free(listing);
        request_refuse_gap(&request, page->gone_through + 1);
        return;
    }
    for (size_t i = 0; r == 0 && i < page->count && !is_full(listing); i++)
        r = take(listing, &page->events[i]);
    if (r == 0)
        r = page->result;
    if (r < 0)
        listing_fail(listing, r);
    else if (page->count == 0 || is_full(listing))
        listing_answer(listing);
    else
        read_on(listing);
}

static void read_on(struct listing *listing)
{
    listing->read.from = listing->after + 1;
    listing->read.limit = EVENT_PAGE_MAX;
    event_reader_read(&listing->connection->serve->event_reader, &listing->read);
}

int event_listing_begin(struct request *request, const struct event_listing_order *order)
{
    struct connection *connection = request->connection;
    struct listing *listing;
    int r = connection_charge(connection, sizeof(*listing));

    if (r < 0)
        return r;
    listing = calloc(1, sizeof(*listing));
    if (listing == NULL) {
        connection_uncharge(connection, sizeof(*listing));
        return -ENOMEM;
    }
    listing->connection = connection;
    listing->charged = sizeof(*listing);
    listing->msgid = request->msgid;
    listing->after = order->after;
    listing->limit = order->limit;
    msgpack_sbuffer_init(&listing->data);
    event_read_init(&listing->read);
    listing->read.types = order->types;
    listing->read.function = on_page;
    listing->read.userdata = listing;
    list_append(&connection->listings, &listing->of_connection);
    read_on(listing);
    return 0;
}
