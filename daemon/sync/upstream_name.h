/*
 * What sync is set to, as a text by which two such settings can be told apart (proto/upstream.h):
 * another server is another upstream, and so is the same one by the other kind of key.
 */
#pragma once

#include <stdbool.h>

/* `url` has been checked (web/target.h). 0, -ENOMEM, or -E2BIG where the text would be too long. */
int upstream_name(const char *url, bool livemode, char **ret_name);
