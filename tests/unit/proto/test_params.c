/*
 * Every method and every parameter, through the tables: good values, missing ones, ill-typed ones
 * and ones out of range, with the parameter and the reason that the error names.
 */
#include "bytes.h"
#include <criterion/criterion.h>
#include <errno.h>
#include <proto/limits.h>
#include <proto/message.h>
#include <proto/methods.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ID "must be 1 to 128 characters of A-Z a-z 0-9 _ - . (and not \".\" or \"..\")"
#define TEXT "must be 1 to 1024 bytes of text (UTF-8 without NUL)"
#define KEY "must be 1 to 255 bytes of text (UTF-8 without NUL)"
#define AMOUNT "must be an integer from 1 to 9007199254740991"
#define COUNT "must be an integer from 0 to 9007199254740991"
#define STAMP "must be [client id: 16 bytes, counter: an integer from 1 to 9223372036854775807]"
#define FILTERS                                                                                    \
    "must be an array of 1 to 32 event types, like \"credits.low\", \"credits.*\" or \"*\""
#define META_SIZE "must be at most 4096 bytes of MessagePack"
#define META_KEY "must have text (UTF-8 without NUL) for keys"
#define META_TEXT "must hold text that is UTF-8 without NUL"
#define META_TWICE "must not have the same key twice"
#define META_NUMBER "must not hold NaN or an infinite number"
#define META_VALUE "must hold only nil, booleans, numbers, text, arrays and maps"

/* A value as bytes; no reason where it is good. The first row of a type is the one that is used
 * where any good value will do. */
