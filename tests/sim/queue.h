/* Virtual time: what is to happen, in order of time, and of order of arrival within a moment. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sim_event {
    int64_t at;
    uint64_t order;
    int kind;
    uint64_t subject;
    uint64_t generation; /* of the subject: an event whose subject has gone is void */
};

struct queue {
    struct sim_event *heap;
    size_t count, capacity;
    uint64_t next_order;
};

void queue_deinit(struct queue *queue);
void queue_push(struct queue *queue, int64_t at, int kind, uint64_t subject, uint64_t generation);
/* INT64_MAX when nothing is to happen. */
int64_t queue_next_at(const struct queue *queue);
bool queue_pop(struct queue *queue, struct sim_event *ret_event);
