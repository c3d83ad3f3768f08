/*
 * creditd-hook: runs the programs and posts to the URLs of [hooks].
 *
 * It is the one role that starts programs, so it has nothing that they should not have: no ledger,
 * no API key. Its memory, with the secret that it signs with, is closed to others of its user.
 */
#include "options.h"
#include "process.h"

#include <ipc/helper.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <util/config.h>
#include <util/log.h>
#include <util/macros.h>
#include <util/service.h>
#include <web/http.h>

enum { EXIT_NO_SERVE = 1, EXIT_USAGE = 2 };

static void settings_cleanup(struct settings **settings)
{
    settings_unref(*settings);
}

static int run(const char *config_path)
{
    CLEANUP(settings_cleanup) struct settings *settings = NULL;
    CLEANUP(cleanup_free) char *error = NULL;
    int fd, r;

    if (settings_load(config_path, &settings, &error) < 0) {
        fprintf(stderr, "%s\n", error ? error : "creditd-hook: out of memory");
        return EXIT_USAGE;
    }
    r = ipc_helper_connect(settings->hook_socket, &fd);
    if (r < 0) {
        log_error("no connection to serve, neither passed nor at %s: %s; is creditd-serve running?",
                  settings->hook_socket, strerror(-r));
        return EXIT_NO_SERVE;
    }
    return process_run(fd, TAKE_PTR(settings), config_path);
}

int main(int argc, char **argv)
{
    CLEANUP(cleanup_free) char *default_path = NULL;
    struct options options;
    int r;

    log_init("creditd-hook", LOG_LEVEL_INFO);
    r = options_parse(argc, argv, &options);
    if (r != OPTIONS_RUN)
        return r == OPTIONS_DONE ? EXIT_SUCCESS : EXIT_USAGE;
    r = service_protect_memory();
    if (r < 0)
        log_warning("the memory cannot be closed to other processes: %s", strerror(-r));
    signal(SIGPIPE, SIG_IGN);
    if (http_global_init() < 0) {
        log_error("libcurl cannot be initialised");
        return EXIT_FAILURE;
    }
    default_path = options.config_path ? NULL : config_default_path();
    r = run(options.config_path ? options.config_path : default_path);
    http_global_deinit();
    return r;
}
