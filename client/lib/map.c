/* Building maps: see map.h. Errors stick, so that callers look once, at the end. */
#include "map.h"
#include <errno.h>
#include <proto/message.h>
#include <stdlib.h>
#include <string.h>

#define HEADER_SIZE 5 /* of a map or an array with a 32-bit count */

void map_init(struct creditd_map *map)
{
    *map = (struct creditd_map){0};
}

void map_deinit(struct creditd_map *map)
{
    msgpack_sbuffer_destroy(&map->body);
}

void map_reset(struct creditd_map *map)
{
    map->body.size = 0;
    map->count = 0;
    map->error = 0;
    map->depth = 0;
}

struct creditd_map *creditd_map_new(void)
{
    return calloc(1, sizeof(struct creditd_map));
}

struct creditd_map *creditd_map_free(struct creditd_map *map)
{
    if (map)
        map_deinit(map);
    free(map);
    return NULL;
}

static bool fail(struct creditd_map *map, int error)
{
    if (map->error == 0)
        map->error = error;
    return false;
}

static bool append(struct creditd_map *map, const void *bytes, size_t length)
{
    if (map->error < 0)
        return false;
    if (length > PROTO_MESSAGE_SIZE_DEFAULT - map->body.size)
        return fail(map, -EMSGSIZE);
    if (msgpack_sbuffer_write(&map->body, bytes, length) < 0)
        return fail(map, -ENOMEM);
    return true;
}

/* For msgpack-c's packer: what fails is remembered in the map. */
static int append_packed(void *data, const char *bytes, size_t length)
{
    return append(data, bytes, length) ? 0 : -1;
}

static msgpack_packer packer(struct creditd_map *map)
{
    msgpack_packer result;

    msgpack_packer_init(&result, map, append_packed);
    return result;
}

static void put_text(struct creditd_map *map, const char *text, size_t length)
{
    msgpack_packer p = packer(map);

    if (!proto_text_valid(text, length)) {
        fail(map, -EINVAL);
        return;
    }
    msgpack_pack_str(&p, length);
    append(map, text, length);
}

/* Counts the value that follows, and writes its key where it has one. */
static bool begin_value(struct creditd_map *map, const char *key)
{
    bool in_array = map->depth > 0 && map->open[map->depth - 1].is_array;

    if (map->error < 0)
        return false;
    if (!in_array) {
        if (!key)
            return fail(map, -EINVAL);
        put_text(map, key, strlen(key));
    }
    if (map->depth > 0)
        map->open[map->depth - 1].count++;
    else
        map->count++;
    return map->error == 0;
}

void creditd_map_text_n(struct creditd_map *map, const char *key, const char *text, size_t length)
{
    if (begin_value(map, key))
        put_text(map, text, length);
}

void creditd_map_text(struct creditd_map *map, const char *key, const char *text)
{
    if (text)
        creditd_map_text_n(map, key, text, strlen(text));
    else
        creditd_map_null(map, key);
}

void creditd_map_bytes(struct creditd_map *map, const char *key, const void *bytes, size_t length)
{
    msgpack_packer p = packer(map);

    if (!begin_value(map, key))
        return;
    msgpack_pack_bin(&p, length);
    append(map, bytes, length);
}

void creditd_map_int(struct creditd_map *map, const char *key, int64_t value)
{
    msgpack_packer p = packer(map);

    if (begin_value(map, key))
        msgpack_pack_int64(&p, value);
}

void creditd_map_real(struct creditd_map *map, const char *key, double value)
{
    msgpack_packer p = packer(map);

    if (begin_value(map, key))
        msgpack_pack_double(&p, value);
}

void creditd_map_bool(struct creditd_map *map, const char *key, bool value)
{
    msgpack_packer p = packer(map);

    if (!begin_value(map, key))
        return;
    if (value)
        msgpack_pack_true(&p);
    else
        msgpack_pack_false(&p);
}

void creditd_map_null(struct creditd_map *map, const char *key)
{
    msgpack_packer p = packer(map);

    if (begin_value(map, key))
        msgpack_pack_nil(&p);
}

static void begin(struct creditd_map *map, const char *key, bool is_array)
{
    static const char space[HEADER_SIZE];
    size_t start;

    if (!begin_value(map, key))
        return;
    if (map->depth == MAP_DEPTH_MAX) {
        fail(map, -EINVAL);
        return;
    }
    start = map->body.size;
    if (!append(map, space, sizeof space))
        return;
    map->open[map->depth].start = start;
    map->open[map->depth].count = 0;
    map->open[map->depth].is_array = is_array;
    map->depth++;
}

void creditd_map_begin_map(struct creditd_map *map, const char *key)
{
    begin(map, key, false);
}

void creditd_map_begin_array(struct creditd_map *map, const char *key)
{
    begin(map, key, true);
}

struct header {
    size_t length;
    char bytes[HEADER_SIZE];
};

static int append_header(void *data, const char *bytes, size_t length)
{
    struct header *header = data;

    memcpy(header->bytes + header->length, bytes, length);
    header->length += length;
    return 0;
}

static struct header make_header(size_t count, bool is_array)
{
    struct header header = {0};
    msgpack_packer p;

    msgpack_packer_init(&p, &header, append_header);
    if (is_array)
        msgpack_pack_array(&p, count);
    else
        msgpack_pack_map(&p, count);
    return header;
}

void creditd_map_end(struct creditd_map *map)
{
    struct header header;
    size_t start, body;

    if (map->depth == 0)
        fail(map, -EINVAL);
    if (map->error < 0)
        return;
    map->depth--;
    start = map->open[map->depth].start;
    body = start + HEADER_SIZE;
    header = make_header(map->open[map->depth].count, map->open[map->depth].is_array);
    memcpy(map->body.data + start, header.bytes, header.length);
    memmove(map->body.data + start + header.length, map->body.data + body, map->body.size - body);
    map->body.size -= HEADER_SIZE - header.length;
}

int creditd_map_check(const struct creditd_map *map)
{
    if (map->error < 0)
        return map->error;
    return map->depth > 0 ? -EINVAL : 0;
}

void map_put_map(struct creditd_map *map, const char *key, const struct creditd_map *inner)
{
    int r = creditd_map_check(inner);
    msgpack_packer p = packer(map);

    if (r < 0)
        fail(map, r);
    if (!begin_value(map, key))
        return;
    msgpack_pack_map(&p, inner->count);
    if (inner->body.size > 0)
        append(map, inner->body.data, inner->body.size);
}

void map_put_members(struct creditd_map *map, const struct creditd_map *members)
{
    int r = creditd_map_check(members);

    if (r < 0)
        fail(map, r);
    if (map->error < 0 || members->count == 0)
        return;
    map->count += members->count;
    append(map, members->body.data, members->body.size);
}

size_t map_size(const struct creditd_map *map)
{
    return make_header(map->count, false).length + map->body.size;
}
