/*
 * The state directory: its lock (J7), its reserve (J6), and the real system calls.
 */
#include "files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include <util/fd.h>

#define ZEROS_SIZE (1024u * 1024u)
/* Zeros are synced in portions: one large flush would make the journal thread's small ones wait. */
#define ZEROS_SYNC (8u * ZEROS_SIZE)

int store_error(char **ret_error, int error, const char *format, ...)
{
    va_list arguments;

    if (!ret_error)
        return error;
    va_start(arguments, format);
    if (vasprintf(ret_error, format, arguments) < 0)
        *ret_error = NULL;
    va_end(arguments);
    return error;
}

static int real_write(int fd, const void *data, size_t length, uint64_t offset)
{
    const uint8_t *from = data;

    while (length > 0) {
        ssize_t n = pwrite(fd, from, length, (off_t)offset);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? -errno : -EIO;
        from += n;
        offset += (uint64_t)n;
        length -= (size_t)n;
    }
    return 0;
}

static int real_sync(int fd)
{
    return fdatasync(fd) < 0 ? -errno : 0;
}

static int write_zeros(int fd, uint64_t from, uint64_t to)
{
    CLEANUP(cleanup_free) uint8_t *zeros = calloc(1, ZEROS_SIZE);
    int r = zeros ? 0 : -ENOMEM;

    for (uint64_t at = from; r == 0 && at < to; at += ZEROS_SIZE) {
        r = real_write(fd, zeros, to - at < ZEROS_SIZE ? to - at : ZEROS_SIZE, at);
        if (r == 0 && (at - from + ZEROS_SIZE) % ZEROS_SYNC == 0)
            r = real_sync(fd);
    }
    return r;
}

/* The space is claimed at once, so that a full disk is known early; then written, since the first
 * write to claimed but unwritten space changes metadata, which would cost each fdatasync dearly. */
static int real_allocate(int fd, uint64_t size)
{
    int r = -posix_fallocate(fd, 0, (off_t)size);

    return r < 0 && r != -EOPNOTSUPP && r != -EINVAL ? r : write_zeros(fd, 0, size);
}

/* From the beginning: what was never written in the middle of it has no room yet either. Not
 * posix_fallocate, which would touch that middle where the file system cannot do it. */
static int real_extend(int fd, uint64_t from, uint64_t size)
{
    int r;

    do
        r = fallocate(fd, 0, 0, (off_t)size) < 0 ? -errno : 0;
    while (r == -EINTR);
    return r == -EOPNOTSUPP || r == -ENOSYS ? write_zeros(fd, from, size) : r;
}

int files_write(const struct files *files, int fd, const void *data, size_t length, uint64_t offset)
{
    return files->io.write ? files->io.write(files->io.userdata, fd, data, length, offset)
                           : real_write(fd, data, length, offset);
}

int files_sync(const struct files *files, int fd)
{
    return files->io.sync ? files->io.sync(files->io.userdata, fd) : real_sync(fd);
}

int files_allocate(const struct files *files, int fd, uint64_t size)
{
    return files->io.allocate ? files->io.allocate(files->io.userdata, fd, size)
                              : real_allocate(fd, size);
}

int files_extend(const struct files *files, int fd, uint64_t from, uint64_t size)
{
    return files->io.extend ? files->io.extend(files->io.userdata, fd, from, size)
                            : real_extend(fd, from, size);
}

int files_sync_directory(int directory_fd)
{
    return fsync(directory_fd) < 0 ? -errno : 0;
}

int files_read(int fd, void *data, size_t length, uint64_t offset)
{
    uint8_t *to = data;

    while (length > 0) {
        ssize_t n = pread(fd, to, length, (off_t)offset);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? -errno : -ENODATA;
        to += n;
        offset += (uint64_t)n;
        length -= (size_t)n;
    }
    return 0;
}

int files_make_reserve(const struct files *files, uint64_t size)
{
    CLEANUP(cleanup_fd) int fd = -1;
    struct stat status;
    int r;

    if (fstatat(files->state_fd, "reserve", &status, AT_SYMLINK_NOFOLLOW) == 0 &&
        (uint64_t)status.st_size == size)
        return 0;
    (void)unlinkat(files->state_fd, "reserve", 0);
    fd = openat(files->state_fd, "reserve.tmp", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return -errno;
    r = files_allocate(files, fd, size);
    if (r == 0)
        r = files_sync(files, fd);
    if (r == 0 && renameat(files->state_fd, "reserve.tmp", files->state_fd, "reserve") < 0)
        r = -errno;
    if (r < 0)
        (void)unlinkat(files->state_fd, "reserve.tmp", 0);
    return r < 0 ? r : files_sync_directory(files->state_fd);
}

void files_use_reserve(const struct files *files)
{
    /* Where journal/ is another file system, its room is of no use to it. */
    (void)renameat(files->state_fd, "reserve", files->journal_fd, "spare");
}

static int open_directory(int at, const char *name, int *ret_fd)
{
    int fd;

    if (mkdirat(at, name, 0700) < 0 && errno != EEXIST)
        return -errno;
    fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    *ret_fd = fd;
    return 0;
}

/* The name of a new state directory. Its parent may be none of ours to open; it is older then. */
static void sync_parent(int fd)
{
    CLEANUP(cleanup_fd) int parent = openat(fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (parent >= 0)
        (void)fsync(parent);
}

static int take_lock(struct files *files)
{
    files->lock_fd = openat(files->state_fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (files->lock_fd < 0)
        return -errno;
    if (flock(files->lock_fd, LOCK_EX | LOCK_NB) < 0)
        return errno == EWOULDBLOCK ? -EBUSY : -errno;
    return 0;
}

int files_open(struct files *files, const char *directory, const struct store_io *io,
               char **ret_error)
{
    int r;

    *files = (struct files){.state_fd = -1, .journal_fd = -1, .lock_fd = -1};
    if (io)
        files->io = *io;
    r = fd_make_directory(directory, 0700);
    if (r == 0)
        r = open_directory(AT_FDCWD, directory, &files->state_fd);
    if (r < 0)
        return store_error(ret_error, r, "%s: cannot be opened: %s", directory, strerror(-r));
    sync_parent(files->state_fd);
    r = take_lock(files);
    if (r == -EBUSY)
        return store_error(ret_error, r, "%s/lock: held by another process", directory);
    if (r == 0)
        r = open_directory(files->state_fd, "journal", &files->journal_fd);
    if (r == 0)
        r = files_sync_directory(files->state_fd);
    return r < 0 ? store_error(ret_error, r, "%s: cannot be used: %s", directory, strerror(-r)) : 0;
}

void files_close(struct files *files)
{
    cleanup_fd(&files->journal_fd);
    cleanup_fd(&files->lock_fd);
    cleanup_fd(&files->state_fd);
    *files = (struct files){.state_fd = -1, .journal_fd = -1, .lock_fd = -1};
}