static const struct value_case {
    enum proto_type type;
    const char *name, *bytes, *reason;
} cases[] = {
    {PROTO_TYPE_ID, "an id", "a5 'cus_1'", NULL},
    {PROTO_TYPE_ID, "128 bytes", "d9 80 61*128", NULL},
    {PROTO_TYPE_ID, "129 bytes", "d9 81 61*129", ID},
    {PROTO_TYPE_ID, "empty", "a0", ID},
    {PROTO_TYPE_ID, "a dot", "a1 '.'", ID},
    {PROTO_TYPE_ID, "a slash", "a3 'a/b'", ID},
    {PROTO_TYPE_ID, "an integer", "05", ID},
    {PROTO_TYPE_ID, "bytes", "c4 01 'a'", ID},
    {PROTO_TYPE_ID, "false", "c2", ID},
    {PROTO_TYPE_ID, "a map", "80", ID},

    {PROTO_TYPE_TEXT, "text", "a5 'hello'", NULL},
    {PROTO_TYPE_TEXT, "1024 bytes", "da 0400 61*1024", NULL},
    {PROTO_TYPE_TEXT, "1025 bytes", "da 0401 61*1025", TEXT},
    {PROTO_TYPE_TEXT, "empty", "a0", TEXT},
    {PROTO_TYPE_TEXT, "a NUL", "a3 'a' 00 'b'", TEXT},
    {PROTO_TYPE_TEXT, "not UTF-8", "a2 c3 28", TEXT},
    {PROTO_TYPE_TEXT, "bytes", "c4 01 'a'", TEXT},
    {PROTO_TYPE_TEXT, "an integer", "05", TEXT},

    {PROTO_TYPE_KEY, "a key", "a7 'order-1'", NULL},
    {PROTO_TYPE_KEY, "255 bytes", "d9 ff 61*255", NULL},
    {PROTO_TYPE_KEY, "256 bytes", "da 0100 61*256", KEY},
    {PROTO_TYPE_KEY, "empty", "a0", KEY},
    {PROTO_TYPE_KEY, "not UTF-8", "a1 ff", KEY},
    {PROTO_TYPE_KEY, "an integer", "05", KEY},

    {PROTO_TYPE_SECRET, "text", "a5 'token'", NULL},
    {PROTO_TYPE_SECRET, "bytes", "c4 02 00ff", NULL},
    {PROTO_TYPE_SECRET, "16384 bytes", "c5 4000 61*16384", NULL},
    {PROTO_TYPE_SECRET, "16385 bytes", "da 4001 61*16385", "must be 1 to 16384 bytes"},
    {PROTO_TYPE_SECRET, "empty", "a0", "must be 1 to 16384 bytes"},
    {PROTO_TYPE_SECRET, "an integer", "05", "must be text or bytes"},
    {PROTO_TYPE_SECRET, "an array", "91 05", "must be text or bytes"},

    {PROTO_TYPE_AMOUNT, "seven", "07", NULL},
    {PROTO_TYPE_AMOUNT, "one", "01", NULL},
    {PROTO_TYPE_AMOUNT, "2^53 - 1", "cf 001fffffffffffff", NULL},
    {PROTO_TYPE_AMOUNT, "a signed one", "d3 0000000000000001", NULL},
    {PROTO_TYPE_AMOUNT, "1.0", "cb 3ff0000000000000", NULL},
    {PROTO_TYPE_AMOUNT, "1.0 in 32 bits", "ca 3f800000", NULL},
    {PROTO_TYPE_AMOUNT, "2^53 - 1 as a float", "cb 433fffffffffffff", NULL},
    {PROTO_TYPE_AMOUNT, "zero", "00", AMOUNT},
    {PROTO_TYPE_AMOUNT, "minus one", "ff", AMOUNT},
    {PROTO_TYPE_AMOUNT, "2^53", "cf 0020000000000000", AMOUNT},
    {PROTO_TYPE_AMOUNT, "2^64 - 1", "cf ffffffffffffffff", AMOUNT},
    {PROTO_TYPE_AMOUNT, "-2^63", "d3 8000000000000000", AMOUNT},
    {PROTO_TYPE_AMOUNT, "0.0", "cb 0000000000000000", AMOUNT},
    {PROTO_TYPE_AMOUNT, "-0.0", "cb 8000000000000000", AMOUNT},
    {PROTO_TYPE_AMOUNT, "-1.0", "cb bff0000000000000", AMOUNT},
    {PROTO_TYPE_AMOUNT, "2^53 as a float", "cb 4340000000000000", AMOUNT},
    {PROTO_TYPE_AMOUNT, "1e308", "cb 7fe1ccf385ebc8a0", AMOUNT},
    {PROTO_TYPE_AMOUNT, "1.5", "cb 3ff8000000000000", "has a fraction: " AMOUNT},
    {PROTO_TYPE_AMOUNT, "1.5 in 32 bits", "ca 3fc00000", "has a fraction: " AMOUNT},
    {PROTO_TYPE_AMOUNT, "-0.5", "cb bfe0000000000000", "has a fraction: " AMOUNT},
    {PROTO_TYPE_AMOUNT, "NaN", "cb 7ff8000000000000", "is NaN or infinite: " AMOUNT},
    {PROTO_TYPE_AMOUNT, "infinity", "cb 7ff0000000000000", "is NaN or infinite: " AMOUNT},
    {PROTO_TYPE_AMOUNT, "-infinity in 32 bits", "ca ff800000", "is NaN or infinite: " AMOUNT},
    {PROTO_TYPE_AMOUNT, "true", "c3", AMOUNT},
    {PROTO_TYPE_AMOUNT, "text", "a1 '5'", AMOUNT},

    {PROTO_TYPE_FILTERS, "one type", "91 ab 'credits.low'", NULL},
    {PROTO_TYPE_FILTERS, "a kind and all", "92 ae 'subscription.*' a1 '*'", NULL},
    {PROTO_TYPE_FILTERS, "no such type", "91 ac 'credits.high'", FILTERS},
    {PROTO_TYPE_FILTERS, "no such kind", "91 a3 'x.*'", FILTERS},
    {PROTO_TYPE_FILTERS, "a star within a word", "91 a4 'cre*'", FILTERS},
    {PROTO_TYPE_FILTERS, "a good one and a bad one", "92 a1 '*' a0", FILTERS},
    {PROTO_TYPE_FILTERS, "none", "90", FILTERS},
    {PROTO_TYPE_FILTERS, "text", "a1 '*'", FILTERS},
    {PROTO_TYPE_FILTERS, "33 of them", "dc 0021 c0*33", FILTERS},

    {PROTO_TYPE_BODY, "text", "a2 '{}'", NULL},
    {PROTO_TYPE_BODY, "bytes", "c4 02 7b7d", NULL},
    {PROTO_TYPE_BODY, "nothing", "a0", "must be 1 to 524288 bytes"},
    {PROTO_TYPE_BODY, "a map", "80", "must be text or bytes"},

    {PROTO_TYPE_COUNT, "ten", "0a", NULL},
    {PROTO_TYPE_COUNT, "zero", "00", NULL},
    {PROTO_TYPE_COUNT, "0.0", "cb 0000000000000000", NULL},
    {PROTO_TYPE_COUNT, "2^53 - 1", "cf 001fffffffffffff", NULL},
    {PROTO_TYPE_COUNT, "2^53", "cf 0020000000000000", COUNT},
    {PROTO_TYPE_COUNT, "minus one", "ff", COUNT},
    {PROTO_TYPE_COUNT, "0.5", "cb 3fe0000000000000", "has a fraction: " COUNT},
    {PROTO_TYPE_COUNT, "NaN", "cb 7ff8000000000000", "is NaN or infinite: " COUNT},
    {PROTO_TYPE_COUNT, "false", "c2", COUNT},
    {PROTO_TYPE_COUNT, "text", "a1 '5'", COUNT},

    {PROTO_TYPE_BOOL, "true", "c3", NULL},
    {PROTO_TYPE_BOOL, "false", "c2", NULL},
    {PROTO_TYPE_BOOL, "one", "01", "must be true or false"},
    {PROTO_TYPE_BOOL, "text", "a4 'true'", "must be true or false"},

    {PROTO_TYPE_METADATA, "a map", "82 a1 'a' 01 a1 'b' 81 a1 'a' c0", NULL},
    {PROTO_TYPE_METADATA, "an empty map", "80", NULL},
    {PROTO_TYPE_METADATA, "an empty key", "81 a0 01", NULL},
    {PROTO_TYPE_METADATA, "4096 bytes", "81 a1 'a' da 0ffa 61*4090", NULL},
    {PROTO_TYPE_METADATA, "4097 bytes", "81 a1 'a' da 0ffb 61*4091", META_SIZE},
    {PROTO_TYPE_METADATA, "4097 bytes in an array", "81 a1 'a' dc 0ffb c0*4091", META_SIZE},
    {PROTO_TYPE_METADATA, "integers of all sizes",
     "81 a1 'k' 99 01 ff cc80 d080 cd0100 d18000 ce00010000 d280000000 cf0000000100000000", NULL},
    {PROTO_TYPE_METADATA, "long forms of what is short", "df 00000001 db 00000001 'a' d3 00*7 01",
     NULL},
    {PROTO_TYPE_METADATA, "a key twice", "82 a1 'a' 01 a1 'a' 02", META_TWICE},
    {PROTO_TYPE_METADATA, "an empty key twice", "82 a0 01 a0 01", META_TWICE},
    {PROTO_TYPE_METADATA, "a key twice, in two forms", "82 a1 'a' 01 d9 01 'a' 02", META_TWICE},
    {PROTO_TYPE_METADATA, "a key twice, deeper", "81 a1 'a' 91 82 a1 'b' 01 a1 'b' 01", META_TWICE},
    {PROTO_TYPE_METADATA, "bytes inside", "81 a1 'a' c4 01 00", META_VALUE},
    {PROTO_TYPE_METADATA, "NaN inside", "81 a1 'a' cb 7ff8000000000000", META_NUMBER},
    {PROTO_TYPE_METADATA, "infinity inside", "81 a1 'a' 91 ca 7f800000", META_NUMBER},
    {PROTO_TYPE_METADATA, "a NUL in text", "81 a1 'a' a1 00", META_TEXT},
    {PROTO_TYPE_METADATA, "a key that is not UTF-8", "81 a1 ff 01", META_KEY},
    {PROTO_TYPE_METADATA, "an array", "90", "must be a map"},
    {PROTO_TYPE_METADATA, "text", "a2 '{}'", "must be a map"},

    {PROTO_TYPE_STAMP, "a stamp", "92 c4 10 61*16 05", NULL},
    {PROTO_TYPE_STAMP, "the last counter", "92 c4 10 61*16 cf 7fffffffffffffff", NULL},
    {PROTO_TYPE_STAMP, "past the last counter", "92 c4 10 61*16 cf 8000000000000000", STAMP},
    {PROTO_TYPE_STAMP, "counter zero", "92 c4 10 61*16 00", STAMP},
    {PROTO_TYPE_STAMP, "a counter below zero", "92 c4 10 61*16 ff", STAMP},
    {PROTO_TYPE_STAMP, "a float for a counter", "92 c4 10 61*16 ca 3f800000", STAMP},
    {PROTO_TYPE_STAMP, "15 bytes", "92 c4 0f 61*15 05", STAMP},
    {PROTO_TYPE_STAMP, "17 bytes", "92 c4 11 61*17 05", STAMP},
    {PROTO_TYPE_STAMP, "text for bytes", "92 b0 61*16 05", STAMP},
    {PROTO_TYPE_STAMP, "no counter", "91 c4 10 61*16", STAMP},
    {PROTO_TYPE_STAMP, "three elements", "93 c4 10 61*16 05 05", STAMP},
    {PROTO_TYPE_STAMP, "an empty array", "90", STAMP},
    {PROTO_TYPE_STAMP, "a map", "80", STAMP},
    {PROTO_TYPE_STAMP, "an integer", "05", STAMP},
};

