/* Replies, and the words for how they may end. The numbers of enum creditd_code are part of the
 * ABI, those of enum proto_error are not: hence the table. */
#include "reply.h"
#include "value.h"
#include <errno.h>
#include <proto/errors.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const int codes[PROTO_ERROR_COUNT_] = {
#define X(name, word, retry, meaning) [PROTO_ERROR_##name] = CREDITD_##name,
    PROTO_ERRORS(X)
#undef X
};

struct local {
    int status;
    const char *word, *message;
    bool retry;
};

static const struct local locals[] = {
    {0, "ok", "", false},
    {CREDITD_OTHER, "error", "the daemon refused, with a code that is not known here", false},
    {-EINVAL, "invalid_argument", "an argument cannot be right", false},
    {-EMSGSIZE, "too_large", "the request is larger than the daemon takes", false},
    {-EAGAIN, "too_many_calls", "too many calls are under way on this connection", true},
    {-ENOMEM, "no_memory", "there was no memory", true},
    {-EDEADLK, "in_callback", "a blocking call cannot be made from a callback", false},
    {-ENAMETOOLONG, "path_too_long", "no Unix socket can have a path that long", false},
    {-ENOTCONN, "no_daemon", "no daemon listens there", true},
    {-ETIMEDOUT, "timeout", "the daemon has not answered in time", true},
    {-ECONNRESET, "connection_lost", "the connection was lost before the answer came", false},
    {-ECANCELED, "canceled", "the connection was closed before the answer came", false},
    {-EPROTO, "unreadable_answer",
     "the daemon's answer is not what belongs there; is it another version?", false},
};

static enum proto_error daemon_error(int status)
{
    for (int i = 1; i < PROTO_ERROR_COUNT_; i++)
        if (codes[i] == status)
            return (enum proto_error)i;
    return PROTO_ERROR_NONE;
}

static const struct local *find_local(int status)
{
    for (size_t i = 0; i < sizeof locals / sizeof locals[0]; i++)
        if (locals[i].status == status)
            return &locals[i];
    return NULL;
}

const char *creditd_code_word(int status)
{
    enum proto_error error = daemon_error(status);
    const struct local *local = find_local(status);

    if (error != PROTO_ERROR_NONE)
        return proto_error_code(error);
    return local ? local->word : (status < 0 ? "system_error" : "error");
}

bool creditd_code_is_retryable(int status)
{
    enum proto_error error = daemon_error(status);
    const struct local *local = find_local(status);

    if (error != PROTO_ERROR_NONE)
        return proto_error_is_retryable(error);
    return local && local->retry;
}

void reply_init(struct creditd_reply *reply, int status)
{
    const msgpack_object nil = {.type = MSGPACK_OBJECT_NIL};

    *reply = (struct creditd_reply){.status = status, .data = nil, .result = nil};
}

void reply_printf(struct creditd_reply *reply, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(reply->message, sizeof reply->message, format, arguments);
    va_end(arguments);
}

static void copy_text(const msgpack_object *map, const char *key, char *buffer, size_t size)
{
    const char *text;
    size_t length;

    if (map_get_text(map, key, &text, &length) <= 0)
        return;
    if (length >= size)
        length = size - 1;
    memcpy(buffer, text, length);
    buffer[length] = '\0';
}

void reply_set_answer(struct creditd_reply *reply, const struct message *answer)
{
    enum proto_error error;
    const msgpack_object *data;

    reply->result = answer->result;
    if (answer->error.type == MSGPACK_OBJECT_NIL)
        return;
    copy_text(&answer->error, "code", reply->code, sizeof reply->code);
    copy_text(&answer->error, "message", reply->message, sizeof reply->message);
    error = proto_error_from_code(reply->code, strlen(reply->code));
    reply->status = error == PROTO_ERROR_NONE ? CREDITD_OTHER : codes[error];
    data = map_find(&answer->error, "data");
    if (data)
        reply->data = *data;
}

int creditd_reply_status(const struct creditd_reply *reply)
{
    return reply->status;
}

const char *creditd_reply_code(const struct creditd_reply *reply)
{
    return reply->code[0] ? reply->code : creditd_code_word(reply->status);
}

const char *creditd_reply_message(const struct creditd_reply *reply)
{
    const struct local *local = find_local(reply->status);

    if (reply->message[0])
        return reply->message;
    if (reply->status > 0 && daemon_error(reply->status) != PROTO_ERROR_NONE)
        return proto_error_meaning(daemon_error(reply->status));
    return local ? local->message : "the system refused";
}

const struct creditd_value *creditd_reply_data(const struct creditd_reply *reply)
{
    return value_of(&reply->data);
}

const struct creditd_value *creditd_reply_result(const struct creditd_reply *reply)
{
    return reply->status == 0 ? value_of(&reply->result) : NULL;
}

bool creditd_reply_in_doubt(const struct creditd_reply *reply)
{
    return reply->in_doubt;
}

const struct creditd_stamp *creditd_reply_stamp(const struct creditd_reply *reply)
{
    return reply->has_stamp ? &reply->stamp : NULL;
}
