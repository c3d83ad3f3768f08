/* Metadata as customers, subscriptions, payments and refunds have it: strings by name, kept as JSON
 * text, merged on every change. */
#pragma once

#include <jansson.h>

/* NULL, or what is wrong: it may be missing, null, or an object of strings. */
const char *metadata_check(const json_t *metadata);
/* Merges an object into *text, which may be NULL; what is no object changes nothing. */
int metadata_merge(char **text, const json_t *metadata);