#define CASES (sizeof(cases) / sizeof(cases[0]))

static const char *good_value(enum proto_type type)
{
    for (size_t i = 0; i < CASES; i++)
        if (cases[i].type == type)
            return cases[i].bytes;
    cr_assert_fail("no case for type %d", (int)type);
    return NULL;
}

struct decoded {
    int result;
    struct proto_params params;
    const char *parameter, *reason;
};

/* A request's map under construction. */
struct draft {
    msgpack_sbuffer buffer;
    msgpack_packer packer;
    uint32_t count;
    struct bytes bytes;
    msgpack_zone *zone;
};

static void draft_init(struct draft *draft)
{
    *draft = (struct draft){.count = 0};
    msgpack_sbuffer_init(&draft->buffer);
    msgpack_packer_init(&draft->packer, &draft->buffer, msgpack_sbuffer_write);
    draft->zone = msgpack_zone_new(8192);
}

static void draft_deinit(struct draft *draft)
{
    msgpack_sbuffer_destroy(&draft->buffer);
    bytes_free(&draft->bytes);
    msgpack_zone_free(draft->zone);
}

static void draft_add(struct draft *draft, const char *key, const char *value)
{
    struct bytes bytes = bytes_parse(value);

    pack_key(&draft->packer, key);
    cr_assert_eq(msgpack_sbuffer_write(&draft->buffer, (const char *)bytes.data, bytes.length), 0);
    draft->count++;
    bytes_free(&bytes);
}

