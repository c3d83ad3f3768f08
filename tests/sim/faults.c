/* Which fault befalls an exchange, and what the weather does to all of them. */
#include "world.h"

#include <string.h>

static enum fate draw_write(struct sim *sim)
{
    const struct scenario *s = &sim->scenario;
    const struct {
        unsigned chance;
        enum fate fate;
    } fates[] = {{s->not_sent, FATE_NOT_SENT},
                 {s->lost_before, FATE_LOST_BEFORE},
                 {s->lost_after, FATE_LOST_AFTER},
                 {s->error_before, FATE_ERROR_BEFORE},
                 {s->error_after, FATE_ERROR_AFTER},
                 {s->stuck_lock, FATE_STUCK},
                 {s->late, FATE_LATE},
                 {s->twice, FATE_TWICE},
                 {s->refused, FATE_REFUSED}};
    for (size_t i = 0; i < sizeof(fates) / sizeof(fates[0]); i++)
        if (fates[i].chance > 0 && prng_chance(&sim->prng, fates[i].chance))
            return fates[i].fate;
    return FATE_NORMAL;
}

enum fate faults_draw(struct sim *sim, const struct wire *wire)
{
    if (sim->weather == DOWN)
        return prng_chance(&sim->prng, 700) ? FATE_NOT_SENT : FATE_LOST_BEFORE;
    if (wire->exchange.kind == EXCHANGE_PUSH || wire->exchange.kind == EXCHANGE_CREATE)
        return draw_write(sim);
    if (prng_chance(&sim->prng, sim->scenario.read_lost))
        return FATE_LOST_BEFORE;
    if (prng_chance(&sim->prng, sim->scenario.read_failed))
        return FATE_ERROR_BEFORE;
    return FATE_NORMAL;
}

/* True when the weather has answered. */
bool faults_weather(struct sim *sim, struct wire *wire)
{
    bool write = wire->exchange.kind == EXCHANGE_PUSH || wire->exchange.kind == EXCHANGE_CREATE;
    switch (sim->weather) {
    case FINE:
    case DOWN: /* it was on its way already */
        return false;
    case BROKEN:
        wire->answer.outcome = EXCHANGE_FAILED;
        wire->answer.http_status = 500;
        return true;
    case UNAUTHORIZED:
        wire->answer.outcome = EXCHANGE_UNAUTHORIZED;
        wire->answer.http_status = 401;
        return true;
    case READ_ONLY:
        if (!write)
            return false;
        /* fall through */
    case FORBIDDEN:
        wire->answer.outcome = EXCHANGE_FORBIDDEN;
        wire->answer.http_status = 403;
        return true;
    }
    return false;
}

/* No row of ours without a record older than it that survives everything (P1). */
static void check_recorded(struct sim *sim, const struct push *push)
{
    const struct ledger_record *entry =
        push != NULL ? ledger_at(&sim->ledger, push->sequence) : NULL;
    if (entry == NULL || push->sequence > sim->ledger.durable ||
        entry->record.header.epoch != push->epoch ||
        (push->kind == CORE_PUSH_DEDUCT && entry->record.header.type != RECORD_PUSH_BEGUN))
        sim_fail(sim, "upstream executes a push that is not durable here");
}

void faults_deduct(struct sim *sim, int pair, int kind, const char *push_id, const char *key,
                   int64_t amount, bool keep_locked, bool plain, struct exchange_answer *ret_answer)
{
    const struct scenario *s = &sim->scenario;
    struct upstream_deduct order = {.pair = pair,
                                    .push_id = push_id,
                                    .key = key,
                                    .kind = kind,
                                    .amount = amount,
                                    .keep_locked = keep_locked};
    int64_t taken;
    if (!plain && kind == EXCHANGE_DEDUCT) {
        order.row_alone = s->row_alone > 0 && prng_chance(&sim->prng, s->row_alone);
        order.balance_alone =
            !order.row_alone && keep_locked && prng_chance(&sim->prng, s->balance_alone);
        if (s->overwritten > 0 && prng_chance(&sim->prng, s->overwritten))
            order.overwritten = prng_range(&sim->prng, 1, 5);
    }
    upstream_deduct(&sim->upstream, &order, sim->now, ret_answer, &taken);
    struct push *push = invariants_push(sim, push_id);
    check_recorded(sim, push);
    if (push != NULL && order.balance_alone && ret_answer->outcome == EXCHANGE_OK)
        push->moved += ret_answer->push.credits_deducted;
    if (taken == 0 || push == NULL)
        return;
    sim_trace(sim, "upstream takes %lld for %s", (long long)taken, key);
    sim->executed_twice += push->executed > 0;
    push->executed += taken;
    if (push->open && !push->dropped) /* dropped in this very step it still counts as open */
        return;
    push->lost += taken;
    sim->lost_credits += (uint64_t)taken;
    if (!s->late_beyond && !push->dropped)
        sim_fail(sim, "%s was closed, and then executed", push_id);
}
