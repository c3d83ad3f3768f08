/*
 * A disk that can lose power: what was written counts only once it was synced. Reads see the page
 * cache, as a process that starts again after a kill does; power_lose() takes it away.
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <store/store.h>

#define POWER_FILES 256

struct power_file {
    int fd; /* ours, to write the lost content back */
    uint64_t inode;
    uint8_t *disk; /* what a power cut would leave */
    size_t length;
    bool *dirty; /* blocks written and not yet synced */
};

struct power {
    pthread_mutex_t lock;
    struct power_file files[POWER_FILES];
    size_t count;
    atomic_bool
        fail_sync; /* syncs of batches fail from now on, and call what they should write clean */
    atomic_bool fail_write; /* writes of batches fail half way */
    atomic_bool skip_sync;  /* syncs succeed without doing anything: a liar, to test the tests */
    struct store_io io;
};

void power_init(struct power *power);
void power_deinit(struct power *power);
/* Puts all files back to what the disk has; of the unsynced blocks, each survives with a chance of
 * `percent`, drawn from the seed. */
void power_lose(struct power *power, uint64_t *seed, unsigned percent);
