/* See need.h. */
#include "need.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *check(void *memory)
{
    if (memory == NULL) {
        fputs("creditd-sim: no memory\n", stderr);
        exit(2);
    }
    return memory;
}

void *need(size_t size)
{
    return check(calloc(1, size > 0 ? size : 1));
}

void *need_array(void *old, size_t count, size_t size)
{
    return check(reallocarray(old, count, size));
}

void *need_copy(const void *data, size_t size)
{
    void *copy = need(size);
    if (size > 0)
        memcpy(copy, data, size);
    return copy;
}
