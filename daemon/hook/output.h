/*
 * What a program writes, cut into lines that a log can take: control characters become blanks, what
 * is longer than a line goes on in the next one, and past 16 KiB the rest is only counted. It is
 * read all the same: a program that nobody reads from would stand still. Pure.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define OUTPUT_LINE_MAX 400
#define OUTPUT_MAX (16u * 1024u)

struct output {
    char line[OUTPUT_LINE_MAX + 1];
    size_t length;    /* of the line so far */
    size_t taken;     /* bytes in all, up to OUTPUT_MAX */
    uint64_t dropped; /* those after that */
};

typedef void output_line_fn(void *data, const char *line);

/* Begin with one that is all zero. */
void output_feed(struct output *output, const char *bytes, size_t length, output_line_fn *tell,
                 void *data);
/* The last line, if no newline ended it, and how much was dropped. */
void output_end(struct output *output, output_line_fn *tell, void *data);
