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