static struct decoded draft_decode(struct draft *draft, enum proto_method method)
{
    struct decoded decoded = {.parameter = NULL, .reason = NULL};
    msgpack_object map;
    size_t offset = 0;

    memset(&decoded.params, 0xaa, sizeof(decoded.params));
    /* The map's header goes in front. */
    draft->bytes = (struct bytes){malloc(draft->buffer.size + 5), draft->buffer.size + 5};
    cr_assert_not_null(draft->bytes.data);
    draft->bytes.data[0] = 0xdf;
    for (int i = 0; i < 4; i++)
        draft->bytes.data[1 + i] = (uint8_t)(draft->count >> (24 - 8 * i));
    if (draft->buffer.size > 0)
        memcpy(draft->bytes.data + 5, draft->buffer.data, draft->buffer.size);
    cr_assert_eq(msgpack_unpack((const char *)draft->bytes.data, draft->bytes.length, &offset,
                                draft->zone, &map),
                 MSGPACK_UNPACK_SUCCESS);
    decoded.result =
        proto_params_decode(method, &map, &decoded.params, &decoded.parameter, &decoded.reason);
    return decoded;
}

/* All that the method needs but `except`, with good values. */
static void draft_add_needed(struct draft *draft, enum proto_method method, int except)
{
    for (int p = 0; p < PROTO_PARAMETER_COUNT_; p++)
        if (p != except && proto_method_spec(method)->needed >> p & 1)
            draft_add(draft, proto_parameter_name((enum proto_parameter)p),
                      good_value(proto_parameter_type((enum proto_parameter)p)));
}

