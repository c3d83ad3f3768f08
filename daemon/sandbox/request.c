#include "request.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <util/hex.h>
#include <util/macros.h>

int request_init(struct request *request, const char *method, const char *target)
{
    const char *mark = strchr(target, '?');

    *request = (struct request){.method = method, .fd = -1};
    request->path = mark ? strndup(target, (size_t)(mark - target)) : strdup(target);
    request->query = mark ? strdup(mark + 1) : NULL;
    if (request->path && (!mark || request->query))
        return 0;
    request_deinit(request);
    return -ENOMEM;
}

void request_deinit(struct request *request)
{
    free(request->path);
    free(request->query);
    json_decref(request->json);
    *request = (struct request){.fd = -1};
}

void request_parse_body(struct request *request)
{
    if (request->length > 0)
        request->json = json_loadb(request->body, request->length, JSON_DECODE_ANY, NULL);
}

char *url_decode(const char *text, size_t length, bool form)
{
    char *decoded = malloc(length + 1);
    size_t used = 0;

    if (!decoded)
        return NULL;
    for (size_t i = 0; i < length; i++) {
        int high = i + 2 < length ? hex_digit(text[i + 1]) : -1;
        int low = i + 2 < length ? hex_digit(text[i + 2]) : -1;

        if (text[i] == '%' && high >= 0 && low >= 0) {
            decoded[used++] = (char)(high * 16 + low);
            i += 2;
        } else {
            decoded[used++] = form && text[i] == '+' ? ' ' : text[i];
        }
    }
    decoded[used] = '\0';
    return decoded;
}

int query_get(const char *query, const char *name, char **ret_value)
{
    size_t name_length = strlen(name);

    while (query && *query) {
        size_t length = strcspn(query, "&");

        if (length > name_length && strncmp(query, name, name_length) == 0 &&
            query[name_length] == '=') {
            char *value = url_decode(query + name_length + 1, length - name_length - 1, true);

            if (!value)
                return -ENOMEM;
            *ret_value = value;
            return 0;
        }
        query += length + (query[length] == '&');
    }
    return -ENOENT;
}

void reply_init(struct reply *reply)
{
    *reply = (struct reply){.status = 200, .content_type = "application/json"};
}

void reply_deinit(struct reply *reply)
{
    free(reply->body);
    free(reply->location);
    json_decref(reply->json);
    reply_init(reply);
}

int reply_json(struct reply *reply, json_t *json)
{
    if (!json)
        return -ENOMEM;
    reply->json = json;
    return 0;
}

int reply_list(struct reply *reply, json_t *items, bool has_more)
{
    reply->is_list = true;
    reply->has_more = has_more;
    return reply_json(reply, items);
}

static const char *error_code(unsigned status)
{
    static const struct {
        unsigned status;
        const char *code;
    } codes[] = {
        {400, "VALIDATION_ERROR"}, {401, "UNAUTHORIZED"}, {403, "FORBIDDEN"},
        {404, "NOT_FOUND"},        {409, "CONFLICT"},     {429, "TOO_MANY_REQUESTS"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(codes); i++) {
        if (codes[i].status == status)
            return codes[i].code;
    }
    return "INTERNAL_SERVER_ERROR";
}

int reply_error(struct reply *reply, unsigned status, const char *format, ...)
{
    va_list arguments;

    reply->status = status;
    reply->error_code = error_code(status);
    va_start(arguments, format);
    vsnprintf(reply->error_message, sizeof(reply->error_message), format, arguments);
    va_end(arguments);
    return 0;
}

int reply_html(struct reply *reply, unsigned status, const char *title)
{
    int length;

    free(reply->body);
    reply->status = status;
    reply->content_type = "text/html; charset=utf-8";
    length = asprintf(&reply->body,
                      "<!DOCTYPE html><html><head><title>%u %s</title></head>"
                      "<body><h1>%u</h1><p>%s</p></body></html>\n",
                      status, title, status, title);
    if (length < 0) {
        reply->body = NULL;
        return -ENOMEM;
    }
    reply->length = (size_t)length;
    return 0;
}
