/*
 * Descriptors, files and Unix sockets. Every descriptor made here is close-on-exec.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Listens on a Unix stream socket at `path` with exactly `mode`; a stale socket file (nobody
 * listens) is replaced, a live one is -EADDRINUSE. The caller closes *ret_fd and unlinks the path.
 */
int fd_listen_unix(const char *path, mode_t mode, int backlog, int *ret_fd);
int fd_connect_unix(const char *path, int *ret_fd);
/* The same without waiting: -EAGAIN where the listener's queue is full. The descriptor is
 * non-blocking. */
int fd_try_connect_unix(const char *path, int *ret_fd);
/* The credentials of the process at the other end, as of its connect() (SO_PEERCRED). */
int fd_peer_credentials(int fd, uid_t *ret_uid, gid_t *ret_gid, pid_t *ret_pid);
/* Whether the descriptor is a listening socket. */
int fd_is_listening(int fd);
int fd_set_nonblocking(int fd);
/* Reads or writes everything or fails: -errno, or -ENODATA at an early end of file. */
int fd_read_all(int fd, void *data, size_t length);
int fd_write_all(int fd, const void *data, size_t length);
/* The first line of a small file (a secret), without its newline. The caller frees it with
 * secret_free. -E2BIG past `limit` bytes, -EBADMSG where it holds a NUL byte, -ENODATA where it is
 * empty. */
int fd_read_secret_file(const char *path, size_t limit, char **ret_secret);
/* Wipes and frees; NULL is taken. Returns NULL. */
char *secret_free(char *secret);
void secret_cleanup(char **secret);
/* mkdir -p with `mode` for the last part, 0755 for what lies above; existing directories are left
 * as they are. */
int fd_make_directory(const char *path, mode_t mode);
/* Fills with random bytes from the kernel; never fails on a kernel that we run on (aborts
 * otherwise). */
void random_bytes(void *data, size_t length);
