/* Webhook signatures: the published cases, the forms of the header, and our own. */
#include <criterion/criterion.h>
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <util/macros.h>
#include <web/signature.h>

#define SECRET "whsec_60c5590f72eef292f9545afc28bf63ca"
#define NOW 1795443617
#define BODY "{\"id\":\"wh_evt_1\"}"

static int check(const char *secret, const char *signature, const char *body, int64_t now)
{
    return signature_check(secret, signature, strlen(signature), body, strlen(body), now);
}

Test(signature, published_cases)
{
    json_t *root = json_load_file(VECTORS, 0, NULL);
    const char *secret = json_string_value(json_object_get(root, "secret"));
    size_t index, valid = 0, count = json_array_size(json_object_get(root, "cases"));
    json_t *item;

    cr_assert_not_null(secret);
    cr_assert_eq(json_integer_value(json_object_get(root, "tolerance_s")),
                 SIGNATURE_TOLERANCE_SECONDS);
    json_array_foreach(json_object_get(root, "cases"), index, item)
    {
        bool expected = json_is_true(json_object_get(item, "valid"));
        int verdict = check(secret, json_string_value(json_object_get(item, "signature")),
                            json_string_value(json_object_get(item, "body")),
                            json_integer_value(json_object_get(item, "now")));

        cr_expect_eq(verdict == SIGNATURE_VALID, expected, "%s: %d",
                     json_string_value(json_object_get(item, "name")), verdict);
        cr_expect_geq(verdict, 0);
        valid += expected;
    }
    cr_assert_geq(count, 20);
    cr_assert(valid > 0 && valid < count);
    json_decref(root);
}

#define ZEROS "0000000000000000000000000000000000000000000000000000000000000000"

/* {} stands for the right 64 digits. */
static const struct form {
    const char *header;
    int verdict;
} forms[] = {
    {"t=1795443617,v1={}", SIGNATURE_VALID},
    {"v1={},t=1795443617", SIGNATURE_VALID},
    {" t=1795443617 ,\tv1={} ", SIGNATURE_VALID},
    {"t=1795443617,v1={},", SIGNATURE_VALID},
    {"t=1795443617,v0=abc,v1={},x", SIGNATURE_VALID},
    {"t=1795443617,v1=" ZEROS ",v1={}", SIGNATURE_VALID},
    {"t=1795443617,v1={},v1=" ZEROS, SIGNATURE_VALID},
    {"t=1795443617,v1=short,v1={}", SIGNATURE_VALID},
    {"t=1795443617,v1=" ZEROS ",v1=" ZEROS, SIGNATURE_WRONG},
    {"t=1795443618,v1={}", SIGNATURE_WRONG},
    {"t=01795443617,v1={}", SIGNATURE_WRONG}, /* signed is what is written */
    {"t=1795443617,v0={}", SIGNATURE_MALFORMED},
    {"t=1795443617,V1={}", SIGNATURE_MALFORMED},
    {"t=1795443617,v1=", SIGNATURE_MALFORMED},
    {"t=1795443617,v1={}0", SIGNATURE_MALFORMED},
    {"t=1795443617,v1=g" ZEROS, SIGNATURE_MALFORMED},
    {"t=1795443617", SIGNATURE_MALFORMED},
    {"v1={}", SIGNATURE_MALFORMED},
    {"t=,v1={}", SIGNATURE_MALFORMED},
    {"t=-1795443617,v1={}", SIGNATURE_MALFORMED},
    {"t=+1795443617,v1={}", SIGNATURE_MALFORMED},
    {"t=1795443617.0,v1={}", SIGNATURE_MALFORMED},
    {"t=9999999999999,v1={}", SIGNATURE_MALFORMED},
    {"t=1795443617,t=1795443617,v1={}", SIGNATURE_MALFORMED},
    {"t=1795443617;v1={}", SIGNATURE_MALFORMED},
    {"t=1795443617,v1 ={}", SIGNATURE_MALFORMED},
    {"{}", SIGNATURE_MALFORMED},
    {"", SIGNATURE_MALFORMED},
    {",,,", SIGNATURE_MALFORMED},
    {"=", SIGNATURE_MALFORMED},
};

Test(signature, forms_of_the_header)
{
    char made[SIGNATURE_TEXT_SIZE], header[400];
    const char *digits;

    cr_assert_eq(signature_make(SECRET, BODY, strlen(BODY), NOW, made), 0);
    digits = strstr(made, "v1=") + 3;
    for (size_t i = 0; i < ARRAY_SIZE(forms); i++) {
        const char *hole = strstr(forms[i].header, "{}");

        if (hole)
            snprintf(header, sizeof header, "%.*s%s%s", (int)(hole - forms[i].header),
                     forms[i].header, digits, hole + 2);
        else
            snprintf(header, sizeof header, "%s", forms[i].header);
        cr_expect_eq(check(SECRET, header, BODY, NOW), forms[i].verdict, "%s: %d", header,
                     check(SECRET, header, BODY, NOW));
    }
}

