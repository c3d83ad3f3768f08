/*
 * See harness.h: the client. Slow and simple on purpose; frames are found with msgpack-c itself,
 * not with the code under test.
 */
#include "harness.h"
#include "json_words.h"
#include <criterion/criterion.h>
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <util/fd.h>

/* --- connections --- */

void harness_connection_init(struct harness_connection *connection, int fd)
{
    memset(connection, 0, sizeof(*connection));
    connection->fd = fd;
}

void harness_connect(struct harness_connection *connection, const char *path)
{
    int fd = -1, r = fd_connect_unix(path, &fd);

    cr_assert_eq(r, 0, "%s: %s", path, strerror(-r));
    harness_connection_init(connection, fd);
}

void harness_connection_deinit(struct harness_connection *connection)
{
    if (connection->fd >= 0)
        close(connection->fd);
    free(connection->input);
    memset(connection, 0, sizeof(*connection));
    connection->fd = -1;
}

void harness_send_bytes(struct harness_connection *connection, const void *data, size_t length)
{
    const char *bytes = data;

    while (length > 0) {
        ssize_t sent = send(connection->fd, bytes, length, MSG_NOSIGNAL);

        cr_assert_gt(sent, 0, "send: %s", strerror(errno));
        bytes += sent;
        length -= (size_t)sent;
    }
}

static void send_call(struct harness_connection *connection, int notification, uint32_t msgid,
                      const char *method, const json_t *params)
{
    msgpack_sbuffer buffer;
    msgpack_packer packer;

    msgpack_sbuffer_init(&buffer);
    msgpack_packer_init(&packer, &buffer, msgpack_sbuffer_write);
    msgpack_pack_array(&packer, notification ? 3 : 4);
    msgpack_pack_int(&packer, notification ? 2 : 0);
    if (!notification)
        msgpack_pack_uint32(&packer, msgid);
    msgpack_pack_str(&packer, strlen(method));
    msgpack_pack_str_body(&packer, method, strlen(method));
    msgpack_pack_array(&packer, 1);
    json_words_pack(&packer, params);
    harness_send_bytes(connection, buffer.data, buffer.size);
    msgpack_sbuffer_destroy(&buffer);
}

static uint32_t send_request(struct harness_connection *connection, const char *method,
                             const char *format, va_list arguments)
{
    json_error_t error;
    json_t *params = json_vpack_ex(&error, 0, format, arguments);

    cr_assert_not_null(params, "%s: %s", format, error.text);
    send_call(connection, 0, ++connection->last_msgid, method, params);
    json_decref(params);
    return connection->last_msgid;
}

uint32_t harness_send(struct harness_connection *connection, const char *method, const char *format,
                      ...)
{
    va_list arguments;
    uint32_t msgid;

    va_start(arguments, format);
    msgid = send_request(connection, method, format, arguments);
    va_end(arguments);
    return msgid;
}

void harness_notify(struct harness_connection *connection, const char *method)
{
    harness_notify_with(connection, method, json_object());
}

void harness_notify_with(struct harness_connection *connection, const char *method, json_t *params)
{
    send_call(connection, 1, 0, method, params);
    json_decref(params);
}

/* Takes both. */
static void send_answer(struct harness_connection *connection, uint32_t msgid, json_t *error,
                        json_t *result)
{
    msgpack_sbuffer buffer;
    msgpack_packer packer;

    cr_assert(error != NULL && result != NULL);
    msgpack_sbuffer_init(&buffer);
    msgpack_packer_init(&packer, &buffer, msgpack_sbuffer_write);
    msgpack_pack_array(&packer, 4);
    msgpack_pack_int(&packer, 1);
    msgpack_pack_uint32(&packer, msgid);
    json_words_pack(&packer, error);
    json_words_pack(&packer, result);
    harness_send_bytes(connection, buffer.data, buffer.size);
    msgpack_sbuffer_destroy(&buffer);
    json_decref(error);
    json_decref(result);
}

void harness_answer(struct harness_connection *connection, uint32_t msgid, json_t *result)
{
    send_answer(connection, msgid, json_null(), result);
}

void harness_answer_error(struct harness_connection *connection, uint32_t msgid, const char *code)
{
    json_t *error =
        json_pack("{s:s, s:s, s:n}", "code", code, "message", "it does not like it", "data");

    send_answer(connection, msgid, error, json_null());
}

static json_t *json_or_null(const msgpack_object *object)
{
    return object->type == MSGPACK_OBJECT_NIL ? NULL : json_words_of(object);
}

static void message_from(const msgpack_object *root, struct harness_message *message)
{
    const msgpack_object *fields = root->via.array.ptr, *method;

    cr_assert_eq(root->type, MSGPACK_OBJECT_ARRAY);
    cr_assert_geq(root->via.array.size, 3);
    memset(message, 0, sizeof(*message));
    message->type = (int)fields[0].via.u64;
    if (message->type == 1) {
        cr_assert_eq(root->via.array.size, 4);
        message->msgid = (uint32_t)fields[1].via.u64;
        message->error = json_or_null(&fields[2]);
        message->result = json_or_null(&fields[3]);
        return;
    }
    if (message->type == 0)
        message->msgid = (uint32_t)fields[1].via.u64;
    method = &fields[message->type == 0 ? 2 : 1];
    cr_assert_lt(method->via.str.size, sizeof(message->method));
    memcpy(message->method, method->via.str.ptr, method->via.str.size);
    cr_assert_eq(method[1].via.array.size, 1);
    message->params = json_words_of(&method[1].via.array.ptr[0]);
}

