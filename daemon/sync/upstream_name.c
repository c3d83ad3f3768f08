/* See upstream_name.h. */
#include "upstream_name.h"

#include <ctype.h>
#include <curl/curl.h>
#include <errno.h>
#include <proto/upstream.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <util/macros.h>

static void curlu_cleanup(CURLU **url)
{
    curl_url_cleanup(*url);
}

static void curl_text_cleanup(char **text)
{
    curl_free(*text);
}

static void lower(char *text)
{
    for (; *text != '\0'; text++)
        *text = (char)tolower((unsigned char)*text);
}

int upstream_name(const char *url, bool livemode, char **ret_name)
{
    CLEANUP(curlu_cleanup) CURLU *parsed = curl_url();
    CLEANUP(curl_text_cleanup) char *scheme = NULL;
    CLEANUP(curl_text_cleanup) char *host = NULL;
    CLEANUP(curl_text_cleanup) char *port = NULL;
    CLEANUP(curl_text_cleanup) char *path = NULL;
    CLEANUP(cleanup_free) char *name = NULL;
    size_t length;

    if (!parsed || curl_url_set(parsed, CURLUPART_URL, url, 0) != CURLUE_OK ||
        curl_url_get(parsed, CURLUPART_SCHEME, &scheme, 0) != CURLUE_OK ||
        curl_url_get(parsed, CURLUPART_HOST, &host, 0) != CURLUE_OK ||
        curl_url_get(parsed, CURLUPART_PATH, &path, 0) != CURLUE_OK)
        return -ENOMEM;
    /* Fails where none is named, or the one that is meant anyway. */
    if (curl_url_get(parsed, CURLUPART_PORT, &port, CURLU_NO_DEFAULT_PORT) != CURLUE_OK)
        port = NULL;
    lower(scheme);
    lower(host);
    for (length = strlen(path); length > 0 && path[length - 1] == '/';)
        length--;
    if (asprintf(&name, "%s://%s%s%s%.*s %s", scheme, host, port ? ":" : "", port ? port : "",
                 (int)length, path, livemode ? "live" : "test") < 0) {
        name = NULL;
        return -ENOMEM;
    }
    if (strlen(name) > UPSTREAM_NAME_MAX)
        return -E2BIG;
    *ret_name = TAKE_PTR(name);
    return 0;
}
