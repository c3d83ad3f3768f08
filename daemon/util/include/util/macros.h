/*
 * Ownership made visible: cleanup attributes, and the few macros that everything uses.
 *
 * Errors are values, as everywhere in creditd: a function returns 0 on success, a negative errno
 * for what its caller can only pass on, and a positive value of its module's own enumeration for a
 * condition that its caller must handle. Outputs are named ret_… (or …p) and are written only on
 * success.
 */
#pragma once

#include <stddef.h>

/* Runs `function(&variable)` when the variable goes out of scope. */
#define CLEANUP(function) __attribute__((cleanup(function)))

/* Hands ownership of a pointer over: evaluates to its value and leaves NULL behind. */
#define TAKE_PTR(pointer)                                                                          \
    __extension__({                                                                                \
        __typeof__(pointer) *_source = &(pointer);                                                 \
        __typeof__(pointer) _taken = *_source;                                                     \
        *_source = NULL;                                                                           \
        _taken;                                                                                    \
    })

/* The same for a descriptor; -1 is left behind. */
#define TAKE_FD(fd)                                                                                \
    __extension__({                                                                                \
        int *_source = &(fd);                                                                      \
        int _taken = *_source;                                                                     \
        *_source = -1;                                                                             \
        _taken;                                                                                    \
    })

#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))
#define CONTAINER_OF(pointer, type, member)                                                        \
    ((type *)(void *)((char *)(pointer)-offsetof(type, member)))
#define PRINTF_LIKE(text, first) __attribute__((format(printf, text, first)))

/* Frees what a `char *` (or any pointer) variable points to: CLEANUP(cleanup_free). */
void cleanup_free(void *pointer_to_pointer);
/* Closes an `int` descriptor variable unless it is negative: CLEANUP(cleanup_fd). */
void cleanup_fd(int *fd);
