/*
 * creditd: the supervisor, for machines without systemd, containers and development. It opens the
 * sockets and starts the roles; it parses nothing that a client sends, and does no work of its own.
 */
#include "supervisor.h"
#include <util/log.h>

int main(int argc, char **argv)
{
    struct options options;
    int status;

    log_init("creditd", LOG_LEVEL_INFO);
    if (options_parse(argc, argv, &options, &status))
        return status;
    return options.check ? supervisor_check(&options) : supervisor_run(&options);
}
