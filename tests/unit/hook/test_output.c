/* What a program writes, as lines of a log. */
#include "output.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <util/macros.h>

struct seen {
    char text[64 * 1024]; /* the lines with a | after each */
    size_t length, longest, count;
};

static void on_line(void *data, const char *line)
{
    struct seen *seen = data;

    seen->length +=
        (size_t)snprintf(seen->text + seen->length, sizeof seen->text - seen->length, "%s|", line);
    seen->count++;
    if (strlen(line) > seen->longest)
        seen->longest = strlen(line);
}

static const struct {
    const char *written, *lines;
} table[] = {
    {"", ""},
    {"\n\n\n", ""},
    {"one\n", "one|"},
    {"one", "one|"},
    {"one\ntwo\n\nthree", "one|two|three|"},
    {"a\tb\033[1m\r\n", "a b [1m |"},
    {"Zo\xc3\xab\x7f\n", "Zo\xc3\xab |"},
};

/* However it comes. */
Test(output, lines)
{
    for (size_t i = 0; i < ARRAY_SIZE(table); i++)
        for (size_t step = 1; step < 8; step++) {
            const char *written = table[i].written;
            struct output output = {.length = 0};
            struct seen *seen = calloc(1, sizeof *seen);
            size_t length = strlen(written);

            for (size_t at = 0; at < length; at += step)
                output_feed(&output, written + at, length - at < step ? length - at : step, on_line,
                            seen);
            output_end(&output, on_line, seen);
            cr_expect_str_eq(seen->text, table[i].lines, "%zu by %zu: %s", i, step, seen->text);
            free(seen);
        }
}

Test(output, a_long_line_goes_on_in_the_next)
{
    struct output output = {.length = 0};
    struct seen *seen = calloc(1, sizeof *seen);
    char text[2 * OUTPUT_LINE_MAX + 5];

    memset(text, 'x', sizeof text);
    output_feed(&output, text, sizeof text, on_line, seen);
    output_end(&output, on_line, seen);
    cr_expect_eq(seen->count, 3);
    cr_expect_eq(seen->longest, OUTPUT_LINE_MAX);
    cr_expect_eq(seen->length, sizeof text + 3);
    free(seen);
}

Test(output, past_the_limit_it_is_counted)
{
    struct output output = {.length = 0};
    struct seen *seen = calloc(1, sizeof *seen);
    char text[1000];

    memset(text, 'x', sizeof text);
    text[sizeof text - 1] = '\n';
    for (int i = 0; i < 1000; i++)
        output_feed(&output, text, sizeof text, on_line, seen);
    cr_expect_leq(seen->length, OUTPUT_MAX + 100);
    output_end(&output, on_line, seen);
    cr_expect_not_null(strstr(seen->text, "… and 983616 bytes more|"));
    cr_expect_leq(seen->longest, OUTPUT_LINE_MAX);
    free(seen);
}

/* NUL is a control character like others. */
Test(output, bytes)
{
    struct output output = {.length = 0};
    struct seen *seen = calloc(1, sizeof *seen);

    output_feed(&output, "a\0b\n", 4, on_line, seen);
    cr_expect_str_eq(seen->text, "a b|");
    free(seen);
}
