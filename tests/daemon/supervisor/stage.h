/*
 * A stage for tests of the supervisor: a directory, the real creditd, and stand-ins that play its
 * roles and report here. Nothing here waits for time: each wait is for an event, and a test that
 * waits in vain is ended by its time limit.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct actor {
    int fd;
    char role[32];
    pid_t pid;
    char *report; /* all lines up to "end" */
    char buffer[512];
    size_t length;
};

struct stage {
    char *directory, *socket, *config;
    int control;
    pid_t supervisor; /* 0: it has ended */
    int output, errors;
    struct actor *waiting[8]; /* have come before anybody asked for them */
    size_t waiting_count;
};

struct stage *stage_new(void);
/* Kills what still runs. */
struct stage *stage_free(struct stage *stage);
/* "directory/name"; the caller frees it. */
char *stage_path(const struct stage *stage, const char *name);
void stage_write(const struct stage *stage, const char *name, const char *text);

/* Starts creditd with these arguments, after --config and --socket, and these variables beside the
 * stage's own. */
void stage_start(struct stage *stage, const char *const *arguments, const char *const *variables);
/* Its exit status, or minus the signal, when it has ended. */
int stage_wait(struct stage *stage);
/* Reads lines from its standard output (or error) until one contains that text. The line is valid
 * until the next call. */
const char *stage_output(struct stage *stage, const char *text);
const char *stage_error(struct stage *stage, const char *text);

/* The next stand-in that was started in that role. */
struct actor *stage_actor(struct stage *stage, const char *role);
struct actor *actor_free(struct actor *actor);
void actor_tell(struct actor *actor, const char *command);
/* The next thing that it tells is this. */
void actor_expect(struct actor *actor, const char *event);
/* It has ended, whatever it told before. */
void actor_expect_end(struct actor *actor);
/* The report's lines that begin with `kind` and a space, without that, sorted unless they are
 * arguments, with a newline after each. The caller frees it. */
char *actor_lines(const struct actor *actor, const char *kind);
/* The value of an environment variable; NULL where it is not set. The caller frees it. */
char *actor_variable(const struct actor *actor, const char *name);
/* Both are started and are ready, and creditd has said so. */
void stage_start_ready(struct stage *stage, struct actor **ret_serve, struct actor **ret_sync);
