/*
 * Starting one role: its arguments, its environment and its descriptors.
 */
#include "environment.h"
#include "executable.h"
#include "spawn.h"
#include "supervisor.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <util/log.h>
#include <util/macros.h>
#include <util/service.h>

#define ARGUMENTS_MAX 8

/* The descriptors of a role, in the order of their names. */
struct role_fds {
    int fds[1 + CHANNEL_COUNT];
    size_t count;
    char names[64];
    int owned; /* ours to close after the start; -1: none */
    int output;
};

static void role_fds_cleanup(struct role_fds *fds)
{
    cleanup_fd(&fds->owned);
    cleanup_fd(&fds->output);
}

static void add_fd(struct role_fds *fds, int fd, const char *name)
{
    size_t length = strlen(fds->names);

    fds->fds[fds->count++] = fd;
    snprintf(fds->names + length, sizeof(fds->names) - length, "%s%s", length ? ":" : "", name);
}

static int collect_fds(struct supervisor *supervisor, const struct role *role, struct role_fds *fds)
{
    int r = 0;

    switch (role->spec->kind) {
    case ROLE_OWNER: /* the sockets stay ours as well: they outlive serve */
        add_fd(fds, supervisor->sockets.client_fd, SERVICE_FD_CLIENT);
        for (size_t i = 0; i < CHANNEL_COUNT; i++)
            add_fd(fds, supervisor->sockets.channels[i].fd, channel_specs[i].name);
        break;
    case ROLE_HELPER:
        r = sockets_connect_channel(&supervisor->sockets, role->spec->channel, &fds->owned);
        if (!r)
            add_fd(fds, fds->owned, SERVICE_FD_SERVE);
        break;
    case ROLE_FRONT:
        break;
    case ROLE_SANDBOX:
        r = sandbox_open(&supervisor->sandbox, &fds->output);
        break;
    }
    return r;
}

static void collect_arguments(const struct supervisor *supervisor, const struct role *role,
                              const char **arguments)
{
    const struct options *options = supervisor->options;
    size_t count = 0;

    arguments[count++] = role->spec->executable;
    if (role->spec->kind == ROLE_SANDBOX) {
        arguments[count++] = "--listen";
        arguments[count++] = sandbox_listen(&supervisor->sandbox);
    } else if (supervisor->config_path) {
        arguments[count++] = "--config";
        arguments[count++] = supervisor->config_path;
    }
    if (role->spec->kind == ROLE_OWNER && options->state_dir) {
        arguments[count++] = "--state-dir";
        arguments[count++] = options->state_dir;
    }
    if (role->spec->kind == ROLE_FRONT) {
        arguments[count++] = "--socket";
        arguments[count++] = supervisor->sockets.client_path;
    }
    arguments[count] = NULL;
}

static int launch(struct supervisor *supervisor, struct role *role)
{
    CLEANUP(role_fds_cleanup) struct role_fds fds = {.owned = -1, .output = -1};
    CLEANUP(environment_cleanup) char **environment = NULL;
    const char *arguments[ARGUMENTS_MAX];
    struct environment_extra extra = {0};
    struct spawn_request request;
    int r = collect_fds(supervisor, role, &fds);

    if (r < 0)
        return r;
    extra = (struct environment_extra){
        .api_key = supervisor->api_key,
        .base_url =
            supervisor->options->sandbox ? supervisor->sandbox.url : getenv(ENVIRONMENT_BASE_URL),
        .sandbox = supervisor->options->sandbox ? "1" : NULL,
        .notify = role->spec->kind == ROLE_SANDBOX ? NULL : role->notify.name,
        .fd_names = fds.count ? fds.names : NULL,
        .fd_count = fds.count,
    };
    r = environment_make(role->spec, environ, &extra, &environment);
    if (r < 0)
        return r;
    collect_arguments(supervisor, role, arguments);
    request = (struct spawn_request){
        .path = role->path,
        .arguments = (char *const *)(const void *)arguments, /* execve's type has no const */
        .environment = environment,
        .fds = fds.fds,
        .fd_count = fds.count,
        .output = fds.output,
    };
    return spawn_program(&request, &role->pid);
}

int role_launch(struct supervisor *supervisor, struct role *role)
{
    int64_t now = supervisor_now_ms(), wait;
    int r = launch(supervisor, role);

    role->ready = role->reload_wanted = false;
    role->started_ms = now;
    role->start_at_ms = NEVER;
    if (r == 0) {
        role->was_ever_started = true;
        return 0;
    }
    log_error("%s cannot be started: %s", role->path, strerror(-r));
    if (!role->was_ever_started)
        return r;
    wait = backoff_wait(&role->backoff, 0);
    role->start_at_ms = now + wait;
    return 0;
}
