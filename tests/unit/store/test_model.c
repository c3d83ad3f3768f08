/*
 * The store against a plain map: random appends, flushes, checkpoints, closes and crashes; rows
 * deleted and made again, of every table's kind of key, and of lengths that change.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "support.h"

#define KEYS 40
#define VALUE_MAX 300
#define HISTORY_MAX 20000

static const enum record_table tables[] = {TABLE_BALANCE, TABLE_PUSH, TABLE_PRODUCT, TABLE_KEY};

struct row {
    uint8_t value[VALUE_MAX];
    size_t length; /* 0: none */
};

struct change {
    size_t table, key;
    uint8_t byte;
    size_t length;
};

static struct keeper keeper;
static struct change history[HISTORY_MAX];
static struct row model[4][KEYS], loaded[4][KEYS];
static uint64_t replayed;

static void setup(void)
{
    keeper_init(&keeper);
    keeper.options.retention_ms = 0;
    keeper.options.retention_bytes = 128 * 1024;
    keeper.options.checkpoint_bytes = 64 * 1024;
}

static void teardown(void)
{
    keeper_deinit(&keeper);
}

TestSuite(model, .init = setup, .fini = teardown, .timeout = 500);

static size_t make_key(size_t table, size_t key, uint8_t to[32])
{
    uint32_t word = (uint32_t)key * 0x01010101u;
    uint64_t long_word = key * UINT64_C(0x0101010101010101);

    memset(to, (int)key, 32);
    switch (tables[table]) {
    case TABLE_BALANCE:
        memcpy(to, &word, sizeof(word));
        return sizeof(word);
    case TABLE_PUSH:
        memcpy(to, &long_word, sizeof(long_word));
        return sizeof(long_word);
    case TABLE_KEY:
        return 16;
    default:
        return 1 + key % 20;
    }
}

static size_t find_key(size_t table, const void *bytes, size_t length)
{
    uint8_t key[32];

    for (size_t i = 0; i < KEYS; i++)
        if (make_key(table, i, key) == length && memcmp(key, bytes, length) == 0)
            return i;
    cr_assert(false, "a key that nobody made");
    return 0;
}

static void set_row(struct row *row, const void *value, size_t length)
{
    cr_assert_leq(length, VALUE_MAX);
    row->length = length;
    if (length > 0)
        memcpy(row->value, value, length);
}

static void apply(struct row rows[4][KEYS], const struct change *change)
{
    uint8_t value[VALUE_MAX];

    memset(value, change->byte, sizeof(value));
    set_row(&rows[change->table][change->key], value, change->length);
}

static size_t loading;

static int load_row(void *userdata, const void *key, size_t key_length, const void *value,
                    size_t value_length)
{
    (void)userdata;
    set_row(&loaded[loading][find_key(loading, key, key_length)], value, value_length);
    return 0;
}

static int on_start(struct store *store, void *userdata)
{
    memset(loaded, 0, sizeof(loaded));
    for (loading = 0; loading < 4; loading++)
        cr_assert_eq(store_each(store, tables[loading], load_row, userdata), 0);
    return 0;
}

static int on_replay(void *userdata, const struct record *record, uint64_t place)
{
    struct record_image image;
    size_t position = 0, table = 0;

    (void)userdata;
    (void)place;
    replayed = record->header.sequence;
    while (record_next_image(record, &position, &image)) {
        while (tables[table] != image.table)
            table = (table + 1) % 4;
        set_row(&loaded[table][find_key(table, image.key, image.key_length)], image.value,
                image.value_length);
    }
    return 0;
}

static void check_loaded(uint64_t sequence)
{
    memset(model, 0, sizeof(model));
    for (uint64_t i = 1; i <= sequence; i++)
        apply(model, &history[i]);
    for (size_t table = 0; table < 4; table++)
        for (size_t key = 0; key < KEYS; key++) {
            cr_assert_eq(loaded[table][key].length, model[table][key].length);
            cr_assert_arr_eq(loaded[table][key].value, model[table][key].value,
                             model[table][key].length);
        }
}

static uint64_t reopen(uint64_t durable)
{
    uint64_t sequence;
    char *error = NULL;
    int r;

    r = store_open(&keeper.options, on_start, on_replay, NULL, &keeper.store, &error);
    cr_assert_eq(r, 0, "%s", error);
    store_keep(keeper.store, UINT64_MAX);
    sequence = keeper_marks(&keeper).appended;
    cr_assert_geq(sequence, durable);
    check_loaded(sequence);
    return sequence;
}

static void append_change(uint64_t *seed)
{
    uint64_t next = keeper_marks(&keeper).appended + 1;
    struct change change = {.table = random_next(seed) % 4,
                            .key = random_next(seed) % KEYS,
                            .byte = (uint8_t)(random_next(seed) % 255 + 1),
                            .length = random_next(seed) % 3 ? random_next(seed) % VALUE_MAX : 0};
    uint8_t key[32], value[VALUE_MAX];
    struct record_image image = {.table = tables[change.table],
                                 .key = key,
                                 .key_length = (uint16_t)make_key(change.table, change.key, key),
                                 .value = value,
                                 .value_length = (uint32_t)change.length};
    struct record_header header = {.type = RECORD_CONSUME, .time = (int64_t)next};
    uint8_t *buffer;
    uint64_t place;
    int r;

    memset(value, change.byte, sizeof(value));
    r = store_append(keeper.store, record_size(&image, 1, 0), 0, &buffer, &header.sequence, &place);
    if (r == -EAGAIN) {
        store_flush(keeper.store);
        keeper_wait_durable(&keeper, next - 1);
        return;
    }
    cr_assert_eq(r, 0);
    cr_assert_eq(header.sequence, next);
    record_encode(buffer, &header, &image, 1, NULL, 0);
    history[next] = change;
}

static void run(uint64_t seed, uint64_t steps)
{
    uint64_t first = seed;

    cr_log_info("seed %lu", (unsigned long)first);
    (void)reopen(0);
    for (uint64_t step = 0; step < steps && keeper_marks(&keeper).appended + 2 < HISTORY_MAX;
         step++) {
        uint32_t what = random_next(&seed) % 1000;

        if (what < 900) {
            append_change(&seed);
        } else if (what < 985) {
            store_flush(keeper.store);
        } else if (what < 993) {
            store_checkpoint(keeper.store);
        } else if (what < 997) {
            uint64_t appended = keeper_marks(&keeper).appended;

            keeper_close(&keeper, what % 2 == 0);
            cr_assert_eq(reopen(appended), appended);
        } else {
            uint64_t durable = keeper_marks(&keeper).durable;

            keeper_abandon(&keeper);
            (void)reopen(durable);
        }
    }
    keeper_close(&keeper, true);
    (void)reopen(0);
    keeper_close(&keeper, false);
}

Test(model, S2_S3_random_work_1)
{
    run(1, 8000);
}

Test(model, S2_S3_random_work_2)
{
    run(20261123, 8000);
}

Test(model, S2_S3_random_work_with_an_interval)
{
    keeper.options.durability = STORE_DURABILITY_INTERVAL;
    keeper.options.interval_ms = 3;
    run(3, 8000);
}
