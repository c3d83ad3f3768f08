/*
 * What the programs of the roles have alike: the command line, and the beginning of a process.
 *
 * This is the programs' code and not a library's: it prints, it logs, and it says with which status
 * to end.
 */
#pragma once

#include <stdbool.h>
#include <util/log.h>

/* Ends that every role has alike: it could not go on; its command line or its configuration is
 * wrong, and starting it again will not help. */
enum { ROLE_EXIT_FAILURE = 1, ROLE_EXIT_USAGE = 2 };

struct role {
    const char *name; /* of the executable */
    const char *help; /* all of --help */
    bool has_socket;  /* takes --socket: it is a client of serve */
};

struct role_start {
    const char *config_path; /* NULL: not given */
    const char *socket;      /* the same */
    bool is_check;           /* --check: judge the configuration and end */
};

/* Opens the log, reads the command line, and protects the process. 0: go on. Otherwise the program
 * is over (help, version, a mistake), and *ret_status is its exit status. */
int role_begin(const struct role *role, int argc, char **argv, struct role_start *ret_start,
               int *ret_status);
/* Memory is nobody else's to read, and who has gone is told by EPIPE alone. */
void role_protect(void);

/* The three ends of a judgement of the configuration. `error` is the line that names the mistake,
 * NULL where there was no memory for it; `config_path` is as it was given. */
int role_refuse(const char *program, const char *error);       /* at the start: the exit status */
void role_go_on(const char *error);                            /* at a reload */
int role_accept(const char *program, const char *config_path); /* --check: the exit status */
