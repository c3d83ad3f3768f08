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

void progress_set_space(struct progress *progress, enum store_space space)
{
    if (atomic_exchange(&progress->space, (int)space) != (int)space)
        progress_notify(progress);
}

void progress_get(const struct progress *progress, struct store_watermarks *ret_watermarks)
{
    *ret_watermarks = (struct store_watermarks){
        .failure = atomic_load(&progress->failure),
        .space = (enum store_space)atomic_load(&progress->space),
        .stored = atomic_load(&progress->stored),
        .stored_place = atomic_load(&progress->stored_place),
        .stored_time = atomic_load(&progress->stored_time),
        .durable = atomic_load(&progress->durable),
        .written = atomic_load(&progress->written),
        .appended = atomic_load(&progress->appended),
    };
}
