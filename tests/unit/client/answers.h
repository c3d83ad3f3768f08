/* What the small daemon of server.c answers to the methods around credits: one of each object. */
#pragma once

#include <msgpack.h>
#include <proto/methods.h>
#include <stdbool.h>

/* Packs the result of what is done with reservations, grants, customers, subscriptions, refunds;
 * false where it is none of those. `replayed`: it had been done before. */
bool answer_object(enum proto_method method, const struct proto_params *params, bool replayed,
                   msgpack_packer *packer);
