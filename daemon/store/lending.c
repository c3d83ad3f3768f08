/*
 * A short list behind a lock. The descriptors of a segment that goes while it is lent are closed
 * when it comes back.
 */
#include "lending.h"

#include <errno.h>

void lending_init(struct lending *lending, const struct files *files, uint64_t oldest)
{
    *lending = (struct lending){.files = files, .oldest = oldest};
    (void)pthread_mutex_init(&lending->lock, NULL);
}

/* With the lock: unlinks and returns the segment that `at` points to. */
static struct segment *unlink_one(struct lending *lending, struct segment **at)
{
    struct segment *segment = *at;

    *at = segment->next;
    segment->next = NULL;
    lending->idle_count--;
    return segment;
}

int lending_take(struct lending *lending, uint64_t number, struct segment **ret_segment)
{
    struct segment **at = &lending->idle, *segment = NULL;
    bool gone;

    (void)pthread_mutex_lock(&lending->lock);
    gone = number < lending->oldest;
    while (*at && (*at)->number != number)
        at = &(*at)->next;
    if (*at)
        segment = unlink_one(lending, at);
    (void)pthread_mutex_unlock(&lending->lock);
    if (gone)
        return -ENOENT;
    if (!segment)
        return segment_open(lending->files, number, ret_segment);
    *ret_segment = segment;
    return 0;
}

void lending_give(struct lending *lending, struct segment *segment)
{
    struct segment **at = &lending->idle, *superfluous = NULL;

    (void)pthread_mutex_lock(&lending->lock);
    while (*at && (*at)->number != segment->number)
        at = &(*at)->next;
    if (*at || segment->number < lending->oldest) {
        superfluous = segment;
    } else {
        segment->next = lending->idle;
        lending->idle = segment;
        if (++lending->idle_count > LENDING_MAX) {
            for (at = &segment->next; (*at)->next; at = &(*at)->next)
                ;
            superfluous = unlink_one(lending, at);
        }
    }
    (void)pthread_mutex_unlock(&lending->lock);
    (void)segment_free(superfluous);
}

void lending_forget(struct lending *lending, uint64_t oldest)
{
    struct segment **at = &lending->idle;

    (void)pthread_mutex_lock(&lending->lock);
    lending->oldest = oldest;
    while (*at)
        if ((*at)->number < oldest)
            (void)segment_free(unlink_one(lending, at));
        else
            at = &(*at)->next;
    (void)pthread_mutex_unlock(&lending->lock);
}

void lending_deinit(struct lending *lending)
{
    lending_forget(lending, UINT64_MAX);
    (void)pthread_mutex_destroy(&lending->lock);
}
