/*
 * Stopping, in the order of enum role_kind: creditd-http first, whose requests serve still answers;
 * serve, which then takes no more requests and writes down what it has, while its helpers still
 * answer; the helpers, which mostly end by themselves as their connection closes; the sandbox last.
 */
#include "supervisor.h"
#include <signal.h>
#include <util/log.h>
#include <util/service.h>

void supervisor_stop(struct supervisor *supervisor, int status)
{
    if (status > supervisor->status)
        supervisor->status = status;
    if (supervisor->stopping)
        return;
    supervisor->stopping = true;
    supervisor->stop_phase = ROLE_FRONT;
    supervisor->kill_at_ms = supervisor_now_ms() + supervisor->stop_timeout_ms;
    (void)service_notify("STOPPING=1"); /* who does not hear it sees us end */
    sockets_close_client(&supervisor->sockets);
}

/* Whether a role of this phase still runs; those that do are told to stop. */
static bool phase_runs(struct supervisor *supervisor)
{
    bool runs = false;

    for (size_t i = 0; i < supervisor->role_count; i++) {
        struct role *role = &supervisor->roles[i];

        if (!role->pid || role->spec->kind != supervisor->stop_phase)
            continue;
        runs = true;
        if (!role->told_to_stop) {
            role->told_to_stop = true;
            kill(role->pid, SIGTERM);
        }
    }
    return runs;
}

bool supervisor_stop_step(struct supervisor *supervisor)
{
    while (!phase_runs(supervisor)) {
        if (supervisor->stop_phase == ROLE_SANDBOX)
            return true;
        supervisor->stop_phase++;
    }
    return false;
}

void supervisor_kill(struct supervisor *supervisor)
{
    supervisor->kill_at_ms = NEVER;
    for (size_t i = 0; i < supervisor->role_count; i++) {
        struct role *role = &supervisor->roles[i];

        if (!role->pid)
            continue;
        log_warning("%s does not stop; it is killed", role->spec->executable);
        supervisor->status = supervisor->status ? supervisor->status : 1;
        kill(role->pid, SIGKILL);
    }
}
