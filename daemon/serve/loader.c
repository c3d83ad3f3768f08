/* See loader.h. */
#include "loader.h"
#include <errno.h>
#include <string.h>

/* A row that must be there once its balance is. */
static int read_fixed(struct store *store, enum record_table table, uint32_t id, void *row,
                      size_t size)
{
    size_t length;
    int r = store_get(store, table, &id, sizeof(id), row, size, &length);

    if (r == -ENOBUFS || (r == 0 && length != size))
        return -EUCLEAN;
    return r;
}

static int read_name(struct store *store, uint32_t id, struct loaded *loaded)
{
    struct {
        struct name_image name;
        char text[2 * PROTO_ID_MAX];
    } image;
    size_t length;
    int r = store_get(store, TABLE_NAME, &id, sizeof(id), &image, sizeof(image), &length);

    if (r == -ENOENT || r == -ENOBUFS)
        return -EUCLEAN;
    if (r < 0)
        return r;
    if (length < sizeof(image.name) || image.name.customer_length > PROTO_ID_MAX ||
        image.name.product_length > PROTO_ID_MAX ||
        length != sizeof(image.name) + image.name.customer_length + image.name.product_length)
        return -EUCLEAN;
    loaded->customer_length = image.name.customer_length;
    loaded->product_length = image.name.product_length;
    memcpy(loaded->customer, image.text, loaded->customer_length);
    memcpy(loaded->product, image.text + loaded->customer_length, loaded->product_length);
    return 0;
}

int loader_by_id(struct store *store, uint32_t id, struct loaded *ret_loaded)
{
    struct loaded loaded;
    int r;

    memset(&loaded, 0, sizeof(loaded));
    r = read_fixed(store, TABLE_BALANCE, id, &loaded.row, sizeof(loaded.row));
    if (r < 0)
        return r;
    /* There is none before the first reading. */
    r = read_fixed(store, TABLE_READING, id, &loaded.reading, sizeof(loaded.reading));
    if (r < 0 && r != -ENOENT)
        return r;
    r = read_name(store, id, &loaded);
    if (r < 0)
        return r;
    *ret_loaded = loaded;
    return 0;
}

int loader_by_hash(struct store *store, struct hash128 hash, struct loaded *ret_loaded)
{
    uint32_t id;
    size_t length;
    int r = store_get(store, TABLE_INDEX, &hash, sizeof(hash), &id, sizeof(id), &length);

    if (r < 0)
        return r;
    if (length != sizeof(id))
        return -EUCLEAN;
    r = loader_by_id(store, id, ret_loaded);
    return r == -ENOENT ? -EUCLEAN : r;
}

struct core_balance_rows loader_rows(const struct loaded *loaded)
{
    return (struct core_balance_rows){
        .customer = {loaded->customer, loaded->customer_length},
        .product = {loaded->product, loaded->product_length},
        .row = loaded->row,
        .reading = loaded->reading,
    };
}
