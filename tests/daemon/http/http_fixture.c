/* See http_fixture.h. */
#include "http_fixture.h"
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <util/fd.h>
#include <util/macros.h>

/* --- processes --- */

static int find_port(const struct http_fixture *fixture)
{
    CLEANUP(cleanup_free) char *log = harness_process_log(&fixture->http);
    static const char told[] = "http://127.0.0.1:";
    const char *place = strstr(log, told);

    cr_assert_not_null(place, "%s", log);
    return (int)strtol(place + strlen(told), NULL, 10);
}

void http_fixture_start_http(struct http_fixture *fixture)
{
    const char *arguments[] = {"--config", fixture->config, "--socket", fixture->serve.client_path,
                               NULL};
    const struct harness_start start = {
        .program = "creditd-http",
        .arguments = arguments,
        .directory = &fixture->serve.directory,
    };

    harness_process_start(&fixture->http, &start);
    harness_process_wait_ready(&fixture->http);
    fixture->port = find_port(fixture);
}

static void write_config(struct http_fixture *fixture, const char *http)
{
    char text[4096];

    harness_path(&fixture->serve.directory, "local.sock", fixture->socket);
    harness_path(&fixture->serve.directory, "http.sock", fixture->everyone);
    harness_path(&fixture->serve.directory, "http.conf", fixture->config);
    snprintf(text, sizeof(text),
             "[better_auth]\nurl = http://127.0.0.1:9\n[credits]\ncold_timeout = 3s\n"
             "[http]\nlisten = %s 127.0.0.1:0\nlocal = %s\ntrusted_origins = " APP_ORIGIN "\n%s",
             fixture->everyone, fixture->socket, http ? http : "");
    harness_write_file(fixture->config, text);
}

static void link_user(struct http_fixture *fixture, const char *user, const char *customer)
{
    json_decref(harness_call(&fixture->serve.client, "customer.link", "{s:s, s:s}", "user_id", user,
                             "customer_id", customer));
}

void http_fixture_start(struct http_fixture *fixture, const char *serve, const char *http)
{
    char text[2048];

    memset(fixture, 0, sizeof(*fixture));
    snprintf(text, sizeof(text),
             "[better_auth]\nurl = http://127.0.0.1:9\n"
             "[credits]\npush_interval = 50ms\ncold_timeout = 3s\n%s",
             serve ? serve : "");
    fixture_start(&fixture->serve, text);
    fake_add_customer(&fixture->serve.sync, "cus_1", "one@example.com");
    fake_add_customer(&fixture->serve.sync, "cus_2", "two@example.com");
    link_user(fixture, "u_1", "cus_1");
    link_user(fixture, "u_2", "cus_2");
    write_config(fixture, http);
    http_fixture_start_http(fixture);
}

void http_fixture_start_alone(struct http_fixture *fixture)
{
    memset(fixture, 0, sizeof(*fixture));
    fixture_init(&fixture->serve, NULL);
    write_config(fixture, NULL);
    http_fixture_start_http(fixture);
}

void http_fixture_stop_http(struct http_fixture *fixture)
{
    CLEANUP(cleanup_free) char *path = strdup(fixture->http.log_path);
    int status = harness_process_stop(&fixture->http, SIGTERM);
    CLEANUP(cleanup_free) char *log = harness_read_file(path);

    cr_assert_eq(status, 0, "creditd-http ended with status %x: %s", (unsigned)status, log);
    cr_assert_null(strstr(log, "left open"), "%s", log);
    cr_assert_neq(access(fixture->socket, F_OK), 0, "its socket is left");
    cr_assert_neq(access(fixture->everyone, F_OK), 0, "its socket is left");
}

void http_fixture_deinit(struct http_fixture *fixture)
{
    if (fixture->http.pid > 0)
        http_fixture_stop_http(fixture);
    fixture_deinit(&fixture->serve);
}

/* --- the client --- */

int http_connect(const struct http_fixture *fixture)
{
    int fd = -1;

    cr_assert_eq(fd_connect_unix(fixture->socket, &fd), 0);
    return fd;
}

int http_connect_everyone(const struct http_fixture *fixture)
{
    int fd = -1;

    cr_assert_eq(fd_connect_unix(fixture->everyone, &fd), 0);
    return fd;
}

