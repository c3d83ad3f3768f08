/* What is taken out of a Cookie header or a token, and what is written into a header again. */
#include "session_credential.h"
#include "session_fixture.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <util/fd.h>
#include <util/macros.h>

#define SIG "0W80iXqZfyNcCfoUHtd3eqTOTi0I8vA1hqkN/VSAGs4="
#define SIG_ENCODED "0W80iXqZfyNcCfoUHtd3eqTOTi0I8vA1hqkN%2FVSAGs4%3D"
#define NAME "better-auth.session_token="
#define DATA "better-auth.session_data"
#define GOOD NAME "T0k." SIG_ENCODED

static int parse(const char *text, const char *prefix, struct credential *ret)
{
    return credential_parse((struct span){text, strlen(text)}, prefix, ret);
}

static void expect_text(const char *got, const char *expected, const char *what)
{
    cr_expect(expected ? got && strcmp(got, expected) == 0 : got == NULL, "%s: %s", what, got);
}

Test(credential, forms)
{
    static const struct {
        const char *given;
        int form; /* -1: there is no session in it */
        bool is_secure;
        const char *token, *signature, *cache;
    } table[] = {
        {GOOD, CREDENTIAL_COOKIE, false, "T0k", SIG, NULL},
        {"Cookie: " GOOD, CREDENTIAL_COOKIE, false, "T0k", SIG, NULL},
        {"  a=b;\t" GOOD " ; c=d", CREDENTIAL_COOKIE, false, "T0k", SIG, NULL},
        {NAME "\"T0k." SIG_ENCODED "\"", CREDENTIAL_COOKIE, false, "T0k", SIG, NULL},
        {NAME "T0k." SIG, CREDENTIAL_COOKIE, false, "T0k", SIG, NULL},
        {"better-auth.session_token =T0k." SIG, CREDENTIAL_COOKIE, false, "T0k", SIG, NULL},
        {"__Secure-" GOOD, CREDENTIAL_COOKIE, true, "T0k", SIG, NULL},
        /* the first counts, and __Secure- before the other */
        {GOOD ";" NAME "T2." SIG, CREDENTIAL_COOKIE, false, "T0k", SIG, NULL},
        {NAME "T2." SIG ";__Secure-" GOOD, CREDENTIAL_COOKIE, true, "T0k", SIG, NULL},
        {GOOD ";" DATA "=abc", CREDENTIAL_COOKIE, false, "T0k", SIG, "abc"},
        {GOOD ";__Secure-" DATA "=abc", CREDENTIAL_COOKIE, false, "T0k", SIG, NULL},
        {DATA "=abc", -1, false, NULL, NULL, NULL},
        /* chunks are joined by number, as far as they go */
        {DATA ".1=b;" GOOD ";" DATA ".2=c;" DATA ".0=a", CREDENTIAL_COOKIE, false, "T0k", SIG,
         "abc"},
        {GOOD ";" DATA ".10=k;" DATA ".9=j;" DATA ".8=i;" DATA ".7=h;" DATA ".6=g;" DATA
              ".5=f;" DATA ".4=e;" DATA ".3=d;" DATA ".2=c;" DATA ".1=b;" DATA ".0=a",
         CREDENTIAL_COOKIE, false, "T0k", SIG, "abcdefghijk"},
        {GOOD ";" DATA ".0=a;" DATA ".2=c", CREDENTIAL_COOKIE, false, "T0k", SIG, "a"},
        {GOOD ";" DATA ".1=b", CREDENTIAL_COOKIE, false, "T0k", SIG, NULL},
        {GOOD ";" DATA ".00=b", CREDENTIAL_COOKIE, false, "T0k", SIG, NULL},
        {GOOD ";" DATA "=whole;" DATA ".0=a", CREDENTIAL_COOKIE, false, "T0k", SIG, "whole"},
        /* tokens */
        {"T0k." SIG, CREDENTIAL_SIGNED, false, "T0k", SIG, NULL},
        {"T0k." SIG_ENCODED, CREDENTIAL_SIGNED, false, "T0k", SIG, NULL},
        {"Bearer T0k." SIG, CREDENTIAL_SIGNED, false, "T0k", SIG, NULL},
        {"bearer  T0k", CREDENTIAL_BARE, false, "T0k", NULL, NULL},
        {"T0k\n", CREDENTIAL_BARE, false, "T0k", NULL, NULL},
        /* none of them */
        {"Bearer " GOOD, -1, false, NULL, NULL, NULL},
        {NAME "T0k", -1, false, NULL, NULL, NULL},
        {NAME, -1, false, NULL, NULL, NULL},
        {NAME "T0k.", -1, false, NULL, NULL, NULL},
        {NAME "." SIG, -1, false, NULL, NULL, NULL},
        {NAME "T0k." SIG "=", -1, false, NULL, NULL, NULL},
        {NAME "T0k.0W80", -1, false, NULL, NULL, NULL},
        {NAME "T0k.0W80iXqZfyNcCfoUHtd3eqTOTi0I8vA1hqkN/VSAGs4A", -1, false, NULL, NULL, NULL},
        {NAME "T%0d%0aX." SIG, -1, false, NULL, NULL, NULL},
        {NAME "T k." SIG, -1, false, NULL, NULL, NULL},
        {NAME "T0k.x." SIG, -1, false, NULL, NULL, NULL},
        {NAME "T0k%2." SIG, -1, false, NULL, NULL, NULL},
        {"xbetter-auth.session_token=T0k." SIG, -1, false, NULL, NULL, NULL},
        {"better-auth.session_token2=T0k." SIG, -1, false, NULL, NULL, NULL},
        {"Better-auth.session_token=T0k." SIG, -1, false, NULL, NULL, NULL},
        {"other.session_token=T0k." SIG, -1, false, NULL, NULL, NULL},
        {"a=" GOOD, -1, false, NULL, NULL, NULL},
        {"T0k." SIG "; x", -1, false, NULL, NULL, NULL},
        {"a b", -1, false, NULL, NULL, NULL},
        {" ", -1, false, NULL, NULL, NULL},
        {";;=;", -1, false, NULL, NULL, NULL},
        {"null", CREDENTIAL_BARE, false, "null", NULL, NULL},
    };

    for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
        struct credential credential = {0};
        int r = parse(table[i].given, "better-auth", &credential);

        cr_expect_eq(r, table[i].form < 0 ? -EBADMSG : 0, "%s: %d", table[i].given, r);
        if (r == 0) {
            cr_expect_eq((int)credential.form, table[i].form, "%s", table[i].given);
            cr_expect_eq(credential.is_secure, table[i].is_secure, "%s", table[i].given);
        }
        expect_text(credential.token, table[i].token, table[i].given);
        expect_text(credential.signature, table[i].signature, table[i].given);
        expect_text(credential.cache, table[i].cache, table[i].given);
        credential_deinit(&credential);
    }
}

