/*
 * The output of creditd-sandbox. Its first line says where it listens; what follows is passed on.
 */
#pragma once

#include <stddef.h>

struct sandbox {
    int fd;    /* our end of its standard output; -1: it does not run */
    char *url; /* where it listens; kept when it dies, since it is started there again */
    char line[128];
    size_t length; /* of the first line, as far as it has come */
};

void sandbox_init(struct sandbox *sandbox);
void sandbox_deinit(struct sandbox *sandbox);
/* A new pipe; the caller closes *ret_output, the end for the child. */
int sandbox_open(struct sandbox *sandbox, int *ret_output);
/* Takes what there is. 1 when the address has just become known, 0 otherwise. */
int sandbox_read(struct sandbox *sandbox);
/* What to give to --listen: "127.0.0.1:0" at first, the same port as before later. */
const char *sandbox_listen(const struct sandbox *sandbox);
