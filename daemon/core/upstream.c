/*
 * Which upstream a ledger belongs to: a text of serve's, kept in a row of META.
 *
 * What is pending here was deducted from balances that were read there, and pushed anywhere else it
 * would take credits that nobody has spent. Whether what is at hand is that upstream is for serve
 * to compare; the engine remembers. The record keeps what stood there before, and who changed it.
 */
#include "state.h"

#include <errno.h>
#include <string.h>

struct core_text core_upstream(const struct core *core)
{
    return (struct core_text){core->upstream, core->upstream_length};
}

static void keep(struct core *core, const void *text, size_t length)
{
    memcpy(core->upstream, text, length);
    core->upstream_length = length;
}

int core_set_upstream(struct core *core, struct core_text upstream, uint32_t uid, int64_t now,
                      uint64_t *ret_sequence)
{
    struct append append;

    if (upstream.length == 0 || upstream.length > CORE_UPSTREAM_MAX)
        return -EINVAL;
    append_init(&append);
    append_image(&append, TABLE_META, CORE_META_UPSTREAM, strlen(CORE_META_UPSTREAM), upstream.data,
                 upstream.length);
    int r = append_begin(core, &append, core->upstream_length, true);
    if (r < 0)
        return r;
    append_finish(core, &append, RECORD_SETTING, NULL, uid, 0, core->upstream, now);
    keep(core, upstream.data, upstream.length);
    *ret_sequence = core->sequence;
    return CORE_OK;
}

int upstream_load(struct core *core, const void *value, size_t value_length)
{
    if (value_length == 0 || value_length > CORE_UPSTREAM_MAX)
        return -EBADMSG;
    keep(core, value, value_length);
    return 0;
}
