/* A small daemon: see server.h. */
#include "server.h"
#include "answers.h"
#include "happenings.h"
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <proto/frame.h>
#include <proto/message.h>
#include <proto/methods.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define PEERS_MAX (sizeof((struct server *)0)->peers / sizeof((struct server *)0)->peers[0])

static void pack_names(msgpack_packer *p)
{
    pack_kv_text(p, "customer_id", "cus_1");
    pack_kv_text(p, "product_id", "prod_1");
}

static void pack_consumed(struct server *server, msgpack_packer *p, int64_t amount, bool replayed)
{
    msgpack_pack_map(p, 10);
    pack_names(p);
    pack_kv_int(p, "balance", server->balance);
    pack_kv_int(p, "credits_deducted", amount);
    pack_kv_int(p, "billed_units", amount);
    pack_kv_int(p, "pending", amount);
    pack_kv_text(p, "transaction_id", "tx_1_1");
    pack_kv_bool(p, "replayed", replayed);
    pack_kv_bool(p, "stale", 1);
    pack_kv_int(p, "synced_at", 1700000000000);
}

/* The identity under which a change is remembered, or "". */
static void name_change(const struct proto_params *params, char *name, size_t size)
{
    const struct proto_value *key = &params->values[PROTO_PARAMETER_IDEMPOTENCY_KEY];
    const struct proto_value *stamp = &params->values[PROTO_PARAMETER_STAMP];
    size_t length = 0;

    name[0] = '\0';
    if (params->present & PROTO_BIT(IDEMPOTENCY_KEY))
        snprintf(name, size, "%.*s", (int)key->length, key->text);
    if (!(params->present & PROTO_BIT(STAMP)))
        return;
    for (size_t i = 0; i < 16; i++)
        length += (size_t)snprintf(name + length, size - length, "%02x", stamp->stamp.client_id[i]);
    snprintf(name + length, size - length, "-%llu", (unsigned long long)stamp->stamp.counter);
}

/* Whether a change has been done before, under its key or its stamp. */
static bool is_replayed(const struct server *server, const char *name)
{
    for (size_t i = 0; i < server->stamps && name[0]; i++)
        if (strcmp(server->seen[i].key, name) == 0)
            return true;
    return false;
}

/* What befalls the answer of a change. 0: nothing, 1: it is not sent, -1: hung up on. */
static int mishap(struct server *server)
{
    if (server->mute > 0) {
        server->mute--;
        return 1;
    }
    if (server->hang_ups > 0) {
        server->hang_ups--;
        return -1;
    }
    return 0;
}

static void refuse_insufficient(const struct server *server, msgpack_sbuffer *output,
                                uint32_t msgid)
{
    msgpack_packer p;

    msgpack_packer_init(&p, output, msgpack_sbuffer_write);
    msgpack_pack_array(&p, 4);
    msgpack_pack_int(&p, 1);
    msgpack_pack_uint32(&p, msgid);
    msgpack_pack_map(&p, 3);
    pack_kv_text(&p, "code", "insufficient_credits");
    pack_kv_text(&p, "message", "12 credits are needed");
    pack_key(&p, "data");
    msgpack_pack_map(&p, 1);
    pack_kv_int(&p, "available", server->balance);
    msgpack_pack_nil(&p);
}

static int consume(struct server *server, const struct message *message,
                   const struct proto_params *params, msgpack_sbuffer *output)
{
    int64_t amount = params->values[PROTO_PARAMETER_RAW_AMOUNT].number;
    msgpack_packer p;
    bool replayed;
    char name[80];
    int r;

    name_change(params, name, sizeof name);
    replayed = is_replayed(server, name);
    if (!replayed && server->balance < amount) {
        refuse_insufficient(server, output, message->msgid);
        return 0;
    }
    if (!replayed) {
        memcpy(server->seen[server->stamps++].key, name, sizeof name);
        server->balance -= amount;
    }
    r = mishap(server);
    if (r != 0)
        return r;
    message_pack_result(output, message->msgid);
    msgpack_packer_init(&p, output, msgpack_sbuffer_write);
    pack_consumed(server, &p, amount, replayed);
    return 0;
}

