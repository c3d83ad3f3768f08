/* creditd-http: creditd by HTTP. Ends with 0 on SIGTERM or SIGINT. */
#include "options.h"
#include "server.h"
#include <jansson.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <util/config.h>
#include <util/log.h>
#include <util/macros.h>
#include <util/service.h>

enum { EXIT_USAGE = 2 };

int main(int argc, char **argv)
{
    CLEANUP(cleanup_free) char *default_path = NULL;
    CLEANUP(cleanup_free) char *error = NULL;
    const char *path, *socket;
    struct options options;
    struct config *config;
    int r;

    log_init("creditd-http", LOG_LEVEL_INFO);
    r = options_parse(argc, argv, &options);
    if (r != OPTIONS_RUN)
        return r == OPTIONS_DONE ? EXIT_SUCCESS : EXIT_USAGE;
    /* Sessions pass through it. */
    r = service_protect_memory();
    if (r < 0)
        log_warning("the memory cannot be closed to other processes: %s", strerror(-r));
    signal(SIGPIPE, SIG_IGN);
    default_path = options.config_path ? NULL : config_default_path();
    path = options.config_path ? options.config_path : default_path;
    if (config_load(path, &config, &error) < 0) {
        fprintf(stderr, "%s\n", error ? error : "creditd-http: out of memory");
        return EXIT_USAGE;
    }
    socket = options.socket ? options.socket : getenv("CREDITD_SOCKET");
    return server_run(config, path, socket ? socket : config->paths.socket);
}
