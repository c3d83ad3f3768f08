/*
 * All that the library takes from outside: a socket, two clocks, randomness and its process id. A
 * struct of functions, so that a test can own each of them and play the daemon byte by byte.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Each returns a negative errno on failure. */
struct client_io {
    int (*connect)(void *context, const char *path); /* a non-blocking descriptor, ours to close */
    ssize_t (*read)(void *context, int fd, void *buffer, size_t size); /* 0: the end */
    ssize_t (*write)(void *context, int fd, const void *data, size_t length);
    void (*close)(void *context, int fd);
    /* poll() for one descriptor (-1: none); the events that came, 0 after the timeout. */
    int (*wait)(void *context, int fd, short events, int timeout);
    uint64_t (*clock)(void *context); /* ms, never back, goes on while the machine sleeps */
    uint64_t (*wall)(void *context);  /* ms since 1970 */
    int (*random)(void *context, void *buffer, size_t size);
    long (*process)(void *context);
};

extern const struct client_io client_io_system;

/* Writes where the daemon's socket is; with NULL, where it is now. 0, or -ENAMETOOLONG. */
int client_path(const char *path, char *ret_path, size_t size);
