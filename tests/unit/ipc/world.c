#include "world.h"
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <proto/message.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define GUARD_MS 120000

static void on_guard(uv_timer_t *timer)
{
    struct world *world = timer->data;

    world->guard_fired = true;
}

void world_init(struct world *world)
{
    signal(SIGPIPE, SIG_IGN);
    cr_assert_eq(uv_loop_init(&world->loop), 0);
    uv_timer_init(&world->loop, &world->guard);
    world->guard.data = world;
    world->guard_fired = false;
}

void world_deinit(struct world *world)
{
    uv_close((uv_handle_t *)&world->guard, NULL);
    world_settle(world);
    cr_assert_eq(uv_loop_close(&world->loop), 0, "the loop has handles left");
}

void world_until(struct world *world, const unsigned *count, unsigned wanted)
{
    uv_update_time(&world->loop);
    uv_timer_start(&world->guard, on_guard, GUARD_MS, 0);
    while (*count < wanted && !world->guard_fired)
        uv_run(&world->loop, UV_RUN_ONCE);
    uv_timer_stop(&world->guard);
    cr_assert(!world->guard_fired, "waited for %u, got %u", wanted, *count);
}

void world_settle(struct world *world)
{
    for (int i = 0; i < 8; i++)
        uv_run(&world->loop, UV_RUN_NOWAIT);
}

void pair_new(int fds[2])
{
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
}

void peer_send(int fd, const void *data, size_t length)
{
    cr_assert_eq(send(fd, data, length, MSG_DONTWAIT | MSG_NOSIGNAL), (ssize_t)length, "%s",
                 strerror(errno));
}

uint8_t *peer_read(int fd, size_t *ret_length, bool *ret_end)
{
    uint8_t *data = NULL;
    size_t length = 0;
    ssize_t n;

    do {
        data = realloc(data, length + 65536);
        cr_assert_not_null(data);
        n = recv(fd, data + length, 65536, MSG_DONTWAIT);
        if (n > 0)
            length += (size_t)n;
    } while (n > 0);
    *ret_length = length;
    *ret_end = n == 0 || errno == ECONNRESET;
    return data;
}

bool peer_is_quiet(int fd)
{
    char byte;

    return recv(fd, &byte, 1, MSG_DONTWAIT | MSG_PEEK) < 0 && errno == EAGAIN;
}

void pack_ping(msgpack_sbuffer *buffer, uint32_t msgid, size_t padding)
{
    char *text = malloc(padding + 1);
    msgpack_packer packer;

    cr_assert_not_null(text);
    memset(text, 'x', padding);
    msgpack_packer_init(&packer, buffer, msgpack_sbuffer_write);
    cr_assert_eq(message_pack_request(buffer, msgid, "ping"), 0);
    pack_map(&packer, 1);
    pack_key(&packer, "padding");
    pack_text_n(&packer, text, padding);
    cr_assert_not(pack_failed(&packer));
    free(text);
}
