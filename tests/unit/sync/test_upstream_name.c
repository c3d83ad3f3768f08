/*
 * One upstream has one name, however its address is written; another one has another.
 */
#include "settings.h"
#include "upstream_name.h"
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <util/macros.h>

Test(upstream_name, is_one_for_each_upstream)
{
    static const struct {
        const char *url;
        bool livemode;
        const char *name;
    } table[] = {
        {"https://api.stellartools.dev", true, "https://api.stellartools.dev live"},
        {"https://api.stellartools.dev", false, "https://api.stellartools.dev test"},
        {"HTTPS://API.StellarTools.dev:443/", true, "https://api.stellartools.dev live"},
        {"https://api.stellartools.dev:0443//", true, "https://api.stellartools.dev live"},
        {"https://api.stellartools.dev:8443", true, "https://api.stellartools.dev:8443 live"},
        {"https://example.org/Stellar/", true, "https://example.org/Stellar live"},
        {"https://example.org/stellar", true, "https://example.org/stellar live"},
        {"http://127.0.0.1:80", false, "http://127.0.0.1 test"},
        {"http://[::1]:8080/", false, "http://[::1]:8080 test"},
        {"https://user:secret@example.org", true, "https://example.org live"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
        char *name = NULL;

        cr_assert_eq(upstream_name(table[i].url, table[i].livemode, &name), 0);
        cr_expect_str_eq(name, table[i].name);
        free(name);
    }
}

Test(upstream_name, is_bounded)
{
    char url[600], *name = NULL;

    snprintf(url, sizeof(url), "https://example.org/%0570d", 1);
    cr_expect_eq(upstream_name(url, true, &name), -E2BIG);
    cr_expect_null(name);
}

/* What a whole load makes of it. */
Test(upstream_name, is_the_sandboxs_only_on_this_machine)
{
    static const struct {
        struct settings_source source;
        const char *name;
    } table[] = {
        {{NULL, "http://127.0.0.1:1234", "sk_test_sandbox", true}, "sandbox"},
        {{NULL, "http://127.0.0.1:1234", "sk_test_sandbox", false}, "http://127.0.0.1:1234 test"},
        {{NULL, "https://example.org", "sk_test_1", true}, "https://example.org test"},
        {{NULL, NULL, "sk_live_1", true}, SETTINGS_DEFAULT_URL " live"},
        {{NULL, "http://127.0.0.1:1234", NULL, true}, NULL},
    };
    char path[] = "/tmp/creditd-test-XXXXXX";
    int fd = mkstemp(path);

    cr_assert_geq(fd, 0);
    close(fd);
    for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
        struct settings_source source = table[i].source;
        struct settings *settings = NULL;
        char *error = NULL;

        source.config_path = path;
        cr_assert_eq(settings_load(&source, &settings, &error), 0, "%s", error);
        if (table[i].name)
            cr_expect_str_eq(settings->upstream, table[i].name);
        else
            cr_expect_null(settings->upstream);
        settings_unref(settings);
    }
    unlink(path);
}
