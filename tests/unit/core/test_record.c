/*
 * Records: what is encoded comes back as it was, and no other bytes decode.
 */
#include <core/record.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <util/hash.h>

static uint64_t storage[RECORD_SIZE_MAX / 8];
static uint8_t *const bytes = (uint8_t *)storage;

static const struct record_image example_images[] = {
    {.table = TABLE_BALANCE, .key = "abcd", .key_length = 4, .value = "a row", .value_length = 5},
    {.table = TABLE_META, .key = "cursor", .key_length = 6, .value = "", .value_length = 0},
    {.table = TABLE_KEY,
     .key = "0123456789abcdef",
     .key_length = 16,
     .value = "12345678",
     .value_length = 8},
};

static size_t encode_example(void)
{
    struct record_header header = {.sequence = 7,
                                   .time = 123456,
                                   .previous = 99,
                                   .balance = 3,
                                   .uid = 1000,
                                   .pid = 55,
                                   .type = RECORD_CONSUME,
                                   .epoch = 2};
    size_t size = record_size(example_images, 3, 11);

    memset(bytes, 0xff, size + 8);
    record_encode(bytes, &header, example_images, 3, "some detail", 11);
    return size;
}

static void seal(size_t size)
{
    uint32_t crc = crc32c(0, bytes + 8, size - 8);

    memcpy(bytes + offsetof(struct record_header, crc), &crc, 4);
}

static void check_image(const struct record_image *got, const struct record_image *expected)
{
    cr_assert_eq(got->table, expected->table);
    cr_assert_eq(got->key_length, expected->key_length);
    cr_assert_arr_eq(got->key, expected->key, expected->key_length);
    cr_assert_eq(got->value_length, expected->value_length);
    if (expected->value_length > 0)
        cr_assert_arr_eq(got->value, expected->value, expected->value_length);
    else
        cr_assert_null(got->value);
}

Test(record, J1_comes_back_with_its_images)
{
    size_t size = encode_example(), position = 0;
    struct record record;
    struct record_image image;

    cr_assert_eq(size % 8, 0);
    cr_assert_eq(storage[size / 8], UINT64_MAX, "wrote past its size");
    cr_assert_eq(record_decode(bytes, size + 8, &record), 0);
    cr_assert_eq(record.header.length, size);
    cr_assert_eq(record.header.version, RECORD_VERSION);
    cr_assert_eq(record.header.sequence, 7);
    cr_assert_eq(record.header.previous, 99);
    cr_assert_eq(record.header.uid, 1000);
    cr_assert_eq(record.header.epoch, 2);
    cr_assert_eq(record.header.detail_length, 11);
    cr_assert_arr_eq(record.detail, "some detail", 11);
    for (size_t i = 0; i < 3; i++) {
        cr_assert(record_next_image(&record, &position, &image));
        check_image(&image, &example_images[i]);
    }
    cr_assert_not(record_next_image(&record, &position, &image));
}

Test(record, is_empty_without_images_and_detail)
{
    struct record_header header = {.sequence = 1};
    struct record record;
    struct record_image image;
    size_t position = 0;

    cr_assert_eq(record_size(NULL, 0, 0), sizeof(header));
    record_encode(bytes, &header, NULL, 0, NULL, 0);
    cr_assert_eq(record_decode(bytes, sizeof(header), &record), 0);
    cr_assert_not(record_next_image(&record, &position, &image));
}

Test(record, no_flipped_bit_decodes)
{
    size_t size = encode_example();
    struct record record;

    for (size_t bit = 0; bit < size * 8; bit++) {
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        cr_assert_eq(record_decode(bytes, size, &record), -EBADMSG, "bit %zu", bit);
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    cr_assert_eq(record_decode(bytes, size, &record), 0);
}

/* Exactly as long as the allocation, so that a sanitizer sees a read past it. */
Test(record, no_shortened_record_decodes)
{
    size_t size = encode_example();
    struct record record;

    for (size_t length = 0; length < size; length++) {
        uint8_t *copy = malloc(length + 1);

        memcpy(copy, bytes, length);
        cr_assert_eq(record_decode(copy, length, &record), -EBADMSG, "length %zu", length);
        free(copy);
    }
}

/* A right checksum over wrong parts: as a newer version or a bug would write it. */
Test(record, parts_must_add_up)
{
    static const struct {
        const char *what;
        size_t offset, width;
        uint32_t value;
    } cases[] = {
        {"unknown version", offsetof(struct record_header, version), 1, RECORD_VERSION + 1},
        {"too many images", offsetof(struct record_header, images), 1, RECORD_IMAGES_MAX + 1},
        {"an image that is not there", offsetof(struct record_header, images), 1, 4},
        {"an image too few", offsetof(struct record_header, images), 1, 2},
        {"detail past the end", offsetof(struct record_header, detail_length), 4, 17},
        {"detail of all memory", offsetof(struct record_header, detail_length), 4, UINT32_MAX},
        {"detail too short", offsetof(struct record_header, detail_length), 4, 8},
        {"unknown table", sizeof(struct record_header), 1, TABLE_COUNT_},
        {"no key", sizeof(struct record_header) + 2, 2, 0},
        {"key past the end", sizeof(struct record_header) + 2, 2, 0xffff},
        {"value past the end", sizeof(struct record_header) + 4, 4, 4096},
        {"value of all memory", sizeof(struct record_header) + 4, 4, UINT32_MAX},
    };
    struct record record;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        size_t size = encode_example();

        memcpy(bytes + cases[i].offset, &cases[i].value, cases[i].width);
        seal(size);
        cr_assert_eq(record_decode(bytes, size, &record), -EBADMSG, "%s", cases[i].what);
    }
}

Test(record, tables_have_names)
{
    cr_assert_str_eq(record_table_name(TABLE_BALANCE), "balances");
    cr_assert_str_eq(record_table_name(TABLE_META), "meta");
    cr_assert_null(record_table_name(TABLE_COUNT_));
}
