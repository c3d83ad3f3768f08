/* See origin.h. */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <util/macros.h>
#include <util/origin.h>

static const struct {
    const char *scheme;
    int port;
} schemes[] = {{"https://", 443}, {"http://", 80}};

/* The digits of a port, without zeros in front; 0 for none. -EINVAL for anything else. */
static int parse_port(const char *text, size_t length)
{
    long port = 0;

    if (length > 5)
        return -EINVAL;
    for (size_t i = 0; i < length; i++) {
        if (!isdigit((unsigned char)text[i]))
            return -EINVAL;
        port = port * 10 + (text[i] - '0');
    }
    return port > 65535 ? -EINVAL : (int)port;
}

/* The length of a host: a name, an IPv4 address, or an IPv6 address in brackets. 0: none. */
static size_t host_length(const char *text, size_t length)
{
    size_t i = 0;

    if (length > 0 && text[0] == '[') {
        for (i = 1;
             i < length && (isxdigit((unsigned char)text[i]) || text[i] == ':' || text[i] == '.');)
            i++;
        return i < length && text[i] == ']' && i > 1 ? i + 1 : 0;
    }
    while (i < length &&
           (isalnum((unsigned char)text[i]) || text[i] == '-' || text[i] == '.' || text[i] == '_'))
        i++;
    return i <= 253 ? i : 0;
}

/* Scheme and host as far as a slash, a question mark or a hash. */
static int parse_from_host(const char *rest, size_t length, struct origin *origin)
{
    size_t end = 0, host;
    int port = 0;

    while (end < length && !strchr("/?#", rest[end]))
        end++;
    host = host_length(rest, end);
    if (host == 0 || (host < end && rest[host] != ':'))
        return -EINVAL;
    if (host < end)
        port = parse_port(rest + host + 1, end - host - 1);
    if (port < 0)
        return port;
    origin->host = rest;
    origin->host_length = host;
    origin->port = port;
    origin->length = (size_t)(rest - origin->url) + end;
    return 0;
}

int origin_parse(const char *url, size_t length, struct origin *ret_origin)
{
    for (size_t i = 0; i < ARRAY_SIZE(schemes); i++) {
        struct origin origin = {.url = url, .is_https = i == 0};
        size_t skip = strlen(schemes[i].scheme);
        int r;

        if (length <= skip || strncasecmp(url, schemes[i].scheme, skip) != 0)
            continue;
        r = parse_from_host(url + skip, length - skip, &origin);
        if (r == 0)
            *ret_origin = origin;
        return r;
    }
    return -EINVAL;
}

static void lower(char *text)
{
    for (; *text; text++)
        *text = (char)tolower((unsigned char)*text);
}

int origin_of(const char *url, size_t length, char ret_origin[ORIGIN_MAX])
{
    struct origin origin;
    int r = origin_parse(url, length, &origin);

    if (r < 0)
        return r;
    const char *scheme = schemes[origin.is_https ? 0 : 1].scheme;
    if (origin.port == 0 || origin.port == schemes[origin.is_https ? 0 : 1].port)
        snprintf(ret_origin, ORIGIN_MAX, "%s%.*s", scheme, (int)origin.host_length, origin.host);
    else
        snprintf(ret_origin, ORIGIN_MAX, "%s%.*s:%d", scheme, (int)origin.host_length, origin.host,
                 origin.port);
    lower(ret_origin);
    return 0;
}

static bool is_of(const char *url, size_t length, const char *origin)
{
    char other[ORIGIN_MAX];

    return origin_of(url, length, other) == 0 && strcmp(origin, other) == 0;
}

/* The next word behind *words, or NULL. */
static const char *next_word(const char **words, size_t *ret_length)
{
    static const char separators[] = " \t,";
    const char *word = *words ? *words + strspn(*words, separators) : "";

    *ret_length = strcspn(word, separators);
    *words = word + *ret_length;
    return *word ? word : NULL;
}

const char *origin_first_wrong(const char *words, size_t *ret_length)
{
    char origin[ORIGIN_MAX];
    const char *word;

    while ((word = next_word(&words, ret_length)))
        if (origin_of(word, *ret_length, origin) < 0)
            return word;
    return NULL;
}

bool origin_is_trusted(const char *trusted, const char *app, const char *url)
{
    char origin[ORIGIN_MAX];
    const char *word;
    size_t length;

    if (!url || origin_of(url, strlen(url), origin) < 0)
        return false;
    if (app && is_of(app, strlen(app), origin))
        return true;
    while ((word = next_word(&trusted, &length)))
        if (is_of(word, length, origin))
            return true;
    return false;
}

/* host[:port], and the host that is in an origin: "https://host[:port]". */
static bool is_host_of(const char *host, size_t length, const char *url, size_t url_length)
{
    char origin[ORIGIN_MAX];
    const char *other;

    if (origin_of(url, url_length, origin) < 0)
        return false;
    other = strstr(origin, "://") + 3;
    return host_length(other, strlen(other)) == length && strncasecmp(host, other, length) == 0;
}

bool origin_host_is_trusted(const char *trusted, const char *app, const char *host)
{
    static const char local[] = "http://127.0.0.1 http://[::1] http://localhost";
    size_t length = host_length(host, strlen(host)), url_length;
    const char *lists[] = {local, trusted};
    const char *word;

    if (length == 0 || (host[length] && host[length] != ':') ||
        (host[length] && parse_port(host + length + 1, strlen(host + length + 1)) < 0))
        return false;
    if (app && is_host_of(host, length, app, strlen(app)))
        return true;
    for (size_t i = 0; i < 2; i++)
        while ((word = next_word(&lists[i], &url_length)))
            if (is_host_of(host, length, word, url_length))
                return true;
    return false;
}
