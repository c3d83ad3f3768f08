/*
 * Writing a URL: a base, path segments, query members. Everything but RFC 3986's unreserved
 * characters is percent-encoded, so that nothing that came from outside can be more than the one
 * part of the URL it stands in. Errors stick: look at url_take's answer alone.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct url {
    char *text;
    size_t length, capacity;
    int has_query;
    int error;
};

/* `base` is taken as it is; see target.h for what a base may be. */
void url_init(struct url *url, const char *base);
void url_segment(struct url *url, const char *segment);
void url_query(struct url *url, const char *name, const char *value);
void url_query_int(struct url *url, const char *name, int64_t value);
/* Hands the text over, or -ENOMEM. The url is empty afterwards. */
int url_take(struct url *url, char **ret_text);
