/*
 * The command line. A mistake is one line on standard error, and exit status 2.
 */
#include "options.h"
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <util/config.h>

enum { OPTION_LIST = 256, OPTION_CHECK };

static const struct option known_options[] = {
    {"config", required_argument, NULL, 'c'},
    {"socket", required_argument, NULL, 's'},
    {"state-dir", required_argument, NULL, 'd'},
    {"sandbox", no_argument, NULL, 'x'},
    {"check", no_argument, NULL, OPTION_CHECK},
    {"list-options", no_argument, NULL, OPTION_LIST},
    {"help", no_argument, NULL, 'h'},
    {"version", no_argument, NULL, 'V'},
    {NULL, 0, NULL, 0},
};

static const char help_text[] =
    "Usage: creditd [--config FILE] [--socket PATH] [--state-dir DIR] [--sandbox]\n"
    "       creditd --check [--config FILE]\n"
    "\n"
    "Starts the parts of creditd, starts again what dies, and stops them in order.\n"
    "\n"
    "  --config FILE     the configuration (default: creditd.conf(5) says where)\n"
    "  --socket PATH     where clients connect\n"
    "  --state-dir DIR   where the ledger is kept\n"
    "  --sandbox         with a local StellarTools instead of the real one\n"
    "  --check           say whether the configuration would be taken, and end\n"
    "  --list-options    print the options of the configuration, with their defaults\n"
    "  --help, --version\n"
    "\n"
    "SIGHUP reads the configuration and the API key again. SIGTERM and SIGINT end in order; a "
    "second SIGINT at once.\n";

static int finish(int *ret_status, int status)
{
    *ret_status = status;
    return 1;
}

static int usage(int *ret_status, const char *problem, const char *word)
{
    fprintf(stderr, "creditd: %s%s; creditd --help shows the options\n", problem, word);
    return finish(ret_status, 2);
}

/* Empty paths come from unset variables in scripts, and mean a mistake rather than the default. */
static int take_path(const char **path, int *ret_status)
{
    if (!*optarg)
        return usage(ret_status, "an option has an empty value", "");
    *path = optarg;
    return 0;
}

static int take_option(int option, char **argv, struct options *options, int *ret_status)
{
    switch (option) {
    case 'c':
        return take_path(&options->config, ret_status);
    case 's':
        return take_path(&options->socket, ret_status);
    case 'd':
        return take_path(&options->state_dir, ret_status);
    case 'x':
        options->sandbox = true;
        return 0;
    case OPTION_CHECK:
        options->check = true;
        return 0;
    case OPTION_LIST:
        return finish(ret_status, config_list_options(stdout) < 0 || fflush(stdout) ? 1 : 0);
    case 'h':
        fputs(help_text, stdout);
        return finish(ret_status, fflush(stdout) ? 1 : 0);
    case 'V':
        puts("creditd " CREDITD_VERSION);
        return finish(ret_status, fflush(stdout) ? 1 : 0);
    case ':':
        return usage(ret_status, "a value is missing after ", argv[optind - 1]);
    default:
        return usage(ret_status, "unknown option or value: ", argv[optind - 1]);
    }
}

int options_parse(int argc, char **argv, struct options *ret_options, int *ret_status)
{
    struct options options = {0};
    int option;

    opterr = 0;
    while ((option = getopt_long(argc, argv, ":", known_options, NULL)) != -1)
        if (take_option(option, argv, &options, ret_status))
            return 1;
    if (optind < argc)
        return usage(ret_status, "an argument that belongs to no option: ", argv[optind]);
    *ret_options = options;
    return 0;
}
