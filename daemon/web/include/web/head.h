/*
 * The few lines of an answer's head that matter: the date, and what they say about the rate limit.
 *
 * Times in them are the server's. Our clock may differ from it, so a reset time becomes a distance
 * through the answer's own Date, and is unknown where that is missing, or where it is more than an
 * hour ahead. What Retry-After says is cut at a day. A header that some proxy made up, or that
 * counts in other units, must not silence us for a year.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define HEAD_VALUE_SIZE 64

struct head {
    char limit[HEAD_VALUE_SIZE];
    char remaining[HEAD_VALUE_SIZE];
    char reset[HEAD_VALUE_SIZE];
    char retry_after[HEAD_VALUE_SIZE];
    char date[HEAD_VALUE_SIZE];
};

/* -1 where unknown. */
struct rate {
    int64_t limit, remaining;
    int64_t reset_in, retry_after; /* ms */
};

/* One line as libcurl gives it, with or without its CRLF. A status line begins anew: what a 100 or
 * a 103 said is not the answer. */
void head_line(struct head *head, const char *line, size_t length);
void head_rate(const struct head *head, struct rate *ret_rate);
/* The Date header in milliseconds since the epoch; 0 where there is none. */
int64_t head_server_time(const struct head *head);
