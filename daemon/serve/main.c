/*
 * creditd-serve: the owner of the ledger. Exit codes: 0 ended as asked, 1 it could not go on, or
 * the ledger is damaged, 2 bad usage or configuration.
 */
#include "clock.h"
#include "serve.h"
#include "verify.h"
#include <errno.h>
#include <getopt.h>
#include <role/role.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <util/config.h>
#include <util/log.h>
#include <util/macros.h>

static const char help[] =
    "usage: creditd-serve [--config FILE] [--state-dir DIRECTORY]\n"
    "       creditd-serve --check [--config FILE]\n"
    "       creditd-serve --verify DIRECTORY\n"
    "       creditd-serve --accept-clock [--config FILE] [--state-dir DIRECTORY]\n"
    "\n"
    "Keeps the ledger of credits and answers those who spend them. Started by creditd or by\n"
    "systemd, which pass the sockets; without them it makes its own, where [paths] says.\n"
    "\n"
    "  --config FILE          the configuration, see creditd.conf(5)\n"
    "  --state-dir DIRECTORY  where the ledger is, instead of [paths] state_directory\n"
    "  --check                says whether the configuration would be taken, and ends\n"
    "  --verify DIRECTORY     reads the whole ledger there, which nobody may have open, and says\n"
    "                         what it saw, or what is damaged; changes nothing\n"
    "  --accept-clock         records that the clock is right, however long after the ledger's\n"
    "                         last record that is, and ends\n"
    "  --help, --version\n"
    "\n"
    "SIGHUP reads the configuration again; SIGTERM ends.\n";

struct task {
    const char *verify; /* NULL: not asked for */
    bool is_check, accept_clock;
};

/* -1: go on; else the exit code. */
static int parse_options(struct serve *serve, int argc, char **argv, struct task *task)
{
    enum { CONFIG = 1, STATE_DIR, CHECK, VERIFY, ACCEPT_CLOCK, HELP, VERSION };
    static const struct option options[] = {
        {"config", required_argument, NULL, CONFIG},
        {"state-dir", required_argument, NULL, STATE_DIR},
        {"check", no_argument, NULL, CHECK},
        {"verify", required_argument, NULL, VERIFY},
        {"accept-clock", no_argument, NULL, ACCEPT_CLOCK},
        {"help", no_argument, NULL, HELP},
        {"version", no_argument, NULL, VERSION},
        {NULL, 0, NULL, 0},
    };

    for (;;) {
        switch (getopt_long(argc, argv, "", options, NULL)) {
        case CONFIG:
            serve->config_path = optarg;
            break;
        case STATE_DIR:
            serve->state_directory = optarg;
            break;
        case CHECK:
            task->is_check = true;
            break;
        case VERIFY:
            task->verify = optarg;
            break;
        case ACCEPT_CLOCK:
            task->accept_clock = true;
            break;
        case HELP:
            fputs(help, stdout);
            return 0;
        case VERSION:
            puts("creditd-serve " CREDITD_VERSION);
            return 0;
        case -1:
            if (optind == argc)
                return -1;
            fprintf(stderr, "creditd-serve: unexpected argument: %s\n", argv[optind]);
            return 2;
        default:
            fputs("Try: creditd-serve --help\n", stderr);
            return 2;
        }
    }
}

static int load_config(struct serve *serve)
{
    CLEANUP(cleanup_free) char *error = NULL;
    int r = serve_load_config(serve, &serve->config, &error);

    if (r == 0)
        return 0;
    fprintf(stderr, "%s\n", error != NULL ? error : strerror(-r));
    return 2;
}

static void remove_sockets(struct serve *serve)
{
    if (serve->own_socket != NULL)
        unlink(serve->own_socket);
    if (serve->own_sync_socket != NULL)
        unlink(serve->own_sync_socket);
    if (serve->own_hook_socket != NULL)
        unlink(serve->own_hook_socket);
    free(serve->own_socket);
    free(serve->own_sync_socket);
    free(serve->own_hook_socket);
}

static int run(struct serve *serve)
{
    int r = serve_init(serve);

    if (r < 0) {
        log_error("cannot be started: %s", strerror(-r));
        return 1;
    }
    if (serve_open_ledger(serve) != 0)
        return 1;
    if (serve_listen(serve) != 0)
        return 1;
    return serve_run(serve);
}

int main(int argc, char **argv)
{
    static struct serve serve;
    struct task task = {0};
    int r;

    log_init("creditd-serve", LOG_LEVEL_NOTICE);
    r = parse_options(&serve, argc, argv, &task);
    if (r >= 0)
        return r;
    if (task.verify != NULL)
        return verify_run(task.verify);
    role_protect();
    r = load_config(&serve);
    if (r != 0)
        return r;
    if (task.is_check || task.accept_clock) {
        r = task.is_check ? role_accept("creditd-serve", serve.config_path)
                          : clock_accept(serve.config);
        serve.config = config_free(serve.config);
        return r;
    }
    r = run(&serve);
    remove_sockets(&serve);
    if (r != 0)
        _exit(r); /* with the ledger as it is: the next start does the rest (J4) */
    serve_deinit(&serve);
    return 0;
}
