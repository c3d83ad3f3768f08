/* A request as the HTTP glue hands it over, and the answer that it gets back. Nothing of
 * libmicrohttpd here. */
#pragma once

#include "rate.h"
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

struct request {
    const char *method;
    char *path;                          /* as sent: not decoded, without the query */
    char *query;                         /* as sent, or NULL */
    const char *api_key, *version, *key; /* the headers, or NULL */
    const char *body;
    size_t length;
    json_t *json; /* the body, or NULL where it is none */
    int fd;       /* of the connection, or -1; stays the HTTP glue's */
};

/* Splits a request target at its '?'. */
int request_init(struct request *request, const char *method, const char *target);
void request_deinit(struct request *request);
/* Parses the body; what is no JSON stays NULL. */
void request_parse_body(struct request *request);

/* Percent-decodes `length` bytes; '+' is a space where `form` says so. NULL when out of memory. */
char *url_decode(const char *text, size_t length, bool form);
/* The first parameter of that name, decoded; -ENOENT where there is none. The caller frees it. */
int query_get(const char *query, const char *name, char **ret_value);

struct reply {
    bool dropped; /* no answer at all */
    unsigned status;
    const char *content_type;
    char *body; /* finished; else it is made of what follows */
    size_t length;
    char *location;
    struct rate_notice rate;
    bool retry_after;

    json_t *json; /* the object, or the items of a list */
    bool is_list, has_more;
    const char *error_code; /* an error where it is not NULL */
    char error_message[256];
};

void reply_init(struct reply *reply);
void reply_deinit(struct reply *reply);
/* Takes over `json`; -ENOMEM where it is NULL. */
int reply_json(struct reply *reply, json_t *json);
int reply_list(struct reply *reply, json_t *items, bool has_more);
int reply_error(struct reply *reply, unsigned status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* A page for browsers, as proxies and wrong paths give. */
int reply_html(struct reply *reply, unsigned status, const char *title);
