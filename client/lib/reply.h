/* How a call ended: see creditd.h. */
#pragma once

#include <creditd.h>
#include <proto/message.h>

struct creditd_reply {
    int status;
    bool in_doubt, has_stamp;
    struct creditd_stamp stamp;
    char code[64];     /* the daemon's word; "": the status's own */
    char message[320]; /* "": the status's own */
    /* Nil where there is none; they point into `frame` and into a zone of the reply's owner. */
    msgpack_object data, result;
    const uint8_t *frame;
    size_t length;
};

void reply_init(struct creditd_reply *reply, int status);
/* Status, code, message, data and result of an answer. */
void reply_set_answer(struct creditd_reply *reply, const struct message *answer);
void reply_printf(struct creditd_reply *reply, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