int http_connect_tcp(const struct http_fixture *fixture)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr = {htonl(INADDR_LOOPBACK)},
                                  .sin_port = htons((uint16_t)fixture->port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    cr_assert_eq(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

/* A server that has refused need not read the rest. */
void http_send(int fd, const char *bytes, size_t length)
{
    while (length > 0) {
        ssize_t n = send(fd, bytes, length, MSG_NOSIGNAL);

        if (n < 0)
            return;
        bytes += n;
        length -= (size_t)n;
    }
}

void http_send_request(int fd, const char *method, const char *target, const char *headers,
                       const char *body)
{
    CLEANUP(cleanup_free) char *text = NULL;
    char length[64] = "";
    int n;

    if (body)
        snprintf(length, sizeof(length), "Content-Length: %zu\r\n", strlen(body));
    n = asprintf(&text, "%s %s HTTP/1.1\r\nHost: localhost\r\n%s%s\r\n%s", method, target,
                 headers ? headers : "", length, body ? body : "");
    cr_assert_gt(n, 0);
    http_send(fd, text, (size_t)n);
}

/* One byte at a time, so that nothing of the next answer is taken. */
static bool read_byte(int fd, char *ret_byte)
{
    struct pollfd poller = {.fd = fd, .events = POLLIN};

    cr_assert_eq(poll(&poller, 1, HARNESS_TIMEOUT_MS), 1, "no answer came");
    return recv(fd, ret_byte, 1, 0) == 1;
}

static bool read_head(int fd, char **ret_head)
{
    size_t length = 0;
    char *head = calloc(1, 16384);

    while (length < 16383 && read_byte(fd, head + length)) {
        length++;
        if (length >= 4 && memcmp(head + length - 4, "\r\n\r\n", 4) == 0) {
            head[length - 2] = '\0';
            *ret_head = head;
            return true;
        }
    }
    free(head);
    return false;
}

void http_receive(int fd, bool head_only, struct http_answer *ret_answer)
{
    struct http_answer answer = {0};
    CLEANUP(cleanup_free) char *length = NULL;

    *ret_answer = answer;
    if (!read_head(fd, &answer.head))
        return;
    cr_assert_eq(sscanf(answer.head, "HTTP/1.1 %u ", &answer.status), 1, "%s", answer.head);
    length = http_answer_header(&answer, "Content-Length");
    answer.length = length && !head_only ? strtoul(length, NULL, 10) : 0;
    answer.body = calloc(1, answer.length + 1);
    for (size_t i = 0; i < answer.length; i++)
        cr_assert(read_byte(fd, answer.body + i), "the answer is cut");
    answer.json = json_loads(answer.body, JSON_DECODE_ANY, NULL);
    *ret_answer = answer;
}

void http_answer_deinit(struct http_answer *answer)
{
    free(answer->head);
    free(answer->body);
    json_decref(answer->json);
    *answer = (struct http_answer){0};
}

char *http_answer_header(const struct http_answer *answer, const char *name)
{
    size_t length = strlen(name);

    for (const char *line = answer->head; line; line = strstr(line, "\r\n")) {
        line += line == answer->head ? 0 : 2;
        if (strncasecmp(line, name, length) == 0 && line[length] == ':') {
            line += length + 1;
            line += strspn(line, " ");
            return strndup(line, strcspn(line, "\r\n"));
        }
    }
    return NULL;
}

static void ask_on(int fd, struct http_answer *ret_answer, const char *method, const char *target,
                   const char *headers, const char *body)
{
    http_send_request(fd, method, target, headers, body);
    http_receive(fd, strcmp(method, "HEAD") == 0, ret_answer);
    close(fd);
}

void http_ask(const struct http_fixture *fixture, struct http_answer *ret_answer,
              const char *method, const char *target, const char *headers, const char *body)
{
    ask_on(http_connect(fixture), ret_answer, method, target, headers, body);
}

void http_ask_everyone(const struct http_fixture *fixture, struct http_answer *ret_answer,
                       const char *method, const char *target, const char *headers,
                       const char *body)
{
    ask_on(http_connect_everyone(fixture), ret_answer, method, target, headers, body);
}

void http_ask_tcp(const struct http_fixture *fixture, struct http_answer *ret_answer,
                  const char *method, const char *target, const char *headers, const char *body)
{
    ask_on(http_connect_tcp(fixture), ret_answer, method, target, headers, body);
}

void http_check(struct http_answer *answer, unsigned status, const char *code)
{
    const json_t *error = json_object_get(answer->json, "error");

    cr_assert_eq(answer->status, status, "%s %s", answer->head, answer->body);
    if (code) {
        cr_assert_str_eq(harness_text(error, "code"), code, "%s", answer->body);
        cr_assert_gt(strlen(harness_text(error, "message")), 0);
    } else {
        cr_assert_null(error, "%s", answer->body);
    }
    http_answer_deinit(answer);
}