static void expect_refused(const struct decoded *decoded, const char *parameter, const char *reason,
                           const char *what)
{
    cr_expect_eq(decoded->result, PROTO_ERROR_INVALID_PARAMETER, "%s: %s", parameter, what);
    cr_assert_not_null(decoded->reason, "%s: %s", parameter, what);
    cr_expect_str_eq(decoded->parameter, parameter, "%s", what);
    cr_expect_str_eq(decoded->reason, reason, "%s: %s", parameter, what);
    for (size_t i = 0; i < sizeof(decoded->params); i++)
        cr_assert_eq(((const uint8_t *)&decoded->params)[i], 0xaa, "a refused request was written");
}

static void check_case(enum proto_method method, int parameter, const struct value_case *value)
{
    const char *name = proto_parameter_name((enum proto_parameter)parameter);
    struct decoded decoded;
    struct draft draft;

    draft_init(&draft);
    draft_add(&draft, name, value->bytes);
    draft_add_needed(&draft, method, parameter);
    decoded = draft_decode(&draft, method);
    if (value->reason != NULL) {
        expect_refused(&decoded, name, value->reason, value->name);
    } else {
        cr_expect_eq(decoded.result, 0, "%s, %s: %s", name, value->name,
                     decoded.reason ? decoded.reason : "");
        cr_expect(decoded.params.present >> parameter & 1);
    }
    draft_deinit(&draft);
}

Test(params, every_value_of_every_parameter_of_every_method)
{
    for (int m = 0; m < PROTO_METHOD_COUNT_; m++)
        for (int p = 0; p < PROTO_PARAMETER_COUNT_; p++)
            for (size_t i = 0; i < CASES; i++)
                if (proto_method_spec((enum proto_method)m)->known >> p & 1 &&
                    cases[i].type == proto_parameter_type((enum proto_parameter)p))
                    check_case((enum proto_method)m, p, &cases[i]);
}

/* A parameter that is not there, or nil, is missing where it is needed, and else no matter. */
static void check_missing(enum proto_method method, int parameter, const char *nil)
{
    const char *name = proto_parameter_name((enum proto_parameter)parameter);
    struct decoded decoded;
    struct draft draft;

    draft_init(&draft);
    draft_add_needed(&draft, method, parameter);
    if (nil != NULL)
        draft_add(&draft, name, nil);
    decoded = draft_decode(&draft, method);
    if (proto_method_spec(method)->needed >> parameter & 1) {
        expect_refused(&decoded, name, "is missing", "missing");
    } else {
        cr_expect_eq(decoded.result, 0);
        cr_expect_not(decoded.params.present >> parameter & 1);
    }
    draft_deinit(&draft);
}

Test(params, missing_ones_are_named)
{
    for (int m = 0; m < PROTO_METHOD_COUNT_; m++)
        for (int p = 0; p < PROTO_PARAMETER_COUNT_; p++) {
            check_missing((enum proto_method)m, p, NULL);
            check_missing((enum proto_method)m, p, "c0");
        }
}

