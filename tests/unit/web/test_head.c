/* Rate limits by the server's own clock. */
#include <criterion/criterion.h>
#include <string.h>
#include <util/macros.h>
#include <web/head.h>

#define DATE "Date: Mon, 05 Jan 2026 12:34:56 GMT" /* 1767616496 */

static struct head head_of(const char *const *lines)
{
    struct head head = {0};

    for (; *lines; lines++)
        head_line(&head, *lines, strlen(*lines));
    return head;
}

Test(head, P6_the_rate_is_learned_from_headers)
{
    static const struct {
        const char *lines[6];
        struct rate rate;
        int64_t server_time;
    } table[] = {
        {{"HTTP/1.1 200 OK\r\n", NULL}, {-1, -1, -1, -1}, 0},
        {{DATE, "X-RateLimit-Limit: 20", "X-RateLimit-Remaining: 19",
          "X-RateLimit-Reset: 1767616516", NULL},
         {20, 19, 20000, -1},
         INT64_C(1767616496000)},
        {{"x-ratelimit-reset:1767616516 \r\n", "date:Mon, 05 Jan 2026 12:34:56 GMT\r\n", NULL},
         {-1, -1, 20000, -1},
         INT64_C(1767616496000)},
        /* our own clock is no help */
        {{"X-RateLimit-Reset: 1767616516", NULL}, {-1, -1, -1, -1}, 0},
        /* past, and far away */
        {{DATE, "X-RateLimit-Reset: 1767616000", NULL}, {-1, -1, 0, -1}, INT64_C(1767616496000)},
        {{DATE, "X-RateLimit-Reset: 9999999999", NULL}, {-1, -1, -1, -1}, INT64_C(1767616496000)},
        /* an hour is the most; milliseconds, and seconds from now */
        {{DATE, "X-RateLimit-Reset: 1767620096", NULL},
         {-1, -1, 3600000, -1},
         INT64_C(1767616496000)},
        {{DATE, "X-RateLimit-Reset: 1767620097", NULL}, {-1, -1, -1, -1}, INT64_C(1767616496000)},
        {{DATE, "X-RateLimit-Remaining: 0", "X-RateLimit-Reset: 1767616516000", NULL},
         {-1, 0, -1, -1},
         INT64_C(1767616496000)},
        {{DATE, "X-RateLimit-Reset: 20", NULL}, {-1, -1, 0, -1}, INT64_C(1767616496000)},
        {{"Retry-After: 7", NULL}, {-1, -1, -1, 7000}, 0},
        {{"Retry-After: 0", NULL}, {-1, -1, -1, 0}, 0},
        {{"Retry-After: 99999999999999999999", NULL}, {-1, -1, -1, -1}, 0},
        {{"Retry-After: 999999999", NULL}, {-1, -1, -1, 86400000}, 0},
        {{"Retry-After: -1", NULL}, {-1, -1, -1, -1}, 0},
        {{"Retry-After: 1.5", NULL}, {-1, -1, -1, -1}, 0},
        {{"Retry-After: soon", NULL}, {-1, -1, -1, -1}, 0},
        {{DATE, "Retry-After: Mon, 05 Jan 2026 12:35:26 GMT", NULL},
         {-1, -1, -1, 30000},
         INT64_C(1767616496000)},
        {{DATE, "Retry-After: Monday, 05-Jan-26 12:35:26 GMT", NULL},
         {-1, -1, -1, 30000},
         INT64_C(1767616496000)},
        {{"Retry-After: Mon, 05 Jan 2026 12:35:26 GMT", NULL}, {-1, -1, -1, -1}, 0},
        {{"X-RateLimit-Limit: twenty", "X-RateLimit-Remaining:", NULL}, {-1, -1, -1, -1}, 0},
        /* a name that only begins or ends like ours; no colon */
        {{"X-RateLimit-Limits: 20", "RateLimit-Limit: 20", "X-RateLimit-Limit 20", NULL},
         {-1, -1, -1, -1},
         0},
        /* what a 103 said is forgotten */
        {{"HTTP/1.1 103 Early Hints", "Retry-After: 7", "HTTP/1.1 200 OK", NULL},
         {-1, -1, -1, -1},
         0},
        {{"Date: yesterday", NULL}, {-1, -1, -1, -1}, 0},
    };

    for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
        struct head head = head_of(table[i].lines);
        struct rate rate;

        head_rate(&head, &rate);
        cr_expect_eq(rate.limit, table[i].rate.limit, "row %zu", i);
        cr_expect_eq(rate.remaining, table[i].rate.remaining, "row %zu", i);
        cr_expect_eq(rate.reset_in, table[i].rate.reset_in, "row %zu: %lld", i,
                     (long long)rate.reset_in);
        cr_expect_eq(rate.retry_after, table[i].rate.retry_after, "row %zu: %lld", i,
                     (long long)rate.retry_after);
        cr_expect_eq(head_server_time(&head), table[i].server_time, "row %zu", i);
    }
}

Test(head, a_value_that_is_too_long_is_no_value)
{
    char line[256] = "Retry-After: ";
    struct head head = {0};
    struct rate rate;

    memset(line + strlen(line), '0', 200);
    head_line(&head, line, 13 + 200);
    head_rate(&head, &rate);
    cr_expect_eq(rate.retry_after, -1);
}
