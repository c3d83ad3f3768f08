/* A daemon in memory: see fake.h. */
#include "fake.h"
#include <criterion/criterion.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

static void reset_connection(struct fake *fake)
{
    fake->sent.size = 0;
    fake->answers.size = 0;
    fake->parsed = 0;
    fake->read = 0;
    fake->is_ended = false;
    fake->read_error = 0;
}

static int fake_connect(void *context, const char *path)
{
    struct fake *fake = context;

    (void)path;
    cr_assert_eq(fake->fd, -1, "a second connection");
    if (fake->connect_error < 0)
        return fake->connect_error;
    reset_connection(fake);
    fake->connections++;
    fake->fd = 1000 + fake->connections;
    return fake->fd;
}

static ssize_t fake_read(void *context, int fd, void *buffer, size_t size)
{
    struct fake *fake = context;
    size_t n = fake->answers.size - fake->read;

    cr_assert_eq(fd, fake->fd);
    if (n == 0 && fake->read_error < 0)
        return fake->read_error;
    if (n == 0)
        return fake->is_ended ? 0 : -EAGAIN;
    if (n > size)
        n = size;
    if (fake->read_chunk > 0 && n > fake->read_chunk)
        n = fake->read_chunk;
    memcpy(buffer, fake->answers.data + fake->read, n);
    fake->read += n;
    return (ssize_t)n;
}

static ssize_t fake_write(void *context, int fd, const void *data, size_t length)
{
    struct fake *fake = context;

    cr_assert_eq(fd, fake->fd);
    if (fake->write_chunk > 0 && length > fake->write_chunk)
        length = fake->write_chunk;
    if (fake->write_room >= 0 && (int64_t)length > fake->write_room)
        length = (size_t)fake->write_room;
    if (length == 0)
        return -EAGAIN;
    if (fake->write_room >= 0)
        fake->write_room -= (int64_t)length;
    msgpack_sbuffer_write(&fake->sent, data, length);
    return (ssize_t)length;
}

static void fake_close(void *context, int fd)
{
    struct fake *fake = context;

    cr_assert_eq(fd, fake->fd, "closing what is not open");
    fake->fd = -1;
    fake->closes++;
}

static short events_of(const struct fake *fake)
{
    bool readable = fake->read < fake->answers.size || fake->is_ended || fake->read_error < 0;

    if (fake->fd < 0)
        return 0;
    return (short)((readable ? POLLIN : 0) | (fake->write_room != 0 ? POLLOUT : 0));
}

static int fake_wait(void *context, int fd, short events, int timeout)
{
    struct fake *fake = context;
    short now;

    cr_assert_eq(fd, fake->fd);
    if (fake->on_wait)
        fake->on_wait(fake);
    if (fake->wait_error < 0)
        return fake->wait_error;
    now = events_of(fake) & events;
    if (now == 0) {
        cr_assert_geq(timeout, 0, "waiting for ever for nothing");
        fake->now += (uint64_t)timeout;
        fake->wall += (uint64_t)timeout;
    }
    return now;
}

static uint64_t fake_clock(void *context)
{
    return ((struct fake *)context)->now;
}

static uint64_t fake_wall(void *context)
{
    return ((struct fake *)context)->wall;
}

static int fake_random(void *context, void *buffer, size_t size)
{
    struct fake *fake = context;
    unsigned char *bytes = buffer;

    if (fake->random_error < 0)
        return fake->random_error;
    for (size_t i = 0; i < size; i++) {
        fake->random_state = fake->random_state * 6364136223846793005u + 1442695040888963407u;
        bytes[i] = (unsigned char)(fake->random_state >> 56);
    }
    return 0;
}

static long fake_process(void *context)
{
    return ((struct fake *)context)->process;
}

const struct client_io fake_io = {
    .connect = fake_connect,
    .read = fake_read,
    .write = fake_write,
    .close = fake_close,
    .wait = fake_wait,
    .clock = fake_clock,
    .wall = fake_wall,
    .random = fake_random,
    .process = fake_process,
};

void fake_init(struct fake *fake)
{
    memset(fake, 0, sizeof *fake);
    fake->now = 1000000;
    fake->wall = 1700000000000;
    fake->process = 42;
    fake->random_state = 1;
    fake->fd = -1;
    fake->write_room = -1;
}

