/*
 * Time. Wall time is read once, at start; from then on ledger time moves by CLOCK_BOOTTIME, so that
 * a clock that is set back, forward or smeared never moves the ledger (ledger.md section 6).
 */
#pragma once

#include <stdint.h>

/* Milliseconds since the epoch, and of CLOCK_BOOTTIME (counts suspended time, never jumps). */
int64_t clock_wall_ms(void);
int64_t clock_boot_ms(void);
/* CLOCK_MONOTONIC in nanoseconds, for measuring durations. */
int64_t clock_monotonic_ns(void);

struct ledger_clock {
    int64_t origin_ms; /* ledger time, in milliseconds since the epoch, at origin_boot_ms */
    int64_t origin_boot_ms;
};

/* What to think of the wall clock at a start, over a ledger whose last record is of that time (0:
 * it has none). Ledger time never goes back, so a clock that is years ahead once would end every
 * reservation and forget every key, for good. A machine may have been off for long, though. */
enum ledger_clock_state {
    LEDGER_CLOCK_FINE,
    LEDGER_CLOCK_BEHIND, /* ledger time goes on from the last record: it stands still meanwhile */
    LEDGER_CLOCK_AHEAD,  /* by more than a month: worth a line */
    LEDGER_CLOCK_FAR_AHEAD, /* by more than LEDGER_CLOCK_AHEAD_MAX: not without being told so */
};

#define LEDGER_CLOCK_AHEAD_MAX (INT64_C(400) * 24 * 60 * 60 * 1000)

enum ledger_clock_state ledger_clock_judge(int64_t last_recorded_ms, int64_t wall_ms);

/* Starts at wall_ms, or at last_recorded_ms where the wall clock has fallen behind what the ledger
 * already recorded. */
void ledger_clock_init(struct ledger_clock *clock, int64_t last_recorded_ms, int64_t wall_ms,
                       int64_t boot_ms);
/* Ledger time in milliseconds since the epoch; never less than an earlier answer for an earlier
 * boot_ms. */
int64_t ledger_clock_at(const struct ledger_clock *clock, int64_t boot_ms);
