#include "scratch.h"
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <util/fd.h>
#include <util/macros.h>

static char *directory;

static void setup(void)
{
    directory = scratch_make();
}

static void teardown(void)
{
    scratch_remove(directory);
}

TestSuite(fd, .init = setup, .fini = teardown);

static mode_t mode_of(const char *path)
{
    struct stat status;

    cr_assert_eq(lstat(path, &status), 0);
    return status.st_mode & 07777;
}

Test(fd, listen_has_exactly_the_mode_and_is_close_on_exec)
{
    static const mode_t modes[] = {0600, 0660, 0666};
    CLEANUP(cleanup_free) char *path = scratch_path(directory, "socket");

    umask(027);
    for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
        CLEANUP(cleanup_fd) int fd = -1;

        cr_assert_eq(fd_listen_unix(path, modes[i], 5, &fd), 0);
        cr_assert_eq(mode_of(path), modes[i]);
        cr_assert_eq(fcntl(fd, F_GETFD), FD_CLOEXEC);
        cr_assert_eq(fd_is_listening(fd), 1);
    }
}

Test(fd, listen_replaces_a_stale_socket_but_not_a_live_one)
{
    CLEANUP(cleanup_free) char *path = scratch_path(directory, "socket");
    CLEANUP(cleanup_fd) int first = -1, second = -1;

    cr_assert_eq(fd_listen_unix(path, 0600, 5, &first), 0);
    cr_assert_eq(fd_listen_unix(path, 0600, 5, &second), -EADDRINUSE);
    cr_assert_eq(second, -1);
    close(TAKE_FD(first));
    cr_assert_eq(access(path, F_OK), 0);
    cr_assert_eq(fd_listen_unix(path, 0600, 5, &second), 0);
}

Test(fd, listen_sees_a_live_socket_whose_backlog_is_full)
{
    CLEANUP(cleanup_free) char *path = scratch_path(directory, "socket");
    CLEANUP(cleanup_fd) int listener = -1, waiting = -1, other = -1;

    cr_assert_eq(fd_listen_unix(path, 0600, 0, &listener), 0);
    cr_assert_eq(fd_connect_unix(path, &waiting), 0);
    cr_assert_eq(fd_listen_unix(path, 0600, 0, &other), -EADDRINUSE);
    cr_assert_eq(fd_try_connect_unix(path, &other), -EAGAIN);
    close(accept(listener, NULL, NULL));
    cr_assert_eq(fd_try_connect_unix(path, &other), 0);
}

Test(fd, listen_removes_nothing_but_sockets)
{
    CLEANUP(cleanup_free) char *path = scratch_write(directory, "file", "precious", 8);
    CLEANUP(cleanup_fd) int fd = -1;

    cr_assert_eq(fd_listen_unix(path, 0600, 5, &fd), -EEXIST);
    cr_assert_eq(access(path, F_OK), 0);
    cr_assert_eq(fd, -1);
}

Test(fd, paths_that_no_socket_can_have)
{
    char path[200];
    int fd = -1;

    memset(path, 'x', sizeof(path) - 1);
    path[sizeof(path) - 1] = '\0';
    cr_assert_eq(fd_listen_unix(path, 0600, 5, &fd), -ENAMETOOLONG);
    cr_assert_eq(fd_connect_unix(path, &fd), -ENAMETOOLONG);
    cr_assert_eq(fd_connect_unix("", &fd), -EINVAL);
    cr_assert_eq(fd_connect_unix("/nonexistent/socket", &fd), -ENOENT);
    cr_assert_eq(fd, -1);
}

