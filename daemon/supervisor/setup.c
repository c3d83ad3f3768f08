/*
 * What is there before the first role is started: all that can be wrong with the machine, the
 * configuration or the installation is found out here, while there is nothing to stop yet.
 */
#include "environment.h"
#include "executable.h"
#include "supervisor.h"
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>
#include <util/fd.h>
#include <util/log.h>
#include <util/macros.h>
#include <util/service.h>

#define SANDBOX_API_KEY "sk_test_sandbox"

static int open_signals(int *ret_fd)
{
    static const int numbers[] = {SIGCHLD, SIGHUP, SIGTERM, SIGINT};
    sigset_t set;
    int fd;

    sigemptyset(&set);
    for (size_t i = 0; i < ARRAY_SIZE(numbers); i++)
        sigaddset(&set, numbers[i]);
    /* Where our parent ignores it, the kernel reaps our children, and nobody learns how they ended.
     * Others that are ignored reach the descriptor all the same, being blocked. */
    signal(SIGCHLD, SIG_DFL);
    signal(SIGPIPE, SIG_IGN);
    if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
        return -errno;
    fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (fd < 0)
        return -errno;
    *ret_fd = fd;
    return 0;
}

static int add_role(struct supervisor *supervisor, const struct role_spec *spec)
{
    struct role *role = &supervisor->roles[supervisor->role_count];
    int r;

    *role = (struct role){.spec = spec, .backoff = supervisor->backoff, .notify.fd = -1};
    r = executable_find(spec, &role->path);
    if (r < 0) {
        log_error("%s is not installed: it is neither beside creditd nor in %s", spec->executable,
                  getenv("CREDITD_ROLE_DIR") ? getenv("CREDITD_ROLE_DIR") : CREDITD_LIBEXECDIR);
        return r;
    }
    supervisor->role_count++;
    r = notify_init(&role->notify);
    if (r < 0)
        log_error("a socket for notifications cannot be made: %s", strerror(-r));
    return r;
}

static int add_roles(struct supervisor *supervisor, const struct config *config)
{
    for (size_t i = 0; i < role_spec_count; i++) {
        if (role_specs[i].kind == ROLE_SANDBOX && !supervisor->options->sandbox)
            continue;
        if (role_specs[i].is_wanted && !role_specs[i].is_wanted(config))
            continue;
        if (add_role(supervisor, &role_specs[i]) < 0)
            return 1;
    }
    return 0;
}

/* Out of our environment, where others of our user could read it, and into memory that is ours. */
static int take_api_key(struct supervisor *supervisor)
{
    char *key = getenv(ENVIRONMENT_API_KEY);

    if (supervisor->options->sandbox)
        supervisor->api_key = strdup(SANDBOX_API_KEY);
    else if (key)
        supervisor->api_key = strdup(key);
    if ((supervisor->options->sandbox || key) && !supervisor->api_key)
        return -ENOMEM;
    if (key)
        explicit_bzero(key, strlen(key));
    unsetenv(ENVIRONMENT_API_KEY);
    return service_protect_memory();
}

/* The delays, which tests make short: CREDITD_RESTART_DELAYS and CREDITD_STOP_TIMEOUT. */
static int read_delays(struct supervisor *supervisor)
{
    const char *delays = getenv("CREDITD_RESTART_DELAYS"), *stop = getenv("CREDITD_STOP_TIMEOUT");

    backoff_init(&supervisor->backoff, 100, 10000, 30000);
    supervisor->stop_timeout_ms = 30000;
    if (delays && backoff_parse(&supervisor->backoff, delays) < 0) {
        log_error("CREDITD_RESTART_DELAYS: write three durations, such as 100ms,10s,30s");
        return 2;
    }
    if (stop && (config_parse_duration(stop, &supervisor->stop_timeout_ms) < 0 ||
                 supervisor->stop_timeout_ms < 0)) {
        log_error("CREDITD_STOP_TIMEOUT: write a duration, such as 30s");
        return 2;
    }
    return 0;
}

static int read_config(struct supervisor *supervisor, struct config **ret_config)
{
    const char *path = supervisor->options->config;
    char *error = NULL;

    supervisor->config_path = path ? strdup(path) : config_default_path();
    if (config_load(supervisor->config_path, ret_config, &error) == 0)
        return 0;
    fprintf(stderr, "%s\n", error ? error : "creditd: out of memory");
    free(error);
    return 2;
}

int supervisor_check(const struct options *options)
{
    CLEANUP(config_cleanup) struct config *config = NULL;
    struct supervisor supervisor = {.options = options};
    int status = read_config(&supervisor, &config);

    if (status == 0 && supervisor.config_path)
        printf("creditd: %s has no mistakes\n", supervisor.config_path);
    else if (status == 0)
        puts("creditd: there is no configuration; all options have their defaults");
    free(supervisor.config_path);
    return status ? status : fflush(stdout) ? 1 : 0;
}

/* 0, or the status to exit with. */
static int set_up(struct supervisor *supervisor)
{
    CLEANUP(config_cleanup) struct config *config = NULL;
    CLEANUP(cleanup_free) char *error = NULL;
    int status = read_delays(supervisor);

    if (!status)
        status = read_config(supervisor, &config);
    if (!status)
        status = add_roles(supervisor, config);
    if (status)
        return status;
    if (take_api_key(supervisor) < 0 || open_signals(&supervisor->signal_fd) < 0) {
        log_error("cannot be set up: %s", strerror(errno));
        return 1;
    }
    if (sockets_open(&supervisor->sockets, config, supervisor->options->socket, &error) < 0) {
        log_error("%s", error ? error : "out of memory");
        return 1;
    }
    return 0;
}

int supervisor_set_up(struct supervisor *supervisor, const struct options *options)
{
    *supervisor = (struct supervisor){.options = options, .signal_fd = -1, .kill_at_ms = NEVER};
    sockets_init(&supervisor->sockets);
    sandbox_init(&supervisor->sandbox);
    return set_up(supervisor);
}

void supervisor_take_down(struct supervisor *supervisor)
{
    sockets_deinit(&supervisor->sockets);
    sandbox_deinit(&supervisor->sandbox);
    for (size_t i = 0; i < supervisor->role_count; i++) {
        notify_deinit(&supervisor->roles[i].notify);
        free(supervisor->roles[i].path);
    }
    secret_free(supervisor->api_key);
    free(supervisor->config_path);
    cleanup_fd(&supervisor->signal_fd);
}
