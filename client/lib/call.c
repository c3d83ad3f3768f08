/*
 * One call, packed once. Its message id and its stamp are known only when it is sent, and have a
 * fixed size and place in the frame: the id is packed as 32 bits behind the first two bytes, the
 * stamp is the last member.
 */
#include "engine.h"
#include <errno.h>
#include <proto/message.h>
#include <stdlib.h>
#include <string.h>

#define MSGID_OFFSET 3 /* 0x94, 0x00, 0xce */
#define COUNTER_SIZE 9 /* 0xcf and 64 bits */
#define STAMP_SIZE (1 + 2 + PROTO_CLIENT_ID_SIZE + COUNTER_SIZE)

static int append(void *data, const char *bytes, size_t length)
{
    return msgpack_sbuffer_write(data, bytes, length);
}

static int append_stamp(msgpack_sbuffer *buffer)
{
    static const uint8_t place[STAMP_SIZE] = {0x92, 0xc4, PROTO_CLIENT_ID_SIZE,
                                              [3 + PROTO_CLIENT_ID_SIZE] = 0xcf};
    static const char key[] = "\xa5stamp";

    if (append(buffer, key, sizeof key - 1) < 0)
        return -ENOMEM;
    return append(buffer, (const char *)place, sizeof place) < 0 ? -ENOMEM : 0;
}

static int pack_frame(msgpack_sbuffer *buffer, const char *method, const struct creditd_map *params,
                      bool with_stamp)
{
    msgpack_packer packer;
    int r;

    buffer->size = 0;
    r = message_pack_request(buffer, UINT32_MAX, method);
    if (r < 0)
        return r;
    msgpack_packer_init(&packer, buffer, append);
    if (msgpack_pack_map(&packer, (params ? params->count : 0) + with_stamp) < 0)
        return -ENOMEM;
    if (params && params->body.size > 0 && append(buffer, params->body.data, params->body.size) < 0)
        return -ENOMEM;
    r = with_stamp ? append_stamp(buffer) : 0;
    if (r < 0)
        return r;
    return buffer->size > PROTO_MESSAGE_SIZE_DEFAULT ? -EMSGSIZE : 0;
}

void call_set_msgid(struct call *call, uint32_t msgid)
{
    for (int i = 0; i < 4; i++)
        call->frame[MSGID_OFFSET + i] = (uint8_t)(msgid >> (24 - 8 * i));
}

void call_set_stamp(struct call *call, const struct creditd_stamp *stamp)
{
    uint8_t *place = call->frame + call->length - STAMP_SIZE;

    memcpy(place + 3, stamp->bytes, PROTO_CLIENT_ID_SIZE);
    memcpy(place + 3 + PROTO_CLIENT_ID_SIZE + 1, stamp->bytes + PROTO_CLIENT_ID_SIZE, 8);
    call->stamp = *stamp;
    call->has_stamp = true;
    call->wants_stamp = false;
}

static int call_new(struct creditd *c, const struct creditd_call_options *options,
                    creditd_callback callback, void *data, struct call **ret_call)
{
    uint32_t timeout = options->timeout > 0 ? options->timeout : c->timeout;
    struct call *call = malloc(sizeof *call + c->scratch.size);

    if (!call)
        return -ENOMEM;
    *call = (struct call){
        .callback = callback,
        .data = data,
        .deadline = timeout == CREDITD_FOREVER ? NEVER : c->io->clock(c->context) + timeout,
        .slot = -1,
        .repeat = options->repeat,
        .wants_stamp = options->repeat == CREDITD_REPEAT_STAMPED,
        .length = c->scratch.size,
    };
    memcpy(call->frame, c->scratch.data, c->scratch.size);
    if (call->wants_stamp && options->stamp)
        call_set_stamp(call, options->stamp);
    *ret_call = call;
    return 0;
}

static int check_arguments(const char *method, const struct creditd_map *params,
                           const struct creditd_call_options *options)
{
    if (!method || !*method || !proto_text_valid(method, strlen(method)))
        return -EINVAL;
    if (options->repeat > CREDITD_REPEAT_STAMPED)
        return -EINVAL;
    if (options->stamp && options->repeat != CREDITD_REPEAT_STAMPED)
        return -EINVAL;
    return params ? creditd_map_check(params) : 0;
}

int call_submit(struct creditd *c, const char *method, const struct creditd_map *params,
                const struct creditd_call_options *options, creditd_callback callback, void *data)
{
    struct call *call;
    int r = check_arguments(method, params, options);

    if (r < 0)
        return r;
    if (c->is_closed)
        return -ECANCELED;
    if (c->count >= CREDITD_CALLS_MAX)
        return -EAGAIN;
    r = pack_frame(&c->scratch, method, params, options->repeat == CREDITD_REPEAT_STAMPED);
    if (r < 0)
        return r;
    r = call_new(c, options, callback, data, &call);
    if (r < 0)
        return r;
    TAILQ_INSERT_TAIL(&c->calls, call, all);
    c->count++;
    if (!c->unsent)
        c->unsent = call;
    if (call->deadline < c->next_deadline)
        c->next_deadline = call->deadline;
    if (c->changed && !c->is_dispatching)
        c->changed(c, c->changed_data);
    return 0;
}
