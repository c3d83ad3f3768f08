/* See listen.h. */
#include "listen.h"
#include "server.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <util/fd.h>
#include <util/log.h>
#include <util/macros.h>
#include <util/service.h>

#define BACKLOG 1024
#define SOCKET_MODE 0660
#define ACCEPTS_AT_ONCE 64 /* then the requests of those that are there get their turn */

union address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    struct sockaddr_storage storage;
};

/* config_is_listen() has seen the word: 127.0.0.1:PORT or [::1]:PORT. */
static int listen_tcp(const char *word, int *ret_fd)
{
    in_port_t port = htons((uint16_t)strtoul(strrchr(word, ':') + 1, NULL, 10));
    bool is_v6 = word[0] == '[';
    CLEANUP(cleanup_fd) int fd = -1;
    union address address = {0};
    socklen_t length = is_v6 ? sizeof(address.v6) : sizeof(address.v4);
    int on = 1;

    if (is_v6)
        address.v6 = (struct sockaddr_in6){
            .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT, .sin6_port = port};
    else
        address.v4 = (struct sockaddr_in){
            .sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}, .sin_port = port};
    fd = socket(address.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -errno;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
        (is_v6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) < 0) ||
        bind(fd, &address.any, length) < 0 || listen(fd, BACKLOG) < 0)
        return -errno;
    *ret_fd = TAKE_FD(fd);
    return 0;
}

/* The URL of a listening socket, for people: with the port that the kernel has chosen. */
static char *describe(int fd, const char *path)
{
    union address address = {0};
    socklen_t length = sizeof(address);
    char *text = NULL;
    int r;

    if (path)
        r = asprintf(&text, "unix:%s", path);
    else if (getsockname(fd, &address.any, &length) < 0)
        r = -1;
    else if (address.any.sa_family == AF_INET)
        r = asprintf(&text, "http://127.0.0.1:%u", ntohs(address.v4.sin_port));
    else if (address.any.sa_family == AF_INET6)
        r = asprintf(&text, "http://[::1]:%u", ntohs(address.v6.sin6_port));
    else
        r = asprintf(&text, "an inherited socket");
    return r < 0 ? NULL : text;
}

static int tell(char **told, int fd, const char *path)
{
    CLEANUP(cleanup_free) char *text = describe(fd, path);
    char *longer = NULL;

    if (!text)
        return -ENOMEM;
    log_notice("listening on %s", text);
    if (asprintf(&longer, "%s%s%s", *told ? *told : "", *told ? " " : "", text) < 0)
        return -ENOMEM;
    free(*told);
    *told = longer;
    return 0;
}

static void on_readable(uv_poll_t *poll, int status, int events);

/* Takes the descriptor over, and the path. */
static int add(struct server *server, int fd, char *path, char **told)
{
    struct listeners *listeners = &server->listeners;
    struct listener *listener = &listeners->items[listeners->count];
    int r = listeners->count < LISTEN_MAX ? fd_set_nonblocking(fd) : -E2BIG;

    if (r == 0)
        r = uv_poll_init(&server->loop, &listener->poll, fd);
    if (r < 0) {
        close(fd);
        free(path);
        return r;
    }
    listener->server = server;
    listener->poll.data = listener;
    listener->fd = fd;
    listener->path = path;
    listeners->count++;
    return tell(told, fd, path);
}

static int take_inherited(struct server *server, char **told)
{
    int r = 0;

    while (r == 0) {
        int fd = service_take_fd(SERVICE_FD_HTTP);

        if (fd < 0)
            return fd == -ENOENT ? 0 : fd;
        r = add(server, fd, NULL, told);
    }
    return r;
}

static int open_word(struct server *server, const char *word, char **told)
{
    CLEANUP(cleanup_free) char *path = NULL;
    int fd, r;

    if (word[0] != '/') {
        r = listen_tcp(word, &fd);
        return r < 0 ? r : add(server, fd, NULL, told);
    }
    path = strdup(word);
    if (!path)
        return -ENOMEM;
    r = fd_listen_unix(path, SOCKET_MODE, BACKLOG, &fd);
    return r < 0 ? r : add(server, fd, TAKE_PTR(path), told);
}

int listen_open(struct server *server, char **ret_told)
{
    const char *words = server->config->http.listen;
    char *told = NULL;
    int r = take_inherited(server, &told);

    if (r < 0)
        log_error("the descriptors \"%s\" cannot be taken: %s", SERVICE_FD_HTTP, strerror(-r));
    if (server->listeners.count > 0)
        words = NULL; /* whoever passes sockets has chosen */
    while (r == 0 && words && *(words += strspn(words, " "))) {
        size_t length = strcspn(words, " ");
        CLEANUP(cleanup_free) char *word = strndup(words, length);

        r = word ? open_word(server, word, &told) : -ENOMEM;
        if (r < 0)
            log_error("%s cannot be listened on: %s", word ? word : words, strerror(-r));
        words += length;
    }
    if (r == 0 && server->listeners.count == 0) {
        log_error("there is nothing to listen on: set [http] listen");
        r = -EDESTADDRREQ;
    }
    if (r < 0)
        free(told);
    else
        *ret_told = told;
    return r;
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    struct listener *listener = poll->data;
    union address address;

    (void)events;
    for (int i = 0; status == 0 && i < ACCEPTS_AT_ONCE && !listener->server->listeners.is_paused;
         i++) {
        socklen_t length = sizeof(address);
        int fd = accept4(listener->fd, &address.any, &length, SOCK_CLOEXEC | SOCK_NONBLOCK);

        if (fd < 0 && (errno == EINTR || errno == ECONNABORTED))
            continue;
        if (fd < 0 && errno != EAGAIN)
            server_is_full(listener->server); /* no descriptors, no memory: later */
        if (fd < 0)
            break;
        server_take(listener->server, fd, &address.any, length);
    }
}

void listen_start(struct listeners *listeners)
{
    listeners->is_paused = false;
    for (size_t i = 0; i < listeners->count; i++)
        uv_poll_start(&listeners->items[i].poll, UV_READABLE, on_readable);
}

void listen_pause(struct listeners *listeners)
{
    listeners->is_paused = true;
    for (size_t i = 0; i < listeners->count; i++)
        uv_poll_stop(&listeners->items[i].poll);
}

static void on_closed(uv_handle_t *handle)
{
    struct listener *listener = handle->data;

    close(listener->fd);
}

void listen_close(struct listeners *listeners)
{
    for (size_t i = 0; i < listeners->count; i++) {
        struct listener *listener = &listeners->items[i];

        if (listener->path)
            unlink(listener->path);
        free(listener->path);
        listener->path = NULL;
        uv_close((uv_handle_t *)&listener->poll, on_closed);
    }
    listeners->count = 0;
}
