#include "support.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <util/macros.h>

static void on_progress(void *userdata)
{
    struct keeper *keeper = userdata;

    pthread_mutex_lock(&keeper->lock);
    pthread_cond_broadcast(&keeper->progress);
    pthread_mutex_unlock(&keeper->lock);
}

void keeper_init(struct keeper *keeper)
{
    *keeper = (struct keeper){.directory = "/tmp/creditd-store-XXXXXX"};
    cr_assert_not_null(mkdtemp(keeper->directory));
    pthread_mutex_init(&keeper->lock, NULL);
    pthread_cond_init(&keeper->progress, NULL);
    keeper->options = (struct store_options){
        .directory = keeper->directory,
        .durability = STORE_DURABILITY_ALWAYS,
        .interval_ms = 3600 * 1000,
        .segment_size = 64 * 1024,
        .map_size = 256 * 1024 * 1024,
        .retention_ms = INT64_MAX,
        .retention_bytes = UINT64_MAX,
        .checkpoint_interval_ms = 3600 * 1000,
        .checkpoint_bytes = 256 * 1024 * 1024,
        .on_progress = on_progress,
        .userdata = keeper,
    };
}

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *ftw)
{
    (void)status;
    (void)type;
    (void)ftw;
    return remove(path);
}

void remove_tree(const char *path)
{
    (void)nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

void keeper_deinit(struct keeper *keeper)
{
    free(keeper->error);
    pthread_mutex_destroy(&keeper->lock);
    pthread_cond_destroy(&keeper->progress);
    remove_tree(keeper->directory);
}

/* --- records --- */

static uint32_t balance_of(uint64_t sequence)
{
    return (uint32_t)(sequence * 7 % BALANCES);
}

static size_t detail_length(uint64_t sequence)
{
    return sequence * 37 % DETAIL_MAX;
}

static bool deletes(uint64_t sequence)
{
    return sequence % 5 == 0;
}

static size_t example_images(uint64_t sequence, uint32_t *balance, char meta[8],
                             const uint64_t *value, struct record_image images[2])
{
    *balance = balance_of(sequence);
    (void)snprintf(meta, 8, "m%02u", (unsigned)(sequence % METAS));
    images[0] = (struct record_image){.table = TABLE_BALANCE,
                                      .key = balance,
                                      .key_length = sizeof(*balance),
                                      .value = value,
                                      .value_length = sizeof(*value)};
    images[1] = (struct record_image){.table = TABLE_META,
                                      .key = meta,
                                      .key_length = 3,
                                      .value = deletes(sequence) ? NULL : value,
                                      .value_length = deletes(sequence) ? 0 : sizeof(*value)};
    return 2;
}

size_t example_size(uint64_t sequence)
{
    struct record_image images[2];
    uint32_t balance;
    char meta[8];
    size_t count = example_images(sequence, &balance, meta, &sequence, images);

    return record_size(images, count, detail_length(sequence));
}

void example_encode(uint8_t *buffer, uint64_t sequence, uint32_t epoch)
{
    struct record_header header = {.sequence = sequence,
                                   .time = (int64_t)sequence * 10,
                                   .type = RECORD_CONSUME,
                                   .epoch = epoch};
    struct record_image images[2];
    uint8_t detail[DETAIL_MAX];
    uint32_t balance;
    char meta[8];
    size_t count = example_images(sequence, &balance, meta, &sequence, images);

    memset(detail, (int)(sequence % 251 + 1), sizeof(detail));
    record_encode(buffer, &header, images, count, detail, detail_length(sequence));
}

void example_check(const struct record *record)
{
    uint64_t sequence = record->header.sequence;
    static _Thread_local uint64_t storage[RECORD_SIZE_MAX / 8];
    struct record expected;

    example_encode((uint8_t *)storage, sequence, record->header.epoch);
    cr_assert_eq(record_decode((uint8_t *)storage, sizeof(storage), &expected), 0);
    cr_assert_eq(record->header.length, expected.header.length);
    cr_assert_eq(record->header.crc, expected.header.crc, "record %lu is not what was appended",
                 (unsigned long)sequence);
}

void example_expect(struct state *state, uint64_t sequence)
{
    *state = (struct state){0};
    for (uint64_t s = 1; s <= sequence; s++) {
        state->balances[balance_of(s)] = s;
        state->metas[s % METAS] = deletes(s) ? 0 : s;
    }
}

static uint64_t *row_of(struct state *state, enum record_table table, const void *key)
{
    uint32_t balance;

    if (table == TABLE_META)
        return &state->metas[atoi((const char *)key + 1) % METAS];
    cr_assert_eq(table, TABLE_BALANCE);
    memcpy(&balance, key, sizeof(balance));
    cr_assert_lt(balance, BALANCES);
    return &state->balances[balance];
}

struct load {
    struct state *state;
    enum record_table table;
    char last[16];
    size_t last_length;
};

static int load_row(void *userdata, const void *key, size_t key_length, const void *value,
                    size_t value_length)
{
    struct load *load = userdata;
    char text[16] = "";

    cr_assert_eq(value_length, sizeof(uint64_t));
    cr_assert_lt(key_length, sizeof(text));
    memcpy(text, key, key_length);
    memcpy(row_of(load->state, load->table, text), value, value_length);
    return 0;
}

void load_state(struct store *store, struct state *ret_state)
{
    struct load balances = {.state = ret_state, .table = TABLE_BALANCE};
    struct load metas = {.state = ret_state, .table = TABLE_META};

    *ret_state = (struct state){0};
    cr_assert_eq(store_each(store, TABLE_BALANCE, load_row, &balances), 0);
    cr_assert_eq(store_each(store, TABLE_META, load_row, &metas), 0);
}

void check_state(const struct state *state, uint64_t sequence)
{
    struct state expected;

    example_expect(&expected, sequence);
    for (size_t i = 0; i < BALANCES; i++)
        cr_assert_eq(state->balances[i], expected.balances[i], "balance %zu: %lu, not %lu of %lu",
                     i, (unsigned long)state->balances[i], (unsigned long)expected.balances[i],
                     (unsigned long)sequence);
    for (size_t i = 0; i < METAS; i++)
        cr_assert_eq(state->metas[i], expected.metas[i], "meta %zu: %lu, not %lu of %lu", i,
                     (unsigned long)state->metas[i], (unsigned long)expected.metas[i],
                     (unsigned long)sequence);
}

/* --- the keeper --- */

static int on_start(struct store *store, void *userdata)
{
    struct keeper *keeper = userdata;

    load_state(store, &keeper->state);
    return 0;
}

static int on_replay(void *userdata, const struct record *record, uint64_t place)
{
    struct keeper *keeper = userdata;
    struct record_image image;
    size_t position = 0;
    char text[16];

    example_check(record);
    cr_assert_neq(place, 0);
    if (keeper->replay_from == 0)
        keeper->replay_from = record->header.sequence;
    else
        cr_assert_eq(record->header.sequence, keeper->replayed + 1);
    keeper->replayed = record->header.sequence;
    while (record_next_image(record, &position, &image)) {
        memset(text, 0, sizeof(text));
        memcpy(text, image.key, image.key_length);
        uint64_t *row = row_of(&keeper->state, image.table, text);

        *row = 0;
        if (image.value_length > 0)
            memcpy(row, image.value, sizeof(*row));
    }
    return 0;
}

int keeper_try_open(struct keeper *keeper)
{
    struct store_watermarks marks;
    int r;

    free(keeper->error);
    keeper->error = NULL;
    keeper->replayed = keeper->replay_from = 0;
    r = store_open(&keeper->options, on_start, on_replay, keeper, &keeper->store, &keeper->error);
    if (r != 0) {
        keeper->store = NULL;
        cr_assert_not_null(keeper->error, "no word on error %d", r);
        cr_assert_null(strchr(keeper->error, '\n'));
        return r;
    }
    marks = keeper_marks(keeper);
    if (keeper->replay_from != 0) {
        cr_assert_eq(keeper->replay_from, marks.stored + 1);
        cr_assert_eq(keeper->replayed, marks.durable);
    } else {
        cr_assert_eq(marks.stored, marks.durable);
    }
    check_state(&keeper->state, marks.durable);
    return 0;
}

void keeper_open(struct keeper *keeper)
{
    int r = keeper_try_open(keeper);

    cr_assert_eq(r, 0, "store_open: %d: %s", r, keeper->error);
}

void keeper_close(struct keeper *keeper, bool checkpoint)
{
    cr_assert_eq(store_close(keeper->store, checkpoint), 0);
    keeper->store = NULL;
}

void keeper_abandon(struct keeper *keeper)
{
    store_abandon(keeper->store);
    keeper->store = NULL;
}

struct store_watermarks keeper_marks(const struct keeper *keeper)
{
    struct store_watermarks marks;

    store_get_watermarks(keeper->store, &marks);
    return marks;
}

int keeper_try_append(struct keeper *keeper, bool use_reserve)
{
    uint64_t next = keeper_marks(keeper).appended + 1, sequence;
    uint8_t *buffer;
    int r;

    r = store_append(keeper->store, example_size(next), use_reserve, &buffer, &sequence,
                     &keeper->place);
    if (r < 0)
        return r;
    cr_assert_eq(sequence, next);
    example_encode(buffer, sequence, store_epoch(keeper->store));
    return 0;
}

static bool is_failed(struct keeper *keeper)
{
    return keeper_marks(keeper).failure != 0;
}

/* For what nobody tells of: asked again each millisecond. */
static void wait_a_little(struct keeper *keeper)
{
    struct timespec soon;

    pthread_mutex_lock(&keeper->lock);
    clock_gettime(CLOCK_REALTIME, &soon);
    soon.tv_nsec += 1000000;
    if (soon.tv_nsec >= 1000000000) {
        soon.tv_nsec -= 1000000000;
        soon.tv_sec++;
    }
    pthread_cond_timedwait(&keeper->progress, &keeper->lock, &soon);
    pthread_mutex_unlock(&keeper->lock);
}

void keeper_wait_prepared(struct keeper *keeper)
{
    CLEANUP(cleanup_free) char *path = path_of(keeper, "reserve");

    while (access(path, F_OK) < 0)
        wait_a_little(keeper);
}

uint64_t keeper_append(struct keeper *keeper, bool flush)
{
    int r;

    /* -EAGAIN: the next segment is being made. */
    while ((r = keeper_try_append(keeper, false)) == -EAGAIN) {
        store_flush(keeper->store);
        wait_a_little(keeper);
    }
    cr_assert_eq(r, 0, "append: %d", r);
    if (flush)
        store_flush(keeper->store);
    return keeper_marks(keeper).appended;
}

#define WAIT_FOR(keeper, condition)                                                                \
    do {                                                                                           \
        pthread_mutex_lock(&(keeper)->lock);                                                       \
        while (!(condition))                                                                       \
            pthread_cond_wait(&(keeper)->progress, &(keeper)->lock);                               \
        pthread_mutex_unlock(&(keeper)->lock);                                                     \
    } while (0)

void keeper_wait_durable(struct keeper *keeper, uint64_t sequence)
{
    WAIT_FOR(keeper, keeper_marks(keeper).durable >= sequence || is_failed(keeper));
    cr_assert_eq(keeper_marks(keeper).failure, 0);
}

void keeper_wait_stored(struct keeper *keeper, uint64_t sequence)
{
    WAIT_FOR(keeper, keeper_marks(keeper).stored >= sequence || is_failed(keeper));
    cr_assert_eq(keeper_marks(keeper).failure, 0);
}

void keeper_wait_space(struct keeper *keeper, enum store_space space)
{
    WAIT_FOR(keeper, keeper_marks(keeper).space == space);
}

int keeper_wait_failure(struct keeper *keeper)
{
    WAIT_FOR(keeper, is_failed(keeper));
    return keeper_marks(keeper).failure;
}

void keeper_append_batches(struct keeper *keeper, size_t count)
{
    while (count-- > 0)
        keeper_wait_durable(keeper, keeper_append(keeper, true));
}

/* --- files --- */

char *path_of(const struct keeper *keeper, const char *name)
{
    char *path;

    cr_assert_geq(asprintf(&path, "%s/%s", keeper->directory, name), 0);
    return path;
}

uint8_t *read_file(const char *path, size_t *ret_length)
{
    FILE *file = fopen(path, "re");
    struct stat status;
    uint8_t *bytes;

    cr_assert_not_null(file, "%s", path);
    cr_assert_eq(fstat(fileno(file), &status), 0);
    bytes = malloc((size_t)status.st_size + 1);
    cr_assert_eq(fread(bytes, 1, (size_t)status.st_size, file), (size_t)status.st_size);
    fclose(file);
    *ret_length = (size_t)status.st_size;
    return bytes;
}

void write_file(const char *path, const uint8_t *bytes, size_t length)
{
    FILE *file = fopen(path, "we");

    cr_assert_not_null(file, "%s", path);
    cr_assert_eq(fwrite(bytes, 1, length, file), length);
    cr_assert_eq(fclose(file), 0);
}

void copy_tree(const char *from, const char *to)
{
    DIR *directory = opendir(from);
    struct dirent *entry;

    cr_assert_not_null(directory);
    (void)mkdir(to, 0700);
    while ((entry = readdir(directory))) {
        CLEANUP(cleanup_free) char *source = NULL;
        CLEANUP(cleanup_free) char *target = NULL;
        CLEANUP(cleanup_free) uint8_t *bytes = NULL;
        size_t length;

        if (entry->d_name[0] == '.')
            continue;
        cr_assert_geq(asprintf(&source, "%s/%s", from, entry->d_name), 0);
        cr_assert_geq(asprintf(&target, "%s/%s", to, entry->d_name), 0);
        if (entry->d_type == DT_DIR) {
            copy_tree(source, target);
            continue;
        }
        bytes = read_file(source, &length);
        write_file(target, bytes, length);
    }
    closedir(directory);
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static int is_visible(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

uint32_t journal_checksum(const struct keeper *keeper)
{
    CLEANUP(cleanup_free) char *path = path_of(keeper, "journal");
    struct dirent **entries;
    uint32_t crc = 0;
    int count = scandir(path, &entries, is_visible, by_name);

    cr_assert_geq(count, 0);
    for (int i = 0; i < count; i++) {
        CLEANUP(cleanup_free) char *name = NULL;
        CLEANUP(cleanup_free) uint8_t *bytes = NULL;
        size_t length;

        cr_assert_geq(asprintf(&name, "%s/%s", path, entries[i]->d_name), 0);
        bytes = read_file(name, &length);
        crc = crc32c(crc, entries[i]->d_name, strlen(entries[i]->d_name));
        crc = crc32c(crc, bytes, length);
        free(entries[i]);
    }
    free(entries);
    return crc;
}

uint32_t random_next(uint64_t *seed)
{
    *seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(*seed >> 33);
}
