/* Origins out of URLs, and which are trusted. */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>
#include <util/origin.h>

static const struct {
    const char *url, *origin; /* NULL: it has none */
} cases[] = {
    {"https://app.example", "https://app.example"},
    {"HTTPS://App.Example", "https://app.example"},
    {"https://app.example/", "https://app.example"},
    {"https://app.example/a/b?c#d", "https://app.example"},
    {"https://app.example?c", "https://app.example"},
    {"https://app.example:443", "https://app.example"},
    {"https://app.example:0443/x", "https://app.example"},
    {"https://app.example:8443", "https://app.example:8443"},
    {"http://app.example:80", "http://app.example"},
    {"http://app.example:443", "http://app.example:443"},
    {"http://127.0.0.1:3000", "http://127.0.0.1:3000"},
    {"http://[::1]:3000/x", "http://[::1]:3000"},
    {"http://[::ABCD]", "http://[::abcd]"},
    {"https://app.example:", "https://app.example"},
    {"https://a_b.example", "https://a_b.example"},
    {"null", NULL},
    {"", NULL},
    {"https://", NULL},
    {"https:///x", NULL},
    {"https://:443", NULL},
    {"ftp://app.example", NULL},
    {"app.example", NULL},
    {"//app.example", NULL},
    {"file:///x", NULL},
    /* What looks like one host to a person, and is another. */
    {"https://app.example@evil.example", NULL},
    {"https://app.example:x@evil.example", NULL},
    {"https://app.example\\@evil.example", NULL},
    {"https://app.example:99999", NULL},
    {"https://app.example:123456", NULL},
    {"https://app.example:-1", NULL},
    {"https://app.example:80:80", NULL},
    {"https://[::1", NULL},
    {"https://[]", NULL},
    {"https://[::1]x", NULL},
    {"https://app.example, https://evil.example", NULL},
    {"https://app.example https://evil.example", NULL},
    {"https://app.ex%61mple", NULL},
};

Test(origin, of_a_url)
{
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char origin[ORIGIN_MAX];
        int r = origin_of(cases[i].url, strlen(cases[i].url), origin);

        cr_assert_eq(r, cases[i].origin != NULL ? 0 : -EINVAL, "%s", cases[i].url);
        if (r == 0)
            cr_assert_str_eq(origin, cases[i].origin, "%s", cases[i].url);
    }
}

Test(origin, parts)
{
    static const struct {
        const char *url, *before, *host;
        int port;
        bool is_https;
    } parts[] = {
        {"https://app.example", "https://app.example", "app.example", 0, true},
        {"http://App.Example:8080/a?b#c", "http://App.Example:8080", "App.Example", 8080, false},
        {"HTTPS://[::1]:443?x", "HTTPS://[::1]:443", "[::1]", 443, true},
        {"https://app.example#x", "https://app.example", "app.example", 0, true},
    };

    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        struct origin origin;

        cr_assert_eq(origin_parse(parts[i].url, strlen(parts[i].url), &origin), 0);
        cr_expect_eq(origin.url, parts[i].url);
        cr_expect_eq(origin.length, strlen(parts[i].before), "%s", parts[i].url);
        cr_expect_eq(origin.host_length, strlen(parts[i].host), "%s", parts[i].url);
        cr_expect_eq(strncmp(origin.host, parts[i].host, origin.host_length), 0);
        cr_expect_eq(origin.port, parts[i].port);
        cr_expect_eq(origin.is_https, parts[i].is_https);
    }
}

Test(origin, the_longest_fits)
{
    char url[400] = "https://", origin[ORIGIN_MAX];

    memset(url + 8, 'a', 253);
    memcpy(url + 8 + 253, ":65535", 7);
    cr_assert_eq(origin_of(url, strlen(url), origin), 0);
    cr_assert_str_eq(origin, url);
    memset(url + 8, 'a', 254);
    url[8 + 254] = '\0';
    cr_assert_eq(origin_of(url, strlen(url), origin), -EINVAL);
}

Test(origin, trusted)
{
    static const char words[] = "https://one.example  http://localhost:3000,https://two.example/x";
    static const char app[] = "https://app.example/base";

    cr_assert(origin_is_trusted(words, app, "https://one.example"));
    cr_assert(origin_is_trusted(words, app, "https://one.example/page?x"));
    cr_assert(origin_is_trusted(words, app, "http://LOCALHOST:3000"));
    cr_assert(origin_is_trusted(words, app, "https://two.example"));
    cr_assert(origin_is_trusted(words, app, "https://app.example:443"));
    cr_assert(origin_is_trusted(words, NULL, "https://one.example"));
    cr_assert(origin_is_trusted(NULL, app, "https://app.example"));
    cr_assert_not(origin_is_trusted(words, NULL, "https://app.example"));
    cr_assert_not(origin_is_trusted(NULL, NULL, "https://app.example"));
    cr_assert_not(origin_is_trusted(words, app, NULL));
    cr_assert_not(origin_is_trusted(words, app, "null"));
    cr_assert_not(origin_is_trusted(words, app, "http://one.example"));
    cr_assert_not(origin_is_trusted(words, app, "https://one.example:8443"));
    cr_assert_not(origin_is_trusted(words, app, "https://one.example.evil.example"));
    cr_assert_not(origin_is_trusted(words, app, "https://evil-one.example"));
    cr_assert_not(origin_is_trusted("null", app, "null"));
    cr_assert_not(origin_is_trusted("*", app, "https://one.example"));
}

Test(origin, words_that_are_none)
{
    size_t length;

    cr_assert_null(origin_first_wrong(NULL, &length));
    cr_assert_null(origin_first_wrong("", &length));
    cr_assert_null(origin_first_wrong(" https://a.example,http://b.example:1 ", &length));
    cr_assert(strncmp(origin_first_wrong("https://a.example *.b.example c", &length), "*.b", 3) ==
              0);
    cr_assert_eq(length, strlen("*.b.example"));
}

Test(origin, hosts)
{
    static const char words[] = "https://app.example, http://other.example:3000";
    static const char *const trusted[] = {
        "127.0.0.1", "127.0.0.1:80",     "LOCALHOST:1", "[::1]:8080",
        "[::1]",     "app.example:8443", "App.Example", "other.example",
    };
    static const char *const others[] = {
        "",         "evil.example", "127.0.0.1.evil.example", "localhost@evil.example",
        "[::2]",    "localhost:x",  "app.example:99999",      "app.example/",
        "::1",      "xapp.example", "localhost evil",         "127.0.0.2",
        "[::1]:80x"};

    for (size_t i = 0; i < sizeof(trusted) / sizeof(trusted[0]); i++)
        cr_assert(origin_host_is_trusted(words, NULL, trusted[i]), "%s", trusted[i]);
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        cr_assert_not(origin_host_is_trusted(words, NULL, others[i]), "%s", others[i]);
    cr_assert(origin_host_is_trusted(NULL, "https://app.example/api", "app.example"));
    cr_assert_not(origin_host_is_trusted(NULL, NULL, "app.example"));
}
