#include "config_values.h"
#include <criterion/criterion.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <util/config.h>
#include <util/macros.h>

struct number_case {
    const char *text;
    int result;
    int64_t value;
};

static void check_numbers(const struct number_case *cases, size_t count,
                          int (*parse)(const char *, int64_t *))
{
    for (size_t i = 0; i < count; i++) {
        int64_t value = -77;

        cr_assert_eq(parse(cases[i].text, &value), cases[i].result, "\"%s\"", cases[i].text);
        cr_assert_eq(value, cases[i].result ? -77 : cases[i].value, "\"%s\": %" PRId64,
                     cases[i].text, value);
    }
}

Test(config_values, durations)
{
    static const struct number_case cases[] = {
        {"0s", 0, 0},
        {"500ms", 0, 500},
        {"60s", 0, 60000},
        {"2m", 0, 120000},
        {"24h", 0, 86400000},
        {"90d", 0, INT64_C(7776000000)},
        {"no limit", 0, -1},
        {"007s", 0, 7000},
        {"106751991167d", 0, INT64_C(106751991167) * 86400000},
        {"106751991168d", -ERANGE, 0},
        {"99999999999999999999ms", -ERANGE, 0},
        {"", -EINVAL, 0},
        {"5", -EINVAL, 0},
        {"s", -EINVAL, 0},
        {"1 sec", -EINVAL, 0},
        {"1 s", -EINVAL, 0},
        {" 1s", -EINVAL, 0},
        {"1s ", -EINVAL, 0},
        {"1.5s", -EINVAL, 0},
        {"-1s", -EINVAL, 0},
        {"+1s", -EINVAL, 0},
        {"1S", -EINVAL, 0},
        {"1w", -EINVAL, 0},
        {"0x10s", -EINVAL, 0},
        {"99999999999999999999", -EINVAL, 0},
        {"No limit", -EINVAL, 0},
    };

    check_numbers(cases, ARRAY_SIZE(cases), config_parse_duration);
}

Test(config_values, sizes)
{
    static const struct number_case cases[] = {
        {"0", 0, 0},
        {"4096", 0, 4096},
        {"64KiB", 0, 65536},
        {"1MiB", 0, 1048576},
        {"2GiB", 0, INT64_C(2147483648)},
        {"1TiB", 0, INT64_C(1099511627776)},
        {"9223372036854775807", 0, INT64_MAX},
        {"9223372036854775808", -ERANGE, 0},
        {"8388608TiB", -ERANGE, 0},
        {"", -EINVAL, 0},
        {"KiB", -EINVAL, 0},
        {"64K", -EINVAL, 0},
        {"64kb", -EINVAL, 0},
        {"64 KiB", -EINVAL, 0},
        {"64KB", -EINVAL, 0},
        {"1.5GiB", -EINVAL, 0},
        {"-1", -EINVAL, 0},
        {"no limit", -EINVAL, 0},
    };

    check_numbers(cases, ARRAY_SIZE(cases), config_parse_size);
}

Test(config_values, integers)
{
    static const struct number_case cases[] = {
        {"0", 0, 0},        {"42", 0, 42},      {"9223372036854775807", 0, INT64_MAX},
        {"", -EINVAL, 0},   {"1k", -EINVAL, 0}, {"9223372036854775808", -ERANGE, 0},
        {"-1", -EINVAL, 0}, {"1 ", -EINVAL, 0}, {"ten", -EINVAL, 0},
    };

    check_numbers(cases, ARRAY_SIZE(cases), config_parse_integer);
}

