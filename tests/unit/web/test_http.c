/*
 * libcurl on the loop, without a process around it: what becomes of a request that was given up,
 * and that the loop ends empty. The peers are sockets of the test's own; nothing is accepted before
 * the exchange is over, so that the kernel alone answers.
 */
#include "transfer.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <web/http.h>

#define BODY_SIZE (8u * 1024u * 1024u) /* more than the kernel takes */

struct ended {
    unsigned count;
    enum http_end_kind kind;
};

static void on_done(void *data, const struct http_end *end)
{
    struct ended *ended = data;

    ended->count++;
    ended->kind = end->kind;
}

static int listen_silently(char *url, size_t size)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t length = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    cr_assert_eq(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    cr_assert_eq(listen(fd, 16), 0);
    cr_assert_eq(getsockname(fd, (struct sockaddr *)&address, &length), 0);
    snprintf(url, size, "http://127.0.0.1:%d/", ntohs(address.sin_port));
    return fd;
}

static struct http_request request_to(const char *url, const char *body, int64_t timeout)
{
    return (struct http_request){
        .url = url, .body = body, .is_loopback = true, .connect_timeout = 5000, .timeout = timeout};
}

Test(http, P3_what_was_not_delivered_of_a_write_never_will_be)
{
    char url[64], *body = malloc(BODY_SIZE + 1), sink[65536];
    int listener = listen_silently(url, sizeof url), fd, error;
    struct http_request request;
    struct ended ended = {0};
    struct http *http;
    uv_loop_t loop;
    ssize_t n;

    memset(body, 'x', BODY_SIZE);
    body[BODY_SIZE] = '\0';
    request = request_to(url, body, 200);
    uv_loop_init(&loop);
    cr_assert_eq(http_new(&loop, &http), 0);
    cr_assert_eq(http_start(http, &request, on_done, &ended), 0);
    while (ended.count == 0)
        uv_run(&loop, UV_RUN_ONCE);
    cr_expect_eq(ended.kind, HTTP_UNANSWERED);
    http_free(http);
    uv_run(&loop, UV_RUN_DEFAULT);
    cr_expect_eq(uv_loop_close(&loop), 0);
    cr_expect_eq(ended.count, 1);

    /* A mere close would have the kernel deliver the rest now, and then say end of file. */
    fd = accept(listener, NULL, NULL);
    do
        n = fd >= 0 ? recv(fd, sink, sizeof sink, 0) : -1;
    while (n > 0);
    error = errno;
    cr_expect(n < 0 && (error == ECONNRESET || error == ECONNABORTED), "%zd: %s", n,
              strerror(error));
    if (fd >= 0)
        close(fd);
    close(listener);
    free(body);
}

Test(http, the_loop_ends_empty_whatever_is_under_way)
{
    char url[64];
    int listener = listen_silently(url, sizeof url);
    struct http_request request = request_to(url, NULL, 60000),
                        write = request_to(url, "{}", 60000);
    struct ended ended = {0};
    struct http *http;
    uv_loop_t loop;

    uv_loop_init(&loop);
    cr_assert_eq(http_new(&loop, &http), 0);
    for (int i = 0; i < 4; i++)
        cr_assert_eq(http_start(http, i % 2 ? &request : &write, on_done, &ended), 0);
    for (int i = 0; i < 8; i++)
        uv_run(&loop, UV_RUN_NOWAIT);
    http_free(http);
    uv_run(&loop, UV_RUN_DEFAULT);
    cr_expect_eq(uv_loop_close(&loop), 0);
    cr_expect_eq(ended.count, 0);
    close(listener);
}

Test(http, P3_a_write_is_not_over_while_a_socket_of_its_own_is_open)
{
    struct carrier carrier = {.sockets = 1};
    struct transfer write = {.carrier = &carrier}, read = {0};

    cr_expect(!transfer_is_settled(&write));
    cr_expect(transfer_is_settled(&read));
    carrier.sockets = 0;
    cr_expect(transfer_is_settled(&write));
}

Test(http, no_header_becomes_two)
{
    static const char *const values[] = {"a\r\nX: b", "a\n", "\rb"};
    struct http_request request = request_to("http://127.0.0.1:1/", NULL, 1000);
    struct http_header header = {"X-Test", NULL};
    struct ended ended = {0};
    struct http *http;
    uv_loop_t loop;

    uv_loop_init(&loop);
    cr_assert_eq(http_new(&loop, &http), 0);
    request.headers = &header;
    request.header_count = 1;
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        header.value = values[i];
        cr_expect_eq(http_start(http, &request, on_done, &ended), -EINVAL);
    }
    http_free(http);
    uv_run(&loop, UV_RUN_DEFAULT);
    cr_expect_eq(uv_loop_close(&loop), 0);
    cr_expect_eq(ended.count, 0);
}
