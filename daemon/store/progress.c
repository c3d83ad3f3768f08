/*
 * Publishing watermarks: store first, then notify, so that whoever is woken sees them.
 */
#include "progress.h"

void progress_notify(struct progress *progress)
{
    if (progress->on_progress)
        progress->on_progress(progress->userdata);
}

void progress_fail(struct progress *progress, int error)
{
    int none = 0;

    if (atomic_compare_exchange_strong(&progress->failure, &none, error))
        progress_notify(progress);
}

void progress_set_space(struct progress *progress, atomic_int *of, enum store_space space)
{
    if (atomic_exchange(of, (int)space) != (int)space)
        progress_notify(progress);
}

/* Asked for each record: no order with other memory is wanted. */
enum store_space progress_space(const struct progress *progress)
{
    int journal = atomic_load_explicit(&progress->journal_space, memory_order_relaxed);
    int store = atomic_load_explicit(&progress->store_space, memory_order_relaxed);

    return (enum store_space)(journal > store ? journal : store);
}

void progress_get(const struct progress *progress, struct store_watermarks *ret_watermarks)
{
    *ret_watermarks = (struct store_watermarks){
        .failure = atomic_load(&progress->failure),
        .space = progress_space(progress),
        .stored = atomic_load(&progress->stored),
        .stored_place = atomic_load(&progress->stored_place),
        .stored_time = atomic_load(&progress->stored_time),
        .oldest_place = atomic_load(&progress->oldest_place),
        .durable = atomic_load(&progress->durable),
        .written = atomic_load(&progress->written),
        .appended = atomic_load(&progress->appended),
    };
}
