/* The check of a URL: see target.h. */
#include <arpa/inet.h>
#include <curl/curl.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <util/config.h>
#include <util/macros.h>
#include <web/target.h>

static void curlu_cleanup(CURLU **url)
{
    curl_url_cleanup(*url);
}

static void curl_text_cleanup(char **text)
{
    curl_free(*text);
}

/* `host` as libcurl writes it: an IPv6 address in brackets. libcurl itself gives the name localhost
 * the loopback addresses, whatever the resolver says. */
static bool host_is_loopback(const char *host)
{
    struct in_addr v4;

    if (strcasecmp(host, "localhost") == 0 || strcmp(host, "[::1]") == 0)
        return true;
    return inet_pton(AF_INET, host, &v4) == 1 && (ntohl(v4.s_addr) >> 24) == 127;
}

/* NULL, or what is wrong with the URL. The rule is the configuration's; what libcurl makes of the
 * URL is asked as well, since it is libcurl that connects. */
static const char *url_check(CURLU *url, const char *text, enum target_kind kind,
                             struct target *target)
{
    CLEANUP(curl_text_cleanup) char *scheme = NULL;
    CLEANUP(curl_text_cleanup) char *host = NULL;
    const char *wrong = config_url_problem(text, kind == TARGET_BASE);

    if (wrong)
        return wrong;
    if (curl_url_set(url, CURLUPART_URL, text, 0) != CURLUE_OK ||
        curl_url_get(url, CURLUPART_SCHEME, &scheme, 0) != CURLUE_OK ||
        curl_url_get(url, CURLUPART_HOST, &host, 0) != CURLUE_OK)
        return "is not a URL that libcurl takes";
    target->is_https = strcmp(scheme, "https") == 0;
    target->is_loopback = host_is_loopback(host);
    return target->is_https || target->is_loopback ? NULL : "is not this machine to libcurl";
}

int target_init(struct target *target, enum target_kind kind, const char *url,
                const char **ret_reason)
{
    CLEANUP(curlu_cleanup) CURLU *parsed = curl_url();
    struct target checked = {0};
    size_t length = strlen(url);
    const char *wrong;

    if (!parsed)
        return -ENOMEM;
    wrong = url_check(parsed, url, kind, &checked);
    if (wrong) {
        *ret_reason = wrong;
        return -EINVAL;
    }
    while (kind == TARGET_BASE && length > 0 && url[length - 1] == '/')
        length--;
    checked.url = strndup(url, length);
    if (!checked.url)
        return -ENOMEM;
    *target = checked;
    return 0;
}

void target_deinit(struct target *target)
{
    free(target->url);
    *target = (struct target){0};
}
