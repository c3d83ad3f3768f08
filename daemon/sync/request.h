/* What the builders of requests share. */
#pragma once

#include <stdbool.h>

/* The older server lives under /api and speaks camelCase. */
bool base_is_camel(const char *base_url);
