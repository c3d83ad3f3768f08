/*
 * The command line.
 */
#pragma once

#include <stdbool.h>

struct options {
    const char *config, *socket, *state_dir;
    bool sandbox;
    bool check; /* judge the configuration and end */
};

/* 0: go on. Otherwise the program is over (help, version, a mistake), and *ret_status is its exit
 * status. */
int options_parse(int argc, char **argv, struct options *ret_options, int *ret_status);
