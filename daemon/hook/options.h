/* The command line of creditd-hook. */
#pragma once

struct options {
    const char *config_path; /* points into argv; NULL: not given */
};

enum { OPTIONS_RUN = 0, OPTIONS_DONE = 1, OPTIONS_USAGE = 2 };

/* OPTIONS_DONE after --help and --version, OPTIONS_USAGE after a line on standard error. */
int options_parse(int argc, char **argv, struct options *ret_options);