Test(fd, peer_is_the_process_that_connected)
{
    CLEANUP(cleanup_free) char *path = scratch_path(directory, "socket");
    CLEANUP(cleanup_fd) int listener = -1, accepted = -1;
    pid_t child, pid;
    uid_t uid;
    gid_t gid;
    char byte;

    cr_assert_eq(fd_listen_unix(path, 0600, 5, &listener), 0);
    child = fork();
    if (!child) {
        int fd = -1;

        _exit(fd_connect_unix(path, &fd) || fd_read_all(fd, &byte, 1) ? 1 : 0);
    }
    accepted = accept(listener, NULL, NULL);
    cr_assert(accepted >= 0);
    cr_assert_eq(fd_is_listening(accepted), 0);
    cr_assert_eq(fd_peer_credentials(accepted, &uid, &gid, &pid), 0);
    cr_assert_eq(pid, child);
    cr_assert_eq(uid, geteuid());
    cr_assert_eq(gid, getegid());
    cr_assert_eq(fd_write_all(accepted, "x", 1), 0);
    cr_assert_eq(waitpid(child, NULL, 0), child);
}

Test(fd, whole_reads_and_writes_go_on_past_short_ones)
{
    static char out[1 << 20], in[1 << 20];
    int pair[2];
    pid_t child;

    for (size_t i = 0; i < sizeof(out); i++)
        out[i] = (char)(i * 31 >> 3);
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    child = fork();
    if (!child)
        _exit(fd_write_all(pair[1], out, sizeof(out)) ? 1 : 0);
    close(pair[1]);
    cr_assert_eq(fd_read_all(pair[0], in, sizeof(in)), 0);
    cr_assert_arr_eq(in, out, sizeof(in));
    cr_assert_eq(waitpid(child, NULL, 0), child);
    cr_assert_eq(fd_read_all(pair[0], in, 1), -ENODATA);
    cr_assert_eq(fd_read_all(-1, in, 1), -EBADF);
    cr_assert_eq(fd_write_all(-1, in, 1), -EBADF);
    close(pair[0]);
}

Test(fd, nonblocking)
{
    int pair[2];
    char byte;

    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    cr_assert_eq(fd_set_nonblocking(pair[0]), 0);
    cr_assert_eq(fd_read_all(pair[0], &byte, 1), -EAGAIN);
    cr_assert_eq(fd_set_nonblocking(-1), -EBADF);
    close(pair[0]);
    close(pair[1]);
}

Test(fd, make_directory)
{
    CLEANUP(cleanup_free) char *deep = scratch_path(directory, "a/b/c");
    CLEANUP(cleanup_free) char *middle = scratch_path(directory, "a/b");
    CLEANUP(cleanup_free) char *slash = scratch_path(directory, "d/");
    CLEANUP(cleanup_free) char *file = scratch_write(directory, "file", "", 0);
    CLEANUP(cleanup_free) char *below_file = scratch_path(directory, "file/x");

    umask(077);
    cr_assert_eq(fd_make_directory(deep, 0710), 0);
    cr_assert_eq(mode_of(deep), 0710);
    cr_assert_eq(mode_of(middle), 0755);
    cr_assert_eq(fd_make_directory(deep, 0700), 0);
    cr_assert_eq(mode_of(deep), 0710, "what exists is left as it is");
    cr_assert_eq(fd_make_directory(slash, 0700), 0);
    cr_assert_eq(fd_make_directory(file, 0700), -ENOTDIR);
    cr_assert_eq(fd_make_directory(below_file, 0700), -ENOTDIR);
    cr_assert_eq(fd_make_directory("", 0700), -EINVAL);
    cr_assert_eq(fd_make_directory("/", 0700), 0);
}

Test(fd, random_bytes_fill_everything)
{
    uint8_t data[64] = {0}, seen[64] = {0};

    for (unsigned round = 0; round < 32; round++) {
        random_bytes(data, sizeof(data) - 1);
        for (size_t i = 0; i < sizeof(data); i++)
            seen[i] |= data[i];
    }
    for (size_t i = 0; i < sizeof(data) - 1; i++)
        cr_assert_neq(seen[i], 0);
    cr_assert_eq(seen[63], 0, "and not one byte more");
}
