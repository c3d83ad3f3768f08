/* Signatures and encodings: known answers, and every wrong length. */
#include "session_codec.h"
#include "session_fixture.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <util/fd.h>
#include <util/macros.h>

static struct span span(const char *text)
{
    return (struct span){text, strlen(text)};
}

Test(codec, signatures)
{
    /* RFC 4231, test case 2, in base64 */
    static const char right[] = "W9zBRr9gdU5qBCQIlcQ1x1oAPzk+x8cgZOxYZOyWOEM=";
    struct span parts[] = {span("what do ya "), span(""), span("want for nothing?")};
    char changed[sizeof right];

    cr_expect_eq(strlen(right), SIGNATURE_BASE64_LENGTH);
    cr_expect(!signature_is_base64("Jefe", parts, 2, span(right)));
    for (size_t i = 0; i < sizeof right - 1; i++) {
        memcpy(changed, right, sizeof right);
        changed[i] = (char)(changed[i] == 'A' ? 'B' : 'A');
        cr_expect(!signature_is_base64("Jefe", parts, 3, span(changed)), "byte %zu", i);
        changed[i] = '\0';
        cr_expect(!signature_is_base64("Jefe", parts, 3, span(changed)), "length %zu", i);
    }
    cr_expect(!signature_is_base64("jefe", parts, 3, span(right)));
    cr_expect(!signature_is_base64("Jefe", parts, 3,
                                   span("W9zBRr9gdU5qBCQIlcQ1x1oAPzk+x8cgZOxYZOyWOEM==")));
}

Test(codec, a_right_signature_is_right_in_one_spelling)
{
    char *standard = fixture_sign(FIXTURE_SECRET, "text"), *url = strdup(standard);
    struct span text = span("text");

    for (char *at = url; *at; at++)
        *at = (char)(*at == '+' ? '-' : *at == '/' ? '_' : *at);
    cr_expect(signature_is_base64(FIXTURE_SECRET, &text, 1, span(standard)));
    cr_expect(!signature_is_base64url(FIXTURE_SECRET, &text, 1, span(standard)));
    cr_expect(!signature_is_base64url(FIXTURE_SECRET, &text, 1, span(url)));
    url[SIGNATURE_BASE64URL_LENGTH] = '\0';
    cr_expect(signature_is_base64url(FIXTURE_SECRET, &text, 1, span(url)));
    cr_expect(!signature_is_base64(FIXTURE_SECRET, &text, 1, span(url)));
    /* the last character has two bits that do not count */
    url[SIGNATURE_BASE64URL_LENGTH - 1]++;
    cr_expect(!signature_is_base64url(FIXTURE_SECRET, &text, 1, span(url)));
    free(standard);
    free(url);
}

Test(codec, base64url)
{
    static const struct {
        const char *encoded, *decoded; /* decoded NULL: refused */
    } table[] = {
        {"", ""},      {"Zg", "f"},     {"Zm8", "fo"},   {"Zm9v", "foo"}, {"-_-_", "\xfb\xff\xbf"},
        {"Z", NULL},   {"Zm9vZ", NULL}, {"Zg==", NULL},  {"Zh", NULL}, /* bits that are not there */
        {"Zm9", NULL}, {"+/+/", NULL},  {"Zm 9v", NULL}, {"Zm\n9", NULL}, {"Zm9\xc3", NULL},
    };

    for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
        char *bytes = NULL;
        size_t length = 0;
        int r = base64url_decode(span(table[i].encoded), &bytes, &length);

        cr_expect_eq(r, table[i].decoded ? 0 : -EBADMSG, "%s", table[i].encoded);
        if (r == 0 && table[i].decoded) {
            cr_expect_str_eq(bytes, table[i].decoded);
            cr_expect_eq(length, strlen(table[i].decoded));
        }
        secret_free(bytes);
    }
}

Test(codec, percent)
{
    static const struct {
        const char *encoded, *decoded;
    } table[] = {
        {"", ""},      {"a", "a"},    {"%2B%2f%3D", "+/="}, {"a%20b+c", "a b+c"},
        {"%", NULL},   {"%2", NULL},  {"a%2", NULL},        {"%2G", NULL},
        {"%G2", NULL}, {"%00", NULL}, {"%%32%42", NULL},    {"%252B", "%2B"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
        char *text = NULL;
        int r = percent_decode(span(table[i].encoded), &text);

        cr_expect_eq(r, table[i].decoded ? 0 : -EBADMSG, "%s", table[i].encoded);
        if (r == 0 && table[i].decoded)
            cr_expect_str_eq(text, table[i].decoded);
        secret_free(text);
    }
}

Test(codec, a_hash_is_sha256)
{
    static const uint8_t abc[] = {0xba, 0x78, 0x16, 0xbf};
    uint8_t hash[TOKEN_HASH_SIZE];

    token_hash("abc", hash);
    cr_expect_arr_eq(hash, abc, sizeof abc);
}
