/* See role.h. */
#include <getopt.h>
#include <role/role.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <util/config.h>
#include <util/macros.h>
#include <util/service.h>

void role_protect(void)
{
    int r = service_protect_memory();

    if (r < 0)
        log_warning("the memory cannot be closed to other processes: %s", strerror(-r));
    signal(SIGPIPE, SIG_IGN);
}

static int finish(int *ret_status, int status)
{
    *ret_status = status;
    return 1;
}

/* getopt_long itself says what is wrong with an option. */
static int options_parse(const struct role *role, int argc, char **argv, struct role_start *start,
                         int *ret_status)
{
    static const struct option known[] = {
        {"socket", required_argument, NULL, 's'}, /* the first, so that it can be left out */
        {"config", required_argument, NULL, 'c'},
        {"check", no_argument, NULL, 'k'},
        {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, 'v'},
        {NULL, 0, NULL, 0},
    };
    int option;

    while ((option = getopt_long(argc, argv, "", known + !role->has_socket, NULL)) >= 0) {
        switch (option) {
        case 's':
            start->socket = optarg;
            break;
        case 'c':
            start->config_path = optarg;
            break;
        case 'k':
            start->is_check = true;
            break;
        case 'h':
            fputs(role->help, stdout);
            return finish(ret_status, EXIT_SUCCESS);
        case 'v':
            printf("%s " CREDITD_VERSION "\n", role->name);
            return finish(ret_status, EXIT_SUCCESS);
        default:
            return finish(ret_status, ROLE_EXIT_USAGE);
        }
    }
    if (optind == argc)
        return 0;
    fprintf(stderr, "%s: \"%s\" is not an option; see --help\n", role->name, argv[optind]);
    return finish(ret_status, ROLE_EXIT_USAGE);
}

int role_begin(const struct role *role, int argc, char **argv, struct role_start *ret_start,
               int *ret_status)
{
    struct role_start start = {.config_path = NULL};

    log_init(role->name, LOG_LEVEL_INFO);
    if (options_parse(role, argc, argv, &start, ret_status))
        return 1;
    role_protect();
    *ret_start = start;
    return 0;
}

int role_refuse(const char *program, const char *error)
{
    if (error)
        fprintf(stderr, "%s\n", error);
    else
        fprintf(stderr, "%s: out of memory\n", program);
    return ROLE_EXIT_USAGE;
}

void role_go_on(const char *error)
{
    log_error("%s; going on with what was read before", error ? error : "out of memory");
}

int role_accept(const char *program, const char *config_path)
{
    CLEANUP(cleanup_free) char *found = config_path ? NULL : config_default_path();

    if (config_path || found)
        printf("%s: %s has no mistakes\n", program, config_path ? config_path : found);
    else
        printf("%s: there is no configuration; all options have their defaults\n", program);
    return fflush(stdout) ? ROLE_EXIT_FAILURE : EXIT_SUCCESS;
}
