#include "power.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support.h"

#define BLOCK 4096u

/* Found by inode: a recycled segment is the same file under another name. */
static struct power_file *find(struct power *power, int fd)
{
    struct stat status;
    struct power_file *file;
    char path[64];

    cr_assert_eq(fstat(fd, &status), 0);
    for (size_t i = 0; i < power->count; i++)
        if (power->files[i].inode == (uint64_t)status.st_ino)
            return &power->files[i];
    cr_assert_lt(power->count, POWER_FILES);
    file = &power->files[power->count++];
    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    *file = (struct power_file){.inode = status.st_ino, .fd = open(path, O_RDWR | O_CLOEXEC)};
    cr_assert_geq(file->fd, 0);
    return file;
}

static void grow(struct power_file *file, size_t length)
{
    size_t blocks = (length + BLOCK - 1) / BLOCK, before = file->length / BLOCK;

    length = blocks * BLOCK;
    if (length <= file->length)
        return;
    file->disk = realloc(file->disk, length);
    file->dirty = realloc(file->dirty, blocks * sizeof(*file->dirty));
    memset(file->disk + file->length, 0, length - file->length);
    memset(file->dirty + before, 0, (blocks - before) * sizeof(*file->dirty));
    file->length = length;
}

static int power_write(void *userdata, int fd, const void *data, size_t length, uint64_t offset)
{
    struct power *power = userdata;
    struct power_file *file;
    int r = 0;

    pthread_mutex_lock(&power->lock);
    file = find(power, fd);
    grow(file, offset + length);
    if (power->fail_write && offset > 0) {
        length = length / 2 / BLOCK * BLOCK;
        r = -EIO;
    }
    if (pwrite(fd, data, length, (off_t)offset) != (ssize_t)length)
        r = -errno;
    for (size_t at = offset / BLOCK; at < (offset + length) / BLOCK; at++)
        file->dirty[at] = true;
    pthread_mutex_unlock(&power->lock);
    return r;
}

static void sync_blocks(struct power_file *file, int fd, bool lose)
{
    for (size_t block = 0; block < file->length / BLOCK; block++) {
        if (!file->dirty[block])
            continue;
        file->dirty[block] = false;
        if (!lose)
            cr_assert_eq(pread(fd, file->disk + block * BLOCK, BLOCK, (off_t)(block * BLOCK)),
                         (ssize_t)BLOCK);
    }
}

/* A failed fdatasync has Linux call the pages clean: a later one writes nothing of them. */
static int power_sync(void *userdata, int fd)
{
    struct power *power = userdata;
    bool fail;

    pthread_mutex_lock(&power->lock);
    fail = power->fail_sync;
    if (!power->skip_sync)
        sync_blocks(find(power, fd), fd, fail);
    pthread_mutex_unlock(&power->lock);
    return fail ? -EIO : 0;
}

static int power_allocate(void *userdata, int fd, uint64_t size)
{
    struct power *power = userdata;
    int r;

    pthread_mutex_lock(&power->lock);
    r = -posix_fallocate(fd, 0, (off_t)size);
    grow(find(power, fd), size);
    pthread_mutex_unlock(&power->lock);
    return r;
}

void power_init(struct power *power)
{
    *power = (struct power){.io = {.userdata = power,
                                   .write = power_write,
                                   .sync = power_sync,
                                   .allocate = power_allocate}};
    pthread_mutex_init(&power->lock, NULL);
}

void power_deinit(struct power *power)
{
    for (size_t i = 0; i < power->count; i++) {
        close(power->files[i].fd);
        free(power->files[i].disk);
        free(power->files[i].dirty);
    }
    pthread_mutex_destroy(&power->lock);
}

static void lose_file(struct power_file *file, uint64_t *seed, unsigned percent)
{
    for (size_t block = 0; block < file->length / BLOCK; block++) {
        off_t offset = (off_t)(block * BLOCK);

        if (file->dirty[block] && random_next(seed) % 100 < percent)
            cr_assert_eq(pread(file->fd, file->disk + offset, BLOCK, offset), (ssize_t)BLOCK);
        file->dirty[block] = false;
        cr_assert_eq(pwrite(file->fd, file->disk + offset, BLOCK, offset), (ssize_t)BLOCK);
    }
}

void power_lose(struct power *power, uint64_t *seed, unsigned percent)
{
    for (size_t i = 0; i < power->count; i++)
        lose_file(&power->files[i], seed, percent);
}
