/* Where the sandbox starts: the seed file, or what it has without one. */
#pragma once

#include "model.h"
#include <jansson.h>

/* -errno; *ret_error is a line that the caller frees, or NULL when out of memory. */
int seed_load_file(struct model *model, const char *path, int64_t now_ms, char **ret_error);
int seed_load(struct model *model, const json_t *seed, int64_t now_ms, char **ret_error);
/* prod_tokens and prod_chars, with 1,000,000 credits of each for cus_ada and cus_grace. */
int seed_load_default(struct model *model, int64_t now_ms);
