/* See options.h. */
#include "options.h"

#include <getopt.h>
#include <stdio.h>

static const char help[] =
    "Usage: creditd-hook [--config FILE] [--help] [--version]\n"
    "\n"
    "Runs the programs and posts to the URLs of [hooks] for creditd-serve. Started by creditd or "
    "by\n"
    "systemd, which hand it the connection to serve; otherwise it connects to [paths] "
    "hook_socket,\n"
    "and ends when that connection does. SIGHUP reads the configuration anew.\n";

int options_parse(int argc, char **argv, struct options *ret_options)
{
    static const struct option known[] = {
        {"config", required_argument, NULL, 'c'},
        {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, 'v'},
        {NULL, 0, NULL, 0},
    };
    struct options options = {0};
    int option;

    while ((option = getopt_long(argc, argv, "", known, NULL)) >= 0) {
        switch (option) {
        case 'c':
            options.config_path = optarg;
            break;
        case 'h':
            fputs(help, stdout);
            return OPTIONS_DONE;
        case 'v':
            puts("creditd-hook " CREDITD_VERSION);
            return OPTIONS_DONE;
        default:
            return OPTIONS_USAGE; /* getopt_long has said what is wrong */
        }
    }
    if (optind < argc) {
        fprintf(stderr, "creditd-hook: \"%s\" is not an option; see --help\n", argv[optind]);
        return OPTIONS_USAGE;
    }
    *ret_options = options;
    return OPTIONS_RUN;
}
