/* A binary heap. The order of arrival breaks ties, so that a seed replays exactly. */
#include "queue.h"

#include "need.h"
#include <stdlib.h>

void queue_deinit(struct queue *queue)
{
    free(queue->heap);
    *queue = (struct queue){0};
}

static bool before(const struct sim_event *a, const struct sim_event *b)
{
    return a->at != b->at ? a->at < b->at : a->order < b->order;
}

static void swap(struct sim_event *a, struct sim_event *b)
{
    struct sim_event other = *a;
    *a = *b;
    *b = other;
}

void queue_push(struct queue *queue, int64_t at, int kind, uint64_t subject, uint64_t generation)
{
    if (queue->count == queue->capacity) {
        queue->capacity = queue->capacity > 0 ? 2 * queue->capacity : 64;
        queue->heap = need_array(queue->heap, queue->capacity, sizeof(*queue->heap));
    }
    size_t i = queue->count++;
    queue->heap[i] = (struct sim_event){at, queue->next_order++, kind, subject, generation};
    for (; i > 0 && before(&queue->heap[i], &queue->heap[(i - 1) / 2]); i = (i - 1) / 2)
        swap(&queue->heap[i], &queue->heap[(i - 1) / 2]);
}

int64_t queue_next_at(const struct queue *queue)
{
    return queue->count > 0 ? queue->heap[0].at : INT64_MAX;
}

bool queue_pop(struct queue *queue, struct sim_event *ret_event)
{
    if (queue->count == 0)
        return false;
    *ret_event = queue->heap[0];
    queue->heap[0] = queue->heap[--queue->count];
    for (size_t i = 0;;) {
        size_t least = i;
        for (size_t child = 2 * i + 1; child <= 2 * i + 2 && child < queue->count; child++)
            if (before(&queue->heap[child], &queue->heap[least]))
                least = child;
        if (least == i)
            return true;
        swap(&queue->heap[i], &queue->heap[least]);
        i = least;
    }
}
