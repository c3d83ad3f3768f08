/* What an id and a text may be. */
#include "bytes.h"
#include <criterion/criterion.h>
#include <proto/limits.h>
#include <string.h>

static const struct {
    const char *name, *bytes;
    bool valid;
} ids[] = {
    {"empty", "", false},
    {"one letter", "'a'", true},
    {"upstream's", "'cus_01HZX-9.z'", true},
    {"128 bytes", "61*128", true},
    {"129 bytes", "61*129", false},
    {"a dot", "'.'", false},
    {"two dots", "'..'", false},
    {"three dots", "'...'", true},
    {"a dot and a letter", "'.a'", true},
    {"two dots and a letter", "'..a'", true},
    {"a slash", "'a/b'", false},
    {"a space", "'a b'", false},
    {"a NUL at the end", "'a' 00", false},
    {"a newline", "'a' 0a", false},
    {"a percent sign", "'%2e'", false},
    {"not ASCII", "c3a9", false},
};

Test(limits, ids)
{
    for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
        struct bytes id = bytes_parse(ids[i].bytes);
        cr_expect_eq(proto_id_valid((const char *)id.data, id.length), ids[i].valid, "%s",
                     ids[i].name);
        bytes_free(&id);
    }
}

Test(limits, every_byte_of_an_id)
{
    const char *allowed = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-.";

    for (int c = 0; c < 256; c++) {
        char id[2] = {'x', (char)c};
        bool valid = c != 0 && strchr(allowed, c) != NULL;
        cr_expect_eq(proto_id_valid(id, 2), valid, "byte %02x", (unsigned)c);
    }
}

static const struct {
    const char *name, *bytes;
    bool valid;
} texts[] = {
    {"empty", "", true},
    {"ASCII", "'hello'", true},
    {"ASCII over several words", "'hello, hello, hello'", true},
    {"a control byte", "01 7f", true},
    {"a NUL", "00", false},
    {"a NUL after eight", "'12345678' 00", false},
    {"a NUL within eight", "'123' 00 '45678'", false},
    {"two bytes", "c2 80", true},
    {"two bytes, the last", "df bf", true},
    {"two bytes, overlong", "c0 80", false},
    {"two bytes, overlong slash", "c1 af", false},
    {"three bytes, the first", "e0 a0 80", true},
    {"three bytes, overlong", "e0 9f bf", false},
    {"before the surrogates", "ed 9f bf", true},
    {"a surrogate", "ed a0 80", false},
    {"after the surrogates", "ee 80 80", true},
    {"three bytes, the last", "ef bf bf", true},
    {"four bytes, the first", "f0 90 80 80", true},
    {"four bytes, overlong", "f0 8f bf bf", false},
    {"the last of all", "f4 8f bf bf", true},
    {"past the last", "f4 90 80 80", false},
    {"five bytes", "f8 88 80 80 80", false},
    {"the byte fe", "fe", false},
    {"a continuation alone", "80", false},
    {"cut after one of two", "c3", false},
    {"cut after two of three", "e2 82", false},
    {"cut after three of four", "f0 9f 98", false},
    {"a second byte that is none", "c3 'A'", false},
    {"a third byte that is none", "e2 82 'A'", false},
    {"a fourth byte that is none", "f0 9f 98 'A'", false},
    {"ASCII, then more", "'12345678' c3 a9 '12345678'", true},
    {"ASCII, then broken", "'12345678' c3", false},
};

Test(limits, texts)
{
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct bytes text = bytes_parse(texts[i].bytes);
        cr_expect_eq(proto_text_valid((const char *)text.data, text.length), texts[i].valid, "%s",
                     texts[i].name);
        bytes_free(&text);
    }
}

Test(limits, every_code_point)
{
    for (uint32_t c = 0; c < 0x200000; c++) {
        uint8_t text[4] = {(uint8_t)(0xf0 | c >> 18), (uint8_t)(0x80 | (c >> 12 & 0x3f)),
                           (uint8_t)(0x80 | (c >> 6 & 0x3f)), (uint8_t)(0x80 | (c & 0x3f))};
        bool valid = c >= 0x10000 && c <= 0x10ffff;
        if (proto_text_valid((const char *)text, 4) != valid)
            cr_assert_fail("four bytes of U+%X", c);
    }
    for (uint32_t c = 0; c < 0x10000; c++) {
        uint8_t text[3] = {(uint8_t)(0xe0 | c >> 12), (uint8_t)(0x80 | (c >> 6 & 0x3f)),
                           (uint8_t)(0x80 | (c & 0x3f))};
        bool valid = c >= 0x800 && (c < 0xd800 || c > 0xdfff);
        if (proto_text_valid((const char *)text, 3) != valid)
            cr_assert_fail("three bytes of U+%X", c);
    }
}
