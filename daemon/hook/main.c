/*
 * creditd-hook: runs the programs and posts to the URLs of [hooks].
 *
 * It is the one role that starts programs, so it has nothing that they should not have: no ledger,
 * no API key. Its memory, with the secret that it signs with, is closed to others of its user.
 */
#include "options.h"
#include "process.h"

#include <curl/curl.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <util/config.h>
#include <util/fd.h>
#include <util/log.h>
#include <util/macros.h>
#include <util/service.h>

enum { EXIT_NO_SERVE = 1, EXIT_USAGE = 2 };

static void settings_cleanup(struct settings **settings)
{
    settings_unref(*settings);
}

/* The end of the connection whose other end serve has: passed to us, or made here. */
static int connect_serve(const struct settings *settings, int *ret_fd)
{
    int fd = service_take_fd(SERVICE_FD_SERVE);
    int r;

    if (fd >= 0) {
        *ret_fd = fd;
        return 0;
    }
    if (fd != -ENOENT) {
        log_error("the descriptor \"%s\" cannot be taken: %s", SERVICE_FD_SERVE, strerror(-fd));
        return fd;
    }
    r = fd_connect_unix(settings->hook_socket, ret_fd);
    if (r < 0)
        log_error("cannot connect to %s: %s; is creditd-serve running?", settings->hook_socket,
                  strerror(-r));
    return r;
}

static int run(const char *config_path)
{
    CLEANUP(settings_cleanup) struct settings *settings = NULL;
    CLEANUP(cleanup_free) char *error = NULL;
    int fd;

    if (settings_load(config_path, &settings, &error) < 0) {
        fprintf(stderr, "%s\n", error ? error : "creditd-hook: out of memory");
        return EXIT_USAGE;
    }
    if (connect_serve(settings, &fd) < 0)
        return EXIT_NO_SERVE;
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
    /* libcurl would write the secrets of TLS connections to the file that this names. */
    unsetenv("SSLKEYLOGFILE");
    signal(SIGPIPE, SIG_IGN);
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        log_error("libcurl cannot be initialised");
        return EXIT_FAILURE;
    }
    default_path = options.config_path ? NULL : config_default_path();
    r = run(options.config_path ? options.config_path : default_path);
    curl_global_cleanup();
    return r;
}
