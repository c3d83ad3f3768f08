/*
 * J6 on a disk that is really full: a small tmpfs in a mount namespace of the test's own, and a
 * neighbour who takes every byte that comes free. Skipped where that cannot be had.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>
#include <util/macros.h>

#include "support.h"

#define VALUE_SIZE 20000

static struct keeper keeper;
static int neighbour = -1;

static void setup(void)
{
    keeper_init(&keeper);
    keeper.options.segment_size = 1024 * 1024;
}

static void teardown(void)
{
    if (neighbour >= 0)
        close(neighbour);
    umount2(keeper.directory, MNT_DETACH);
    keeper_deinit(&keeper);
}

TestSuite(full, .init = setup, .fini = teardown, .timeout = 500);

static void mount_disk(void)
{
    CLEANUP(cleanup_free) char *path = path_of(&keeper, "neighbour");

    if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
        mount("tmpfs", keeper.directory, "tmpfs", 0, "size=16m,mode=0700") < 0)
        cr_skip_test("no mount namespaces here");
    neighbour = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    cr_assert_geq(neighbour, 0);
}

static void fill_disk(void)
{
    static const uint8_t bytes[4096];

    while (write(neighbour, bytes, sizeof(bytes)) > 0)
        ;
}

/* Rows that take pages of their own; 0 or the -errno of the append that was refused. */
static int append_rows(uint32_t first, uint32_t count, bool use_reserve)
{
    static uint8_t value[VALUE_SIZE];
    int r = 0;

    for (uint32_t id = first; r == 0 && id < first + count; id++) {
        struct record_image image = {TABLE_NAME, &id, sizeof(id), value, sizeof(value)};
        struct record_header header = {.type = RECORD_BALANCE_NAMED};
        uint8_t *buffer;

        memset(value, (int)(id % 255), sizeof(value));
        r = store_append(keeper.store, record_size(&image, 1, 0), use_reserve, &buffer,
                         &header.sequence, &keeper.place);
        if (r == 0)
            record_encode(buffer, &header, &image, 1, NULL, 0);
    }
    store_flush(keeper.store);
    keeper_wait_durable(&keeper, keeper_marks(&keeper).appended);
    return r;
}

static void check_rows(uint32_t count)
{
    uint8_t value[VALUE_SIZE];
    size_t length;

    for (uint32_t id = 0; id < count; id++) {
        cr_assert_eq(store_get(keeper.store, TABLE_NAME, &id, 4, value, sizeof(value), &length), 0);
        cr_assert_eq(value[length - 1], id % 255);
    }
}

static void checkpoint_all(void)
{
    store_checkpoint(keeper.store);
    keeper_wait_stored(&keeper, keeper_marks(&keeper).durable);
}

static int ignore(void *userdata, const struct record *record, uint64_t place)
{
    uint64_t *count = userdata;

    (void)record;
    (void)place;
    (*count)++;
    return 0;
}

static uint64_t open_store(void)
{
    uint64_t replayed = 0;
    char *error = NULL;

    cr_assert_eq(store_open(&keeper.options, NULL, ignore, &replayed, &keeper.store, &error), 0,
                 "%s", error);
    return replayed;
}

static void open_on_small_disk(void)
{
    mount_disk();
    (void)open_store();
    keeper_wait_prepared(&keeper);
    cr_assert_eq(append_rows(0, 1, false), 0);
    checkpoint_all(); /* the store's room is there before the first one */
}

/* Nothing that is kept for us becomes the neighbour's, whatever it is used for. */
Test(full, J6_a_neighbour_does_not_get_the_reserve)
{
    uint32_t rows = 1;
    int segments = 0;

    open_on_small_disk();
    for (int round = 0; round < 3; round++) {
        fill_disk();
        cr_assert_eq(append_rows(rows, 10, true), 0);
        rows += 10;
        checkpoint_all();
    }
    check_rows(rows);
    /* What is left of the segment in use, the two prepared ones, and what the reserve becomes. */
    for (uint64_t at = keeper.place >> 32; segments < 3; at = keeper.place >> 32) {
        int r = append_rows(rows, 1, true);

        fill_disk();
        cr_assert(r == 0 || r == -EAGAIN || segments == 2, "%d", r);
        rows += r == 0;
        segments += at != keeper.place >> 32;
    }
    cr_assert_eq(append_rows(rows, 1, false), -ENOSPC);
    cr_assert_eq(keeper_marks(&keeper).failure, 0);
    keeper_close(&keeper, false);
    (void)open_store();
    keeper_close(&keeper, false);
}

/* A checkpoint that finds no room waits for it. Nothing ends, and nothing is lost. */
Test(full, J6_a_checkpoint_waits_for_room)
{
    uint32_t rows = 120;

    open_on_small_disk();
    fill_disk();
    cr_assert_eq(append_rows(1, rows - 1, true), 0); /* more than the store's own room */
    store_checkpoint(keeper.store);
    keeper_wait_space(&keeper, STORE_SPACE_FULL);
    cr_assert_eq(keeper_marks(&keeper).failure, 0);
    cr_assert_eq(keeper_marks(&keeper).stored, 1);
    cr_assert_eq(append_rows(rows, 1, false), -ENOSPC);
    cr_assert_eq(append_rows(rows++, 1, true), 0, "a confirmation");
    check_rows(1);

    /* A stop does not fail for it, and a start on the same disk finds all. */
    keeper_close(&keeper, true);
    fill_disk();
    cr_assert_eq(open_store(), rows - 1);
    store_checkpoint(keeper.store);
    keeper_wait_space(&keeper, STORE_SPACE_FULL);
    cr_assert_eq(keeper_marks(&keeper).failure, 0);

    cr_assert_eq(ftruncate(neighbour, 0), 0);
    keeper_wait_stored(&keeper, rows);
    keeper_wait_space(&keeper, STORE_SPACE_OK);
    check_rows(rows);
    cr_assert_eq(append_rows(rows, 1, false), 0);
    keeper_close(&keeper, true);
}
