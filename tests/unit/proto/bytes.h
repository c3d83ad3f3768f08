/*
 * Bytes written for people: "94 00 01 a4 'ping' 91 80" is hex digits, quoted text, and "61*128" the
 * byte 0x61 a hundred and twenty-eight times. The memory is exactly as long as the bytes, so that
 * a sanitizer sees whoever reads past them.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct bytes {
    uint8_t *data;
    size_t length;
};

struct bytes bytes_parse(const char *text);
struct bytes bytes_copy(const void *data, size_t length);
void bytes_free(struct bytes *bytes);
