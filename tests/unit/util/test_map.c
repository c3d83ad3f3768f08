#include "splitmix.h"
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <util/macros.h>
#include <util/map.h>

/* The model: an array that is searched from end to end. */
#define MODEL_KEYS 400

struct model {
    bool present[MODEL_KEYS];
    uint64_t value[MODEL_KEYS];
    size_t count;
};

/* `spread` homes for all keys: 1 makes one long run, a few make runs that meet and wrap around the
 * end. */
static struct hash128 make_key(size_t index, uint64_t spread)
{
    return (struct hash128){.low = UINT64_MAX - index % spread, .high = index};
}

static void compare(const struct map *map, const struct model *model, uint64_t spread)
{
    const struct map_entry *entry;
    size_t position = 0, walked = 0;

    cr_assert_eq(map->count, model->count);
    for (size_t i = 0; i < MODEL_KEYS; i++) {
        uint64_t *value = map_get(map, make_key(i, spread));

        cr_assert_eq(value != NULL, model->present[i]);
        if (value)
            cr_assert_eq(*value, model->value[i]);
    }
    while ((entry = map_next(map, &position))) {
        cr_assert(model->present[entry->key.high]);
        cr_assert_eq(entry->value, model->value[entry->key.high]);
        walked++;
    }
    cr_assert_eq(walked, model->count);
}

static void run_against_model(uint64_t seed, uint64_t spread)
{
    struct model *model = calloc(1, sizeof(*model));
    struct map map;

    cr_assert(model);
    map_init(&map);
    for (unsigned step = 0; step < 6000; step++) {
        size_t key = random_next(&seed) % MODEL_KEYS;
        /* Waves of growing and of shrinking, so that the map is now and then empty. */
        bool removes = random_next(&seed) % 100 < (step / 1000 % 2 ? 80 : 20);

        if (removes) {
            cr_assert_eq(map_remove(&map, make_key(key, spread)), model->present[key]);
            model->count -= model->present[key];
            model->present[key] = false;
        } else {
            uint64_t value = random_next(&seed);

            cr_assert_eq(map_put(&map, make_key(key, spread), value), 0);
            model->count += !model->present[key];
            model->present[key] = true;
            model->value[key] = value;
        }
        if (step % 50 == 0)
            compare(&map, model, spread);
    }
    compare(&map, model, spread);
    map_deinit(&map);
    free(model);
}

Test(map, random_operations_against_a_model)
{
    static const uint64_t spreads[] = {1, 3, 17, 100, MODEL_KEYS};

    for (uint64_t seed = 1; seed <= 4; seed++)
        for (size_t i = 0; i < ARRAY_SIZE(spreads); i++)
            run_against_model(seed, spreads[i]);
}

Test(map, an_empty_map_has_nothing)
{
    struct map map;
    size_t position = 0;

    map_init(&map);
    cr_assert_null(map_get(&map, make_key(1, 1)));
    cr_assert_not(map_remove(&map, make_key(1, 1)));
    cr_assert_null(map_next(&map, &position));
    map_deinit(&map);
    map_deinit(&map);
}

Test(map, zero_is_a_key_like_any_other)
{
    const struct hash128 zero = {0};
    struct map map;

    map_init(&map);
    cr_assert_eq(map_put(&map, zero, 0), 0);
    cr_assert(map_get(&map, zero));
    cr_assert(map_remove(&map, zero));
    cr_assert_null(map_get(&map, zero));
    map_deinit(&map);
}

Test(map, the_same_history_gives_the_same_order)
{
    struct map maps[2];
    size_t position[2] = {0, 0};

    for (size_t m = 0; m < 2; m++) {
        map_init(&maps[m]);
        for (size_t i = 0; i < 100; i++)
            cr_assert_eq(map_put(&maps[m], make_key(i, 7), i), 0);
    }
    for (size_t i = 0; i < 100; i++)
        cr_assert_eq(map_next(&maps[0], &position[0])->value,
                     map_next(&maps[1], &position[1])->value);
    map_deinit(&maps[0]);
    map_deinit(&maps[1]);
}

Test(map, a_prefetch_changes_nothing)
{
    struct map map;

    map_init(&map);
    map_prefetch(&map, make_key(1, 7));
    cr_assert_eq(map_put(&map, make_key(2, 7), 5), 0);
    map_prefetch(&map, make_key(1, 7));
    map_prefetch(&map, make_key(2, 7));
    cr_assert_null(map_get(&map, make_key(1, 7)));
    cr_assert_eq(*map_get(&map, make_key(2, 7)), 5);
    map_deinit(&map);
}
