/*
 * creditd-hook: runs the programs and posts to the URLs of [hooks].
 *
 * It is the one role that starts programs, so it has nothing that they should not have: no ledger,
 * no API key. Its memory, with the secret that it signs with, is closed to others of its user.
 */
#include "process.h"

#include <role/role.h>
#include <stdlib.h>
#include <util/log.h>
#include <util/macros.h>
#include <web/http.h>

static const struct role role = {
    .name = "creditd-hook",
    .help =
        "Usage: creditd-hook [--config FILE] [--check] [--help] [--version]\n"
        "\n"
        "Runs the programs and posts to the URLs of [hooks] for creditd-serve. Started by creditd\n"
        "or by systemd, which hand it the connection to serve; otherwise it connects to [paths]\n"
        "hook_socket, and ends when that connection does. SIGHUP reads the configuration anew;\n"
        "--check says whether it would be taken, and ends.\n",
};

static void settings_cleanup(struct settings **settings)
{
    settings_unref(*settings);
}

static int run(const struct role_start *start)
{
    CLEANUP(settings_cleanup) struct settings *settings = NULL;
    CLEANUP(cleanup_free) char *error = NULL;

    if (settings_load(start->config_path, &settings, &error) < 0)
        return role_refuse(role.name, error);
    if (start->is_check)
        return role_accept(role.name, start->config_path);
    return process_run(TAKE_PTR(settings), start->config_path);
}

int main(int argc, char **argv)
{
    struct role_start start;
    int status;

    if (role_begin(&role, argc, argv, &start, &status))
        return status;
    if (http_global_init() < 0) {
        log_error("libcurl cannot be initialised");
        return ROLE_EXIT_FAILURE;
    }
    status = run(&start);
    http_global_deinit();
    return status;
}