Test(config_values, forms_of_text)
{
    static const struct {
        bool (*accepts)(const char *);
        const char *text;
        bool accepted;
    } cases[] = {
        {config_is_path, "/a", true},
        {config_is_path, "a", false},
        {config_is_path, "", false},
        {config_is_url, "https://api.stellartools.dev", true},
        {config_is_url, "http://127.0.0.1:80/x", true},
        {config_is_url, "http://[::1]:80", true},
        {config_is_url, "https://", false},
        {config_is_url, "https:///x", false},
        {config_is_url, "ftp://host", false},
        {config_is_url, "api.stellartools.dev", false},
        {config_is_listen, "/run/x.sock", true},
        {config_is_listen, "127.0.0.1:0", true},
        {config_is_listen, "127.0.0.1:65535", true},
        {config_is_listen, "[::1]:8080", true},
        {config_is_listen, "/run/x.sock 127.0.0.1:0", true},
        {config_is_listen, "127.0.0.1:0 0.0.0.0:0", false},
        {config_is_listen, "127.0.0.1:65536", false},
        {config_is_listen, "127.0.0.1:", false},
        {config_is_listen, "127.0.0.1", false},
        {config_is_listen, "0.0.0.0:80", false},
        {config_is_listen, "/a /a /a /a /a /a /a /a /a /a /a /a /a /a /a /a", true},
        {config_is_listen, "/a /a /a /a /a /a /a /a /a /a /a /a /a /a /a /a /a", false},
        {config_is_prefix, "/api/auth/stellar", true},
        {config_is_prefix, "/", true},
        {config_is_prefix, "/api/", false},
        {config_is_prefix, "api", false},
        {config_is_program_or_url, "/usr/bin/true", true},
        {config_is_program_or_url, "https://host/hook", true},
        {config_is_program_or_url, "true", false},
        {config_is_word, "2026-08-18", true},
        {config_is_word, "2026 08", false},
        {config_is_word, "caf\xc3\xa9", false},
        {config_is_cookie_prefix, "my-app", true},
        {config_is_cookie_prefix, "a=b", false},
        {config_is_cookie_prefix, "a;b", false},
        {config_is_cookie_prefix, "a b", false},
        {config_is_cookie_prefix, "a\"b", false},
        {config_is_cookie_prefix, "", false},
        {config_is_origins, "https://app.example", true},
        {config_is_origins, "https://app.example, http://localhost:3000", true},
        {config_is_origins, "app.example", false},
        {config_is_origins, "https://app.example null", false},
        {config_is_origins, "https://*.example", false},
        {config_is_user, "root", true},
        {config_is_user, "no-such-user-here", false},
        {config_is_user, "", false},
        {config_is_id, "prod_1.A-z", true},
        {config_is_id, "", false},
        {config_is_id, ".", false},
        {config_is_id, "..", false},
        {config_is_id, "...", true},
        {config_is_id, "a/b", false},
        {config_is_id, "a b", false},
        {config_is_id, "caf\xc3\xa9", false},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        cr_assert_eq(cases[i].accepts(cases[i].text), cases[i].accepted, "case %zu: \"%s\"", i,
                     cases[i].text);
}

/* To whom secrets are sent; the first letter of `taken`: as a base, the second: as a whole. */
Test(config_values, urls)
{
    static const struct {
        const char *url, *taken;
    } cases[] = {
        {"https://api.stellartools.dev", "++"},
        {"https://h:8443/api//", "++"},
        {"HTTPS://h", "++"},
        {"https://127.0.0.1:1", "++"},
        {"https://[2001:db8::1]:8443/x", "++"},
        {"https://[::ffff:127.0.0.1]", "++"},
        {"http://127.0.0.1:8080", "++"},
        {"http://127.255.0.9", "++"},
        {"http://[::1]:80/x", "++"},
        {"http://localhost:80", "++"},
        {"http://LOCALHOST", "++"},
        {"https://h/@a:b", "++"},
        {"https://h?x", "-+"},
        {"https://h/a?b=c&d@e", "-+"},
        {"http://127.0.0.1:1/?x", "-+"},
        {"http://api.stellartools.dev", "--"},
        {"http://126.255.255.255", "--"},
        {"http://128.0.0.1", "--"},
        {"http://127.1", "--"},
        {"http://2130706433", "--"},
        {"http://0.0.0.0", "--"},
        {"http://[::2]", "--"},
        {"http://[::ffff:127.0.0.1]", "--"},
        {"http://127.0.0.1.example.com", "--"},
        {"http://localhost.example.com", "--"},
        {"http://localhost@example.com", "--"},
        {"http://127.0.0.1:80@example.com", "--"},
        {"http://example.com/?127.0.0.1", "--"},
        {"https://user@h", "--"},
        {"https://user:password@h/?a", "--"},
        {"https://h\\@h2", "--"},
        {"https://h/#x", "--"},
        {"https://h/a?b#c", "--"},
        {"https://h /x", "--"},
        {"https://h/\r\nX: y", "--"},
        {"https://h/\xc3\xa9", "--"},
        {"https://h:65536", "--"},
        {"https://h:x", "--"},
        {"https://[::1", "--"},
        {"https://[1:2]", "--"},
        {"https://[fe80::1%25eth0]", "--"},
        {"https://[1111:1111:1111:1111:1111:1111:1111:1111:1111:1111:1111:1111]", "--"},
        {"https://", "--"},
        {"https:///x", "--"},
        {"ftp://h", "--"},
        {"file:///etc/passwd", "--"},
        {"h", "--"},
        {"", "--"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        cr_expect_eq(!config_url_problem(cases[i].url, true), cases[i].taken[0] == '+', "%s",
                     cases[i].url);
        cr_expect_eq(!config_url_problem(cases[i].url, false), cases[i].taken[1] == '+', "%s",
                     cases[i].url);
    }
    cr_expect_null(config_program_problem("/usr/bin/program"));
    cr_expect(config_program_problem("http://example.com"));
    cr_expect(config_base_url_problem("https://h?x"));
}

/* Of the address of a Unix socket, NUL included: 108 bytes. */
Test(config_values, the_longest_socket)
{
    char path[109] = "/";

    memset(path + 1, 'a', 106);
    cr_assert(config_is_socket(path));
    cr_assert(config_is_listen(path));
    path[94] = '\0';
    cr_assert(config_is_socket_directory(path));
    path[94] = 'a';
    path[95] = '\0';
    cr_assert_not(config_is_socket_directory(path));
    memset(path + 1, 'a', 107);
    cr_assert_not(config_is_socket(path));
    cr_assert_not(config_is_listen(path));
    cr_assert_not(config_is_socket("relative"));
}

Test(config_values, the_longest_id)
{
    char id[130];

    for (size_t i = 0; i < 129; i++)
        id[i] = 'a';
    id[129] = '\0';
    cr_assert_not(config_is_id(id));
    id[128] = '\0';
    cr_assert(config_is_id(id));
}

Test(config_values, numbers_as_one_would_write_them)
{
    static const struct {
        int64_t value;
        const char *duration, *size;
    } cases[] = {
        {0, "0s", "0"},
        {10, "10ms", "10"},
        {1024, "1024ms", "1KiB"},
        {60000, "1m", "60000"},
        {90000, "90s", "90000"},
        {86400000, "1d", "84375KiB"},
        {INT64_C(1) << 40, "1099511627776ms", "1TiB"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        char text[32];

        config_format_duration(cases[i].value, text, sizeof(text));
        cr_assert_str_eq(text, cases[i].duration);
        config_format_size(cases[i].value, text, sizeof(text));
        cr_assert_str_eq(text, cases[i].size);
    }
}
