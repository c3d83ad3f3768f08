/* Rate limits and dates out of an answer's head: see head.h. */
#include <curl/curl.h>
#include <string.h>
#include <strings.h>
#include <util/macros.h>
#include <web/head.h>

#define DISTANCE_MAX_MS (INT64_C(24) * 60 * 60 * 1000)
#define WINDOW_MAX_SECONDS INT64_C(3600)
#define SECONDS_MAX INT64_C(253402300799) /* the year 9999 */

static const struct {
    const char *name;
    size_t offset;
} known[] = {
    {"x-ratelimit-limit", offsetof(struct head, limit)},
    {"x-ratelimit-remaining", offsetof(struct head, remaining)},
    {"x-ratelimit-reset", offsetof(struct head, reset)},
    {"retry-after", offsetof(struct head, retry_after)},
    {"date", offsetof(struct head, date)},
};

static int is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static void value_copy(char target[HEAD_VALUE_SIZE], const char *text, size_t length)
{
    while (length > 0 && is_blank(text[0])) {
        text++;
        length--;
    }
    while (length > 0 && is_blank(text[length - 1]))
        length--;
    /* What does not fit is none of the forms that we know. */
    if (length >= HEAD_VALUE_SIZE)
        length = 0;
    memcpy(target, text, length);
    target[length] = '\0';
}

void head_line(struct head *head, const char *line, size_t length)
{
    const char *colon;

    if (length >= 5 && memcmp(line, "HTTP/", 5) == 0) {
        *head = (struct head){0};
        return;
    }
    colon = memchr(line, ':', length);
    if (!colon)
        return;
    for (size_t i = 0; i < ARRAY_SIZE(known); i++)
        if (strlen(known[i].name) == (size_t)(colon - line) &&
            strncasecmp(known[i].name, line, (size_t)(colon - line)) == 0)
            value_copy((char *)head + known[i].offset, colon + 1,
                       length - (size_t)(colon - line) - 1);
}

/* A plain decimal number; -1 for anything else. */
static int64_t value_number(const char *text)
{
    int64_t number = 0;

    if (*text == '\0')
        return -1;
    for (; *text != '\0'; text++) {
        if (*text < '0' || *text > '9' || number > SECONDS_MAX)
            return -1;
        number = number * 10 + (*text - '0');
    }
    return number;
}

/* Seconds since the epoch; -1 where it is no HTTP date. */
static int64_t value_date(const char *text)
{
    /* An HTTP date begins with the name of a day; curl_getdate takes much more. */
    if (!(*text >= 'A' && *text <= 'Z'))
        return -1;
    return curl_getdate(text, NULL);
}

static int64_t distance(int64_t seconds)
{
    if (seconds <= 0)
        return 0;
    return seconds >= DISTANCE_MAX_MS / 1000 ? DISTANCE_MAX_MS : seconds * 1000;
}

void head_rate(const struct head *head, struct rate *ret_rate)
{
    int64_t date = value_date(head->date);
    int64_t reset = value_number(head->reset);
    int64_t retry_seconds = value_number(head->retry_after);
    int64_t retry_date = value_date(head->retry_after);
    struct rate rate = {value_number(head->limit), value_number(head->remaining), -1, -1};

    /* Windows are minutes long: what is further away is no time in seconds (but in milliseconds,
     * say), and to obey it would be to stop for a day. */
    if (reset >= 0 && date >= 0 && reset - date <= WINDOW_MAX_SECONDS)
        rate.reset_in = distance(reset - date);
    if (retry_seconds >= 0)
        rate.retry_after = distance(retry_seconds);
    else if (retry_date >= 0 && date >= 0)
        rate.retry_after = distance(retry_date - date);
    *ret_rate = rate;
}

int64_t head_server_time(const struct head *head)
{
    int64_t date = value_date(head->date);

    return date > 0 ? date * 1000 : 0;
}
