/* A text that grows. Failure sticks: write on, and look once at the end. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <util/macros.h>

struct text {
    char *data;
    size_t length;
    size_t capacity;
    bool failed;
};

void text_deinit(struct text *text);
void text_add(struct text *text, const char *data, size_t length);
void text_adds(struct text *text, const char *string);
void text_addf(struct text *text, const char *format, ...) PRINTF_LIKE(2, 3);
/* As a JSON string, quoted; null where `string` is NULL. */
void text_add_json(struct text *text, const char *string);
/* The text, ended by NUL, which the caller frees; NULL if anything failed. Leaves the text empty.
 */
char *text_take(struct text *text, size_t *ret_length);
/* -EINVAL with *ret_error, the line that says why, which the caller frees; -ENOMEM. */
int text_refuse(char **ret_error, const char *format, ...) PRINTF_LIKE(2, 3);