void fake_deinit(struct fake *fake)
{
    cr_assert_eq(fake->fd, -1, "a descriptor is left");
    msgpack_sbuffer_destroy(&fake->sent);
    msgpack_sbuffer_destroy(&fake->answers);
    msgpack_sbuffer_init(&fake->sent);
    msgpack_sbuffer_init(&fake->answers);
}

void fake_turn(struct fake *fake, struct creditd *c)
{
    cr_assert_eq(creditd_fd(c), fake->fd);
    cr_assert_eq(creditd_dispatch(c, events_of(fake) & creditd_wanted(c)), 0);
}

static void take_stamp(struct fake_request *request, const msgpack_object *stamp)
{
    uint64_t counter;

    if (!stamp)
        return;
    cr_assert_eq(stamp->type, MSGPACK_OBJECT_ARRAY);
    cr_assert_eq(stamp->via.array.size, 2);
    cr_assert_eq(stamp->via.array.ptr[0].type, MSGPACK_OBJECT_BIN);
    cr_assert_eq(stamp->via.array.ptr[0].via.bin.size, PROTO_CLIENT_ID_SIZE);
    cr_assert_eq(stamp->via.array.ptr[1].type, MSGPACK_OBJECT_POSITIVE_INTEGER);
    request->has_stamp = true;
    counter = stamp->via.array.ptr[1].via.u64;
    memcpy(request->stamp.bytes, stamp->via.array.ptr[0].via.bin.ptr, PROTO_CLIENT_ID_SIZE);
    for (int i = 0; i < 8; i++)
        request->stamp.bytes[16 + i] = (unsigned char)(counter >> (56 - 8 * i));
}

static void take_types(struct fake_request *request, const msgpack_object *types)
{
    if (!types)
        return;
    cr_assert_eq(types->type, MSGPACK_OBJECT_ARRAY);
    cr_assert_gt(types->via.array.size, 0);
    request->types = types->via.array.size;
    memcpy(request->type, types->via.array.ptr[0].via.str.ptr,
           types->via.array.ptr[0].via.str.size);
}

static void take_request(struct fake *fake, const struct message *message)
{
    struct fake_request *request = &fake->requests[fake->count++];
    const char *key;
    size_t length;

    cr_assert_leq(fake->count, FAKE_REQUESTS);
    cr_assert_eq(message->type, MESSAGE_REQUEST);
    *request = (struct fake_request){
        .connection = fake->connections, .msgid = message->msgid, .after = -1, .sequence = -1};
    memcpy(request->method, message->method, message->method_length);
    map_get_int(&message->params, "raw_amount", &request->raw_amount);
    if (map_get_text(&message->params, "idempotency_key", &key, &length) > 0)
        memcpy(request->key, key, length);
    map_get_int(&message->params, "after", &request->after);
    map_get_int(&message->params, "sequence", &request->sequence);
    if (map_get_text(&message->params, "subscriber", &key, &length) > 0)
        memcpy(request->subscriber, key, length);
    take_types(request, map_find(&message->params, "types"));
    take_stamp(request, map_find(&message->params, "stamp"));
}

void fake_take(struct fake *fake)
{
    struct frame_scanner scanner;
    msgpack_zone zone;
    size_t length;

    msgpack_zone_init(&zone, MSGPACK_ZONE_CHUNK_SIZE);
    while (fake->parsed < fake->sent.size) {
        const uint8_t *frame = (const uint8_t *)fake->sent.data + fake->parsed;
        struct message message = {0};
        const char *reason;
        int has_msgid;
        enum frame_result result;

        frame_scanner_init(&scanner, PROTO_MESSAGE_SIZE_DEFAULT);
        result = frame_scan(&scanner, frame, fake->sent.size - fake->parsed, &length);
        if (result == FRAME_MORE)
            break;
        cr_assert_eq(result, FRAME_COMPLETE);
        msgpack_zone_clear(&zone);
        cr_assert_eq(message_parse(&zone, frame, length, &message, &has_msgid, &reason), 0);
        take_request(fake, &message);
        fake->parsed += length;
    }
    msgpack_zone_destroy(&zone);
}

void fake_answer_bytes(struct fake *fake, const void *bytes, size_t length)
{
    msgpack_sbuffer_write(&fake->answers, bytes, length);
}

