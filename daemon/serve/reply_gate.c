/*
 * See reply_gate.h. A full ring of segments takes further answers into its last one: they wait
 * longer than they must, which is the harmless direction.
 */
#include "reply_gate.h"
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <util/macros.h>

#define QUEUE_FIRST_CAPACITY 4096u
#define QUEUE_KEEP_CAPACITY (256u * 1024u) /* an empty queue gives back what is above */

void reply_gate_init(struct reply_gate *gate, uint64_t passed)
{
    memset(gate, 0, sizeof(*gate));
    list_init(&gate->waiting);
    gate->passed = passed;
}

void reply_gate_next_turn(struct reply_gate *gate)
{
    gate->turn++;
}

int reply_gate_is_empty(const struct reply_gate *gate)
{
    return list_is_empty(&gate->waiting);
}

void reply_queue_init(struct reply_queue *queue)
{
    memset(queue, 0, sizeof(*queue));
    list_init(&queue->link);
}

void reply_queue_deinit(struct reply_queue *queue)
{
    list_remove(&queue->link);
    free(queue->data);
    reply_queue_init(queue);
}

size_t reply_queue_size(const struct reply_queue *queue)
{
    return queue->end - queue->begin;
}

/* Segments' ends count from the buffer's start: they move along with the bytes. */
static void queue_compact(struct reply_queue *queue)
{
    if (queue->begin == 0)
        return;
    memmove(queue->data, queue->data + queue->begin, queue->end - queue->begin);
    for (unsigned i = 0; i < queue->count; i++)
        queue->segments[(queue->first + i) % REPLY_SEGMENTS].end -= queue->begin;
    queue->end -= queue->begin;
    queue->begin = 0;
}

/* One large answer must not keep its memory for the connection's life. */
static void queue_shrink(struct reply_queue *queue)
{
    if (queue->count > 0 || queue->capacity <= QUEUE_KEEP_CAPACITY)
        return;
    free(queue->data);
    queue->data = NULL;
    queue->begin = queue->end = queue->capacity = 0;
}

static int queue_reserve(struct reply_queue *queue, size_t length)
{
    size_t capacity = queue->capacity > 0 ? queue->capacity : QUEUE_FIRST_CAPACITY;
    uint8_t *data;

    if (queue->capacity - queue->end >= length)
        return 0;
    queue_compact(queue);
    if (queue->capacity - queue->end >= length)
        return 0;
    while (capacity - queue->end < length) {
        if (capacity > SIZE_MAX / 2)
            return -ENOMEM;
        capacity *= 2;
    }
    data = realloc(queue->data, capacity);
    if (data == NULL)
        return -ENOMEM;
    queue->data = data;
    queue->capacity = capacity;
    return 0;
}

static void queue_extend(const struct reply_gate *gate, struct reply_queue *queue,
                         uint64_t sequence)
{
    unsigned last = (queue->first + queue->count - 1) % REPLY_SEGMENTS;

    if (queue->count == 0 ||
        (queue->segments[last].turn != gate->turn && queue->count < REPLY_SEGMENTS)) {
        last = (queue->first + queue->count++) % REPLY_SEGMENTS;
        queue->segments[last].sequence = 0;
        queue->segments[last].answers = 0;
    }
    queue->segments[last].turn = gate->turn;
    if (queue->segments[last].sequence < sequence)
        queue->segments[last].sequence = sequence;
    queue->segments[last].end = queue->end;
    queue->segments[last].answers++;
}

int reply_queue_hold(struct reply_gate *gate, struct reply_queue *queue, uint64_t sequence,
                     const void *data, size_t length)
{
    assert(sequence > gate->passed);
    queue_shrink(queue);
    if (queue_reserve(queue, length) < 0)
        return -ENOMEM;
    memcpy(queue->data + queue->end, data, length);
    queue->end += length;
    queue_extend(gate, queue, sequence);
    if (list_is_empty(&queue->link))
        list_append(&gate->waiting, &queue->link);
    return 0;
}

/* Takes off the segments that have passed; their bytes, if any, begin at *ret_begin. */
static size_t queue_take(struct reply_queue *queue, uint64_t passed, size_t *ret_begin,
                         uint32_t *ret_answers)
{
    size_t begin = queue->begin;

    *ret_answers = 0;
    while (queue->count > 0 && queue->segments[queue->first].sequence <= passed) {
        queue->begin = queue->segments[queue->first].end;
        *ret_answers += queue->segments[queue->first].answers;
        queue->first = (queue->first + 1) % REPLY_SEGMENTS;
        queue->count--;
    }
    *ret_begin = begin;
    return queue->begin - begin;
}

void reply_gate_pass(struct reply_gate *gate, uint64_t sequence, reply_release_function release,
                     void *userdata)
{
    struct list due;

    if (sequence <= gate->passed)
        return;
    gate->passed = sequence;
    /* Walks a list of its own: the release function may end queues and hold new answers. */
    list_init(&due);
    list_move_all(&due, &gate->waiting);
    while (!list_is_empty(&due)) {
        struct reply_queue *queue = CONTAINER_OF(due.next, struct reply_queue, link);
        uint32_t answers;
        size_t begin, length = queue_take(queue, sequence, &begin, &answers);

        list_remove(&queue->link);
        if (queue->count > 0)
            list_append(&gate->waiting, &queue->link);
        else
            queue->begin = queue->end = 0;
        if (length > 0)
            release(userdata, queue, queue->data + begin, length, answers);
    }
}
