/*
 * What a browser does with an https origin that a server on a Unix socket serves: keeps cookies,
 * says from which page a request comes, and believes one certificate.
 */
#pragma once

#include <jansson.h>

#define BROWSER_PATH_MAX 256

struct browser {
    const char *socket;      /* where the server listens */
    const char *origin;      /* https://NAME */
    const char *certificate; /* a file */
    char cookie[8192];       /* the header's value; "" for none */
};

struct browser_request {
    const char *method, *path;
    const char *body;   /* JSON; NULL: none */
    const char *origin; /* the page's; NULL: the header is left out */
    int no_cookie;
};

struct browser_answer {
    long status;
    char allow[64]; /* the header; "" */
    char *body;     /* NUL-terminated */
    json_t *json;   /* NULL: it is none */
};

/* A key and a certificate for that name, signed by itself, as PEM files. */
void browser_make_certificate(const char *name, const char *certificate_path, const char *key_path);
void browser_ask(struct browser *browser, const struct browser_request *request,
                 struct browser_answer *ret_answer);
void browser_answer_deinit(struct browser_answer *answer);
