/*
 * What the engine asks of its subscribers: see core/delivery.h for what they are.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct core;

int subscriber_load(struct core *core, const void *key, size_t key_length, const void *value,
                    size_t value_length);
/* The number of the oldest event that one which has moved since then still needs. */
uint64_t subscribers_needed(const struct core *core, int64_t since);
int subscribers_tick(struct core *core, int64_t now);
int64_t subscribers_wakeup(const struct core *core);
void subscribers_deinit(struct core *core);
