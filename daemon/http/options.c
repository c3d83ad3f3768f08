/* See options.h. */
#include "options.h"
#include <getopt.h>
#include <stdio.h>

static const char help[] =
    "Usage: creditd-http [--config FILE] [--socket PATH] [--help] [--version]\n"
    "\n"
    "Serves creditd by HTTP on the addresses of [http] listen, or on sockets that systemd or\n"
    "creditd hand it under the name \"http\". It asks creditd-serve at PATH, else at\n"
    "CREDITD_SOCKET, else at [paths] socket.\n"
    "SIGHUP reads the configuration anew; the addresses stay as they are.\n";

int options_parse(int argc, char **argv, struct options *ret_options)
{
    static const struct option known[] = {
        {"config", required_argument, NULL, 'c'},
        {"socket", required_argument, NULL, 's'},
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
        case 's':
            options.socket = optarg;
            break;
        case 'h':
            fputs(help, stdout);
            return OPTIONS_DONE;
        case 'v':
            puts("creditd-http " CREDITD_VERSION);
            return OPTIONS_DONE;
        default:
            return OPTIONS_USAGE; /* getopt_long has said what is wrong */
        }
    }
    if (optind < argc) {
        fprintf(stderr, "creditd-http: \"%s\" is not an option; see --help\n", argv[optind]);
        return OPTIONS_USAGE;
    }
    *ret_options = options;
    return OPTIONS_RUN;
}