Test(signature, digits_in_either_case)
{
    char made[SIGNATURE_TEXT_SIZE];

    cr_assert_eq(signature_make(SECRET, BODY, strlen(BODY), NOW, made), 0);
    for (char *c = strstr(made, "v1=") + 3; *c != '\0'; c++)
        if (*c >= 'a')
            *c = (char)(*c - 'a' + 'A');
    cr_assert_eq(check(SECRET, made, BODY, NOW), SIGNATURE_VALID);
}

/* So many that none of them is looked at any more. */
Test(signature, as_many_as_there_may_be)
{
    char made[SIGNATURE_TEXT_SIZE], header[4096];

    cr_assert_eq(signature_make(SECRET, BODY, strlen(BODY), NOW, made), 0);
    for (size_t before = 7; before <= 8; before++) {
        size_t length = (size_t)snprintf(header, sizeof header, "t=%d", NOW);

        for (size_t i = 0; i < before; i++)
            length += (size_t)snprintf(header + length, sizeof header - length, ",v1=" ZEROS);
        snprintf(header + length, sizeof header - length, ",%s", strstr(made, "v1="));
        cr_expect_eq(check(SECRET, header, BODY, NOW),
                     before < 8 ? SIGNATURE_VALID : SIGNATURE_WRONG);
    }
}

/* Each single byte counts, of both. */
Test(signature, every_byte_counts)
{
    char made[SIGNATURE_TEXT_SIZE], body[] = BODY;

    cr_assert_eq(signature_make(SECRET, BODY, strlen(BODY), NOW, made), 0);
    for (size_t i = 0; i < strlen(BODY); i++) {
        body[i] ^= 1;
        cr_expect_eq(check(SECRET, made, body, NOW), SIGNATURE_WRONG, "byte %zu", i);
        body[i] ^= 1;
    }
    for (char *digit = strstr(made, "v1=") + 3; *digit != '\0'; digit++) {
        char kept = *digit;

        *digit = kept == '0' ? '1' : '0';
        cr_expect_eq(check(SECRET, made, BODY, NOW), SIGNATURE_WRONG);
        *digit = kept;
    }
    cr_assert_eq(check(SECRET, made, BODY, NOW), SIGNATURE_VALID);
}

Test(signature, age)
{
    static const struct {
        int64_t later;
        int verdict;
    } ages[] = {{0, SIGNATURE_VALID},        {300, SIGNATURE_VALID},    {-300, SIGNATURE_VALID},
                {301, SIGNATURE_EXPIRED},    {-301, SIGNATURE_EXPIRED}, {-NOW, SIGNATURE_EXPIRED},
                {1000000, SIGNATURE_EXPIRED}};
    char made[SIGNATURE_TEXT_SIZE];

    cr_assert_eq(signature_make(SECRET, BODY, strlen(BODY), NOW, made), 0);
    for (size_t i = 0; i < ARRAY_SIZE(ages); i++)
        cr_expect_eq(check(SECRET, made, BODY, NOW + ages[i].later), ages[i].verdict, "%zu", i);
    /* What is wrong as well as old is not said to be ours. */
    cr_expect_eq(check("other", made, BODY, NOW + 301), SIGNATURE_WRONG);
}

Test(signature, empty_body_and_bytes)
{
    char made[SIGNATURE_TEXT_SIZE];

    cr_assert_eq(signature_make(SECRET, NULL, 0, NOW, made), 0);
    cr_expect_eq(signature_check(SECRET, made, strlen(made), NULL, 0, NOW), SIGNATURE_VALID);
    cr_expect_eq(check(SECRET, made, BODY, NOW), SIGNATURE_WRONG);
    cr_assert_eq(signature_make(SECRET, "a\0b", 3, NOW, made), 0);
    cr_expect_eq(signature_check(SECRET, made, strlen(made), "a\0b", 3, NOW), SIGNATURE_VALID);
    cr_expect_eq(signature_check(SECRET, made, strlen(made), "a\0c", 3, NOW), SIGNATURE_WRONG);
}

/* Everybody could sign with it. */
Test(signature, no_empty_secret)
{
    char made[SIGNATURE_TEXT_SIZE] = "untouched";

    cr_expect_eq(signature_make("", BODY, strlen(BODY), NOW, made), -EINVAL);
    cr_expect_str_eq(made, "untouched");
    cr_expect_eq(check("", "t=1795443617,v1=" ZEROS, BODY, NOW), -EINVAL);
    cr_expect_eq(check("", "", BODY, NOW), -EINVAL);
    cr_expect_eq(signature_make(SECRET, BODY, strlen(BODY), -1, made), -EINVAL);
}
