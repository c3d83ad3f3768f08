/*
 * A method's parameters out of a request: from the body, a JSON object, or from the query. What a
 * value must be is left to the table of methods, by which creditd-serve judges; here a query's
 * texts become numbers and truth values where the table wants those.
 *
 * Pure.
 */
#pragma once

#include <jansson.h>
#include <proto/methods.h>
#include <stddef.h>
#include <stdint.h>

/* Why it cannot be read. */
struct parameters_problem {
    const char *parameter; /* a name of the table; NULL: none in particular */
    char text[200];
};

/* The next pair of a query, decoded, each to be freed; names and values are UTF-8 without NUL.
 * Returns 1, 0 at the end, -EINVAL, or -ENOMEM. */
int parameters_next_pair(const char **query, char **ret_name, char **ret_value);
/* An object of the parameters that the method knows; others are ignored. `query` may be NULL. 0,
 * -EINVAL with *ret_problem, or -ENOMEM. */
int parameters_from_query(const char *query, enum proto_method method, json_t **ret_object,
                          struct parameters_problem *ret_problem);
/* The body: an object, or nothing, which is an empty one. As above. */
int parameters_from_body(const char *body, size_t length, json_t **ret_object,
                         struct parameters_problem *ret_problem);
/* Leaves only those of `kept`, bits. */
void parameters_restrict(json_t *object, uint64_t kept);
/* Which of the table's parameters are there, as bits. */
uint64_t parameters_present(const json_t *object);
