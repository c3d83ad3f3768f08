/*
 * A map being built, as packed members. Its own header is written only where it is used, and the
 * headers of inner maps and arrays are made as short as msgpack-c would make them when they end, so
 * that the same map has the same bytes however it was built.
 */
#pragma once

#include <creditd.h>
#include <msgpack.h>
#include <proto/limits.h>

/* A message's array, its params' array and the map itself take three levels. */
#define MAP_DEPTH_MAX (PROTO_DEPTH_MAX - 3)

struct creditd_map {
    msgpack_sbuffer body;
    size_t count; /* members at the top */
    int error;
    unsigned depth;
    struct {
        size_t start; /* where the five bytes of its header are */
        size_t count;
        bool is_array;
    } open[MAP_DEPTH_MAX];
};

void map_init(struct creditd_map *map);
void map_deinit(struct creditd_map *map);
/* Empty again, keeping its memory. */
void map_reset(struct creditd_map *map);
/* `inner` as a member. */
void map_put_map(struct creditd_map *map, const char *key, const struct creditd_map *inner);
/* The members of another map, too. */
void map_put_members(struct creditd_map *map, const struct creditd_map *members);
/* Bytes that it takes as a value. */
size_t map_size(const struct creditd_map *map);
