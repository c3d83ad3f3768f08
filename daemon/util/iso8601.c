/*
 * ISO 8601 times, without the C library's calendar: strptime and timegm depend on locale and zone
 * files, and take what is no date.
 */
#include <errno.h>
#include <stdbool.h>
#include <util/iso8601.h>

#define DAY_MS INT64_C(86400000)

/* Exactly `count` digits; the cursor moves past them. */
static int take_digits(const char **cursor, int count, int *ret_value)
{
    int value = 0;

    for (int i = 0; i < count; i++) {
        char c = (*cursor)[i];

        if (c < '0' || c > '9')
            return -EBADMSG;
        value = value * 10 + (c - '0');
    }
    *cursor += count;
    *ret_value = value;
    return 0;
}

static int take_char(const char **cursor, char expected)
{
    if (**cursor != expected)
        return -EBADMSG;
    (*cursor)++;
    return 0;
}

/* Days from 1970-01-01 in the proleptic Gregorian calendar, counted in years that begin in March.
 */
static int64_t days_from_civil(int year, int month, int day)
{
    int y = month <= 2 ? year - 1 : year;
    int era = y / 400;
    int year_of_era = y - era * 400;
    int day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    int day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;

    return (int64_t)era * 146097 + day_of_era - 719468;
}

static int month_length(int year, int month)
{
    static const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

    return lengths[month - 1] + (month == 2 && leap);
}

static int take_date(const char **cursor, int64_t *ret_days)
{
    int year, month, day;

    if (take_digits(cursor, 4, &year) < 0 || take_char(cursor, '-') < 0 ||
        take_digits(cursor, 2, &month) < 0 || take_char(cursor, '-') < 0 ||
        take_digits(cursor, 2, &day) < 0)
        return -EBADMSG;
    if (year < 1970 || month < 1 || month > 12 || day < 1 || day > month_length(year, month))
        return -EBADMSG;
    *ret_days = days_from_civil(year, month, day);
    return 0;
}

static int take_time(const char **cursor, int64_t *ret_ms)
{
    int hour, minute, second, ms = 0;

    if (take_digits(cursor, 2, &hour) < 0 || take_char(cursor, ':') < 0 ||
        take_digits(cursor, 2, &minute) < 0 || take_char(cursor, ':') < 0 ||
        take_digits(cursor, 2, &second) < 0)
        return -EBADMSG;
    if (hour > 23 || minute > 59 || second > 60)
        return -EBADMSG;
    if (**cursor == '.' || **cursor == ',') {
        int scale = 100;
        const char *begin = ++*cursor;

        for (; **cursor >= '0' && **cursor <= '9'; (*cursor)++, scale /= 10)
            ms += (**cursor - '0') * scale;
        if (*cursor == begin)
            return -EBADMSG;
    }
    *ret_ms = ((hour * 60 + minute) * INT64_C(60) + second) * 1000 + ms;
    return 0;
}

static int take_offset(const char **cursor, int64_t *ret_ms)
{
    int hour, minute = 0, sign = **cursor == '-' ? -1 : 1;

    *ret_ms = 0;
    if (**cursor == '\0')
        return 0;
    if (**cursor == 'Z' || **cursor == 'z') {
        (*cursor)++;
        return 0;
    }
    if (**cursor != '+' && **cursor != '-')
        return -EBADMSG;
    (*cursor)++;
    if (take_digits(cursor, 2, &hour) < 0)
        return -EBADMSG;
    if (**cursor == ':')
        (*cursor)++;
    if (**cursor != '\0' && take_digits(cursor, 2, &minute) < 0)
        return -EBADMSG;
    if (hour > 23 || minute > 59)
        return -EBADMSG;
    *ret_ms = sign * (hour * 60 + minute) * INT64_C(60000);
    return 0;
}

int iso8601_parse(const char *text, int64_t *ret_ms)
{
    int64_t days, time, offset;

    if (take_date(&text, &days) < 0 || (*text != 'T' && *text != 't' && *text != ' '))
        return -EBADMSG;
    text++;
    if (take_time(&text, &time) < 0 || take_offset(&text, &offset) < 0 || *text != '\0')
        return -EBADMSG;
    *ret_ms = days * DAY_MS + time - offset;
    return 0;
}
