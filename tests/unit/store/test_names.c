/*
 * What the journal's files are called, and by which nonce (J2). A rename or a removal that no sync
 * of the directory follows cannot be told from one that is durable but by pulling the plug, so the
 * calls are watched: this program's own renameat, unlinkat and fsync stand before the C library's.
 */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <util/macros.h>

#include "batch.h"
#include "segment.h"
#include "support.h"

#define SEGMENTS 9u

static struct keeper keeper;
static atomic_uint changes, unsynced, too_late;
static _Thread_local bool pending;

static void setup(void)
{
    keeper_init(&keeper);
}

static void teardown(void)
{
    keeper_deinit(&keeper);
}

TestSuite(names, .init = setup, .fini = teardown, .timeout = 60);

/* --- the calls --- */

static bool is_segment(const char *name)
{
    size_t length = strlen(name), suffix = strlen(".journal");
    return length > suffix && strcmp(name + length - suffix, ".journal") == 0;
}

/* A thread syncs what it has changed before it changes anything else. */
static void note_change(bool counts)
{
    if (pending)
        atomic_fetch_add(&too_late, 1);
    if (!counts || pending)
        return;
    pending = true;
    atomic_fetch_add(&changes, 1);
    atomic_fetch_add(&unsynced, 1);
}

int renameat(int from_fd, const char *from, int to_fd, const char *to)
{
    note_change(is_segment(from) || is_segment(to));
    return (int)syscall(SYS_renameat2, from_fd, from, to_fd, to, 0);
}

int unlinkat(int fd, const char *name, int flags)
{
    note_change(is_segment(name));
    return (int)syscall(SYS_unlinkat, fd, name, flags);
}

int fsync(int fd)
{
    struct stat status;
    if (pending && fstat(fd, &status) == 0 && S_ISDIR(status.st_mode)) {
        pending = false;
        atomic_fetch_sub(&unsynced, 1);
    }
    return (int)syscall(SYS_fsync, fd);
}

/* --- --- */

static void fill_to(uint64_t number)
{
    while (keeper.place >> 32 < number)
        keeper_wait_durable(&keeper, keeper_append(&keeper, true));
}

Test(names, J2_each_change_is_followed_by_a_sync_of_the_directory)
{
    keeper.options.retention_bytes = 2 * 64 * 1024;
    keeper_open(&keeper);
    store_keep(keeper.store, UINT64_MAX);
    for (uint64_t number = 2; number <= SEGMENTS; number++) {
        fill_to(number);
        store_checkpoint(keeper.store);
        keeper_wait_stored(&keeper, keeper_marks(&keeper).appended);
    }
    keeper_wait_prepared(&keeper);
    keeper_close(&keeper, true);
    cr_expect_gt(atomic_load(&changes), SEGMENTS + 2, "segments were made, and some have gone");
    cr_expect_eq(atomic_load(&too_late), 0);
    cr_expect_eq(atomic_load(&unsynced), 0);
}

static uint64_t nonce_of(uint64_t number)
{
    CLEANUP(cleanup_free) char *path = NULL;
    CLEANUP(cleanup_free) uint8_t *bytes = NULL;
    char name[SEGMENT_NAME_SIZE], inside[64];
    struct segment_header header;
    size_t length;
    segment_name(number, name);
    (void)snprintf(inside, sizeof(inside), "journal/%s", name);
    path = path_of(&keeper, inside);
    bytes = read_file(path, &length);
    cr_assert_geq(length, sizeof(header));
    memcpy(&header, bytes, sizeof(header));
    return header.nonce;
}

Test(names, J2_each_segment_has_a_nonce_of_its_own)
{
    uint64_t nonces[SEGMENTS + 1] = {0};
    keeper_open(&keeper);
    fill_to(SEGMENTS);
    for (uint64_t number = 1; number <= SEGMENTS; number++) {
        nonces[number] = nonce_of(number);
        for (uint64_t other = 1; other < number; other++)
            cr_expect_neq(nonces[other], nonces[number]);
    }
    keeper_close(&keeper, false);
}

Test(names, J2_the_body_counts_with_the_nonce)
{
    struct segment segment = {.number = 3, .nonce = 77, .size = 64 * 1024};
    struct segment recycled = {.number = 3, .nonce = 78, .size = 64 * 1024};
    struct batch_header header = {.length = sizeof(header) + 4}, again = header;

    batch_finish(&header, "body", &segment, 8192);
    batch_finish(&again, "body", &recycled, 8192);
    cr_expect_neq(header.body_crc, again.body_crc);
}

/* A batch of another way that the same ledger once went: its place, segment and sequence are right,
 * and what it names as the batch before it is not there. */
Test(names, J2_a_batch_follows_the_one_that_it_names)
{
    CLEANUP(cleanup_free) char *here = path_of(&keeper, "journal/0000000000000001.journal");
    CLEANUP(cleanup_free) uint8_t *bytes = NULL;
    CLEANUP(cleanup_free) uint8_t *stray = NULL;
    char other[] = "/tmp/creditd-store-other-XXXXXX";
    size_t length, offset;

    keeper_open(&keeper);
    keeper_append_batches(&keeper, 3);
    keeper_abandon(&keeper);
    cr_assert_not_null(mkdtemp(other));
    remove_tree(other);
    copy_tree(keeper.directory, other);

    keeper_open(&keeper);
    keeper_append_batches(&keeper, 2); /* 4 and 5 */
    offset = (uint32_t)keeper.place & ~4095u;
    keeper_abandon(&keeper);
    stray = read_file(here, &length);

    remove_tree(keeper.directory);
    copy_tree(other, keeper.directory);
    remove_tree(other);
    keeper_open(&keeper); /* one start more: 4 is another record */
    keeper_abandon(&keeper);
    keeper_open(&keeper);
    keeper_append_batches(&keeper, 1);
    cr_assert_eq((uint32_t)keeper.place & ~4095u, offset - 4096,
                 "the stray one comes right behind");
    keeper_abandon(&keeper);
    bytes = read_file(here, &length);
    memcpy(bytes + offset, stray + offset, 4096);
    write_file(here, bytes, length);

    keeper_open(&keeper);
    cr_expect_eq(keeper.replayed, 4);
    keeper_close(&keeper, false);
}
