/*
 * creditd-sync: the only holder of the API key, and of HTTPS.
 *
 * Secrets come first: the key is taken out of the environment, and the memory closed to others,
 * before anything else is read.
 */
#include "key.h"
#include "options.h"
#include "process.h"

#include <ipc/helper.h>
#include <jansson.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <util/config.h>
#include <util/fd.h>
#include <util/log.h>
#include <util/macros.h>
#include <util/service.h>
#include <web/http.h>

enum { EXIT_NO_SERVE = 1, EXIT_USAGE = 2 };

/* What JSON held may be a session's token. */
static void free_wiped(void *memory)
{
    if (memory)
        explicit_bzero(memory, malloc_usable_size(memory));
    free(memory);
}

static void settings_cleanup(struct settings **settings)
{
    settings_unref(*settings);
}

static int run(const struct settings_source *source)
{
    CLEANUP(settings_cleanup) struct settings *settings = NULL;
    CLEANUP(cleanup_free) char *error = NULL;
    int fd, r;

    if (settings_load(source, &settings, &error) < 0) {
        fprintf(stderr, "%s\n", error ? error : "creditd-sync: out of memory");
        return EXIT_USAGE;
    }
    r = ipc_helper_connect(settings->sync_socket, &fd);
    if (r < 0) {
        log_error("no connection to serve, neither passed nor at %s: %s; is creditd-serve running?",
                  settings->sync_socket, strerror(-r));
        return EXIT_NO_SERVE;
    }
    return process_run(fd, TAKE_PTR(settings), source);
}

int main(int argc, char **argv)
{
    CLEANUP(secret_cleanup) char *environment_key = key_take_from_environment(KEY_VARIABLE);
    CLEANUP(cleanup_free) char *default_path = NULL;
    struct options options;
    struct settings_source source;
    int r;

    log_init("creditd-sync", LOG_LEVEL_INFO);
    r = options_parse(argc, argv, &options);
    if (r != OPTIONS_RUN)
        return r == OPTIONS_DONE ? EXIT_SUCCESS : EXIT_USAGE;
    r = service_protect_memory();
    if (r < 0)
        log_warning("the memory cannot be closed to other processes: %s", strerror(-r));
    signal(SIGPIPE, SIG_IGN);
    json_set_alloc_funcs(malloc, free_wiped);
    if (http_global_init() < 0) {
        log_error("libcurl cannot be initialised");
        return EXIT_FAILURE;
    }
    default_path = options.config_path ? NULL : config_default_path();
    source = (struct settings_source){
        .config_path = options.config_path ? options.config_path : default_path,
        .base_url = getenv("CREDITD_BASE_URL"),
        .environment_key = environment_key,
        .is_sandbox = getenv("CREDITD_SANDBOX") != NULL,
    };
    r = run(&source);
    http_global_deinit();
    return r;
}
