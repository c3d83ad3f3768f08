/*
 * Reading all balances ahead of their time: how far that has got.
 */
#pragma once

#include <stdint.h>

struct core;

/* Going through all balances of a product, or all (NO_PRODUCT). */
struct sweep {
    uint32_t next, end; /* slots */
    uint32_t product;
};

void refresh_tick(struct core *core, int64_t now);
int64_t refresh_wakeup(const struct core *core);
