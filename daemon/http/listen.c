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
#include <sys/stat.h>
#include <sys/un.h>
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
    struct sockaddr_un path;
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

/* With the group before the mode: nobody else connects in between. */
static int listen_unix(const char *path, const char *group, int *ret_fd)
{
    CLEANUP(cleanup_fd) int fd = -1;
    uint32_t gid;
    int r;

    if (!group)
        return fd_listen_unix(path, SOCKET_MODE, BACKLOG, ret_fd);
    r = config_find_group(group, &gid);
    if (r == 0)
        r = fd_listen_unix(path, SOCKET_MODE & ~0077, BACKLOG, &fd);
    if (r < 0)
        return r;
    if (lchown(path, (uid_t)-1, gid) < 0 || chmod(path, SOCKET_MODE) < 0) {
        r = -errno;
        log_error("%s cannot be given to the group %s", path, group);
        unlink(path);
        return r;
    }
    *ret_fd = TAKE_FD(fd);
    return 0;
}

/* --- what has been opened --- */

/* The URL of a listening socket, for people: with the port that the kernel has chosen. */
static char *describe(const union address *address)
{
    char *text = NULL;
    int r;

    if (address->any.sa_family == AF_UNIX && address->path.sun_path[0])
        r = asprintf(&text, "unix:%s", address->path.sun_path);
    else if (address->any.sa_family == AF_INET)
        r = asprintf(&text, "http://127.0.0.1:%u", ntohs(address->v4.sin_port));
    else if (address->any.sa_family == AF_INET6)
        r = asprintf(&text, "http://[::1]:%u", ntohs(address->v6.sin6_port));
    else
        r = asprintf(&text, "an inherited socket");
    return r < 0 ? NULL : text;
}

/* In the log, and behind what is told already, as far as there is memory. */
static void tell(char **told, const union address *address, bool is_local)
{
    CLEANUP(cleanup_free) char *text = describe(address);
    char *longer = NULL;

    if (!text)
        return;
    log_notice("listening on %s%s", text, is_local ? ", for local programs" : "");
    if (asprintf(&longer, "%s%s%s", *told ? *told : "", *told ? " " : "", text) < 0)
        return;
    free(*told);
    *told = longer;
}

static void on_readable(uv_poll_t *poll, int status, int events);

/* Over TCP there is nobody at the other end whose roles could count. */
static int look_at(const struct server *server, int fd, bool is_local, union address *ret_address)
{
    socklen_t length = sizeof(*ret_address);

    *ret_address = (union address){0};
    if (server->listeners.count == LISTEN_MAX)
        return -E2BIG;
    if (getsockname(fd, &ret_address->any, &length) < 0)
        return -errno;
    if (is_local && ret_address->any.sa_family != AF_UNIX)
        return -EPROTOTYPE;
    return fd_set_nonblocking(fd);
}

/* Takes the descriptor over. */
static int add(struct server *server, int fd, bool is_local, char **told)
{
    struct listeners *listeners = &server->listeners;
    struct listener *listener = &listeners->items[listeners->count];
    union address address;
    int r = look_at(server, fd, is_local, &address);

    if (r == 0)
        r = uv_poll_init(&server->loop, &listener->poll, fd);
    if (r < 0) {
        close(fd);
        return r;
    }
    listener->server = server;
    listener->poll.data = listener;
    listener->fd = fd;
    listener->is_local = is_local;
    listeners->count++;
    tell(told, &address, is_local);
    return 0;
}

/* --- what is to be opened --- */

static void take_inherited(struct server *server, const char *name, bool is_local, char **told)
{
    int fd;

    while ((fd = service_take_fd(name)) >= 0) {
        int r = add(server, fd, is_local, told);

        if (r < 0)
            log_error("a descriptor \"%s\" cannot be listened on: %s", name, strerror(-r));
    }
    if (fd != -ENOENT)
        log_error("the descriptors \"%s\" cannot be taken: %s", name, strerror(-fd));
}

static int open_path(struct server *server, const char *word, bool is_local, char **told)
{
    CLEANUP(cleanup_free) char *path = strdup(word);
    int fd, r = path ? listen_unix(path, server->config->http.group, &fd) : -ENOMEM;

    if (r < 0)
        return r;
    r = add(server, fd, is_local, told);
    if (r < 0)
        unlink(path);
    else
        server->listeners.items[server->listeners.count - 1].path = TAKE_PTR(path);
    return r;
}

static void open_word(struct server *server, const char *word, bool is_local, char **told)
{
    int fd = -1, r;

    if (word[0] == '/') {
        r = open_path(server, word, is_local, told);
    } else {
        r = listen_tcp(word, &fd);
        if (r == 0)
            r = add(server, fd, is_local, told);
    }
    if (r < 0)
        log_error("%s cannot be listened on: %s", word, strerror(-r));
}

static void open_words(struct server *server, const char *words, char **told)
{
    while (*(words += strspn(words, " "))) {
        size_t length = strcspn(words, " ");
        CLEANUP(cleanup_free) char *word = strndup(words, length);

        if (word)
            open_word(server, word, false, told);
        words += length;
    }
}

int listen_open(struct server *server, char **ret_told)
{
    const struct config *config = server->config;
    bool is_asked = config->http.listen || config->http.local;
    char *told = NULL;

    take_inherited(server, SERVICE_FD_HTTP, false, &told);
    take_inherited(server, SERVICE_FD_HTTP_LOCAL, true, &told);
    if (server->listeners.count == 0) { /* whoever passes sockets has chosen */
        if (config->http.listen)
            open_words(server, config->http.listen, &told);
        if (config->http.local)
            open_word(server, config->http.local, true, &told);
    }
    if (server->listeners.count == 0)
        log_error(is_asked ? "none of the addresses can be listened on"
                           : "there is nothing to listen on: set [http] listen, or local");
    if (server->listeners.count == 0 || !told) {
        free(told);
        return server->listeners.count == 0 ? -EDESTADDRREQ : -ENOMEM;
    }
    *ret_told = told;
    return 0;
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
        server_take(listener, fd, &address.any, length);
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
