/*
 * The table of error codes, unrolled. A code is looked up by its word only where answers are read,
 * which is far from the hot path: the search is linear.
 */
#include <proto/errors.h>
#include <string.h>

struct error_row {
    const char *code;
    const char *meaning;
    int retryable;
};

static const struct error_row error_rows[PROTO_ERROR_COUNT_] = {
#define X(name, code, retry, meaning) [PROTO_ERROR_##name] = {code, meaning, retry},
    PROTO_ERRORS(X)
#undef X
};

static const struct error_row *error_row(enum proto_error error)
{
    static const struct error_row none = {NULL, NULL, 0};

    if ((unsigned)error >= PROTO_ERROR_COUNT_)
        return &none;
    return &error_rows[error];
}

const char *proto_error_code(enum proto_error error)
{
    return error_row(error)->code;
}

const char *proto_error_meaning(enum proto_error error)
{
    return error_row(error)->meaning;
}

int proto_error_is_retryable(enum proto_error error)
{
    return error_row(error)->retryable;
}

enum proto_error proto_error_from_code(const char *code, unsigned long length)
{
    for (unsigned i = PROTO_ERROR_NONE + 1; i < PROTO_ERROR_COUNT_; i++) {
        const char *known = error_rows[i].code;
        if (strlen(known) == length && memcmp(known, code, length) == 0)
            return (enum proto_error)i;
    }
    return PROTO_ERROR_NONE;
}
