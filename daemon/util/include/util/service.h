/*
 * What a service and its supervisor say to each other: descriptors by name (LISTEN_PID, LISTEN_FDS,
 * LISTEN_FDNAMES) and notifications (NOTIFY_SOCKET), as systemd documents them in sd_listen_fds(3)
 * and sd_notify(3). creditd speaks the same protocol to its roles, so that a role cannot tell which
 * of the two started it.
 */
#pragma once

#include <stdbool.h>

/* The descriptors' names: the clients' socket, and the channels between serve and its helpers. */
#define SERVICE_FD_CLIENT "client" /* serve: listening, where apps connect */
#define SERVICE_FD_SYNC                                                                            \
    "sync" /* serve: listening, or one end of a socket pair whose other end creditd-sync has */
#define SERVICE_FD_HOOK "hook"             /* the same for creditd-hook */
#define SERVICE_FD_SERVE "serve"           /* a helper: connected to serve */
#define SERVICE_FD_HTTP "http"             /* creditd-http: listening, one or several */
#define SERVICE_FD_HTTP_LOCAL "http-local" /* the same, Unix sockets whose peers are trusted */

/* The descriptor passed under that name, made close-on-exec; -ENOENT where there is none. Each can
 * be taken once: the caller closes it. */
int service_take_fd(const char *name);
/* Sends e.g. "READY=1\nSTATUS=…"; 0 where nobody listens. */
int service_notify(const char *state);
/* Half of WATCHDOG_USEC in milliseconds, or 0 where no watchdog is asked for. */
int service_watchdog_interval_ms(void);
/* The path of a systemd credential ($CREDENTIALS_DIRECTORY/name), else NULL; the caller frees it. A
 * file of a single byte is none: a unit that can do without says so with a newline, since systemd
 * has no way to write an empty default (SetCredential=). */
char *service_credential_path(const char *name);
/* Keeps other processes of our user from reading our memory, and the kernel from writing it to a
 * core file. */
int service_protect_memory(void);
