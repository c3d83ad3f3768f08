/*
 * Errands: one exchange each, for a request of the caller's. The engine only gives them their turn.
 *
 * While upstream is in trouble a write is not sent before some read has succeeded. It does not wait
 * for somebody else's: when it is due it reads its own customer, as a probe, and goes back into
 * the queue; so it is sent as soon as upstream answers, or is taken back at its deadline.
 */
#include "state.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct errand {
    struct job job; /* first */
    uint64_t number;
    bool is_write;
    bool probing;    /* its exchange only finds out whether upstream answers */
    bool taken_back; /* … and it is not wanted any more */
    size_t customer_length;
    char customer[];
};

int core_errand(struct core *core, bool is_write, struct core_text customer, uint32_t uid,
                int64_t now, uint64_t *ret_errand)
{
    if (is_write && customer.length == 0)
        return -EINVAL;
    int r = turns_take(core, uid, customer, now);
    if (r != CORE_OK)
        return r;
    struct errand *errand = calloc(1, sizeof(*errand) + customer.length);
    if (!errand)
        return -ENOMEM;
    r = job_init(core, &errand->job, JOB_ERRAND);
    if (r < 0) {
        free(errand);
        return r;
    }
    errand->is_write = is_write;
    errand->customer_length = customer.length;
    if (customer.length)
        memcpy(errand->customer, customer.data, customer.length);
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

    if (!errand || (errand->job.exchange && !errand->probing))
        return false;
    if (errand->probing)
        errand->taken_back = true;
    else
        drop(core, errand);
    return true;
}

void errand_describe(const struct core *core, struct job *job, struct exchange *exchange)
{
    struct errand *errand = (struct errand *)job;

    errand->probing = errand->is_write && plan_troubled(core);
    if (errand->probing) {
        exchange->kind = EXCHANGE_CUSTOMER;
        exchange->customer = errand->customer;
        exchange->customer_length = errand->customer_length;
        return;
    }
    exchange->kind = EXCHANGE_ERRAND;
    exchange->errand = errand->number;
}

void errand_done(struct core *core, struct job *job)
{
    struct errand *errand = (struct errand *)job;

    if (!errand->probing || errand->taken_back) {
        drop(core, errand);
        return;
    }
    errand->probing = false;
    job_ready(core, job, TURN_COLD, true);
}

void errands_deinit(struct core *core)
{
    const struct map_entry *entry;

    for (size_t position = 0; (entry = map_next(&core->errands, &position)); position = 0)
        drop(core, (struct errand *)(uintptr_t)entry->value);
    map_deinit(&core->errands);
}
