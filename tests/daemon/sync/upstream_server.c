/* See upstream_server.h. A thread accepts, a thread for each connection reads and acts. */
#include "upstream_server.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CONNECTIONS_MAX 256
#define REQUESTS_MAX 1024
#define WAIT_SECONDS 120

struct connection {
    struct upstream_server *server;
    size_t index;
    int fd;
    pthread_t thread;
};

struct upstream_server {
    int fd;
    char url[64];
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool is_ending;
    struct upstream_step *steps;
    size_t step_count;
    struct connection connections[CONNECTIONS_MAX];
    size_t connection_count;
    struct {
        char *text;
        size_t connection;
    } requests[REQUESTS_MAX];
    size_t request_count;
    size_t waiting_count; /* hanging and held requests that have been given a place */
    size_t released;
    size_t at_once, most_at_once;
};

/* --- one connection --- */

/* Head and body; NULL at the connection's end. */
static char *read_request(int fd)
{
    size_t length = 0, needed = SIZE_MAX;
    char *text = calloc(1, 65536);

    while (length < needed) {
        ssize_t n = recv(fd, text + length, 65535 - length, 0);
        const char *end, *size;

        if (n <= 0) {
            free(text);
            return NULL;
        }
        length += (size_t)n;
        text[length] = '\0';
        end = strstr(text, "\r\n\r\n");
        if (!end)
            continue;
        size = strcasestr(text, "\r\nContent-Length:");
        needed = (size_t)(end + 4 - text);
        if (size && size < end)
            needed += strtoul(size + strlen("\r\nContent-Length:"), NULL, 10);
    }
    return text;
}

static void send_text(int fd, const char *text, size_t step)
{
    for (size_t sent = 0, length = strlen(text); sent < length;) {
        ssize_t n =
            send(fd, text + sent, length - sent < step ? length - sent : step, MSG_NOSIGNAL);

        if (n <= 0)
            return;
        sent += (size_t)n;
    }
}

static void reset(int fd)
{
    const struct linger linger = {.l_onoff = 1, .l_linger = 0};

    setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
}

static struct upstream_step note_request(struct connection *connection, char *text)
{
    struct upstream_server *server = connection->server;
    struct upstream_step step;
    size_t index;

    pthread_mutex_lock(&server->lock);
    index = server->request_count++;
    server->requests[index].text = text;
    server->requests[index].connection = connection->index;
    if (++server->at_once > server->most_at_once)
        server->most_at_once = server->at_once;
    step = server->steps[index < server->step_count ? index : server->step_count - 1];
    pthread_cond_broadcast(&server->changed);
    pthread_mutex_unlock(&server->lock);
    return step;
}

static void wait_release(struct upstream_server *server)
{
    size_t place;

    pthread_mutex_lock(&server->lock);
    place = server->waiting_count++;
    while (!server->is_ending && server->released <= place)
        pthread_cond_wait(&server->changed, &server->lock);
    pthread_mutex_unlock(&server->lock);
}

static void note_end(struct upstream_server *server)
{
    pthread_mutex_lock(&server->lock);
    server->at_once--;
    pthread_mutex_unlock(&server->lock);
}

/* Whether the connection goes on. */
static bool act(struct connection *connection, const struct upstream_step *step)
{
    int fd = connection->fd;

    if (step->act == ACT_HANG || step->act == ACT_HOLD)
        wait_release(connection->server);
    note_end(connection->server);
    if (step->act == ACT_RESET)
        reset(fd);
    if (step->text)
        send_text(fd, step->text, step->act == ACT_REPLY_SPLIT ? 1 : SIZE_MAX);
    return step->act == ACT_REPLY || step->act == ACT_REPLY_SPLIT || step->act == ACT_HOLD;
}

