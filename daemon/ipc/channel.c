/*
 * Calls both ways. Whatever ends a call takes it out of the table before it calls back, so that the
 * callback can do anything, and nothing can call it twice.
 */
#include "channel_calls.h"
#include <assert.h>
#include <errno.h>
#include <ipc/channel.h>
#include <proto/frame.h>
#include <proto/limits.h>
#include <stdlib.h>
#include <string.h>

#define OUTGOING_DEFAULT 256u
#define OUTGOING_MAX 65536u
#define INCOMING_DEFAULT 256u

struct ipc_channel {
    struct ipc_stream *stream; /* NULL once it is gone */
    uv_timer_t timer;
    uint64_t timer_due; /* UINT64_MAX: not set */
    struct calls calls;
    unsigned incoming, incoming_limit;
    size_t message_size;
    struct ipc_peer peer;
    enum ipc_close_reason reason;
    struct ipc_channel_callbacks callbacks;
    void *userdata;
};

static bool channel_is_open(const struct ipc_channel *channel)
{
    return channel->stream != NULL && ipc_stream_is_open(channel->stream);
}

/* Packing: whatever goes wrong, the buffer is as it was. */

static int check_packed(const struct ipc_channel *channel, const msgpack_packer *packer,
                        const msgpack_sbuffer *buffer, size_t start)
{
    struct frame_scanner scanner;
    size_t length = 0;

    if (pack_failed(packer))
        return -ENOMEM;
    frame_scanner_init(&scanner, channel->message_size);
    switch (frame_scan(&scanner, (const uint8_t *)buffer->data + start, buffer->size - start,
                       &length)) {
    case FRAME_COMPLETE:
        return length == buffer->size - start ? 0 : -EBADMSG;
    case FRAME_TOO_LARGE:
        return -EMSGSIZE;
    default:
        return -EBADMSG;
    }
}

/* After the message's head: its one value, and the check of the whole. */
static int pack_body(struct ipc_channel *channel, msgpack_sbuffer *buffer, size_t start,
                     ipc_pack_function pack, void *context, ipc_pack_function otherwise)
{
    msgpack_packer packer;
    int r;

    msgpack_packer_init(&packer, buffer, msgpack_sbuffer_write);
    if (pack == NULL)
        pack = otherwise;
    pack(&packer, context);
    r = check_packed(channel, &packer, buffer, start);
    if (r < 0)
        buffer->size = start;
    else
        ipc_stream_flush_soon(channel->stream);
    return r;
}

static void pack_no_parameters(msgpack_packer *packer, void *context)
{
    (void)context;
    pack_map(packer, 0);
}

static void pack_no_result(msgpack_packer *packer, void *context)
{
    (void)context;
    pack_nil(packer);
}

static void pack_ready(msgpack_packer *packer, void *context)
{
    const msgpack_sbuffer *params = context;

    if (params->size > 0 && packer->callback(packer->data, params->data, params->size) != 0)
        pack_break(packer);
}

/* Deadlines */

static void on_timer(uv_timer_t *timer);

static void timer_set(struct ipc_channel *channel, uint64_t due)
{
    uint64_t now = uv_now(channel->timer.loop);

    channel->timer_due = due;
    if (due == UINT64_MAX)
        uv_timer_stop(&channel->timer);
    else
        uv_timer_start(&channel->timer, on_timer, due > now ? due - now : 1, 0);
}

/* Calls back all that is due: each is out of the table before, and a callback may add others. */
static void calls_end_due(struct ipc_channel *channel, uint64_t now, enum ipc_reply_kind kind,
                          uint64_t *ret_next)
{
    struct ipc_reply reply = {.kind = kind};
    struct call call;

    while (calls_take_due(&channel->calls, now, &call, ret_next))
        call.callback(&reply, call.userdata);
}

static void on_timer(uv_timer_t *timer)
{
    struct ipc_channel *channel = timer->data;
    uint64_t next;

    calls_end_due(channel, uv_now(timer->loop), IPC_REPLY_TIMEOUT, &next);
    timer_set(channel, next);
}

/* What comes in */

