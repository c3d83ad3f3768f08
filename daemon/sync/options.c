/* See options.h. */
#include "options.h"

#include <getopt.h>
#include <stdio.h>

static const char help[] =
    "Usage: creditd-sync [--config FILE] [--help] [--version]\n"
    "\n"
    "Speaks to StellarTools for creditd-serve, and asks the app of [better_auth] url about its\n"
    "sessions. Started by creditd or by systemd, which hand it the connection to serve; otherwise\n"
    "it connects to [paths] sync_socket, and ends when that connection does.\n"
    "\n"
    "The API key is read from [stellartools] api_key_file, else from the systemd credential\n"
    "api_key, else from STELLAR_TOOLS_API_KEY. CREDITD_BASE_URL overrides base_url.\n"
    "SIGHUP reads the configuration, the key and the secret of [better_auth] anew.\n";

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
            puts("creditd-sync " CREDITD_VERSION);
            return OPTIONS_DONE;
        default:
            return OPTIONS_USAGE; /* getopt_long has said what is wrong */
        }
    }
    if (optind < argc) {
        fprintf(stderr, "creditd-sync: \"%s\" is not an option; see --help\n", argv[optind]);
        return OPTIONS_USAGE;
    }
    *ret_options = options;
    return OPTIONS_RUN;
}
