/*
 * The supervisor's side of sd_notify(3): a datagram socket for each role, in the abstract
 * namespace, where nothing has to be removed. Anybody can send there; only the role's own process
 * is listened to.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

struct notify {
    int fd;
    char name[32]; /* for NOTIFY_SOCKET */
};

/* Values of notify_receive. */
enum notify_result { NOTIFY_NOTHING, NOTIFY_OTHER, NOTIFY_READY };

int notify_init(struct notify *notify);
void notify_deinit(struct notify *notify);
/* Takes one datagram, without waiting: NOTIFY_NOTHING where there is none, NOTIFY_OTHER for what
 * does not come from `pid` or says something else. */
enum notify_result notify_receive(struct notify *notify, pid_t pid);
