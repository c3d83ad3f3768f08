/*
 * From which event on events are still needed, as far as that is certain: a place that has moved on
 * in memory has not moved on the disk yet, and after a crash it stands where it stood. So what is
 * needed now counts only once the records that say so are durable. What is needed in addition
 * counts at once.
 */
#pragma once

#include <stdint.h>

/* All zero in the beginning: then everything is needed. */
struct claim {
    uint64_t safe;    /* durable: the oldest that is needed */
    uint64_t seen;    /* will be, … */
    uint64_t seen_at; /* … once this record is */
};

/* `needed` as of the record `appended`. The number of the oldest event that must stay. */
uint64_t claim_settle(struct claim *claim, uint64_t needed, uint64_t appended, uint64_t durable);