/* The other changes: what is named by an id is replayed from the second time on. */
static int change(struct server *server, enum proto_method method, const struct message *message,
                  const struct proto_params *params, msgpack_sbuffer *output)
{
    bool replayed = server->asked[method] > 1;
    msgpack_packer p;
    char name[80];
    int r;

    name_change(params, name, sizeof name);
    if (proto_method_spec(method)->known & PROTO_BIT(STAMP)) {
        replayed = is_replayed(server, name);
        if (!replayed)
            memcpy(server->seen[server->stamps++].key, name, sizeof name);
    }
    r = mishap(server);
    if (r != 0)
        return r;
    message_pack_result(output, message->msgid);
    msgpack_packer_init(&p, output, msgpack_sbuffer_write);
    cr_assert(answer_object(method, params, replayed, &p));
    return 0;
}

static void pack_transaction(struct server *server, msgpack_packer *p)
{
    msgpack_pack_map(p, 11);
    pack_names(p);
    pack_kv_text(p, "id", "tx_1_1");
    pack_kv_text(p, "object", "credit_transaction");
    pack_kv_text(p, "type", "deduct");
    pack_kv_int(p, "amount", 1234);
    pack_kv_int(p, "raw_amount", 1233567);
    pack_kv_int(p, "balance_after", server->balance);
    pack_key(p, "metadata");
    msgpack_pack_map(p, 1);
    pack_kv_text(p, "model", "large");
    pack_kv_int(p, "created_at", 1700000000000);
    pack_kv_text(p, "push_state", "pending");
}

/* Without a raw amount, and with a reason. */
static void pack_grant(struct server *server, msgpack_packer *p)
{
    msgpack_pack_map(p, 11);
    pack_names(p);
    pack_kv_text(p, "id", "gr_1_1");
    pack_kv_text(p, "object", "credit_transaction");
    pack_kv_text(p, "type", "grant");
    pack_kv_int(p, "amount", 50);
    pack_kv_nil(p, "raw_amount");
    pack_kv_text(p, "reason", "gift");
    pack_kv_int(p, "balance_after", server->balance);
    pack_kv_int(p, "created_at", 1700000000000);
    pack_kv_text(p, "push_state", "dropped");
}

static void pack_push(msgpack_packer *p)
{
    msgpack_pack_map(p, 14);
    pack_names(p);
    pack_kv_text(p, "payment_id", "pay_1");
    pack_kv_nil(p, "user_id");
    pack_kv_text(p, "push_id", "psh_1_1_1");
    pack_kv_text(p, "type", "deduct");
    pack_kv_int(p, "credits", 5);
    pack_kv_int(p, "attempt", 1);
    pack_kv_text(p, "state", "parked");
    pack_kv_text(p, "reason", "upstream says 3");
    pack_kv_int(p, "begun_at", 1700000000000);
    pack_kv_int(p, "consumed_before", 10);
    pack_kv_nil(p, "consumed_seen");
    pack_kv_nil(p, "rows_seen");
}

static void pack_balance(struct server *server, msgpack_packer *p)
{
    msgpack_pack_map(p, 11);
    pack_names(p);
    pack_kv_int(p, "balance", server->balance);
    pack_kv_int(p, "upstream", server->balance + 3);
    pack_kv_int(p, "pending", 3);
    pack_kv_int(p, "held", 0);
    pack_kv_int(p, "consumed", server->is_unknown ? 0 : 7);
    pack_kv_int(p, "granted", server->is_unknown ? 0 : 107);
    pack_kv_int(p, "units_per_credit", 1);
    pack_kv_bool(p, "stale", 0);
    pack_kv_int(p, "synced_at", 1700000000000);
}

static void pack_status(msgpack_packer *p)
{
    msgpack_pack_map(p, 7);
    pack_key(p, "events");
    msgpack_pack_map(p, 2);
    pack_kv_int(p, "last", 1234);
    pack_kv_int(p, "subscribers", 1);
    pack_key(p, "hooks");
    msgpack_pack_map(p, 2);
    pack_kv_int(p, "failed", 2);
    pack_kv_int(p, "parked", 3);
    pack_kv_text(p, "version", "9.9");
    pack_kv_text(p, "health", "degraded");
    pack_kv_int(p, "uptime", 11520000);
    pack_key(p, "upstream");
    msgpack_pack_map(p, 3);
    pack_kv_bool(p, "reachable", 0);
    pack_kv_text(p, "paused", "unauthorized");
    pack_kv_nil(p, "last_success");
    pack_key(p, "pending");
    msgpack_pack_map(p, 2);
    pack_kv_int(p, "credits", 1234567);
    pack_kv_int(p, "balances", 12);
}

