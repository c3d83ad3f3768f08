/* creditd-http: creditd by HTTP. Ends with 0 on SIGTERM or SIGINT. Sessions pass through it. */
#include "server.h"
#include <role/role.h>
#include <stdlib.h>
#include <util/config.h>
#include <util/macros.h>

static const struct role role = {
    .name = "creditd-http",
    .help =
        "Usage: creditd-http [--config FILE] [--socket PATH] [--check] [--help] [--version]\n"
        "\n"
        "Serves creditd by HTTP on the addresses of [http] listen and local, or on sockets that\n"
        "systemd hands it under the names \"http\" and \"http-local\". It asks creditd-serve at "
        "PATH,\n"
        "else at CREDITD_SOCKET, else at [paths] socket.\n"
        "SIGHUP reads the configuration anew; the addresses stay as they are. --check says\n"
        "whether it would be taken, and ends.\n",
    .has_socket = true,
};

int main(int argc, char **argv)
{
    struct role_start start;
    CLEANUP(config_cleanup) struct config *config = NULL;
    CLEANUP(cleanup_free) char *error = NULL;
    const char *socket;
    int status;

    if (role_begin(&role, argc, argv, &start, &status))
        return status;
    if (config_load_found(start.config_path, NULL, &config, &error) < 0)
        return role_refuse(role.name, error);
    if (start.is_check)
        return role_accept(role.name, start.config_path);
    socket = start.socket ? start.socket : getenv("CREDITD_SOCKET");
    if (!socket)
        socket = config->paths.socket;
    return server_run(TAKE_PTR(config), start.config_path, socket);
}
