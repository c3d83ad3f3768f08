/*
 * The supervisor's loop, and what it does about each thing that happens.
 */
#include "supervisor.h"
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>
#include <util/clock.h>
#include <util/log.h>
#include <util/macros.h>
#include <util/service.h>

int64_t supervisor_now_ms(void)
{
    return clock_monotonic_ns() / 1000000;
}

/* Sends SIGHUP where it is a request; to a process that has not said that it is ready, it would be
 * an end. */
static void reload_role(struct role *role)
{
    if (role->pid && role->ready)
        kill(role->pid, SIGHUP);
    else
        role->reload_wanted = role->pid != 0;
}

static bool has_role(const struct supervisor *supervisor, const struct role_spec *spec)
{
    for (size_t i = 0; i < supervisor->role_count; i++)
        if (supervisor->roles[i].spec == spec)
            return true;
    return false;
}

/* Which roles there are is decided at the start. One that runs says itself what it cannot change.
 */
static void name_missing_roles(const struct supervisor *supervisor, const struct config *config)
{
    for (size_t i = 0; i < role_spec_count; i++)
        if (role_specs[i].is_wanted && role_specs[i].is_wanted(config) &&
            !has_role(supervisor, &role_specs[i]))
            log_warning("%s is wanted now, and is started when creditd is started again",
                        role_specs[i].executable);
}

static void reload(struct supervisor *supervisor)
{
    CLEANUP(config_cleanup) struct config *config = NULL;
    CLEANUP(cleanup_free) char *error = NULL;

    if (supervisor->stopping)
        return;
    /* Read here first, so that a mistake is told once and not by each role. */
    if (config_load(supervisor->config_path, &config, &error) < 0) {
        log_error("%s; everything stays as it is", error ? error : "out of memory");
        return;
    }
    log_notice("the configuration is read again");
    name_missing_roles(supervisor, config);
    for (size_t i = 0; i < supervisor->role_count; i++)
        if (supervisor->roles[i].spec->kind != ROLE_SANDBOX)
            reload_role(&supervisor->roles[i]);
}

/* One that is not needed may have an address or a program wrong: apps do not wait until somebody
 * puts it right. */
static bool is_waited_for(const struct role *role)
{
    return role->spec->kind != ROLE_SANDBOX && !role->ready &&
           (role->spec->is_needed || !role->has_ended);
}

static void announce(struct supervisor *supervisor)
{
    const char *url = supervisor->sandbox.url;

    if (supervisor->announced || supervisor->stopping)
        return;
    for (size_t i = 0; i < supervisor->role_count; i++)
        if (is_waited_for(&supervisor->roles[i]))
            return;
    supervisor->announced = true;
    for (size_t i = 0; i < supervisor->role_count; i++)
        if (supervisor->roles[i].spec->kind != ROLE_SANDBOX && !supervisor->roles[i].ready)
            log_warning("ready without %s", supervisor->roles[i].spec->executable);
    printf("creditd: ready on %s%s%s\n", supervisor->sockets.client_path,
           url ? ", sandbox on " : "", url ? url : "");
    if (fflush(stdout))
        log_warning("standard output cannot be written: %s", strerror(errno));
    if (service_notify("READY=1") < 0)
        log_warning("NOTIFY_SOCKET cannot be reached");
}

static void role_notified(struct supervisor *supervisor, struct role *role)
{
    enum notify_result result;

    while ((result = notify_receive(&role->notify, role->pid)) != NOTIFY_NOTHING) {
        if (result != NOTIFY_READY || role->ready)
            continue;
        role->ready = role->was_ever_ready = true;
        if (role->reload_wanted)
            reload_role(role);
        role->reload_wanted = false;
        announce(supervisor);
    }
}

static void say_how_it_ended(const struct role *role, int status, int64_t wait)
{
    const char *name = role->spec->executable;
    char how[32];

    if (WIFSIGNALED(status))
        snprintf(how, sizeof(how), "signal %d", WTERMSIG(status));
    else
        snprintf(how, sizeof(how), "status %d", WEXITSTATUS(status));
    if (wait >= 0)
        log_warning("%s ended with %s; it is started again in %lld ms", name, how, (long long)wait);
    else if (status)
        log_warning("%s ended with %s", name, how);
}