Test(params, repeated_ones_are_refused)
{
    for (int m = 0; m < PROTO_METHOD_COUNT_; m++)
        for (int p = 0; p < PROTO_PARAMETER_COUNT_; p++) {
            const char *name = proto_parameter_name((enum proto_parameter)p);
            const char *good = good_value(proto_parameter_type((enum proto_parameter)p));
            struct decoded decoded;
            struct draft draft;

            if (!(proto_method_spec((enum proto_method)m)->known >> p & 1))
                continue;
            for (int nil_first = 0; nil_first < 2; nil_first++) {
                draft_init(&draft);
                draft_add(&draft, name, nil_first ? "c0" : good);
                draft_add(&draft, name, good);
                decoded = draft_decode(&draft, (enum proto_method)m);
                expect_refused(&decoded, name, "is there more than once", "repeated");
                draft_deinit(&draft);
            }
        }
}

Test(params, unknown_ones_are_ignored)
{
    for (int m = 0; m < PROTO_METHOD_COUNT_; m++) {
        struct decoded decoded;
        struct draft draft;

        draft_init(&draft);
        draft_add(&draft, "colour", "c4 01 ff");
        draft_add(&draft, "", "05");
        draft_add(&draft, "raw_amoun", "ff");
        draft_add(&draft, "raw_amount_", "ff");
        for (int p = 0; p < PROTO_PARAMETER_COUNT_; p++)
            if (!(proto_method_spec((enum proto_method)m)->known >> p & 1))
                draft_add(&draft, proto_parameter_name((enum proto_parameter)p), "c4 00");
        draft_add_needed(&draft, (enum proto_method)m, -1);
        decoded = draft_decode(&draft, (enum proto_method)m);
        cr_expect_eq(decoded.result, 0, "%s", decoded.reason ? decoded.reason : "");
        cr_expect_eq(decoded.params.present, proto_method_spec((enum proto_method)m)->needed);
        draft_deinit(&draft);
    }
}

Test(params, values_are_what_was_sent)
{
    const struct proto_value *values;
    struct decoded decoded;
    struct draft draft;

    draft_init(&draft);
    draft_add(&draft, "user_id", "a3 'u_1'");
    draft_add(&draft, "session", "c4 03 'a' 00 'b'");
    draft_add(&draft, "product_id", "d9 03 'p_1'");
    draft_add(&draft, "raw_amount", "cb 40c3880000000000");
    draft_add(&draft, "metadata", "81 a1 'k' 05");
    draft_add(&draft, "idempotency_key", "a2 'k1'");
    draft_add(&draft, "stamp", "92 c4 10 000102030405060708090a0b0c0d0e0f cd 0100");
    decoded = draft_decode(&draft, PROTO_METHOD_CREDITS_CONSUME);
    values = decoded.params.values;
    cr_assert_eq(decoded.result, 0, "%s", decoded.reason);
    cr_expect_eq(values[PROTO_PARAMETER_USER_ID].length, 3);
    cr_expect_arr_eq(values[PROTO_PARAMETER_USER_ID].text, "u_1", 3);
    cr_expect_eq(values[PROTO_PARAMETER_SESSION].length, 3);
    cr_expect_arr_eq(values[PROTO_PARAMETER_SESSION].text, "a\0b", 3);
    cr_expect_arr_eq(values[PROTO_PARAMETER_PRODUCT_ID].text, "p_1", 3);
    cr_expect_eq(values[PROTO_PARAMETER_RAW_AMOUNT].number, 10000);
    cr_expect_eq(values[PROTO_PARAMETER_METADATA].object->via.map.size, 1);
    cr_expect_arr_eq(values[PROTO_PARAMETER_IDEMPOTENCY_KEY].text, "k1", 2);
    cr_expect_eq(values[PROTO_PARAMETER_STAMP].stamp.counter, 256);
    cr_expect_eq(values[PROTO_PARAMETER_STAMP].stamp.client_id[15], 15);
    draft_deinit(&draft);
}

