/*
 * Between JSON and what libcreditd takes and gives: for the programs that speak both, creditctl and
 * creditd-http. The library itself has no JSON.
 *
 * JSON has no bytes: they are shown as hexadecimal digits.
 */
#pragma once

#include <creditd.h>
#include <jansson.h>
#include <stddef.h>

/* A new reference; NULL where memory is short. */
json_t *json_from_value(const struct creditd_value *value);
/* The members of an object into a map. */
void json_into_map(struct creditd_map *map, const json_t *object);
/* How many bytes the value takes in a message, at most. More than its text: 1.0 takes nine. */
size_t json_encoded_bound(const json_t *value);
/* The first member that the method has no parameter of, NULL where there is none; `known` are then
 * those that it has, as a text. The daemon passes over what it does not know, as newer clients need
 * it to; a misspelt idempotency_key would then be none. Of a method that is not in this version's
 * table the daemon may know anything. */
#define JSON_NAMES_MAX 512
const char *json_unknown_name(const char *method, const json_t *params, char known[JSON_NAMES_MAX]);
/* How a call may be repeated when the connection is lost: as the table of methods has it. A method
 * that is not in this version's table is never sent twice. */
enum creditd_repeat json_call_repeat(const char *method, const json_t *params);
