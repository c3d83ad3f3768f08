/*
 * The tables of methods and parameters, unrolled into lookups. A lookup by name is a chain of
 * comparisons of constant length, which the compiler turns into a few integer comparisons each:
 * faster at this size than hashing the name, and it needs no table built at start.
 */
#include "params.h"
#include <errno.h>
#include <proto/methods.h>
#include <string.h>

static const struct proto_method_spec method_specs[PROTO_METHOD_COUNT_] = {
#define X(name, text, role, needed, other, help)                                                   \
    [PROTO_METHOD_##name] = {text, PROTO_ROLE_##role, needed, (needed) | (other), help},
    PROTO_METHODS(X)
#undef X
};

static const char *const parameter_names[PROTO_PARAMETER_COUNT_] = {
#define X(name, text, type) [PROTO_PARAMETER_##name] = text,
    PROTO_PARAMETERS(X)
#undef X
};

static const enum proto_type parameter_types[PROTO_PARAMETER_COUNT_] = {
#define X(name, text, type) [PROTO_PARAMETER_##name] = PROTO_TYPE_##type,
    PROTO_PARAMETERS(X)
#undef X
};

_Static_assert(PROTO_PARAMETER_COUNT_ <= 64, "parameters are bits of a uint64_t");

const struct proto_method_spec *proto_method_spec(enum proto_method method)
{
    return (unsigned)method < PROTO_METHOD_COUNT_ ? &method_specs[method] : NULL;
}

#define SAME(name, length, literal)                                                                \
    ((length) == sizeof(literal) - 1 && memcmp(name, literal, sizeof(literal) - 1) == 0)

int proto_method_find(const char *name, size_t length, enum proto_method *ret_method)
{
#define X(id, text, role, needed, other, help)                                                     \
    if (SAME(name, length, text)) {                                                                \
        *ret_method = PROTO_METHOD_##id;                                                           \
        return 0;                                                                                  \
    }
    PROTO_METHODS(X)
#undef X
    return -ENOENT;
}

int parameter_find(const char *name, size_t length)
{
#define X(id, text, type)                                                                          \
    if (SAME(name, length, text))                                                                  \
        return PROTO_PARAMETER_##id;
    PROTO_PARAMETERS(X)
#undef X
    return -1;
}

const char *proto_parameter_name(enum proto_parameter parameter)
{
    return (unsigned)parameter < PROTO_PARAMETER_COUNT_ ? parameter_names[parameter] : NULL;
}

enum proto_type proto_parameter_type(enum proto_parameter parameter)
{
    return parameter_types[parameter];
}

const char *proto_role_name(enum proto_role role)
{
    switch (role) {
    case PROTO_ROLE_NONE:
        return "none";
    case PROTO_ROLE_READ:
        return "read";
    case PROTO_ROLE_CONSUME:
        return "consume";
    case PROTO_ROLE_REFUND:
        return "refund";
    case PROTO_ROLE_ADMIN:
        return "admin";
    }
    return NULL;
}