static void answer_read(struct server *server, enum proto_method method, msgpack_packer *p)
{
    switch (method) {
    case PROTO_METHOD_PING:
        msgpack_pack_map(p, 2);
        pack_kv_bool(p, "pong", 1);
        pack_kv_text(p, "version", "9.9");
        break;
    case PROTO_METHOD_STATUS:
        pack_status(p);
        break;
    case PROTO_METHOD_CREDITS_BALANCE:
        pack_balance(server, p);
        break;
    case PROTO_METHOD_CREDITS_CHECK:
        msgpack_pack_map(p, 7);
        pack_names(p);
        pack_kv_bool(p, "is_sufficient", 1);
        pack_kv_int(p, "credits_required", 5);
        pack_kv_int(p, "balance", server->balance);
        pack_kv_bool(p, "stale", 0);
        pack_kv_int(p, "synced_at", 0);
        break;
    case PROTO_METHOD_PUSH_RETRY:
    case PROTO_METHOD_PUSH_DROP:
    case PROTO_METHOD_PUSH_SETTLE:
        msgpack_pack_map(p, 2);
        pack_kv_text(p, "push_id", "psh_1_1_1");
        pack_kv_text(p, "state",
                     method == PROTO_METHOD_PUSH_DROP     ? "dropped"
                     : method == PROTO_METHOD_PUSH_SETTLE ? "settled"
                                                          : "sending");
        break;
    case PROTO_METHOD_PUSH_LIST:
        msgpack_pack_map(p, 2);
        pack_key(p, "data");
        msgpack_pack_array(p, 1);
        pack_push(p);
        pack_kv_bool(p, "has_more", 1);
        break;
    default:
        msgpack_pack_map(p, 3);
        pack_key(p, "data");
        msgpack_pack_array(p, 2);
        pack_transaction(server, p);
        pack_grant(server, p);
        pack_kv_bool(p, "has_more", 1);
        pack_kv_bool(p, "gap", 1);
    }
}

static bool is_change(enum proto_method method)
{
    return proto_method_spec(method)->role > PROTO_ROLE_READ && method != PROTO_METHOD_PUSH_LIST &&
           method != PROTO_METHOD_PUSH_RETRY && method != PROTO_METHOD_PUSH_DROP &&
           method != PROTO_METHOD_PUSH_SETTLE;
}

static int answer(struct server *server, const struct message *message, msgpack_sbuffer *output)
{
    struct proto_params params = {0};
    const char *parameter, *reason;
    enum proto_method method;
    msgpack_packer p;
    int r;

    if (proto_method_find(message->method, message->method_length, &method) < 0) {
        message_pack_error(output, message->msgid, PROTO_ERROR_UNKNOWN_METHOD, "no such method",
                           NULL, NULL);
        return 0;
    }
    r = proto_params_decode(method, &message->params, &params, &parameter, &reason);
    if (r != 0) {
        message_pack_error(output, message->msgid, (enum proto_error)r, reason, "parameter",
                           parameter);
        return 0;
    }
    server->asked[method]++;
    server->last = params;
    if (method == PROTO_METHOD_CREDITS_CONSUME)
        return consume(server, message, &params, output);
    r = answer_events(server, method, message, &params, output);
    if (r <= 0)
        return r;
    if (is_change(method))
        return change(server, method, message, &params, output);
    message_pack_result(output, message->msgid);
    msgpack_packer_init(&p, output, msgpack_sbuffer_write);
    if (!answer_object(method, &params, false, &p))
        answer_read(server, method, &p);
    return 0;
}

/* Answers all whole messages; -1 to hang up. */
static int answer_all(struct server *server, struct server_peer *peer, msgpack_sbuffer *output)
{
    msgpack_zone zone;
    size_t offset = 0, length;
    int r = 0;

    msgpack_zone_init(&zone, MSGPACK_ZONE_CHUNK_SIZE);
    while (r >= 0 && frame_scan(&peer->scanner, (const uint8_t *)peer->input.data + offset,
                                peer->input.size - offset, &length) == FRAME_COMPLETE) {
        struct message message = {0};
        const char *reason;
        int has_msgid;

        if (message_parse(&zone, peer->input.data + offset, length, &message, &has_msgid, &reason) <
            0)
            r = -1;
        else
            r = answer(server, &message, output);
        offset += length;
    }
    msgpack_zone_destroy(&zone);
    memmove(peer->input.data, peer->input.data + offset, peer->input.size - offset);
    peer->input.size -= offset;
    return r < 0 ? -1 : 0;
}

