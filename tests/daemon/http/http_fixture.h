/*
 * A real creditd-http before a real creditd-serve (tests/daemon/serve/fixture.h), and a plain
 * client of HTTP/1.1 that can also send what is none.
 */
#pragma once

#include "fixture.h"
#include <stdbool.h>
#include <stddef.h>

struct http_fixture {
    struct fixture serve;
    struct harness_process http;
    char socket[HARNESS_PATH_MAX];   /* [http] local: ours are the daemon's roles there */
    char everyone[HARNESS_PATH_MAX]; /* of [http] listen */
    char config[HARNESS_PATH_MAX];   /* creditd-http's own */
    int port;
    char extra[2048];
};

/* `serve` is added to serve's configuration, `http` to creditd-http's, behind [http]; may be NULL.
 * The customer cus_1 is linked to the user u_1, and cus_2 to u_2. */
void http_fixture_start(struct http_fixture *fixture, const char *serve, const char *http);
/* creditd-http alone: whoever accepts on fixture->serve.client_fd is its serve. */
void http_fixture_start_alone(struct http_fixture *fixture);
void http_fixture_start_http(struct http_fixture *fixture);
/* Ends creditd-http, which must end well and remove its socket. */
void http_fixture_stop_http(struct http_fixture *fixture);
void http_fixture_deinit(struct http_fixture *fixture);

#define HTTP_TEST(suite, name, fixture, serve, http)                                               \
    static void suite##_##name(void);                                                              \
    Test(suite, name)                                                                              \
    {                                                                                              \
        http_fixture_start(fixture, serve, http);                                                  \
        suite##_##name();                                                                          \
        http_fixture_deinit(fixture);                                                              \
    }                                                                                              \
    static void suite##_##name(void)

struct http_answer {
    unsigned status; /* 0: the connection ended without one */
    char *head;      /* with the status line, without the empty line */
    char *body;      /* NUL-terminated */
    size_t length;
    json_t *json; /* NULL where the body is none */
};

/* A connection to the local socket, to everyone's, or over TCP. */
int http_connect(const struct http_fixture *fixture);
int http_connect_everyone(const struct http_fixture *fixture);
int http_connect_tcp(const struct http_fixture *fixture);
void http_send(int fd, const char *bytes, size_t length);
/* `headers`: lines that end with \r\n, or NULL; `body` NULL: none. */
void http_send_request(int fd, const char *method, const char *target, const char *headers,
                       const char *body);
/* The next answer; `head_only`: to a HEAD. */
void http_receive(int fd, bool head_only, struct http_answer *ret_answer);
void http_answer_deinit(struct http_answer *answer);
/* A header's value, to be freed; NULL: it is not there. */
char *http_answer_header(const struct http_answer *answer, const char *name);

/* All of it on a connection of its own, made as above. */
void http_ask(const struct http_fixture *fixture, struct http_answer *ret_answer,
              const char *method, const char *target, const char *headers, const char *body);
void http_ask_everyone(const struct http_fixture *fixture, struct http_answer *ret_answer,
                       const char *method, const char *target, const char *headers,
                       const char *body);
void http_ask_tcp(const struct http_fixture *fixture, struct http_answer *ret_answer,
                  const char *method, const char *target, const char *headers, const char *body);
/* The answer has that status and is an error with that code (NULL: is none); clears it. */
void http_check(struct http_answer *answer, unsigned status, const char *code);

#define JSON "Content-Type: application/json\r\n"
#define COOKIE(user) "Cookie: good:" user "\r\n"
#define BEARER(user) "Authorization: Bearer good:" user "\r\n"
#define APP_ORIGIN "http://app.example:3000"
#define ORIGIN "Origin: " APP_ORIGIN "\r\n"
