#include "rate.h"

static void rate_follow(struct rate *rate, int64_t limit, int64_t window_ms, int64_t now_ms)
{
    bool changed = rate->limit != limit || rate->window_ms != window_ms;

    if (changed || rate->used == 0 || now_ms >= rate->opened_ms + rate->window_ms)
        *rate = (struct rate){.limit = limit, .window_ms = window_ms, .opened_ms = now_ms};
}

bool rate_take(struct rate *rate, int64_t limit, int64_t window_ms, int64_t now_ms,
               struct rate_notice *ret_notice)
{
    int64_t end_ms;
    bool passes;

    *ret_notice = (struct rate_notice){0};
    if (limit <= 0)
        return true;
    rate_follow(rate, limit, window_ms, now_ms);
    passes = rate->used < limit;
    if (passes)
        rate->used++;
    end_ms = rate->opened_ms + window_ms;
    ret_notice->limit = limit;
    ret_notice->remaining = limit - rate->used;
    ret_notice->reset = (end_ms + 999) / 1000;
    ret_notice->retry_after = (end_ms - now_ms + 999) / 1000;
    return passes;
}
