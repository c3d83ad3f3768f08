/*
 * How long to wait before starting again what has ended. A pure function of how long the runs were.
 */
#include "backoff.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <util/config.h>
#include <util/macros.h>

void backoff_init(struct backoff *backoff, int64_t first_ms, int64_t longest_ms,
                  int64_t good_run_ms)
{
    *backoff = (struct backoff){first_ms, longest_ms, good_run_ms, first_ms};
}

int backoff_parse(struct backoff *backoff, const char *text)
{
    CLEANUP(cleanup_free) char *copy = strdup(text);
    int64_t values[3];
    char *rest = copy;

    if (!copy)
        return -ENOMEM;
    for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
        const char *word = strsep(&rest, ",");

        if (!word || config_parse_duration(word, &values[i]) < 0 || values[i] < 0)
            return -EINVAL;
    }
    if (rest || values[0] < 1 || values[1] < values[0])
        return -EINVAL;
    backoff_init(backoff, values[0], values[1], values[2]);
    return 0;
}

int64_t backoff_wait(struct backoff *backoff, int64_t ran_ms)
{
    int64_t wait;

    if (ran_ms >= backoff->good_run_ms)
        backoff->next_ms = backoff->first_ms;
    wait = backoff->next_ms;
    backoff->next_ms = wait > backoff->longest_ms / 2 ? backoff->longest_ms : wait * 2;
    return wait;
}
