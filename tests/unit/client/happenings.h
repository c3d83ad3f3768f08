/* The events of the small daemon of server.c: five kinds in turn, as many as `server->events`. */
#pragma once

#include "server.h"
#include <proto/message.h>

/* Answers event.subscribe, with the events behind the answer, event.ack, event.list, and the
 * methods for hooks. 0; 1: it is none of these; -1: hang up after what was packed. */
int answer_events(struct server *server, enum proto_method method, const struct message *message,
                  const struct proto_params *params, msgpack_sbuffer *output);
