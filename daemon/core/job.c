/*
 * Jobs: what needs turns besides balances. They share the classes of turns with them (P6), the
 * budget, and what is known of trouble on the way; a job that is not due waits among the timers,
 * one that is due in its class, reads and writes apart.
 */
#include "state.h"

#include <errno.h>
#include <string.h>
#include <util/macros.h>

int job_init(struct core *core, struct job *job, enum job_kind kind)
{
    if (heap_reserve(&core->job_timers, core->job_count + 1) < 0)
        return -ENOMEM;
    core->job_count++;
    *job = (struct job){.kind = kind, .queued = TURN_NONE};
    return 0;
}

static void unqueue(struct core *core, struct job *job)
{
    heap_remove(&core->job_timers, &job->by_time);
    if (job->queued == TURN_NONE)
        return;
    struct job_queue *queue = &core->job_ready[job->queued][job->is_write];
    if (job->previous)
        job->previous->next = job->next;
    else
        queue->first = job->next;
    if (job->next)
        job->next->previous = job->previous;
    else
        queue->last = job->previous;
    job->next = job->previous = NULL;
    job->queued = TURN_NONE;
}

void job_deinit(struct core *core, struct job *job)
{
    unqueue(core, job);
    if (job->exchange)
        map_remove(&core->job_exchanges, hash_number(job->exchange));
    core->job_count--;
}

void job_ready(struct core *core, struct job *job, enum turn turn, bool is_write)
{
    struct job_queue *queue = &core->job_ready[turn][is_write];

    unqueue(core, job);
    job->queued = turn;
    job->is_write = is_write;
    job->previous = queue->last;
    if (queue->last)
        queue->last->next = job;
    else
        queue->first = job;
    queue->last = job;
}

void job_at(struct core *core, struct job *job, int64_t due)
{
    unqueue(core, job);
    heap_set(&core->job_timers, &job->by_time, due);
}

struct job *job_first(const struct core *core, enum turn turn, bool reads, bool writes)
{
    struct job *read = reads ? core->job_ready[turn][0].first : NULL;
    struct job *write = writes ? core->job_ready[turn][1].first : NULL;
    bool prefer_read = core->job_wrote[turn]; /* so that neither starves the other */

    return write && (!prefer_read || !read) ? write : read;
}

void jobs_fire(struct core *core, int64_t now)
{
    for (;;) {
        struct heap_node *node = heap_first(&core->job_timers);
        if (!node || node->key > now)
            return;
        struct job *job = CONTAINER_OF(node, struct job, by_time);
        heap_remove(&core->job_timers, node);
        if (job->kind == JOB_SEARCH)
            search_fire(core, job, now);
        else if (job->kind == JOB_INTENT)
            intent_fire(core, job, now);
    }
}

int job_begin(struct core *core, struct job *job, int64_t now, struct exchange *exchange)
{
    int r = map_put(&core->job_exchanges, hash_number(exchange->id), (uint64_t)(uintptr_t)job);

    if (r < 0)
        return r;
    if (job->kind == JOB_ERRAND)
        errand_describe(core, job, exchange);
    else if (job->kind == JOB_SEARCH)
        r = search_begin(core, job, now, exchange);
    else
        r = intent_begin_exchange(core, job, now, exchange);
    if (r < 0) {
        map_remove(&core->job_exchanges, hash_number(exchange->id));
        job_at(core, job, now + 1000);
        return r;
    }
    core->job_wrote[job->queued] = job->is_write;
    unqueue(core, job);
    if (job->kind == JOB_INTENT)
        job->is_write = exchange->kind == EXCHANGE_CREATE;
    else if (job->is_write) /* … unless it only probes */
        job->is_write = exchange->kind == EXCHANGE_ERRAND;
    job->exchange = exchange->id;
    job->exchange_kind = exchange->kind;
    return 0;
}

int job_done(struct core *core, struct job *job, const struct exchange_answer *answer, int64_t now)
{
    map_remove(&core->job_exchanges, hash_number(job->exchange));
    job->exchange = 0;
    if (job->kind == JOB_SEARCH)
        return search_done(core, job, answer, now);
    if (job->kind == JOB_INTENT)
        return intent_done(core, job, answer, now);
    errand_done(core, job);
    return 0;
}

void jobs_deinit(struct core *core)
{
    errands_deinit(core);
    searches_deinit(core);
    intents_deinit(core); /* last: by now what is under way is of intents alone */
    map_deinit(&core->job_exchanges);
    heap_deinit(&core->job_timers);
}
