#include "heap.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

void heap_init(struct heap *heap)
{
    *heap = (struct heap){0};
}

void heap_deinit(struct heap *heap)
{
    free(heap->nodes);
    *heap = (struct heap){0};
}

int heap_reserve(struct heap *heap, size_t count)
{
    if (count <= heap->capacity)
        return 0;

    size_t capacity = heap->capacity ? heap->capacity : 64;
    while (capacity < count)
        capacity *= 2;
    struct heap_node **nodes = reallocarray(heap->nodes, capacity, sizeof(*nodes));
    if (!nodes)
        return -ENOMEM;
    heap->nodes = nodes;
    heap->capacity = capacity;
    return 0;
}

static void put(struct heap *heap, size_t index, struct heap_node *node)
{
    heap->nodes[index] = node;
    node->place = index + 1;
}

static void sift_up(struct heap *heap, size_t index)
{
    struct heap_node *node = heap->nodes[index];

    while (index > 0) {
        size_t parent = (index - 1) / 2;
        if (heap->nodes[parent]->key <= node->key)
            break;
        put(heap, index, heap->nodes[parent]);
        index = parent;
    }
    put(heap, index, node);
}

static void sift_down(struct heap *heap, size_t index)
{
    struct heap_node *node = heap->nodes[index];

    for (;;) {
        size_t child = 2 * index + 1;
        if (child >= heap->count)
            break;
        if (child + 1 < heap->count && heap->nodes[child + 1]->key < heap->nodes[child]->key)
            child++;
        if (node->key <= heap->nodes[child]->key)
            break;
        put(heap, index, heap->nodes[child]);
        index = child;
    }
    put(heap, index, node);
}

void heap_set(struct heap *heap, struct heap_node *node, int64_t key)
{
    if (!node->place) {
        assert(heap->count < heap->capacity);
        node->key = key;
        put(heap, heap->count++, node);
        sift_up(heap, node->place - 1);
        return;
    }

    int64_t old = node->key;
    node->key = key;
    if (key < old)
        sift_up(heap, node->place - 1);
    else
        sift_down(heap, node->place - 1);
}

void heap_remove(struct heap *heap, struct heap_node *node)
{
    if (!node->place)
        return;

    size_t index = node->place - 1;
    struct heap_node *last = heap->nodes[--heap->count];
    node->place = 0;
    if (last == node)
        return;
    put(heap, index, last);
    sift_up(heap, index);
    sift_down(heap, last->place - 1);
}

struct heap_node *heap_first(const struct heap *heap)
{
    return heap->count ? heap->nodes[0] : NULL;
}