/* A whole message from what was read: true. */
static bool take_message(struct harness_connection *connection, struct harness_message *message)
{
    msgpack_unpacked unpacked;
    size_t offset = 0;
    msgpack_unpack_return r;

    if (connection->begin == connection->end)
        return false;
    msgpack_unpacked_init(&unpacked);
    r = msgpack_unpack_next(&unpacked, (const char *)connection->input + connection->begin,
                            connection->end - connection->begin, &offset);
    if (r == MSGPACK_UNPACK_SUCCESS) {
        message_from(&unpacked.data, message);
        connection->begin += offset;
    } else {
        cr_assert_eq(r, MSGPACK_UNPACK_CONTINUE, "no MessagePack");
    }
    msgpack_unpacked_destroy(&unpacked);
    return r == MSGPACK_UNPACK_SUCCESS;
}

static void make_room(struct harness_connection *connection)
{
    if (connection->begin > 0) {
        memmove(connection->input, connection->input + connection->begin,
                connection->end - connection->begin);
        connection->end -= connection->begin;
        connection->begin = 0;
    }
    if (connection->capacity - connection->end < 65536) {
        connection->capacity += 65536 + connection->capacity;
        connection->input = realloc(connection->input, connection->capacity);
        cr_assert_not_null(connection->input);
    }
}

bool harness_receive_within(struct harness_connection *connection, int timeout_ms,
                            struct harness_message *ret_message, bool *ret_timeout)
{
    *ret_timeout = false;
    while (!take_message(connection, ret_message)) {
        struct pollfd poller = {.fd = connection->fd, .events = POLLIN};
        ssize_t length;

        if (poll(&poller, 1, timeout_ms) == 0) {
            *ret_timeout = true;
            return false;
        }
        make_room(connection);
        length = recv(connection->fd, connection->input + connection->end,
                      connection->capacity - connection->end, 0);
        if (length <= 0)
            return false;
        connection->end += (size_t)length;
    }
    return true;
}

bool harness_receive(struct harness_connection *connection, struct harness_message *ret_message)
{
    bool timeout;
    bool there = harness_receive_within(connection, HARNESS_TIMEOUT_MS, ret_message, &timeout);

    if (timeout)
        cr_assert_fail("nothing came for %d ms:%s", HARNESS_TIMEOUT_MS, harness_logs());
    return there;
}

void harness_message_deinit(struct harness_message *message)
{
    json_decref(message->params);
    json_decref(message->error);
    json_decref(message->result);
    memset(message, 0, sizeof(*message));
}

static void wait_answer(struct harness_connection *connection, uint32_t msgid,
                        struct harness_message *message)
{
    for (;;) {
        if (!harness_receive(connection, message))
            cr_assert_fail("the connection was closed:%s", harness_logs());
        if (message->type == 1 && message->msgid == msgid)
            return;
        harness_message_deinit(message);
    }
}

json_t *harness_call(struct harness_connection *connection, const char *method, const char *format,
                     ...)
{
    struct harness_message message;
    va_list arguments;
    json_t *result;

    va_start(arguments, format);
    wait_answer(connection, send_request(connection, method, format, arguments), &message);
    va_end(arguments);
    if (message.error != NULL)
        cr_assert_fail("%s: %s%s", method, json_dumps(message.error, 0), harness_logs());
    cr_assert_not_null(message.result);
    result = json_incref(message.result);
    harness_message_deinit(&message);
    return result;
}

json_t *harness_call_error(struct harness_connection *connection, const char *method,
                           const char *format, ...)
{
    struct harness_message message;
    va_list arguments;
    json_t *error;

    va_start(arguments, format);
    wait_answer(connection, send_request(connection, method, format, arguments), &message);
    va_end(arguments);
    if (message.error == NULL)
        cr_assert_fail("%s was not refused: %s", method, json_dumps(message.result, 0));
    error = json_incref(message.error);
    harness_message_deinit(&message);
    return error;
}

int64_t harness_int(const json_t *map, const char *key)
{
    const json_t *value = json_object_get(map, key);

    cr_assert(json_is_integer(value), "%s is no integer in %s", key, json_dumps(map, 0));
    return json_integer_value(value);
}

bool harness_bool(const json_t *map, const char *key)
{
    const json_t *value = json_object_get(map, key);

    cr_assert(json_is_boolean(value), "%s is no boolean in %s", key, json_dumps(map, 0));
    return json_is_true(value);
}

const char *harness_text(const json_t *map, const char *key)
{
    const json_t *value = json_object_get(map, key);

    cr_assert(json_is_string(value), "%s is no text in %s", key, json_dumps(map, 0));
    return json_string_value(value);
}

/* --- helpers --- */

void harness_helper_start(struct harness_process *process, const struct harness_start *start,
                          const char *hello, struct harness_connection *ret_serve)
{
    struct harness_start helper = *start;
    struct harness_message message;
    int fds[2];

    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    helper.fds[0].name = "serve";
    helper.fds[0].fd = fds[1];
    helper.fd_count = 1;
    harness_process_start(process, &helper);
    close(fds[1]);
    harness_connection_init(ret_serve, fds[0]);
    harness_process_wait_ready(process);
    cr_assert(harness_receive(ret_serve, &message));
    cr_assert_eq(message.type, 2);
    cr_assert_str_eq(message.method, hello);
    cr_assert_str_eq(harness_text(message.params, "version"), CREDITD_VERSION);
    harness_message_deinit(&message);
}