static void role_ended(struct supervisor *supervisor, struct role *role, int status)
{
    int64_t now = supervisor_now_ms(), wait;

    /* What it said last may still be in its socket, and its credentials are gone with the next
     * line. */
    role_notified(supervisor, role);
    role->pid = 0;
    role->ready = role->reload_wanted = role->told_to_stop = false;
    if (supervisor->stopping) {
        say_how_it_ended(role, status, -1);
        if (role->spec->kind == ROLE_OWNER && status)
            supervisor_stop(supervisor, 1);
        return;
    }
    if (!role->was_ever_ready && WIFEXITED(status) && WEXITSTATUS(status) == 2) {
        supervisor_stop(supervisor, 2); /* a bad configuration; it has said which */
        return;
    }
    wait = backoff_wait(&role->backoff, now - role->started_ms);
    role->start_at_ms = now + wait;
    say_how_it_ended(role, status, wait);
    role->has_ended = true;
    announce(supervisor);
}

/* All that have ended, also strangers: in a container we may be process 1. */
static void reap(struct supervisor *supervisor)
{
    pid_t pid;
    int status;

    while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
        for (size_t i = 0; i < supervisor->role_count; i++)
            if (supervisor->roles[i].pid == pid)
                role_ended(supervisor, &supervisor->roles[i], status);
}

static void handle_signal(struct supervisor *supervisor, uint32_t number)
{
    switch (number) {
    case SIGCHLD:
        reap(supervisor);
        break;
    case SIGHUP:
        reload(supervisor);
        break;
    default:
        /* A person at a terminal may insist. A second SIGTERM is what a process manager sends by
         * the way (timeout(1) sends one to the process and one to its group), and must not cut an
         * orderly end short. */
        if (supervisor->stopping && number == SIGINT)
            supervisor_kill(supervisor);
        else
            supervisor_stop(supervisor, 0);
    }
}

static void read_signals(struct supervisor *supervisor)
{
    struct signalfd_siginfo info;

    while (read(supervisor->signal_fd, &info, sizeof(info)) == sizeof(info))
        handle_signal(supervisor, info.ssi_signo);
}

/* A role that holds the key waits until it is known where the sandbox listens. */
static bool may_start(const struct supervisor *supervisor, const struct role *role)
{
    return !role->pid && !supervisor->stopping && role->start_at_ms <= supervisor_now_ms() &&
           (!role->spec->holds_key || !supervisor->options->sandbox || supervisor->sandbox.url);
}

static void start_due(struct supervisor *supervisor)
{
    for (size_t i = 0; i < supervisor->role_count; i++) {
        struct role *role = &supervisor->roles[i];

        if (may_start(supervisor, role) && role_launch(supervisor, role) < 0)
            supervisor_stop(supervisor, 1);
    }
}

/* Until the next thing that happens by itself, as poll() wants it. */
static int poll_timeout(const struct supervisor *supervisor)
{
    int64_t next = supervisor->stopping ? supervisor->kill_at_ms : NEVER;
    int64_t now = supervisor_now_ms();

    for (size_t i = 0; i < supervisor->role_count; i++) {
        const struct role *role = &supervisor->roles[i];

        /* One that is due and still waits, waits for the sandbox. */
        if (!role->pid && role->start_at_ms > now && role->start_at_ms < next)
            next = role->start_at_ms;
    }
    if (next == NEVER)
        return -1;
    return next <= now ? 0 : next - now > 60000 ? 60000 : (int)(next - now);
}

static void wait_and_handle(struct supervisor *supervisor)
{
    struct pollfd fds[2 + ROLE_COUNT_MAX];
    nfds_t count = 0;

    fds[count++] = (struct pollfd){.fd = supervisor->signal_fd, .events = POLLIN};
    fds[count++] = (struct pollfd){.fd = supervisor->sandbox.fd, .events = POLLIN};
    for (size_t i = 0; i < supervisor->role_count; i++)
        fds[count++] = (struct pollfd){.fd = supervisor->roles[i].notify.fd, .events = POLLIN};
    if (poll(fds, count, poll_timeout(supervisor)) < 0)
        return; /* interrupted; whatever it was comes again */
    for (size_t i = 0; i < supervisor->role_count; i++)
        if (fds[2 + i].revents)
            role_notified(supervisor, &supervisor->roles[i]);
    if (fds[1].revents)
        sandbox_read(&supervisor->sandbox);
    if (fds[0].revents)
        read_signals(supervisor);
}

static void run(struct supervisor *supervisor)
{
    for (;;) {
        start_due(supervisor);
        if (supervisor->stopping) {
            if (supervisor_stop_step(supervisor))
                return;
            if (supervisor->kill_at_ms <= supervisor_now_ms())
                supervisor_kill(supervisor);
        }
        wait_and_handle(supervisor);
    }
}

int supervisor_run(const struct options *options)
{
    struct supervisor supervisor;
    int status = supervisor_set_up(&supervisor, options);

    if (!status) {
        run(&supervisor);
        status = supervisor.status;
    }
    supervisor_take_down(&supervisor);
    return status;
}
