/* From MessagePack to JSON: every kind of value, and what JSON has not. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <util/macros.h>
#include <web/json.h>

static const struct {
    const char *packed;
    size_t length;
    const char *json; /* NULL: there is no such value */
} table[] = {
    {"\xc0", 1, "null"},
    {"\xc2", 1, "false"},
    {"\xc3", 1, "true"},
    {"\x07", 1, "7"},
    {"\xff", 1, "-1"},
    {"\xcf\x7f\xff\xff\xff\xff\xff\xff\xff", 9, "9223372036854775807"},
    {"\xcf\x80\0\0\0\0\0\0\0", 9, "9.2233720368547758e18"},
    {"\xcb\x3f\xf0\0\0\0\0\0\0", 9, "1"},   /* 1.0 */
    {"\xcb\x3f\xf8\0\0\0\0\0\0", 9, "1.5"}, /* 1.5 */
    {"\xca\x3f\xc0\0\0", 5, "1.5"},
    {"\xcb\x7f\xf8\0\0\0\0\0\0", 9, NULL}, /* not a number */
    {"\xcb\x7f\xf0\0\0\0\0\0\0", 9, NULL}, /* without end */
    {"\xa3Zo\xc3", 4, NULL},               /* no UTF-8 */
    {"\xa4Zo\xc3\xab", 5, "\"Zo\xc3\xab\""},
    {"\xa3"
     "a\"\n",
     4, "\"a\\\"\\n\""},
    {"\xc4\x01x", 3, NULL}, /* bytes */
    {"\x90", 1, "[]"},
    {"\x92\x01\x80", 3, "[1,{}]"},
    {"\x82\xa1"
     "a\x91\xc0\xa1"
     "b\xa0",
     8, "{\"a\":[null],\"b\":\"\"}"},
    {"\x81\x01\x02", 3, NULL}, /* a key that is no text */
    {"\x81\xa1"
     "a\xc4\x00",
     5, NULL},
    {"\x91\x91\xc4\x00", 4, NULL},
    {"\xd4\x01\x02", 3, NULL}, /* an extension */
};

Test(json, of_every_value)
{
    for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
        msgpack_unpacked unpacked;
        json_t *json;
        char *text;

        msgpack_unpacked_init(&unpacked);
        cr_assert_eq(msgpack_unpack_next(&unpacked, table[i].packed, table[i].length, NULL),
                     MSGPACK_UNPACK_SUCCESS, "%zu", i);
        json = web_json(&unpacked.data);
        cr_expect_eq(json == NULL, table[i].json == NULL, "%zu", i);
        text = json ? json_dumps(json, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;
        if (table[i].json)
            cr_expect_str_eq(text, table[i].json, "%zu: %s", i, text);
        free(text);
        json_decref(json);
        msgpack_unpacked_destroy(&unpacked);
    }
}
