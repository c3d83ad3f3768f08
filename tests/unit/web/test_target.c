/* To whom a secret may be shown. */
#include <criterion/criterion.h>
#include <errno.h>
#include <util/macros.h>
#include <web/target.h>

Test(target, plain_http_goes_to_this_machine_only)
{
    static const struct {
        const char *url, *base; /* base NULL: refused */
        bool is_loopback;
    } table[] = {
        {"https://api.stellartools.dev", "https://api.stellartools.dev", false},
        {"https://api.stellartools.dev/", "https://api.stellartools.dev", false},
        {"https://h:8443/api//", "https://h:8443/api", false},
        {"HTTPS://h", "HTTPS://h", false},
        {"https://127.0.0.1:1", "https://127.0.0.1:1", true},
        {"http://127.0.0.1:8080", "http://127.0.0.1:8080", true},
        {"http://127.255.0.9", "http://127.255.0.9", true},
        {"http://[::1]:80/x", "http://[::1]:80/x", true},
        {"http://localhost:80", "http://localhost:80", true},
        {"http://LOCALHOST", "http://LOCALHOST", true},
        {"http://api.stellartools.dev", NULL, false},
        {"http://126.255.255.255", NULL, false},
        {"http://128.0.0.1", NULL, false},
        {"http://0.0.0.0", NULL, false},
        {"http://10.0.0.1", NULL, false},
        {"http://[::2]", NULL, false},
        {"http://[::ffff:127.0.0.1]", NULL, false},
        {"http://127.0.0.1.example.com", NULL, false},
        {"http://localhost.example.com", NULL, false},
        {"http://localhost@example.com", NULL, false},
        {"http://127.0.0.1:80@example.com", NULL, false},
        {"https://user@h", NULL, false},
        {"https://user:password@h", NULL, false},
        {"https://h?x", NULL, false},
        {"https://h/#x", NULL, false},
        {"https://h /x", NULL, false},
        {"https://h/\r\nX: y", NULL, false},
        {"https://", NULL, false},
        {"ftp://h", NULL, false},
        {"file:///etc/passwd", NULL, false},
        {"h", NULL, false},
        {"", NULL, false},
    };

    for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
        struct target target = {0};
        const char *reason = NULL;
        int r = target_init(&target, TARGET_BASE, table[i].url, &reason);

        cr_expect_eq(r, table[i].base ? 0 : -EINVAL, "%s: %d", table[i].url, r);
        cr_expect_eq(reason == NULL, table[i].base != NULL, "%s", table[i].url);
        if (r == 0 && table[i].base) {
            cr_expect_str_eq(target.url, table[i].base);
            cr_expect_eq(target.is_loopback, table[i].is_loopback, "%s", table[i].url);
        }
        target_deinit(&target);
    }
}

Test(target, a_whole_url_stays_as_it_is_written)
{
    static const struct {
        const char *url;
        bool is_taken;
    } table[] = {
        {"https://h/a?b=c&d", true},
        {"https://h/a/", true},
        {"http://127.0.0.1:1/?x", true},
        {"http://example.com/?127.0.0.1", false},
        {"https://user:password@h/?a", false},
        {"https://h/a?b#c", false},
        {"https://h/a b", false},
        {"/usr/bin/program", false},
    };

    for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
        struct target target = {0};
        const char *reason = NULL;
        int r = target_init(&target, TARGET_WHOLE, table[i].url, &reason);

        cr_expect_eq(r, table[i].is_taken ? 0 : -EINVAL, "%s: %d", table[i].url, r);
        cr_expect_eq(reason == NULL, table[i].is_taken, "%s", table[i].url);
        if (r == 0)
            cr_expect_str_eq(target.url, table[i].url);
        target_deinit(&target);
    }
}
