/* Heads that can be read in two ways, and what says that a proxy passed a request on. */
#include "head.h"
#include <criterion/criterion.h>
#include <string.h>

struct one {
    const char *name, *value;
};

static struct head judge(const struct one *headers, size_t count, const char *version)
{
    struct head head = {0};

    for (size_t i = 0; i < count && headers[i].name; i++)
        head_add(&head, headers[i].name, strlen(headers[i].name), headers[i].value,
                 strlen(headers[i].value));
    head_judge(&head, version);
    return head;
}

Test(head, what_can_be_read_in_one_way_only)
{
    static const struct {
        struct one headers[3];
        bool is_right;
    } cases[] = {
        {{{"Host", "x"}, {"Content-Length", "2"}, {"Cookie", "a=b; c=d"}}, true},
        {{{"Host", "x"}, {"transfer-encoding", "Chunked"}, {"Authorization", "Bearer x"}}, true},
        {{{"X-Text", "tab\tand \xc3\xa4"}}, true},
        {{{"Content-Length", "2"}, {"content-length", "3"}}, false},
        {{{"Content-Length", "2"}, {"Content-Length", "2"}}, false},
        {{{"Content-Length", "+2"}}, false},
        {{{"Content-Length", "2, 2"}}, false},
        {{{"Content-Length", ""}}, false},
        {{{"Transfer-Encoding", "chunked"}, {"Content-Length", "2"}}, false},
        {{{"Transfer-Encoding", "chunked"}, {"Transfer-Encoding", "chunked"}}, false},
        {{{"Transfer-Encoding", "xchunked"}}, false},
        {{{"Transfer-Encoding", "gzip, chunked"}}, false},
        {{{"Host", "x"}, {"Host", "x"}}, false},
        {{{"Cookie", "a=b"}, {"Cookie", ""}}, false},
        {{{"Authorization", "Bearer a"}, {"Authorization", "Bearer b"}}, false},
        {{{"X-Forwarded-For ", "1"}}, false},
        {{{"", "1"}}, false},
        {{{"X(", "1"}}, false},
        {{{"X", "a\rb"}}, false},
        {{{"X", "a\x7f"}}, false},
    };
    struct head head = judge(cases[1].headers, 3, "HTTP/1.0");

    cr_assert_not_null(head.wrong);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        head = judge(cases[i].headers, 3, "HTTP/1.1");
        cr_assert_eq(head.wrong == NULL, cases[i].is_right, "%zu: %s", i, head.wrong);
    }
    head = (struct head){0};
    head_add(&head, "X", 1, "a\0b", 3);
    cr_assert_not_null(head.wrong);
}

Test(head, credentials_with_wrong_bytes_are_not_overlooked)
{
    struct head head = {0};

    head_add(&head, "authorization", 13, "Bea\0rer x", 9);
    cr_assert_null(head.wrong);
    cr_assert(head.has_wrong_authorization);
    cr_assert_eq(head.authorizations, 1);
}

Test(head, what_a_proxy_passed_on)
{
    static const char *const passed[] = {
        "X-Forwarded-For", "x-forwarded-host",  "X-FORWARDED-SOMETHING", "X-Forwarded", "Forwarded",
        "X-Real-IP",       "X-Forwarded-For\t", "X-Forwarded-For ",      "Via",         "via",
    };
    static const char *const direct[] = {"Host", "X-Forward", "Origin", "X-Real", "Cookie"};

    for (size_t i = 0; i < sizeof(passed) / sizeof(passed[0]); i++) {
        const struct one header = {passed[i], ""};

        cr_assert(judge(&header, 1, "HTTP/1.1").is_passed_on, "%s", passed[i]);
    }
    for (size_t i = 0; i < sizeof(direct) / sizeof(direct[0]); i++) {
        const struct one header = {direct[i], "x"};

        cr_assert_not(judge(&header, 1, "HTTP/1.1").is_passed_on, "%s", direct[i]);
    }
}
