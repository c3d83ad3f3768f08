/*
 * A copy of a whole answer, for results that point into it: they outlive the reply, which goes when
 * its callback returns or the next blocking call begins.
 */
#pragma once

#include "reply.h"

struct owner;

/* 0, -ENOMEM, or -EBADMSG. `ret_message` points into the owner. */
int owner_new(const struct creditd_reply *reply, struct owner **ret_owner,
              struct message *ret_message);
struct owner *owner_free(struct owner *owner);
