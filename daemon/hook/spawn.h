/*
 * Starting a hook's program: standard input is the event, standard output and error are one pipe,
 * there is no other descriptor, and nothing of ours is inherited but the limits.
 *
 * The event comes as a sealed file in memory, not through a pipe: a program that does not read it
 * keeps nobody waiting, and there is no partial write and no SIGPIPE to handle.
 *
 * Nothing here waits for exec: where that fails, the error is in the status pipe when the child has
 * ended. curl's resolver may have threads, so between fork and exec only what is safe then is
 * called.
 */
#pragma once

#include "identity.h"

#include <sys/types.h>

struct spawn {
    pid_t pid;                        /* of the program, and of its process group */
    int pid_fd, output_fd, status_fd; /* non-blocking, the caller's to close */
};

/* `input` becomes what standard input holds. 0 or a negative errno: then nothing runs. */
int spawn_program(const char *path, char *const *environment, const struct identity *identity,
                  const char *input, struct spawn *ret_spawn);
/* After its end: 0 where exec had happened, else the error that prevented it. */
int spawn_failure(const struct spawn *spawn);
