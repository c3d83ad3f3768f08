/*
 * Starting a program with exactly the descriptors and the environment that it is given.
 */
#pragma once

#include <stddef.h>
#include <sys/types.h>

struct spawn_request {
    const char *path;
    char *const *arguments;
    char *const *environment; /* LISTEN_PID is added where there are descriptors */
    const int *fds;           /* become 3, 4, …; they stay the caller's */
    size_t fd_count;
    int output; /* becomes standard output; -1: the caller's own */
};

/* 0 when the program runs; a negative errno when it could not be executed (there is no child then).
 * It gets SIGTERM when the caller's process ends. */
int spawn_program(const struct spawn_request *request, pid_t *ret_pid);
