/*
 * creditd-hook as serve sees it: the real executable at the other end of a socket pair, with
 * programs of the test's own in a directory.
 *
 * Of a program that does not end by itself a test learns through a FIFO: who holds its writing end
 * is alive, and at the last one's end there is end of file.
 */
#pragma once

#include "harness.h"

#define RIG_EVENT_ID "evt_a_7"

struct rig {
    struct harness_directory directory;
    struct harness_process process;
    struct harness_connection serve; /* our end */
    char config_path[HARNESS_PATH_MAX];
    bool is_user_unset; /* in what is configured */
};

void rig_init(struct rig *rig);
/* Writes a program, with #!/bin/sh before the text, and answers its path in a buffer of
 * HARNESS_PATH_MAX. */
void rig_program(struct rig *rig, const char *name, const char *text, char *ret_path);
/* The lines of [hooks]; programs run as the test does, unless they say otherwise. */
void rig_configure(struct rig *rig, const char *hooks);
void rig_start(struct rig *rig);
/* Without --config; what is configured from then on is where the program looks for it. */
void rig_start_without_configuration(struct rig *rig);
/* Ends it by closing the connection, and expects the exit code 0. */
void rig_deinit(struct rig *rig);

/* The envelope that all deliveries have; the caller's. */
json_t *rig_event(void);
/* Asks for a delivery of rig_event(), and waits for the answer, which is the caller's. */
json_t *rig_run(struct rig *rig, const char *hook, int attempt);
uint32_t rig_send(struct rig *rig, const char *hook, int attempt);
/* Whether outcome and status are those; `message` (may be NULL) is in the message. Drops the
 * answer. */
void rig_expect(json_t *answer, const char *outcome, int status, const char *message);
/* The content of DIRECTORY/name; the test fails where there is none. The caller frees it. */
char *rig_read(struct rig *rig, const char *name);
/* Makes a FIFO; the answer is its reading end, the caller's to close. */
int rig_fifo(struct rig *rig, const char *name);
/* Waits until somebody has written a line to it. */
void rig_fifo_line(int fd);
/* Waits until nobody can write to it any more. */
void rig_fifo_end(int fd);
/* Waits until the log has that text. */
void rig_log(struct rig *rig, const char *text);
