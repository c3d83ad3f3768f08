#include "load.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define BUFFER_SIZE (64u * 1024u)

struct client {
    int fd;
    unsigned index;
    uint64_t sent;
    uint64_t random;
    size_t out_begin, out_end, in_end;
    bool waits_to_write;
    uint8_t out[BUFFER_SIZE], in[BUFFER_SIZE];
};

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static int complain(const char *what)
{
    fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
    return -1;
}

static int open_client(struct client *client, const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    if (strlen(path) >= sizeof(address.sun_path)) {
        errno = ENAMETOOLONG;
        return complain(path);
    }
    memcpy(address.sun_path, path, strlen(path));
    client->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (client->fd < 0)
        return complain("socket");
    if (connect(client->fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
        return complain(path);
    return fcntl(client->fd, F_SETFL, O_NONBLOCK) < 0 ? complain("fcntl") : 0;
}

static unsigned draw(struct client *client, unsigned below)
{
    client->random ^= client->random << 13;
    client->random ^= client->random >> 7;
    client->random ^= client->random << 17;
    return (unsigned)((client->random >> 33) % below);
}

static int flush(struct client *client, int epoll)
{
    while (client->out_begin < client->out_end) {
        ssize_t n =
            write(client->fd, client->out + client->out_begin, client->out_end - client->out_begin);
        if (n < 0 && errno != EAGAIN)
            return complain("write");
        if (n < 0)
            break;
        client->out_begin += (size_t)n;
    }
    bool must_wait = client->out_begin < client->out_end;
    if (!must_wait)
        client->out_begin = client->out_end = 0;
    if (must_wait == client->waits_to_write)
        return 0;
    client->waits_to_write = must_wait;
    struct epoll_event event = {.events = EPOLLIN | (must_wait ? EPOLLOUT : 0), .data.ptr = client};
    return epoll_ctl(epoll, EPOLL_CTL_MOD, client->fd, &event) < 0 ? complain("epoll_ctl") : 0;
}

static int ask(struct client *client, const struct load *load, const struct load_target *target,
               unsigned count, int epoll)
{
    if (client->out_begin > 0) {
        memmove(client->out, client->out + client->out_begin, client->out_end - client->out_begin);
        client->out_end -= client->out_begin;
        client->out_begin = 0;
    }
    while (count-- > 0 && client->out_end + LOAD_REQUEST_MAX <= BUFFER_SIZE)
        client->out_end +=
            target->request(target->userdata, client->index, client->sent++,
                            draw(client, load->balances), client->out + client->out_end);
    return flush(client, epoll);
}

/* Answers how many came, or -1. */
static long hear(struct client *client, const struct load_target *target)
{
    size_t used = 0;
    ssize_t n = read(client->fd, client->in + client->in_end, BUFFER_SIZE - client->in_end);

    if (n == 0)
        errno = ECONNRESET;
    if (n == 0 || (n < 0 && errno != EAGAIN))
        return complain("read");
    if (n < 0)
        return 0;
    client->in_end += (size_t)n;
    long count =
        target->answers(target->userdata, client->index, client->in, client->in_end, &used);
    if (count < 0)
        return -1;
    memmove(client->in, client->in + used, client->in_end - used);
    client->in_end -= used;
    return count;
}

static double loop(const struct load *load, const struct load_target *target, int epoll)
{
    struct epoll_event events[256];
    double begin = now(), end = begin + load->seconds, time = begin;
    uint64_t answers = 0;

    while (time < end) {
        int n = epoll_wait(epoll, events, 256, 1000);
        for (int i = 0; i < n; i++) {
            struct client *client = events[i].data.ptr;
            if ((events[i].events & EPOLLOUT) && flush(client, epoll) < 0)
                return -1;
            if (!(events[i].events & ~(unsigned)EPOLLOUT))
                continue;
            long count = hear(client, target);
            if (count < 0 || (count > 0 && ask(client, load, target, (unsigned)count, epoll) < 0))
                return -1;
            answers += (uint64_t)count;
        }
        time = now();
    }
    return (double)answers / (time - begin);
}

double load_run(const struct load *load, const struct load_target *target)
{
    struct client *clients = calloc(load->clients, sizeof(*clients));
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    double rate = clients && epoll >= 0 ? 0 : complain("out of memory");
    unsigned opened = 0;

    for (; rate >= 0 && opened < load->clients; opened++) {
        struct client *client = &clients[opened];
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = client};
        client->index = opened;
        client->random = load->seed * 2654435761u + opened + 1;
        if (open_client(client, load->socket) < 0 ||
            epoll_ctl(epoll, EPOLL_CTL_ADD, client->fd, &event) < 0)
            rate = -1;
    }
    for (unsigned i = 0; rate >= 0 && i < opened; i++)
        if (ask(&clients[i], load, target, load->pipeline, epoll) < 0)
            rate = -1;
    if (rate >= 0)
        rate = loop(load, target, epoll);
    for (unsigned i = 0; i < opened; i++)
        if (clients[i].fd > 0)
            close(clients[i].fd);
    if (epoll >= 0)
        close(epoll);
    free(clients);
    return rate;
}