static void handle_request(struct ipc_channel *channel, const struct message *message)
{
    channel->incoming++;
    if (channel->incoming >= channel->incoming_limit)
        ipc_stream_pause(channel->stream);
    if (channel->callbacks.on_request == NULL)
        ipc_channel_refuse(channel, message->msgid, PROTO_ERROR_UNKNOWN_METHOD,
                           proto_error_meaning(PROTO_ERROR_UNKNOWN_METHOD));
    else
        channel->callbacks.on_request(channel, message->msgid, message->method,
                                      message->method_length, &message->params, channel->userdata);
}

static void handle_response(struct ipc_channel *channel, const struct message *message)
{
    struct ipc_reply reply = {.kind = IPC_REPLY_RESULT};
    struct call call;

    if (!calls_take(&channel->calls, message->msgid, &call))
        return;
    if (message->error.type == MSGPACK_OBJECT_NIL) {
        reply.result = &message->result;
    } else {
        reply.kind = IPC_REPLY_ERROR;
        reply.error = &message->error;
    }
    call.callback(&reply, call.userdata);
}

static void on_message(struct ipc_stream *stream, const struct message *message, void *userdata)
{
    struct ipc_channel *channel = userdata;

    (void)stream;
    switch (message->type) {
    case MESSAGE_REQUEST:
        handle_request(channel, message);
        break;
    case MESSAGE_RESPONSE:
        handle_response(channel, message);
        break;
    case MESSAGE_NOTIFICATION:
        if (channel->callbacks.on_notification != NULL)
            channel->callbacks.on_notification(channel, message->method, message->method_length,
                                               &message->params, channel->userdata);
        break;
    }
}

static void on_timer_closed(uv_handle_t *handle)
{
    struct ipc_channel *channel = handle->data;

    if (channel->callbacks.on_closed != NULL)
        channel->callbacks.on_closed(channel, channel->reason, channel->userdata);
    calls_deinit(&channel->calls);
    free(channel);
}

static void on_stream_closed(struct ipc_stream *stream, enum ipc_close_reason reason,
                             void *userdata)
{
    struct ipc_channel *channel = userdata;
    uint64_t next;

    (void)stream;
    channel->stream = NULL;
    channel->reason = reason;
    calls_end_due(channel, UINT64_MAX, IPC_REPLY_GONE, &next);
    uv_close((uv_handle_t *)&channel->timer, on_timer_closed);
}

int ipc_channel_new(uv_loop_t *loop, int fd, const struct ipc_channel_options *options,
                    const struct ipc_channel_callbacks *callbacks, void *userdata,
                    struct ipc_channel **ret_channel)
{
    static const struct ipc_stream_callbacks stream_callbacks = {.on_message = on_message,
                                                                 .on_closed = on_stream_closed};
    static const struct ipc_channel_options defaults = {.outgoing_limit = 0};
    struct ipc_channel *channel = calloc(1, sizeof(*channel));
    unsigned limit;
    int r;

    if (channel == NULL)
        return -ENOMEM;
    if (options == NULL)
        options = &defaults;
    limit = options->outgoing_limit > 0 ? options->outgoing_limit : OUTGOING_DEFAULT;
    calls_init(&channel->calls, limit < OUTGOING_MAX ? limit : OUTGOING_MAX);
    channel->incoming_limit =
        options->incoming_limit > 0 ? options->incoming_limit : INCOMING_DEFAULT;
    channel->message_size = options->stream.message_size > 0 ? options->stream.message_size
                                                             : PROTO_MESSAGE_SIZE_DEFAULT;
    channel->callbacks = *callbacks;
    channel->userdata = userdata;
    channel->timer_due = UINT64_MAX;
    r = ipc_stream_new(loop, fd, &options->stream, &stream_callbacks, channel, &channel->stream);
    if (r < 0) {
        free(channel);
        return r;
    }
    channel->peer = *ipc_stream_peer(channel->stream);
    uv_timer_init(loop, &channel->timer); /* cannot fail */
    channel->timer.data = channel;
    *ret_channel = channel;
    return 0;
}

const struct ipc_peer *ipc_channel_peer(const struct ipc_channel *channel)
{
    return &channel->peer;
}

