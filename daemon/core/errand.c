/*
 * Errands: one exchange each, for a request of the caller's. The engine only gives them their turn.
 */
#include "state.h"

#include <errno.h>
#include <stdlib.h>

struct errand {
    struct job job; /* first */
    uint64_t number;
};

int core_errand(struct core *core, bool is_write, struct core_text customer, uint32_t uid,
                int64_t now, uint64_t *ret_errand)
{
    int r = turns_take(core, uid, customer, now);

    if (r != CORE_OK)
        return r;
    struct errand *errand = calloc(1, sizeof(*errand));
    if (!errand)
        return -ENOMEM;
    r = job_init(core, &errand->job, JOB_ERRAND);
    if (r < 0) {
        free(errand);
        return r;
    }
    errand->number = core->last_errand + 1;
    r = map_put(&core->errands, hash_number(errand->number), (uint64_t)(uintptr_t)errand);
    if (r < 0) {
        job_deinit(core, &errand->job);
        free(errand);
        return r;
    }
    *ret_errand = ++core->last_errand;
    job_ready(core, &errand->job, TURN_COLD, is_write);
    return CORE_OK;
}

static void drop(struct core *core, struct errand *errand)
{
    map_remove(&core->errands, hash_number(errand->number));
    job_deinit(core, &errand->job);
    free(errand);
}

bool core_errand_cancel(struct core *core, uint64_t number)
{
    const uint64_t *found = map_get(&core->errands, hash_number(number));
    struct errand *errand = found ? (struct errand *)(uintptr_t)*found : NULL;

    if (!errand || errand->job.exchange)
        return false;
    drop(core, errand);
    return true;
}

void errand_describe(struct job *job, struct exchange *exchange)
{
    exchange->kind = EXCHANGE_ERRAND;
    exchange->errand = ((struct errand *)job)->number;
}

void errand_done(struct core *core, struct job *job)
{
    drop(core, (struct errand *)job);
}

void errands_deinit(struct core *core)
{
    const struct map_entry *entry;

    for (size_t position = 0; (entry = map_next(&core->errands, &position));)
        free((struct errand *)(uintptr_t)entry->value);
    map_deinit(&core->errands);
}
