/* Members by either spelling, numbers that mean what they say, times, envelopes. */
#include "fields.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>
#include <util/macros.h>

static json_t *parse(const char *text)
{
    return fields_parse(text, strlen(text));
}

Test(fields, integers_are_exact_or_unreadable)
{
    static const struct {
        const char *json;
        int result;
        int64_t value;
    } table[] = {
        {"{\"a\":5}", 1, 5},
        {"{\"a\":-5}", 1, -5},
        {"{\"a\":0}", 1, 0},
        {"{\"a\":5.0}", 1, 5},
        {"{\"a\":5e2}", 1, 500},
        {"{\"a\":9007199254740991}", 1, INT64_C(9007199254740991)},
        {"{\"a\":-9007199254740991}", 1, -INT64_C(9007199254740991)},
        {"{\"a\":9007199254740992}", -EBADMSG, 0},
        {"{\"a\":9007199254740993}", -EBADMSG, 0},
        {"{\"a\":99999999999999999999}", -EBADMSG, 0},
        {"{\"a\":1e300}", -EBADMSG, 0},
        {"{\"a\":5.5}", -EBADMSG, 0},
        {"{\"a\":\"5\"}", -EBADMSG, 0},
        {"{\"a\":true}", -EBADMSG, 0},
        {"{\"a\":[]}", -EBADMSG, 0},
        {"{\"a\":null}", 0, 0},
        {"{}", 0, 0},
        {"[1]", 0, 0},
    };

    for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
        json_t *root = parse(table[i].json);
        int64_t value = 0;

        cr_assert_not_null(root, "%s", table[i].json);
        cr_expect_eq(field_int(root, "a", &value), table[i].result, "%s", table[i].json);
        cr_expect_eq(value, table[i].value, "%s", table[i].json);
        json_decref(root);
    }
}

Test(fields, either_spelling_is_found_and_null_gives_way)
{
    static const struct {
        const char *json;
        int result;
        int64_t value;
    } table[] = {
        {"{\"units_per_credit\":1}", 1, 1},
        {"{\"unitsPerCredit\":2}", 1, 2},
        {"{\"units_per_credit\":1,\"unitsPerCredit\":2}", 1, 1},
        {"{\"units_per_credit\":null,\"unitsPerCredit\":2}", 1, 2},
        {"{\"units_per_credit\":null}", 0, 0},
        {"{\"UnitsPerCredit\":2}", 0, 0},
    };

    for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
        json_t *root = parse(table[i].json);
        int64_t value = 0;

        cr_expect_eq(field_int(root, "units_per_credit", &value), table[i].result, "%s",
                     table[i].json);
        cr_expect_eq(value, table[i].value, "%s", table[i].json);
        json_decref(root);
    }
}

Test(fields, bodies_that_two_readers_could_read_differently_are_no_json)
{
    static const char *const bad[] = {
        "", "<html></html>", "{\"a\":1,\"a\":2}", "{\"a\":1", "{\"a\":1} x", "NaN", "{a:1}"};

    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        cr_expect_null(parse(bad[i]), "%s", bad[i]);
}

Test(fields, a_text_with_nul_is_unreadable_but_spoils_nothing_else)
{
    json_t *root = parse("{\"a\":\"x\\u0000y\",\"b\":\"good\"}");
    const char *text = NULL;

    cr_assert_not_null(root);
    cr_expect_eq(field_text(root, "a", &text), -EBADMSG);
    cr_expect_eq(field_text(root, "b", &text), 1);
    cr_expect_str_eq(text, "good");
    json_decref(root);
}

Test(fields, lists_come_in_three_forms_and_enveloped)
{
    static const struct {
        const char *json;
        int result, count, has_more;
    } table[] = {
        {"[]", 0, 0, -1},
        {"[1,2]", 0, 2, -1},
        {"{\"data\":[1,2],\"has_more\":true}", 0, 2, 1},
        {"{\"data\":[1,2],\"hasMore\":false}", 0, 2, 0},
        {"{\"object\":\"list\",\"data\":[1],\"has_more\":false}", 0, 1, 0},
        {"{\"data\":{\"object\":\"list\",\"data\":[1],\"has_more\":true}}", 0, 1, 1},
        {"{\"data\":[1]}", 0, 1, -1},
        {"{\"data\":[1],\"has_more\":\"yes\"}", -EBADMSG, 0, 0},
        {"{\"data\":null}", -EBADMSG, 0, 0},
        {"{\"data\":{}}", -EBADMSG, 0, 0},
        {"{}", -EBADMSG, 0, 0},
        {"null", -EBADMSG, 0, 0},
        {"{\"data\":{\"data\":{\"data\":[]}}}", -EBADMSG, 0, 0},
    };

    for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
        json_t *root = parse(table[i].json);
        const json_t *rows = NULL;
        int has_more = 0;

        cr_expect_eq(envelope_list(root, &rows, &has_more), table[i].result, "%s", table[i].json);
        cr_expect_eq((int)json_array_size(rows), table[i].count, "%s", table[i].json);
        cr_expect_eq(has_more, table[i].has_more, "%s", table[i].json);
        json_decref(root);
    }
}
