/* creditctl and the examples, run as programs against a small daemon: output and exit codes. */
#pragma once

#include "server.h"
#include <jansson.h>

extern struct server program_server;
extern char out[16384], err[4096]; /* of the last program */

void program_start(void);
void program_stop(void);
/* Runs a shell line with the program in $P; its exit code. */
int run(const char *program, const char *arguments);
int ctl(const char *arguments);
/* Asserts that the part is in the text. */
void has(const char *text, const char *part);
json_t *parse(const char *text);