int ipc_channel_request(struct ipc_channel *channel, const char *method, ipc_pack_function pack,
                        void *context, uint64_t timeout_ms, ipc_reply_function callback,
                        void *userdata, uint32_t *ret_id)
{
    uint64_t deadline = UINT64_MAX;
    msgpack_sbuffer *buffer;
    struct call call;
    size_t start;
    uint32_t id;
    int r;

    assert(callback != NULL);
    if (!channel_is_open(channel))
        return -ENOTCONN;
    if (timeout_ms > 0)
        deadline = uv_now(channel->timer.loop) + timeout_ms;
    r = calls_add(&channel->calls, callback, userdata, deadline, &id);
    if (r < 0)
        return r;
    buffer = ipc_stream_output(channel->stream);
    start = buffer->size;
    r = message_pack_request(buffer, id, method);
    if (r == 0)
        r = pack_body(channel, buffer, start, pack, context, pack_no_parameters);
    if (r < 0) {
        calls_take(&channel->calls, id, &call);
        return r;
    }
    if (deadline < channel->timer_due)
        timer_set(channel, deadline);
    if (ret_id != NULL)
        *ret_id = id;
    return 0;
}

int ipc_channel_request_packed(struct ipc_channel *channel, const char *method,
                               const msgpack_sbuffer *params, uint64_t timeout_ms,
                               ipc_reply_function callback, void *userdata, uint32_t *ret_id)
{
    msgpack_sbuffer copy = *params; /* only its pointers: pack_ready does not change it */

    return ipc_channel_request(channel, method, pack_ready, &copy, timeout_ms, callback, userdata,
                               ret_id);
}

int ipc_channel_cancel(struct ipc_channel *channel, uint32_t id)
{
    struct call call;

    return calls_take(&channel->calls, id, &call) ? 0 : -ENOENT;
}

unsigned ipc_channel_outstanding(const struct ipc_channel *channel)
{
    return channel->calls.used;
}

int ipc_channel_notify(struct ipc_channel *channel, const char *method, ipc_pack_function pack,
                       void *context)
{
    msgpack_sbuffer *buffer;
    size_t start;
    int r;

    if (!channel_is_open(channel))
        return -ENOTCONN;
    buffer = ipc_stream_output(channel->stream);
    start = buffer->size;
    r = message_pack_notification(buffer, method);
    return r < 0 ? r : pack_body(channel, buffer, start, pack, context, pack_no_parameters);
}

/* One incoming request less. */
static void incoming_done(struct ipc_channel *channel)
{
    assert(channel->incoming > 0);
    channel->incoming--;
    if (channel->incoming < channel->incoming_limit)
        ipc_stream_resume(channel->stream);
}

static int pack_refusal(struct ipc_channel *channel, uint32_t msgid, enum proto_error error,
                        const char *text)
{
    int r = message_pack_error(ipc_stream_output(channel->stream), msgid, error, text, NULL, NULL);

    if (r == 0)
        ipc_stream_flush_soon(channel->stream);
    return r;
}

int ipc_channel_answer(struct ipc_channel *channel, uint32_t msgid, ipc_pack_function pack,
                       void *context)
{
    msgpack_sbuffer *buffer;
    size_t start;
    int r;

    if (channel->stream == NULL)
        return -ENOTCONN;
    incoming_done(channel);
    buffer = ipc_stream_output(channel->stream);
    start = buffer->size;
    r = message_pack_result(buffer, msgid);
    if (r == 0)
        r = pack_body(channel, buffer, start, pack, context, pack_no_result);
    if (r < 0)
        pack_refusal(channel, msgid, PROTO_ERROR_INTERNAL, "the answer could not be sent");
    return r;
}

int ipc_channel_refuse(struct ipc_channel *channel, uint32_t msgid, enum proto_error error,
                       const char *text)
{
    if (channel->stream == NULL)
        return -ENOTCONN;
    incoming_done(channel);
    return pack_refusal(channel, msgid, error, text);
}

void ipc_channel_drain(struct ipc_channel *channel)
{
    if (channel->stream != NULL)
        ipc_stream_drain(channel->stream);
}

void ipc_channel_close(struct ipc_channel *channel)
{
    if (channel->stream != NULL)
        ipc_stream_close(channel->stream);
}
