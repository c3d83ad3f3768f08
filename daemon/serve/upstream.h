/*
 * Whether the upstream that creditd-sync is set to is the one that the ledger belongs to.
 *
 * What a ledger has spent, it spent against balances of one upstream: one server, by one kind of
 * key. Started again with another configuration, it would push that to people who have spent
 * nothing there. So each sync.hello says what sync is set to; the ledger keeps the first that it
 * is told, and a helper that says another is not used for anything that is upstream's. An operator
 * who knows that it is the same server under another name says so (upstream.accept).
 */
#pragma once

#include <core/engine.h>
#include <core/rows.h>
#include <msgpack.h>
#include <stdbool.h>
#include <stddef.h>

struct helper;

enum upstream_state {
    UPSTREAM_UNHEARD, /* no helper is there, or it has not said yet */
    UPSTREAM_OURS,    /* also where it has no key, with which nothing goes anywhere */
    UPSTREAM_OTHER,
};

struct upstream {
    enum upstream_state state;
    bool livemode;
    char told[CORE_UPSTREAM_MAX + 1]; /* "": it has said nothing, or has no key */
};

/* A hello has come: the helper is used from now on, or not any more. */
void upstream_heard(struct helper *helper, const msgpack_object *hello);
void upstream_forget(struct upstream *upstream);
/* An operator says that the ledger belongs to what the helper is set to: it is used from now on. 0,
 * or -errno of the ledger. */
int upstream_accept(struct helper *helper, uint32_t uid, uint64_t *ret_sequence);
/* What requests are meant for. */
struct core_text upstream_meant(const struct core *core);
