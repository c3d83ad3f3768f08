/*
 * Origins: scheme, host and port of a page. A browser says by the header Origin (else by Referer)
 * which page made a request, and a page cannot change that; so a request that a cookie came along
 * with by itself is believed only from origins that are trusted (CSRF).
 *
 * The configuration names origins and URLs, and every role judges them; so this is no role's own.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define ORIGIN_MAX 320 /* a scheme, a host name of 253, a port */

/* Within the URL, which is not copied. */
struct origin {
    const char *url;
    size_t length; /* up to the path, the query or the fragment */
    const char *host;
    size_t host_length;
    int port; /* 0: not named */
    bool is_https;
};

/* -EINVAL where the URL has none ("null", no http or https, a user name, an odd host). */
int origin_parse(const char *url, size_t length, struct origin *ret_origin);
/* The origin of a URL, as browsers write it: lower case, without the scheme's own port. -EINVAL
 * where it has none. */
int origin_of(const char *url, size_t length, char ret_origin[ORIGIN_MAX]);
/* The first of the words that is no origin, and its length; NULL: all are. */
const char *origin_first_wrong(const char *words, size_t *ret_length);
/* Whether the URL's origin is one of those of `trusted` (words; NULL: none) or that of `app` (a
 * URL; NULL: none). */
bool origin_is_trusted(const char *trusted, const char *app, const char *url);
/* Whether a Host header, host[:port], names this machine, or the host of one of those. */
bool origin_host_is_trusted(const char *trusted, const char *app, const char *host);
