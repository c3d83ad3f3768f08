/* See json_value.h. */
#include "json_value.h"
#include <proto/methods.h>
#include <stdio.h>
#include <string.h>

static bool knows(const struct proto_method_spec *spec, const char *name)
{
    for (int i = 0; i < PROTO_PARAMETER_COUNT_; i++)
        if ((spec->known & UINT64_C(1) << i) && strcmp(proto_parameter_name(i), name) == 0)
            return true;
    return false;
}

static void list_known(const struct proto_method_spec *spec, char *buffer, size_t size)
{
    size_t length = 0;

    snprintf(buffer, size, "none");
    for (int i = 0; i < PROTO_PARAMETER_COUNT_; i++)
        if ((spec->known & UINT64_C(1) << i) && length < size)
            length += (size_t)snprintf(buffer + length, size - length, "%s%s",
                                       length > 0 ? ", " : "", proto_parameter_name(i));
}

const char *json_unknown_name(const char *method_name, const json_t *params,
                              char known[JSON_NAMES_MAX])
{
    const struct proto_method_spec *spec;
    enum proto_method method;
    const char *name;
    json_t *value;

    if (proto_method_find(method_name, strlen(method_name), &method) < 0)
        return NULL;
    spec = proto_method_spec(method);
    json_object_foreach((json_t *)(uintptr_t)params, name, value)
    {
        if (knows(spec, name))
            continue;
        list_known(spec, known, JSON_NAMES_MAX);
        return name;
    }
    return NULL;
}
