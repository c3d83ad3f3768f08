/*
 * The clocks. A system call that reads a clock that exists cannot fail, so none of these does.
 */
#include <assert.h>
#include <time.h>
#include <util/clock.h>

static int64_t clock_read_ns(clockid_t id)
{
    struct timespec now;
    int failed = clock_gettime(id, &now);

    assert(!failed);
    (void)failed;
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

int64_t clock_wall_ms(void)
{
    return clock_read_ns(CLOCK_REALTIME) / 1000000;
}

int64_t clock_boot_ms(void)
{
    return clock_read_ns(CLOCK_BOOTTIME) / 1000000;
}

int64_t clock_monotonic_ns(void)
{
    return clock_read_ns(CLOCK_MONOTONIC);
}

#define BEHIND_MS (INT64_C(60) * 1000) /* less is what clocks do */
#define AHEAD_MS (INT64_C(30) * 24 * 60 * 60 * 1000)

enum ledger_clock_state ledger_clock_judge(int64_t last_recorded_ms, int64_t wall_ms)
{
    if (last_recorded_ms <= 0)
        return LEDGER_CLOCK_FINE;
    if (wall_ms < last_recorded_ms)
        return last_recorded_ms - wall_ms > BEHIND_MS ? LEDGER_CLOCK_BEHIND : LEDGER_CLOCK_FINE;
    if (wall_ms - last_recorded_ms > LEDGER_CLOCK_AHEAD_MAX)
        return LEDGER_CLOCK_FAR_AHEAD;
    return wall_ms - last_recorded_ms > AHEAD_MS ? LEDGER_CLOCK_AHEAD : LEDGER_CLOCK_FINE;
}

void ledger_clock_init(struct ledger_clock *clock, int64_t last_recorded_ms, int64_t wall_ms,
                       int64_t boot_ms)
{
    clock->origin_ms = wall_ms > last_recorded_ms ? wall_ms : last_recorded_ms;
    clock->origin_boot_ms = boot_ms;
}

int64_t ledger_clock_at(const struct ledger_clock *clock, int64_t boot_ms)
{
    if (boot_ms <= clock->origin_boot_ms)
        return clock->origin_ms;
    return clock->origin_ms + (boot_ms - clock->origin_boot_ms);
}
