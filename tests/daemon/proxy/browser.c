/* See browser.h. */
#include "browser.h"
#include "harness.h"
#include <criterion/criterion.h>
#include <curl/curl.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* --- the certificate --- */

static X509 *sign_for(const char *name, EVP_PKEY *key)
{
    X509 *certificate = X509_new();
    X509_NAME *subject = X509_get_subject_name(certificate);
    X509_EXTENSION *names;
    char text[128];

    snprintf(text, sizeof text, "DNS:%s", name);
    names = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, text);
    cr_assert_not_null(names);
    X509_set_version(certificate, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
    X509_gmtime_adj(X509_getm_notBefore(certificate), -3600);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)name, -1, -1, 0);
    X509_set_issuer_name(certificate, subject);
    X509_add_ext(certificate, names, -1);
    X509_set_pubkey(certificate, key);
    cr_assert(X509_sign(certificate, key, EVP_sha256()) > 0);
    X509_EXTENSION_free(names);
    return certificate;
}

void browser_make_certificate(const char *name, const char *certificate_path, const char *key_path)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = sign_for(name, key);
    FILE *file = fopen(certificate_path, "we");

    cr_assert_not_null(file);
    cr_assert_eq(PEM_write_X509(file, certificate), 1);
    fclose(file);
    file = fopen(key_path, "we");
    cr_assert_not_null(file);
    cr_assert_eq(PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL), 1);
    fclose(file);
    X509_free(certificate);
    EVP_PKEY_free(key);
}

/* --- cookies --- */

static void forget_cookie(char *cookies, const char *name, size_t length)
{
    for (char *at = cookies; *at;) {
        char *end = at + strcspn(at, ";"), *next = end + strspn(end, "; ");

        if (strncmp(at, name, length) == 0 && at[length] == '=') {
            memmove(at, next, strlen(next) + 1);
            return;
        }
        at = next;
    }
}

/* "NAME=VALUE; attributes": the value in place of the one that is there. */
static void keep_cookie(struct browser *browser, const char *text)
{
    size_t length = strcspn(text, "="), whole = strcspn(text, ";"), used;
    char *cookies = browser->cookie;

    forget_cookie(cookies, text, length);
    used = strlen(cookies);
    while (used > 0 && strchr("; ", cookies[used - 1]))
        cookies[--used] = '\0';
    cr_assert_lt(used + whole + 3, sizeof browser->cookie);
    snprintf(cookies + used, sizeof browser->cookie - used, "%s%.*s", used > 0 ? "; " : "",
             (int)whole, text);
}

/* --- requests --- */

struct exchange {
    struct browser *browser;
    struct browser_answer *answer;
    size_t length;
};

static size_t on_body(char *bytes, size_t size, size_t count, void *data)
{
    struct exchange *exchange = data;
    char **body = &exchange->answer->body;

    *body = realloc(*body, exchange->length + size * count + 1);
    cr_assert_not_null(*body);
    memcpy(*body + exchange->length, bytes, size * count);
    exchange->length += size * count;
    (*body)[exchange->length] = '\0';
    return size * count;
}

static size_t on_header(char *bytes, size_t size, size_t count, void *data)
{
    struct exchange *exchange = data;
    char line[8192];

    cr_assert_lt(size * count, sizeof line);
    snprintf(line, sizeof line, "%.*s", (int)(size * count), bytes);
    line[strcspn(line, "\r\n")] = '\0';
    if (strncasecmp(line, "set-cookie: ", 12) == 0)
        keep_cookie(exchange->browser, line + 12);
    if (strncasecmp(line, "allow: ", 7) == 0)
        snprintf(exchange->answer->allow, sizeof exchange->answer->allow, "%.63s", line + 7);
    return size * count;
}

static struct curl_slist *headers_of(const struct browser_request *request)
{
    struct curl_slist *headers = NULL;
    char line[256];

    if (request->body)
        headers = curl_slist_append(headers, "Content-Type: application/json");
    if (request->origin) {
        snprintf(line, sizeof line, "Origin: %s", request->origin);
        headers = curl_slist_append(headers, line);
    }
    return headers;
}

void browser_ask(struct browser *browser, const struct browser_request *request,
                 struct browser_answer *ret_answer)
{
    struct exchange exchange = {.browser = browser, .answer = ret_answer};
    struct curl_slist *headers = headers_of(request);
    char url[BROWSER_PATH_MAX + 64], error[CURL_ERROR_SIZE] = "";
    CURL *easy = curl_easy_init();
    CURLcode r;

    *ret_answer = (struct browser_answer){.body = calloc(1, 1)};
    snprintf(url, sizeof url, "%s%s", browser->origin, request->path);
    curl_easy_setopt(easy, CURLOPT_URL, url);
    curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, browser->socket);
    curl_easy_setopt(easy, CURLOPT_CAINFO, browser->certificate);
    curl_easy_setopt(easy, CURLOPT_NOPROXY, "*");
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)HARNESS_TIMEOUT_MS);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, error);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
    if (request->body)
        curl_easy_setopt(easy, CURLOPT_POSTFIELDS, request->body);
    curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request->method);
    if (!request->no_cookie && browser->cookie[0])
        curl_easy_setopt(easy, CURLOPT_COOKIE, browser->cookie);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, &exchange);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, &exchange);
    r = curl_easy_perform(easy);
    cr_assert_eq(r, CURLE_OK, "%s %s: %s", request->method, url, error);
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &ret_answer->status);
    ret_answer->json = json_loads(ret_answer->body, JSON_DECODE_ANY, NULL);
    curl_easy_cleanup(easy);
    curl_slist_free_all(headers);
}

void browser_answer_deinit(struct browser_answer *answer)
{
    free(answer->body);
    json_decref(answer->json);
    *answer = (struct browser_answer){0};
}