void fake_answer_consume(struct fake *fake, const struct fake_request *request, int64_t balance,
                         bool is_replayed)
{
    msgpack_packer p;

    message_pack_result(&fake->answers, request->msgid);
    msgpack_packer_init(&p, &fake->answers, msgpack_sbuffer_write);
    msgpack_pack_map(&p, 11); /* one that nobody knows is among them */
    pack_kv_text(&p, "customer_id", "cus_1");
    pack_kv_text(&p, "product_id", "prod_1");
    pack_kv_int(&p, "balance", balance);
    pack_kv_int(&p, "credits_deducted", request->raw_amount);
    pack_kv_int(&p, "billed_units", request->raw_amount);
    pack_kv_int(&p, "pending", 7);
    pack_kv_text(&p, "transaction_id", "tx_1_2");
    pack_kv_bool(&p, "replayed", is_replayed);
    pack_kv_bool(&p, "stale", 0);
    pack_kv_int(&p, "synced_at", 1700000000001);
    pack_kv_text(&p, "unknown", "ignored");
}

void fake_answer_nil(struct fake *fake, const struct fake_request *request)
{
    msgpack_packer p;

    message_pack_result(&fake->answers, request->msgid);
    msgpack_packer_init(&p, &fake->answers, msgpack_sbuffer_write);
    msgpack_pack_nil(&p);
}

void fake_answer_error(struct fake *fake, const struct fake_request *request,
                       enum proto_error error, const char *key, const char *value)
{
    message_pack_error(&fake->answers, request->msgid, error, "because of that", key, value);
}

void fake_answer_subscribed(struct fake *fake, const struct fake_request *request, int64_t after,
                            int64_t last)
{
    msgpack_packer p;

    cr_assert_str_eq(request->method, "event.subscribe");
    message_pack_result(&fake->answers, request->msgid);
    msgpack_packer_init(&p, &fake->answers, msgpack_sbuffer_write);
    pack_map(&p, 2);
    pack_kv_int(&p, "after", after);
    pack_kv_int(&p, "last", last);
}

void fake_answer_gap(struct fake *fake, const struct fake_request *request, int64_t oldest)
{
    msgpack_packer p;

    /* [1, msgid, {code, message, data: {oldest}}, nil] */
    msgpack_packer_init(&p, &fake->answers, msgpack_sbuffer_write);
    pack_array(&p, 4);
    pack_int(&p, MESSAGE_RESPONSE);
    pack_int(&p, request->msgid);
    pack_map(&p, 3);
    pack_kv_text(&p, "code", "gap");
    pack_kv_text(&p, "message", "these are gone");
    pack_key(&p, "data");
    pack_map(&p, 1);
    pack_kv_int(&p, "oldest", oldest);
    pack_nil(&p);
}

void fake_answer_acked(struct fake *fake, const struct fake_request *request)
{
    msgpack_packer p;

    cr_assert_str_eq(request->method, "event.ack");
    message_pack_result(&fake->answers, request->msgid);
    msgpack_packer_init(&p, &fake->answers, msgpack_sbuffer_write);
    pack_map(&p, 1);
    pack_kv_int(&p, "sequence", request->sequence);
}

void fake_event(struct fake *fake, int64_t sequence, const char *type)
{
    char id[64], customer[64];
    msgpack_packer p;

    snprintf(id, sizeof id, "evt_1_%lld", (long long)sequence);
    snprintf(customer, sizeof customer, "cus_%lld", (long long)sequence);
    message_pack_notification(&fake->answers, "event");
    msgpack_packer_init(&p, &fake->answers, msgpack_sbuffer_write);
    pack_map(&p, 6);
    pack_kv_text(&p, "id", id);
    pack_kv_text(&p, "type", type);
    pack_kv_int(&p, "created", 1700000000000 + sequence);
    pack_kv_bool(&p, "livemode", 1);
    pack_kv_int(&p, "sequence", sequence);
    pack_key(&p, "data");
    pack_map(&p, 2);
    pack_key(&p, "object");
    pack_map(&p, 3);
    pack_kv_text(&p, "customer_id", customer);
    pack_kv_text(&p, "product_id", "prod_1");
    pack_kv_int(&p, "balance", sequence * 10);
    pack_kv_nil(&p, "previous_attributes");
}
