/*
 * Reading what StellarTools sends, of which several versions exist side by side: every member is
 * asked for by its snake_case name and found under its camelCase name as well; numbers are
 * JavaScript's doubles, of which only the integers up to 2^53 - 1 mean what they say.
 *
 * The typed reads answer 1 (there), 0 (missing or null) or -EBADMSG (there and not readable): what
 * is there and cannot be read must never pass for "not there".
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Parses a whole body; NULL where it is not JSON or a key is repeated in an object (two readers
 * could disagree on it). The caller owns the value. */
json_t *fields_parse(const char *body, size_t length);

/* The member `name` (snake_case), the first spelling of it that is not null; NULL where neither is
 * there, or `object` is none. */
const json_t *field_find(const json_t *object, const char *name);
int field_int(const json_t *object, const char *name, int64_t *ret_value);
int field_bool(const json_t *object, const char *name, bool *ret_value);
/* *ret_text has no NUL inside and lives as long as the object. */
int field_text(const json_t *object, const char *name, const char **ret_text);
/* Whether the member names `id`, or is not there at all. */
bool field_matches(const json_t *object, const char *name, const char *id);
/* An ISO 8601 time, as milliseconds since the epoch. */
int field_time(const json_t *object, const char *name, int64_t *ret_ms);

/* What is inside the envelope: of {"data": X} it is X, of {"data": {"data": X}} too, else the root
 * itself. */
const json_t *envelope_open(const json_t *root);
/* A list in any of its forms. *ret_has_more is -1 where the answer does not say. 0 or -EBADMSG. */
int envelope_list(const json_t *root, const json_t **ret_rows, int *ret_has_more);
