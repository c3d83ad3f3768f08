/*
 * One hook.run, decoded: which hook, which attempt, and the event as a program or a URL gets it.
 * Pure.
 *
 * Id and type go into the environment and into headers, so that they are no more than ids are.
 */
#pragma once

#include <msgpack.h>
#include <proto/hook.h>
#include <proto/limits.h>
#include <stdint.h>

struct request {
    enum hook_number hook;
    int64_t attempt;
    char id[PROTO_ID_MAX + 1];
    char type[PROTO_ID_MAX + 1];
    int64_t sequence;
    char *json; /* the envelope on one line, without a newline */
};

/* 0, -ENOMEM, or -EBADMSG with *ret_parameter naming the culprit. Unknown keys are ignored, and
 * passed on where they are the event's. */
int request_decode(const msgpack_object *params, struct request *ret_request,
                   const char **ret_parameter);
void request_deinit(struct request *request);