static void *run_connection(void *data)
{
    struct connection *connection = data;
    const int one = 1;
    bool goes_on = true;

    setsockopt(connection->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    while (goes_on) {
        struct upstream_step step;
        char *text = read_request(connection->fd);

        if (!text)
            break;
        step = note_request(connection, text);
        goes_on = act(connection, &step);
    }
    pthread_mutex_lock(&connection->server->lock);
    close(connection->fd);
    connection->fd = -1;
    pthread_mutex_unlock(&connection->server->lock);
    return NULL;
}

static void *run_accept(void *data)
{
    struct upstream_server *server = data;
    int fd;

    while ((fd = accept4(server->fd, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
        struct connection *connection;

        pthread_mutex_lock(&server->lock);
        connection = &server->connections[server->connection_count];
        *connection = (struct connection){server, server->connection_count++, fd, 0};
        pthread_create(&connection->thread, NULL, run_connection, connection);
        pthread_mutex_unlock(&server->lock);
    }
    return NULL;
}

/* --- for tests --- */

struct upstream_server *upstream_new(const struct upstream_step *steps, size_t count)
{
    struct upstream_server *server = calloc(1, sizeof *server);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof address;

    cr_assert_not_null(server);
    server->steps = calloc(count, sizeof *steps);
    memcpy(server->steps, steps, count * sizeof *steps);
    server->step_count = count;
    pthread_mutex_init(&server->lock, NULL);
    pthread_cond_init(&server->changed, NULL);
    server->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_eq(bind(server->fd, (struct sockaddr *)&address, sizeof address), 0);
    cr_assert_eq(listen(server->fd, 128), 0);
    cr_assert_eq(getsockname(server->fd, (struct sockaddr *)&address, &size), 0);
    snprintf(server->url, sizeof server->url, "http://127.0.0.1:%d", ntohs(address.sin_port));
    pthread_create(&server->thread, NULL, run_accept, server);
    return server;
}

struct upstream_server *upstream_free(struct upstream_server *server)
{
    if (!server)
        return NULL;
    shutdown(server->fd, SHUT_RDWR);
    pthread_join(server->thread, NULL);
    close(server->fd);
    pthread_mutex_lock(&server->lock);
    server->is_ending = true;
    pthread_cond_broadcast(&server->changed);
    for (size_t i = 0; i < server->connection_count; i++)
        if (server->connections[i].fd >= 0)
            shutdown(server->connections[i].fd, SHUT_RDWR);
    pthread_mutex_unlock(&server->lock);
    for (size_t i = 0; i < server->connection_count; i++)
        pthread_join(server->connections[i].thread, NULL);
    for (size_t i = 0; i < server->request_count; i++)
        free(server->requests[i].text);
    pthread_cond_destroy(&server->changed);
    pthread_mutex_destroy(&server->lock);
    free(server->steps);
    free(server);
    return NULL;
}

const char *upstream_url(const struct upstream_server *server)
{
    return server->url;
}

size_t upstream_count(struct upstream_server *server)
{
    size_t count;

    pthread_mutex_lock(&server->lock);
    count = server->request_count;
    pthread_mutex_unlock(&server->lock);
    return count;
}

void upstream_wait(struct upstream_server *server, size_t count)
{
    struct timespec deadline;
    int r = 0;

    clock_gettime(CLOCK_REALTIME, &deadline);
    deadline.tv_sec += WAIT_SECONDS;
    pthread_mutex_lock(&server->lock);
    while (server->request_count < count && r == 0)
        r = pthread_cond_timedwait(&server->changed, &server->lock, &deadline);
    pthread_mutex_unlock(&server->lock);
    cr_assert_eq(r, 0, "%zu requests have not come", count);
}

const char *upstream_request(struct upstream_server *server, size_t index)
{
    return index < upstream_count(server) ? server->requests[index].text : NULL;
}

size_t upstream_connection_of(struct upstream_server *server, size_t index)
{
    cr_assert(index < upstream_count(server));
    return server->requests[index].connection;
}

bool upstream_is_closed(struct upstream_server *server, size_t index)
{
    struct connection *connection = &server->connections[upstream_connection_of(server, index)];
    struct pollfd poller = {.events = POLLRDHUP};
    bool is_closed;

    pthread_mutex_lock(&server->lock);
    poller.fd = connection->fd;
    is_closed = connection->fd < 0 || poll(&poller, 1, 0) == 1;
    pthread_mutex_unlock(&server->lock);
    return is_closed;
}

void upstream_release(struct upstream_server *server)
{
    pthread_mutex_lock(&server->lock);
    server->released++;
    pthread_cond_broadcast(&server->changed);
    pthread_mutex_unlock(&server->lock);
}

size_t upstream_most_at_once(struct upstream_server *server)
{
    size_t most;

    pthread_mutex_lock(&server->lock);
    most = server->most_at_once;
    pthread_mutex_unlock(&server->lock);
    return most;
}

char *upstream_answer(int status, const char *headers, const char *body)
{
    char *text = NULL;

    cr_assert(asprintf(&text, "HTTP/1.1 %d X\r\nContent-Length: %zu\r\n%s\r\n%s", status,
                       strlen(body), headers ? headers : "", body) > 0);
    return text;
}
