/* Which HTTP status an error has: one table over that of proto/errors.h. */
#pragma once

#include <creditd.h>
#include <proto/errors.h>

unsigned status_of_error(enum proto_error error);
/* 200, or that of the daemon's error, or 503 where the daemon has not answered. */
unsigned status_of_reply(const struct creditd_reply *reply);
