/*
 * A copy of a store that is in use. LMDB first, then the journal up to what is durable by then: so
 * the copy's journal reaches at least as far as its store, as start demands. The pin keeps segments
 * from going meanwhile; the last one is copied only as far as it is durable, and is zero behind
 * that. The store gets its name at the very last: a copy that was cut short, by whatever, has
 * segments and no store, which start and verify refuse.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <util/fd.h>

#include "store_private.h"

#define CHUNK (1024u * 1024u)
#define PART "store.part"

struct target {
    int fd;         /* the directory */
    int journal_fd; /* its journal/ */
    int store_fd;   /* its store/, not yet so called */
};

static void target_close(struct target *target)
{
    cleanup_fd(&target->fd);
    cleanup_fd(&target->journal_fd);
    cleanup_fd(&target->store_fd);
}

/* Whatever is there already is not ours to mix with: -EEXIST. */
static int make_directory(int at, const char *name, int *ret_fd)
{
    int fd;

    if (mkdirat(at, name, 0700) < 0)
        return -errno;
    fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    *ret_fd = fd;
    return 0;
}

static int target_open(struct target *target, const char *directory)
{
    int r = fd_make_directory(directory, 0700);

    if (r < 0)
        return r;
    target->fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (target->fd < 0)
        return -errno;
    if (faccessat(target->fd, "store", F_OK, AT_SYMLINK_NOFOLLOW) == 0)
        return -EEXIST;
    r = make_directory(target->fd, "journal", &target->journal_fd);
    return r < 0 ? r : make_directory(target->fd, PART, &target->store_fd);
}

static int copy_bytes(const struct store *store, int from, int to, uint64_t length)
{
    CLEANUP(cleanup_free) uint8_t *chunk = malloc(CHUNK);

    if (!chunk)
        return -ENOMEM;
    while (length > 0) {
        size_t part = length < CHUNK ? length : CHUNK;
        int r = atomic_load(&store->backup_cancelled) ? -ECANCELED : 0;

        if (r == 0)
            r = fd_read_all(from, chunk, part);
        if (r == 0)
            r = fd_write_all(to, chunk, part);
        if (r < 0)
            return r;
        length -= part;
    }
    return 0;
}

static int copy_segment(const struct store *store, const struct target *target, uint64_t number,
                        uint64_t end)
{
    CLEANUP(segment_cleanup) struct segment *segment = NULL;
    CLEANUP(cleanup_fd) int to = -1;
    char name[SEGMENT_NAME_SIZE];
    uint64_t length;
    int r;

    r = segment_open(&store->files, number, &segment);
    if (r < 0)
        return r;
    segment_name(number, name);
    to = openat(target->journal_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (to < 0)
        return -errno;
    length = place_of(number, segment->size) <= end ? segment->size : end - place_of(number, 0);
    r = copy_bytes(store, segment->fd, to, length);
    if (r == 0 && ftruncate(to, (off_t)segment->size) < 0)
        r = -errno;
    return r == 0 && fsync(to) < 0 ? -errno : r;
}

static int copy_journal(const struct store *store, const struct target *target)
{
    CLEANUP(cleanup_free) uint64_t *numbers = NULL;
    uint64_t end = atomic_load(&store->progress.durable_end);
    size_t count;
    int r = segment_list(&store->files, &numbers, &count);

    for (size_t i = 0; r == 0 && i < count && numbers[i] <= end >> 32; i++)
        r = copy_segment(store, target, numbers[i], end);
    return r;
}

/* LMDB does not sync what it copies, and lets others read it. */
static int secure_data(const struct target *target)
{
    CLEANUP(cleanup_fd) int fd = openat(target->store_fd, "data.mdb", O_RDONLY | O_CLOEXEC);

    return fd < 0 || fchmod(fd, 0600) < 0 || fsync(fd) < 0 ? -errno : 0;
}

static int copy_all(struct store *store, const struct target *target, const char *directory)
{
    CLEANUP(cleanup_free) char *path = NULL;
    int r;

    if (asprintf(&path, "%s/" PART, directory) < 0)
        return -ENOMEM;
    r = database_copy(store->database, path);
    if (r == 0)
        r = secure_data(target);
    if (r == 0)
        r = copy_journal(store, target);
    if (r == 0)
        r = files_sync_directory(target->journal_fd);
    if (r == 0)
        r = files_sync_directory(target->store_fd);
    if (r == 0 && renameat(target->fd, PART, target->fd, "store") < 0)
        r = -errno;
    return r < 0 ? r : files_sync_directory(target->fd);
}

void store_backup_cancel(struct store *store)
{
    atomic_store(&store->backup_cancelled, true);
}

int store_backup(struct store *store, const char *directory, char **ret_error)
{
    CLEANUP(target_close) struct target target = {-1, -1, -1};
    int r = target_open(&target, directory);

    if (r == 0) {
        space_pin(&store->space);
        r = copy_all(store, &target, directory);
        space_unpin(&store->space);
    }
    if (r == -EEXIST)
        return store_error(ret_error, r, "%s: there is a ledger in it already, or a part of one",
                           directory);
    if (r == -ECANCELED)
        return store_error(ret_error, r, "%s: the copy was called off", directory);
    return r < 0 ? store_error(ret_error, r, "%s: cannot be written: %s", directory, strerror(-r))
                 : 0;
}
