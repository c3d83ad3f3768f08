/*
 * Encoding and decoding of ledger records. The one rule worth knowing: a record that decodes is
 * wholly well-formed, so that nobody who walks it needs to look at a length again. Whatever the
 * disk may hold is judged here, in record_decode.
 *
 * Keys and values lie packed behind their image's header, so they are not aligned: copy them out.
 */
#include <assert.h>
#include <core/record.h>
#include <errno.h>
#include <string.h>
#include <util/hash.h>
#include <util/macros.h>

#define CRC_FROM (offsetof(struct record_header, crc) + sizeof(uint32_t))

_Static_assert(sizeof(struct record_header) == 64, "written to disk as it is");
_Static_assert(sizeof(struct image_header) == 8, "written to disk as it is");

static size_t padded(size_t length)
{
    return (length + 7) & ~(size_t)7;
}

static size_t image_size(size_t key_length, size_t value_length)
{
    return padded(sizeof(struct image_header) + key_length + value_length);
}

size_t record_size(const struct record_image *images, size_t count, size_t detail_length)
{
    size_t size = sizeof(struct record_header) + padded(detail_length);

    for (size_t i = 0; i < count; i++) {
        size += image_size(images[i].key_length, images[i].value_length);
    }
    return size;
}

static uint8_t *append(uint8_t *to, const void *data, size_t length)
{
    if (length > 0) {
        memcpy(to, data, length);
    }
    return to + length;
}

static uint8_t *append_padding(uint8_t *to, const uint8_t *from)
{
    size_t length = (size_t)(to - from), padding = padded(length) - length;

    memset(to, 0, padding);
    return to + padding;
}

static uint8_t *append_image(uint8_t *to, const struct record_image *image)
{
    const uint8_t *from = to;
    struct image_header header = {.table = (uint8_t)image->table,
                                  .key_length = image->key_length,
                                  .value_length = image->value_length};

    assert(image->table < TABLE_COUNT_ && image->key_length > 0);
    to = append(to, &header, sizeof(header));
    to = append(to, image->key, image->key_length);
    to = append(to, image->value, image->value_length);
    return append_padding(to, from);
}

void record_encode(uint8_t *buffer, const struct record_header *header,
                   const struct record_image *images, size_t count, const void *detail,
                   size_t detail_length)
{
    struct record_header filled = *header;
    uint8_t *to = buffer + sizeof(filled), *from;

    assert(count <= RECORD_IMAGES_MAX);
    for (size_t i = 0; i < count; i++) {
        to = append_image(to, &images[i]);
    }
    from = to;
    to = append_padding(append(to, detail, detail_length), from);
    assert((size_t)(to - buffer) <= RECORD_SIZE_MAX);

    filled.length = (uint32_t)(to - buffer);
    filled.version = RECORD_VERSION;
    filled.images = (uint8_t)count;
    filled.detail_length = (uint32_t)detail_length;
    memcpy(buffer, &filled, sizeof(filled));
    filled.crc = crc32c(0, buffer + CRC_FROM, filled.length - CRC_FROM);
    memcpy(buffer + offsetof(struct record_header, crc), &filled.crc, sizeof(filled.crc));
}

/* The image's whole size, or 0 where it does not fit into `left` or is none. */
static size_t image_check(const uint8_t *at, size_t left)
{
    struct image_header header;
    size_t size;

    if (left < sizeof(header)) {
        return 0;
    }
    memcpy(&header, at, sizeof(header));
    if (header.table >= TABLE_COUNT_ || header.key_length == 0 || header.value_length > left) {
        return 0;
    }
    size = image_size(header.key_length, header.value_length);
    return size <= left ? size : 0;
}

static int parts_check(const struct record_header *header, const uint8_t *at, size_t left,
                       const uint8_t **ret_detail)
{
    for (size_t i = 0; i < header->images; i++) {
        size_t size = image_check(at, left);

        if (size == 0) {
            return -EBADMSG;
        }
        at += size;
        left -= size;
    }
    if (header->detail_length > left || padded(header->detail_length) != left) {
        return -EBADMSG;
    }
    *ret_detail = at;
    return 0;
}

int record_decode(const uint8_t *data, size_t length, struct record *ret_record)
{
    struct record_header header;
    const uint8_t *detail;
    int r;

    if (length < sizeof(header)) {
        return -EBADMSG;
    }
    memcpy(&header, data, sizeof(header));
    if (header.length < sizeof(header) || header.length > length ||
        header.length > RECORD_SIZE_MAX || header.length % 8 != 0 ||
        crc32c(0, data + CRC_FROM, header.length - CRC_FROM) != header.crc ||
        header.version != RECORD_VERSION || header.images > RECORD_IMAGES_MAX) {
        return -EBADMSG;
    }
    r = parts_check(&header, data + sizeof(header), header.length - sizeof(header), &detail);
    if (r < 0) {
        return r;
    }
    *ret_record =
        (struct record){.header = header, .first_image = data + sizeof(header), .detail = detail};
    return 0;
}

bool record_next_image(const struct record *record, size_t *position,
                       struct record_image *ret_image)
{
    const uint8_t *at = record->first_image + *position;
    struct image_header header;

    if (at >= record->detail) {
        return false;
    }
    memcpy(&header, at, sizeof(header));
    at += sizeof(header);
    *ret_image =
        (struct record_image){.table = (enum record_table)header.table,
                              .key = at,
                              .key_length = header.key_length,
                              .value = header.value_length > 0 ? at + header.key_length : NULL,
                              .value_length = header.value_length};
    *position += image_size(header.key_length, header.value_length);
    return true;
}

const char *record_table_name(enum record_table table)
{
    static const char *const names[] = {
#define X(name, text) [TABLE_##name] = text,
        RECORD_TABLES(X)
#undef X
    };

    return (size_t)table < ARRAY_SIZE(names) ? names[table] : NULL;
}
