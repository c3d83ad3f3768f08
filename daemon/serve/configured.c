/* See configured.h. */
#include "configured.h"
#include <core/rows.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

void configured_deinit(struct configured *configured)
{
    free(configured->ids);
    memset(configured, 0, sizeof(*configured));
}

static bool is_noted(const struct configured *configured, const void *id, size_t length)
{
    for (size_t i = 0; i < configured->count; i++)
        if (configured->ids[i].length == length && !memcmp(configured->ids[i].text, id, length))
            return true;
    return false;
}

static int add(struct configured *configured, const void *id, size_t length)
{
    if (configured->count == configured->capacity) {
        size_t capacity = configured->capacity > 0 ? 2 * configured->capacity : 8;
        struct configured_id *ids = reallocarray(configured->ids, capacity, sizeof(*ids));

        if (ids == NULL)
            return -ENOMEM;
        configured->ids = ids;
        configured->capacity = capacity;
    }
    configured->ids[configured->count].length = length;
    memcpy(configured->ids[configured->count++].text, id, length);
    return 0;
}

int configured_note(struct configured *configured, const void *key, size_t key_length,
                    const void *value, size_t value_length)
{
    struct core_product row;

    if (value_length != sizeof(row) || key_length > PROTO_ID_MAX)
        return 0; /* the engine refuses such a row */
    memcpy(&row, value, sizeof(row));
    if (row.source != CORE_PRODUCT_CONFIGURED || is_noted(configured, key, key_length))
        return 0;
    return add(configured, key, key_length);
}

int configured_note_record(struct configured *configured, const struct record *record)
{
    struct record_image image;
    int r = 0;

    for (size_t position = 0; r == 0 && record_next_image(record, &position, &image);)
        if (image.table == TABLE_PRODUCT)
            r = configured_note(configured, image.key, image.key_length, image.value,
                                image.value_length);
    return r;
}

static bool is_named(const struct config *config, const struct configured_id *id)
{
    for (size_t i = 0; i < config->products.count; i++) {
        const char *product = config->products.items[i].product_id;

        if (strlen(product) == id->length && memcmp(product, id->text, id->length) == 0)
            return true;
    }
    return false;
}

int configured_drop_missing(const struct configured *configured, const struct config *config,
                            struct core *core, int64_t now)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < configured->count; i++) {
        const struct configured_id *id = &configured->ids[i];

        if (!is_named(config, id))
            r = core_configure_product(core, (struct core_text){id->text, id->length}, 0, now);
    }
    return r;
}
