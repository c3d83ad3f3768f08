/* The command line. */
#pragma once

#include "faults.h"
#include <stdint.h>
#include <sys/socket.h>

struct options {
    struct sockaddr_storage address; /* loopback */
    socklen_t address_length;
    const char *seed, *api_key; /* or NULL; of argv */
    uint64_t random_seed;
    struct faults faults;
};

enum { OPTIONS_DONE = 1, OPTIONS_WRONG = 2 };

/* 0; OPTIONS_DONE where --help or --version was all; OPTIONS_WRONG after one line on standard
 * error. */
int options_parse(struct options *options, int argc, char **argv);
/* "127.0.0.1:PORT", "localhost:PORT" or "[::1]:PORT"; -EINVAL for all else. */
int address_parse(const char *text, struct sockaddr_storage *ret_address, socklen_t *ret_length);