static bool write_all(int fd, const char *data, size_t length)
{
    while (length > 0) {
        ssize_t n = send(fd, data, length, MSG_NOSIGNAL);

        if (n < 0)
            return false;
        data += n;
        length -= (size_t)n;
    }
    return true;
}

static bool serve(struct server *server, struct server_peer *peer)
{
    char chunk[4096];
    ssize_t n = recv(peer->fd, chunk, sizeof chunk, 0);
    msgpack_sbuffer output;
    bool goes_on;

    if (n <= 0)
        return false;
    msgpack_sbuffer_init(&output);
    msgpack_sbuffer_write(&peer->input, chunk, (size_t)n);
    pthread_mutex_lock(&server->lock);
    goes_on = answer_all(server, peer, &output) == 0;
    pthread_mutex_unlock(&server->lock);
    if (!write_all(peer->fd, output.data, output.size))
        goes_on = false;
    msgpack_sbuffer_destroy(&output);
    return goes_on;
}

static void hang_up(struct server_peer *peer)
{
    close(peer->fd);
    msgpack_sbuffer_destroy(&peer->input);
    peer->fd = -1;
}

static void welcome(struct server *server, struct server_peer *peers)
{
    int fd = accept(server->listener, NULL, NULL);

    for (size_t i = 0; i < PEERS_MAX; i++) {
        if (peers[i].fd >= 0)
            continue;
        peers[i] = (struct server_peer){.fd = fd};
        frame_scanner_init(&peers[i].scanner, PROTO_MESSAGE_SIZE_DEFAULT);
        server->connections++;
        return;
    }
    close(fd);
}

static void *run(void *data)
{
    struct server *server = data;
    struct server_peer *peers = server->peers;
    struct pollfd fds[PEERS_MAX + 2];

    for (size_t i = 0; i < PEERS_MAX; i++)
        peers[i].fd = -1;
    for (;;) {
        fds[0] = (struct pollfd){.fd = server->stop[0], .events = POLLIN};
        fds[1] = (struct pollfd){.fd = server->listener, .events = POLLIN};
        for (size_t i = 0; i < PEERS_MAX; i++)
            fds[i + 2] = (struct pollfd){.fd = peers[i].fd, .events = POLLIN};
        if (poll(fds, PEERS_MAX + 2, -1) < 0 || fds[0].revents)
            break;
        for (size_t i = 0; i < PEERS_MAX; i++)
            if (fds[i + 2].revents && !serve(server, &peers[i]))
                hang_up(&peers[i]);
        if (fds[1].revents)
            welcome(server, peers);
    }
    for (size_t i = 0; i < PEERS_MAX; i++)
        if (peers[i].fd >= 0)
            hang_up(&peers[i]);
    return NULL;
}

void server_start(struct server *server, int64_t balance)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    memset(server, 0, sizeof *server);
    server->balance = balance;
    pthread_mutex_init(&server->lock, NULL);
    snprintf(server->directory, sizeof server->directory, "/tmp/creditd-test-XXXXXX");
    cr_assert_not_null(mkdtemp(server->directory));
    snprintf(server->path, sizeof server->path, "%s/s", server->directory);
    snprintf(address.sun_path, sizeof address.sun_path, "%s", server->path);
    server->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_eq(bind(server->listener, (struct sockaddr *)&address, sizeof address), 0);
    cr_assert_eq(listen(server->listener, 64), 0);
    cr_assert_eq(pipe2(server->stop, O_CLOEXEC), 0);
    cr_assert_eq(pthread_create(&server->thread, NULL, run, server), 0);
}

void server_stop(struct server *server)
{
    close(server->stop[1]);
    pthread_join(server->thread, NULL);
    close(server->stop[0]);
    close(server->listener);
    unlink(server->path);
    rmdir(server->directory);
    pthread_mutex_destroy(&server->lock);
}

int64_t server_balance(struct server *server)
{
    int64_t balance;

    pthread_mutex_lock(&server->lock);
    balance = server->balance;
    pthread_mutex_unlock(&server->lock);
    return balance;
}
