#include "keys.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <util/fd.h>

void keys_init(struct keys *keys)
{
    memset(keys, 0, sizeof(*keys));
    random_bytes(&keys->hash_key, sizeof(keys->hash_key));
    map_init(&keys->by_text);
}

void keys_deinit(struct keys *keys)
{
    for (size_t i = 0; i < keys->items.count; i++) {
        struct key *key = keys->items.items[i];

        free(key->body);
        free(key);
    }
    list_deinit(&keys->items);
    map_deinit(&keys->by_text);
}

static int key_add(struct keys *keys, struct hash128 hash, struct key **ret_key)
{
    struct key *key = calloc(1, sizeof(*key));
    int r;

    if (!key)
        return -ENOMEM;
    r = list_add(&keys->items, key);
    if (r < 0) {
        free(key);
        return r;
    }
    r = map_put(&keys->by_text, hash, keys->items.count - 1);
    if (r < 0)
        return r; /* the list keeps the key, unused */
    *ret_key = key;
    return KEY_TAKEN;
}

int keys_begin(struct keys *keys, const char *text, struct key **ret_key)
{
    struct hash128 hash = hash_bytes(&keys->hash_key, text, strlen(text));
    const uint64_t *position = map_get(&keys->by_text, hash);
    struct key *key;

    if (!position)
        return key_add(keys, hash, ret_key);
    key = keys->items.items[*position];
    if (!key->answered)
        return KEY_LOCKED;
    *ret_key = key;
    return KEY_ANSWERED;
}

void key_store(struct key *key, unsigned status, const char *body, size_t length)
{
    key->body = malloc(length + 1);
    if (!key->body)
        return;
    memcpy(key->body, body, length);
    key->body[length] = '\0';
    key->length = length;
    key->status = status;
    key->answered = true;
}

void keys_release(struct keys *keys, const char *text)
{
    map_remove(&keys->by_text, hash_bytes(&keys->hash_key, text, strlen(text)));
}