Test(credential, bytes_are_no_text)
{
    static const char bytes[] = "T0k\0." SIG;
    struct credential credential = {0};

    cr_expect_eq(
        credential_parse((struct span){bytes, sizeof bytes - 1}, "better-auth", &credential),
        -EBADMSG);
    cr_expect_eq(credential_parse((struct span){bytes, 0}, "better-auth", &credential), -EBADMSG);
}

Test(credential, a_token_has_a_length)
{
    char text[CREDENTIAL_TOKEN_MAX + 2];
    struct credential credential = {0};

    memset(text, 'a', sizeof text);
    text[CREDENTIAL_TOKEN_MAX] = '\0';
    cr_expect_eq(parse(text, "better-auth", &credential), 0);
    credential_deinit(&credential);
    text[CREDENTIAL_TOKEN_MAX] = 'a';
    text[CREDENTIAL_TOKEN_MAX + 1] = '\0';
    cr_expect_eq(parse(text, "better-auth", &credential), -EBADMSG);
}

Test(credential, headers_carry_the_session_alone)
{
    static const struct {
        const char *given, *prefix, *cookie, *authorization;
    } table[] = {
        {"a=b; " GOOD "; " DATA "=abc; c=d", "better-auth", GOOD, NULL},
        {"__Secure-" GOOD, "better-auth", "__Secure-" GOOD, NULL},
        {"my.session_token=T0k." SIG, "my", "my.session_token=T0k." SIG_ENCODED, NULL},
        {"Bearer T0k." SIG, "better-auth", GOOD "; __Secure-" GOOD, NULL},
        {"T0k", "better-auth", NULL, "Bearer T0k"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
        struct credential credential;
        char *cookie = NULL, *authorization = NULL;

        cr_assert_eq(parse(table[i].given, table[i].prefix, &credential), 0);
        cr_assert_eq(credential_cookie_header(&credential, table[i].prefix, &cookie), 0);
        cr_assert_eq(credential_authorization_header(&credential, &authorization), 0);
        expect_text(cookie, table[i].cookie, table[i].given);
        expect_text(authorization, table[i].authorization, table[i].given);
        secret_free(cookie);
        secret_free(authorization);
        credential_deinit(&credential);
    }
}