Test(params, booleans_are_what_was_sent)
{
    for (int fresh = 0; fresh < 2; fresh++) {
        struct decoded decoded;
        struct draft draft;

        draft_init(&draft);
        draft_add(&draft, "product_id", "a3 'p_1'");
        draft_add(&draft, "fresh", fresh ? "c3" : "c2");
        decoded = draft_decode(&draft, PROTO_METHOD_CREDITS_BALANCE);
        cr_assert_eq(decoded.result, 0);
        cr_expect_eq(decoded.params.values[PROTO_PARAMETER_FRESH].boolean, fresh);
        draft_deinit(&draft);
    }
}

/* A map of `count` keys of three letters, of which the last repeats the first where asked. */
static void add_many(struct draft *draft, int count, int repeat)
{
    char value[8192], *end = value;

    end += sprintf(end, "de %04x ", (unsigned)count);
    for (int i = 0; i < count; i++) {
        int n = repeat && i == count - 1 ? 0 : i;
        end += sprintf(end, "a3'%c%c%c'c0", 'a' + n / 676, 'a' + n / 26 % 26, 'a' + n % 26);
    }
    draft_add(draft, "metadata", value);
}

Test(params, metadata_of_many_keys)
{
    static const int counts[] = {2, 16, 17, 100, 700};

    for (size_t i = 0; i < 2 * sizeof(counts) / sizeof(counts[0]); i++) {
        struct decoded decoded;
        struct draft draft;

        draft_init(&draft);
        add_many(&draft, counts[i / 2], i % 2);
        draft_add_needed(&draft, PROTO_METHOD_CREDITS_CONSUME, -1);
        decoded = draft_decode(&draft, PROTO_METHOD_CREDITS_CONSUME);
        if (i % 2)
            expect_refused(&decoded, "metadata", META_TWICE, "many keys");
        else
            cr_expect_eq(decoded.result, 0, "%d keys: %s", counts[i / 2], decoded.reason);
        draft_deinit(&draft);
    }
}

Test(methods, names_go_there_and_back)
{
    for (int m = 0; m < PROTO_METHOD_COUNT_; m++) {
        const struct proto_method_spec *spec = proto_method_spec((enum proto_method)m);
        enum proto_method found = PROTO_METHOD_COUNT_;

        cr_assert_eq(proto_method_find(spec->name, strlen(spec->name), &found), 0);
        cr_expect_eq((int)found, m);
        cr_expect_eq(proto_method_find(spec->name, strlen(spec->name) - 1, &found), -ENOENT);
        cr_expect_eq(spec->needed & ~spec->known, 0);
        cr_expect_gt(strlen(spec->help), 5);
        cr_expect_not_null(proto_role_name(spec->role));
    }
}

Test(methods, unknown_names)
{
    enum proto_method found = PROTO_METHOD_COUNT_;

    cr_expect_eq(proto_method_find("", 0, &found), -ENOENT);
    cr_expect_eq(proto_method_find("Ping", 4, &found), -ENOENT);
    cr_expect_eq(proto_method_find("ping\0", 5, &found), -ENOENT);
    cr_expect_eq(proto_method_find("pong", 4, &found), -ENOENT);
    cr_expect_eq(found, PROTO_METHOD_COUNT_, "a failed search wrote");
    cr_expect_null(proto_method_spec(PROTO_METHOD_COUNT_));
    cr_expect_null(proto_parameter_name(PROTO_PARAMETER_COUNT_));
}

Test(methods, money_needs_a_role)
{
    cr_expect_eq(proto_method_spec(PROTO_METHOD_CREDITS_CONSUME)->role, PROTO_ROLE_CONSUME);
    cr_expect_eq(proto_method_spec(PROTO_METHOD_PUSH_DROP)->role, PROTO_ROLE_ADMIN);
    cr_expect_eq(proto_method_spec(PROTO_METHOD_PING)->role, PROTO_ROLE_NONE);
    cr_expect_str_eq(proto_role_name(PROTO_ROLE_ADMIN), "admin");
}
