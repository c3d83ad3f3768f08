/*
 * The sockets that outlive the roles: where clients connect, and the channel of each kind of
 * helper. The supervisor never accepts on them. It holds them so that a connect waits for the next
 * serve instead of being refused.
 */
#pragma once

#include "roles.h"
#include <util/config.h>

struct sockets {
    int lock_fd; /* "<path>.lock": of two supervisors on one path, the second one gives up */
    char *client_path;
    int client_fd;
    struct {
        char *path;
        int fd;
    } channels[CHANNEL_COUNT];
};

void sockets_init(struct sockets *sockets);
/* `path` is --socket, or NULL. On failure *ret_error is the line to print; the caller frees it. */
int sockets_open(struct sockets *sockets, const struct config *config, const char *path,
                 char **ret_error);
/* Clients that come from now on find nobody. serve has the socket still, and those who wait in it.
 */
void sockets_close_client(struct sockets *sockets);
/* Closes and removes everything. */
void sockets_deinit(struct sockets *sockets);
/* A connection to serve, for a helper. -EAGAIN where too many wait there already. The caller closes
 * *ret_fd. */
int sockets_connect_channel(const struct sockets *sockets, const char *name, int *ret_fd);
