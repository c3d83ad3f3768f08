/*
 * A binary heap of nodes that know their place in it, so that one can be taken out or moved at any
 * time. The owner embeds a node and finds itself by CONTAINER_OF. Smallest key first; equal keys in
 * no particular order.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct heap_node {
    int64_t key;
    size_t place; /* index + 1; 0: in no heap */
};

struct heap {
    struct heap_node **nodes;
    size_t count, capacity;
};

void heap_init(struct heap *heap);
void heap_deinit(struct heap *heap);
/* Room for `count` nodes: heap_set cannot fail up to there. 0 or -ENOMEM. */
int heap_reserve(struct heap *heap, size_t count);
/* Puts the node in, or moves it. */
void heap_set(struct heap *heap, struct heap_node *node, int64_t key);
void heap_remove(struct heap *heap, struct heap_node *node);
struct heap_node *heap_first(const struct heap *heap);
