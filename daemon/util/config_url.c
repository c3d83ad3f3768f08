/*
 * The URLs that the configuration may name: where upstream is, the app, a hook. Secrets are sent
 * there, so what is taken is narrow: https to anywhere, http to this machine alone, and nothing in
 * it by which one host can look like another.
 *
 * The rule is here and not beside libcurl, so that every role can judge what one role connects to.
 */
#include "config_values.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <strings.h>
#include <util/origin.h>

/* Names are anybody's to resolve but for localhost, which libcurl gives the loopback addresses
 * whatever the resolver says. */
static bool is_loopback(const struct origin *origin)
{
    char host[INET_ADDRSTRLEN];
    struct in_addr address;

    if ((origin->host_length == 9 && !strncasecmp(origin->host, "localhost", 9)) ||
        (origin->host_length == 5 && !strncmp(origin->host, "[::1]", 5)))
        return true;
    if (origin->host_length >= sizeof(host))
        return false;
    memcpy(host, origin->host, origin->host_length);
    host[origin->host_length] = '\0';
    return inet_pton(AF_INET, host, &address) == 1 && ntohl(address.s_addr) >> 24 == 127;
}

/* A name, an IPv4 address, or what is an IPv6 address between its brackets. */
static bool is_host(const struct origin *origin)
{
    char host[INET6_ADDRSTRLEN + 1];
    struct in6_addr address;

    if (origin->host[0] != '[')
        return true;
    if (origin->host_length - 2 >= sizeof(host))
        return false;
    memcpy(host, origin->host + 1, origin->host_length - 2);
    host[origin->host_length - 2] = '\0';
    return inet_pton(AF_INET6, host, &address) == 1;
}

/* Before the path: what is meant for a person to read as the host. */
static bool names_user(const char *url)
{
    const char *begin = strstr(url, "://");
    const char *at = begin ? strchr(begin + 3, '@') : NULL;

    return at && at < begin + 3 + strcspn(begin + 3, "/?#");
}

const char *config_url_problem(const char *url, bool is_base)
{
    const char *excess =
        is_base ? "has a user, a query, a fragment or a zone; write https://HOST[:PORT][/PATH]"
                : "has a user, a fragment or a zone; write https://HOST[:PORT][/PATH][?QUERY]";
    const char *malformed = "is not a URL; write https://HOST[:PORT][/PATH]";
    struct origin origin;

    if (!config_is_word(url))
        return malformed;
    if (names_user(url))
        return excess;
    if (origin_parse(url, strlen(url), &origin) < 0 || !is_host(&origin))
        return malformed;
    if (strpbrk(url + origin.length, is_base ? "?#" : "#"))
        return excess;
    if (!origin.is_https && !is_loopback(&origin))
        return "is plain http to another machine, which would show the secrets in it to everybody "
               "between; write https (http is taken for localhost, 127.0.0.0/8 and [::1])";
    return NULL;
}
