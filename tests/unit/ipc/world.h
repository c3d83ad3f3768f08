/*
 * A loop to test in, and the peer at the other end of a socket pair, which is a plain descriptor.
 * A world ends only when its loop is empty.
 */
#pragma once

#include <msgpack.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

struct world {
    uv_loop_t loop;
    uv_timer_t guard;
    bool guard_fired;
};

void world_init(struct world *world);
/* Fails the test where handles are left. */
void world_deinit(struct world *world);
/* Runs the loop until *count is at least `wanted`; fails the test after ten seconds. */
void world_until(struct world *world, const unsigned *count, unsigned wanted);
/* Runs the loop until it has nothing more to do at once. */
void world_settle(struct world *world);

void pair_new(int fds[2]);
void peer_send(int fd, const void *data, size_t length);
/* What is there to read, without waiting. The caller frees it. 0 bytes and *ret_end at the end. */
uint8_t *peer_read(int fd, size_t *ret_length, bool *ret_end);
/* Whether nothing is there to read, and it is not the end. */
bool peer_is_quiet(int fd);

/* A request `ping` of that id, with a text of so many bytes in its map. */
void pack_ping(msgpack_sbuffer *buffer, uint32_t msgid, size_t padding);
