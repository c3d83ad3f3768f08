/*
 * What the methods that change or read a balance have in common: a request as the engine's command,
 * and the engine's refusals as answers.
 */
#pragma once

#include "request.h"
#include <core/engine.h>
#include <msgpack.h>
#include <stdbool.h>

/* Fills in a command of this request. The metadata lies in the answer's buffer: it is there until
 * the answer is begun. False: the request has been refused. */
bool command_fill(struct request *request, struct core_consume *ret_command);
/* metadata as the engine takes it; empty where none was given. 0 or -ENOMEM. As above. */
int command_metadata(struct request *request, struct core_text *ret_metadata);
/* What the method is to return where the engine did not do it. `balance` is what the engine filled
 * in: the slot, and all of it with INSUFFICIENT and OFFLINE_LIMIT. */
int command_not_done(struct request *request, int status, const struct core_balance *balance);

struct core_text request_text(const struct request *request, enum proto_parameter parameter);
static inline bool request_has(const struct request *request, uint64_t bit)
{
    return (request->params.present & bit) != 0;
}

/* customer_id and product_id: two members. */
void pack_balance_names(msgpack_packer *packer, const struct core_balance *balance);
/* stale and synced_at: two members. */
void pack_freshness(msgpack_packer *packer, const struct core_balance *balance);
