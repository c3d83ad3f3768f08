/* See parameters.h. */
#include "parameters.h"
#include <errno.h>
#include <proto/limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <util/hex.h>
#include <util/macros.h>

#define DIGITS_MAX 18 /* any so many fit into an int64_t */

/* Percent signs and plus signs, as forms write them. */
static int decode(const char *text, size_t length, char **ret_text)
{
    CLEANUP(cleanup_free) char *decoded = malloc(length + 1);
    size_t count = 0;

    if (!decoded)
        return -ENOMEM;
    for (size_t i = 0; i < length; i++) {
        int high, low;

        if (text[i] != '%') {
            decoded[count++] = text[i] == '+' ? ' ' : text[i];
            continue;
        }
        high = i + 2 < length ? hex_digit(text[i + 1]) : -1;
        low = high < 0 ? -1 : hex_digit(text[i + 2]);
        if (low < 0)
            return -EINVAL;
        decoded[count++] = (char)(high << 4 | low);
        i += 2;
    }
    decoded[count] = '\0';
    if (!proto_text_valid(decoded, count))
        return -EINVAL;
    *ret_text = TAKE_PTR(decoded);
    return 0;
}

int parameters_next_pair(const char **query, char **ret_name, char **ret_value)
{
    const char *pair = *query + strspn(*query, "&");
    size_t length = strcspn(pair, "&"), name_length;
    CLEANUP(cleanup_free) char *name = NULL;
    const char *equals;
    int r;

    if (length == 0)
        return 0;
    equals = memchr(pair, '=', length);
    name_length = equals ? (size_t)(equals - pair) : length;
    r = decode(pair, name_length, &name);
    if (r == 0)
        r = equals ? decode(equals + 1, length - name_length - 1, ret_value)
                   : decode("", 0, ret_value);
    if (r < 0)
        return r;
    *query = pair + length;
    *ret_name = TAKE_PTR(name);
    return 1;
}

static int find_known(enum proto_method method, const char *name)
{
    for (unsigned i = 0; i < PROTO_PARAMETER_COUNT_; i++)
        if ((proto_method_spec(method)->known & (UINT64_C(1) << i)) != 0 &&
            strcmp(proto_parameter_name(i), name) == 0)
            return (int)i;
    return -ENOENT;
}

/* What is not written as the type wants it stays a text, which the method refuses by name. */
static json_t *typed(enum proto_type type, const char *text)
{
    switch (type) {
    case PROTO_TYPE_AMOUNT:
    case PROTO_TYPE_COUNT:
        if (*text && strlen(text) <= DIGITS_MAX && strspn(text, "0123456789") == strlen(text))
            return json_integer(strtoll(text, NULL, 10));
        return json_string(text);
    case PROTO_TYPE_BOOL:
        if (strcmp(text, "true") == 0 || strcmp(text, "false") == 0)
            return json_boolean(text[0] == 't');
        return json_string(text);
    default:
        return json_string(text);
    }
}

static int add_pair(json_t *object, enum proto_method method, const char *name, const char *text,
                    struct parameters_problem *ret_problem)
{
    int parameter = find_known(method, name);

    if (parameter < 0)
        return 0;
    if (json_object_get(object, name)) {
        ret_problem->parameter = proto_parameter_name((enum proto_parameter)parameter);
        snprintf(ret_problem->text, sizeof(ret_problem->text), "%s stands there twice", name);
        return -EINVAL;
    }
    return json_object_set_new(
               object, name, typed(proto_parameter_type((enum proto_parameter)parameter), text)) < 0
               ? -ENOMEM
               : 0;
}

static int add_pairs(json_t *object, const char *query, enum proto_method method,
                     struct parameters_problem *ret_problem)
{
    for (;;) {
        CLEANUP(cleanup_free) char *name = NULL;
        CLEANUP(cleanup_free) char *value = NULL;
        int r = parameters_next_pair(&query, &name, &value);

        if (r == -EINVAL)
            snprintf(ret_problem->text, sizeof(ret_problem->text),
                     "the query is not percent-encoded UTF-8");
        if (r > 0)
            r = add_pair(object, method, name, value, ret_problem);
        else
            return r;
        if (r < 0)
            return r;
    }
}

int parameters_from_query(const char *query, enum proto_method method, json_t **ret_object,
                          struct parameters_problem *ret_problem)
{
    json_t *object = json_object();
    int r;

    *ret_problem = (struct parameters_problem){0};
    if (!object)
        return -ENOMEM;
    r = query ? add_pairs(object, query, method, ret_problem) : 0;
    if (r < 0)
        json_decref(object);
    else
        *ret_object = object;
    return r;
}

int parameters_from_body(const char *body, size_t length, json_t **ret_object,
                         struct parameters_problem *ret_problem)
{
    json_error_t error = {0};
    json_t *object;

    *ret_problem = (struct parameters_problem){0};
    object = length > 0 ? json_loadb(body, length, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error)
                        : json_object();
    if (!object && length == 0)
        return -ENOMEM;
    if (!object) {
        snprintf(ret_problem->text, sizeof(ret_problem->text),
                 "the body is not JSON: line %d, column %d: %.120s", error.line, error.column,
                 error.text);
        return -EINVAL;
    }
    if (!json_is_object(object)) {
        json_decref(object);
        snprintf(ret_problem->text, sizeof(ret_problem->text),
                 "the body is no JSON object of parameters");
        return -EINVAL;
    }
    *ret_object = object;
    return 0;
}

static int find_any(const char *name)
{
    for (unsigned i = 0; i < PROTO_PARAMETER_COUNT_; i++)
        if (strcmp(proto_parameter_name(i), name) == 0)
            return (int)i;
    return -ENOENT;
}

void parameters_restrict(json_t *object, uint64_t kept)
{
    const char *name;
    json_t *value;
    void *next;

    json_object_foreach_safe(object, next, name, value)
    {
        int parameter = find_any(name);

        if (parameter < 0 || (kept & (UINT64_C(1) << parameter)) == 0)
            json_object_del(object, name);
    }
}

uint64_t parameters_present(const json_t *object)
{
    uint64_t present = 0;

    for (unsigned i = 0; i < PROTO_PARAMETER_COUNT_; i++)
        if (json_object_get(object, proto_parameter_name(i)))
            present |= UINT64_C(1) << i;
    return present;
}
