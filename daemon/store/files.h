/*
 * The state directory and the system calls on it. All that writes to the journal goes through
 * files_write, files_sync and files_allocate, so that a test can lose, fail or forget any of it.
 */
#pragma once

#include <store/store.h>
#include <util/macros.h>

#define BLOCK_SIZE 4096u

struct files {
    int state_fd;   /* STATE */
    int journal_fd; /* STATE/journal */
    int lock_fd;    /* STATE/lock, held */
    struct store_io io;
    uint32_t instance;
};

/* Opens STATE (made on first use), locks it, opens STATE/journal. -EBUSY: somebody has the lock. */
int files_open(struct files *files, const char *directory, const struct store_io *io,
               char **ret_error);
void files_close(struct files *files);

int files_write(const struct files *files, int fd, const void *data, size_t length,
                uint64_t offset);
int files_sync(const struct files *files, int fd);
int files_allocate(const struct files *files, int fd, uint64_t size);
/* For a file that nobody else writes to meanwhile. */
int files_extend(const struct files *files, int fd, uint64_t from, uint64_t size);
/* After create, rename and removal: a name is durable only when its directory is. */
int files_sync_directory(int directory_fd);
/* All of it, or -ENODATA where the file ends before, or -errno. */
int files_read(int fd, void *data, size_t length, uint64_t offset);
/* STATE/reserve: present with that size and synced, or -errno and not there. */
int files_make_reserve(const struct files *files, uint64_t size);
/* Makes the spare segment of it, if it is there: the room changes its name, and is at no time
 * anybody's. */
void files_use_reserve(const struct files *files);

/* Writes the one line that explains `error` and returns `error`. */
int store_error(char **ret_error, int error, const char *format, ...) PRINTF_LIKE(3, 4);

static inline uint64_t block_round(uint64_t length)
{
    return (length + BLOCK_SIZE - 1) & ~(uint64_t)(BLOCK_SIZE - 1);
}
