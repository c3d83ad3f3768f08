/*
 * Credits given back and granted (P10). The books know what each deduction was, so that nothing is
 * given back twice or beyond what was taken; what goes upstream is followed through the records of
 * its pushes, and through the rows that upstream has of them.
 */
#include "world.h"

#include "need.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define KEY_AGE INT64_C(80000000)

static struct gift *new_gift(struct sim *sim, const struct gift *wish)
{
    if (sim->gift_count == sim->gift_capacity) {
        sim->gift_capacity = sim->gift_capacity > 0 ? 2 * sim->gift_capacity : 32;
        sim->gifts = need_array(sim->gifts, sim->gift_capacity, sizeof(*sim->gifts));
    }
    sim->gifts[sim->gift_count] = *wish;
    return &sim->gifts[sim->gift_count++];
}

static struct gift *find_refund(struct sim *sim, const struct core_transaction *of)
{
    for (size_t i = 0; i < sim->gift_count; i++)
        if (!sim->gifts[i].is_grant && sim->gifts[i].sequence != 0 &&
            sim->gifts[i].of.sequence == of->sequence && sim->gifts[i].of.epoch == of->epoch)
            return &sim->gifts[i];
    return NULL;
}

static int64_t units_of(const struct sim *sim, int pair)
{
    struct core_product product;
    const char *name = sim->pairs[pair].product;
    return rowset_read(&sim->ledger.latest, TABLE_PRODUCT, name, strlen(name), &product,
                       sizeof(product))
               ? product.units_per_credit
               : 1;
}

/* Of what is pending, what a push under way or parked may take. */
static int64_t in_flight(const struct sim *sim, int pair)
{
    struct core_push push;
    uint32_t slot;
    int64_t sum = 0;
    for (size_t position = 0; core_next_push(sim->core, &position, &push, &slot);)
        if (push.balance == sim->pairs[pair].id && push.kind == CORE_PUSH_DEDUCT &&
            push.state != CORE_PUSH_WATCHED)
            sum += push.credits - push.counted;
    return sum;
}

static int64_t refund_credits(const struct gift *wish, int64_t units)
{
    int64_t stays = wish->of_raw - wish->raw_amount;
    if (stays < 0)
        return -1;
    int64_t credits = stays / units + (stays % units != 0);
    return stays == 0 ? wish->of_credits : wish->of_credits - credits;
}

static void judge_again(struct sim *sim, const struct gift *before, const struct gift *wish,
                        int status, const struct core_given *given)
{
    if (status != (before->raw_amount == wish->raw_amount ? CORE_OK : CORE_GIVEN_BACK))
        sim_fail(sim, "what was given back before is answered with %d", status);
    if (status == CORE_OK &&
        (!given->replayed || given->sequence != before->sequence || given->epoch != before->epoch ||
         given->credits != before->credits || given->pushed != before->pushed))
        sim_fail(sim, "a repeated refund's answer differs");
}

static void book(struct sim *sim, struct gift *wish, const struct core_given *given)
{
    struct pair *books = &sim->pairs[wish->pair];
    wish->credits = given->credits;
    wish->pushed = given->pushed;
    wish->sequence = given->sequence;
    wish->epoch = given->epoch;
    wish->at = sim->now;
    books->returned += given->credits - given->pushed;
    books->gifts += given->pushed;
    if (given->replayed)
        sim_fail(sim, "a new gift is called a repeated one");
    if (given->sequence != sim->ledger.count)
        sim_fail(sim, "a gift names another record than its own");
    if (given->balance.reveals < given->sequence)
        sim_fail(sim, "a gift does not wait for its own record (J3)");
    new_gift(sim, wish);
}

static void judge_refund(struct sim *sim, struct gift *wish, const struct core_balance *before,
                         int64_t flying, int status, const struct core_given *given)
{
    int64_t units = units_of(sim, wish->pair), most = ((INT64_C(1) << 53) - 1) / units;
    int64_t credits = refund_credits(wish, units), here = before->pending - flying;
    int64_t at_once = here <= 0 ? 0 : here < credits ? here : credits;
    most = most < INT32_MAX ? most : INT32_MAX; /* what one push can carry (P1) */
    if ((credits < 1 || credits - at_once > most) != (status == CORE_TOO_MUCH))
        sim_fail(sim, "a refund of %lld credits: %d", (long long)credits, status);
    if (status != CORE_OK)
        return;
    if (given->credits != credits || given->pushed != credits - at_once ||
        given->credits > wish->of_credits)
        sim_fail(sim, "a refund gives %lld back, %lld of it by a push; %lld and %lld were right",
                 (long long)given->credits, (long long)given->pushed, (long long)credits,
                 (long long)(credits - at_once));
    if (given->balance.pending != before->pending - at_once ||
        given->balance.available != before->available + at_once)
        sim_fail(sim, "a refund of pending credits does not show at once (P10)");
    book(sim, wish, given);
}

/* A deduction that can be given back: a purchase, or a settled reservation. */
static bool draw_deduction(struct sim *sim, struct gift *wish)
{
    if (sim->hold_count > 0 && prng_chance(&sim->prng, 300)) {
        const struct booked_hold *hold = &sim->holds[prng_below(&sim->prng, sim->hold_count)];
        if (hold->count == 0 || hold->states[hold->count - 1].state != CORE_HOLD_SETTLED ||
            hold->settled_credits == 0)
            return false;
        wish->pair = hold->pair;
        wish->of.sequence = hold->states[hold->count - 1].sequence;
        wish->of.epoch = hold->settled_epoch;
        wish->of_credits = hold->settled_credits;
        wish->of_raw = hold->settled_raw;
        return true;
    }
    uint64_t back = prng_below(&sim->prng, prng_chance(&sim->prng, 700) ? 5 : 200);
    if (back >= sim->purchase_count)
        return false;
    const struct purchase *purchase = &sim->purchases[sim->purchase_count - 1 - back];
    if (!purchase->applied)
        return false;
    wish->pair = purchase->pair;
    wish->of.sequence = purchase->sequence;
    wish->of.epoch = purchase->epoch;
    wish->of_credits = purchase->credits;
    wish->of_raw = purchase->raw_amount;
    return true;
}

static void refund(struct sim *sim, uint32_t uid)
{
    struct gift wish = {.uid = uid};
    struct core_balance before;
    struct core_given given = {0};
    if (sim->gift_count > 0 && prng_chance(&sim->prng, 300))
        wish = sim->gifts[prng_below(&sim->prng, sim->gift_count)];
    if (wish.of_raw == 0 && !draw_deduction(sim, &wish))
        return;
    wish.uid = uid;
    wish.raw_amount =
        prng_chance(&sim->prng, 400) ? wish.of_raw : prng_range(&sim->prng, 1, wish.of_raw);
    if (prng_chance(&sim->prng, 30) && wish.of_raw < INT64_MAX)
        wish.raw_amount = wish.of_raw + 1;
    if (wish.is_grant || !holds_have(sim, wish.pair, &before))
        return;
    /* What a crash took may have another's sequence by now, with another epoch. */
    struct core_give_back command = {.customer = sim_text(sim->pairs[wish.pair].customer),
                                     .product = sim_text(sim->pairs[wish.pair].product),
                                     .of = wish.of,
                                     .of_credits = wish.of_credits,
                                     .of_raw_amount = wish.of_raw,
                                     .raw_amount = wish.raw_amount,
                                     .reason = sim_text("sim"),
                                     .uid = uid};
    if (wish.raw_amount == wish.of_raw && prng_chance(&sim->prng, 500))
        command.raw_amount = 0;
    const struct gift *earlier = find_refund(sim, &wish.of);
    int64_t flying = in_flight(sim, wish.pair);
    size_t records = sim->ledger.count;
    if (earlier == NULL && wish.sequence != 0)
        return; /* its deduction went with the crash that took the refund */
    int status = core_credit_refund(sim->core, &command, sim->now, &given);
    process_settle(sim);
    sim_trace(sim, "refund %s %s of %llu raw %lld: %d, %lld credits, %lld of them pushed",
              sim->pairs[wish.pair].customer, sim->pairs[wish.pair].product,
              (unsigned long long)wish.of.sequence, (long long)wish.raw_amount, status,
              (long long)given.credits, (long long)given.pushed);
    if (process_may_fail(sim, status))
        return;
    if (sim->ledger.count != records + (status == CORE_OK && earlier == NULL))
        sim_fail(sim, "a refund with status %d left %zu records", status,
                 sim->ledger.count - records);
    if (status < 0 || (status != CORE_OK && status != CORE_TOO_MUCH && status != CORE_GIVEN_BACK))
        sim_fail(sim, "core_credit_refund: %d", status);
    else if (earlier != NULL)
        judge_again(sim, earlier, &wish, status, &given);
    else
        judge_refund(sim, &wish, &before, flying, status, &given);
}

/* --- grants --- */

static void judge_grant_again(struct sim *sim, const struct gift *before, bool other, int status,
                              const struct core_given *given)
{
    if (status != (other ? CORE_KEY_REUSED : CORE_OK))
        sim_fail(sim, "a repeated grant is answered with %d", status);
    if (status == CORE_OK && (!given->replayed || given->sequence != before->sequence ||
                              given->epoch != before->epoch || given->credits != before->credits))
        sim_fail(sim, "a repeated grant's answer differs");
}

static void judge_grant(struct sim *sim, struct gift *wish, const struct core_balance *before,
                        int status, const struct core_given *given)
{
    int64_t units = units_of(sim, wish->pair);
    if (status != CORE_OK)
        return;
    if (given->credits != wish->raw_amount / units + (wish->raw_amount % units != 0) ||
        given->pushed != given->credits)
        sim_fail(sim, "a grant of %lld raw gives %lld", (long long)wish->raw_amount,
                 (long long)given->credits);
    if (given->balance.available != before->available)
        sim_fail(sim, "a grant can be spent before it is confirmed (P10)");
    book(sim, wish, given);
}

static void grant(struct sim *sim, uint32_t uid)
{
    struct gift wish = {.is_grant = true, .uid = uid};
    struct core_balance before;
    struct core_given given = {0};
    const struct gift *earlier = NULL;
    wish.pair = (int)prng_below(&sim->prng, (uint64_t)sim->scenario.customers) * SIM_COLUMNS +
                (int)prng_below(&sim->prng, (uint64_t)sim->scenario.products);
    if (sim->gift_count > 0 && prng_chance(&sim->prng, 300)) {
        earlier = &sim->gifts[prng_below(&sim->prng, sim->gift_count)];
        if (!earlier->is_grant || earlier->key[0] == '\0' || earlier->sequence == 0 ||
            sim->now - earlier->at > KEY_AGE)
            return;
        wish = *earlier;
    }
    if (!holds_have(sim, wish.pair, &before))
        return;
    bool other = earlier != NULL && prng_chance(&sim->prng, 200);
    if (earlier == NULL) {
        wish.raw_amount = (prng_range(&sim->prng, 1, 50) - 1) * units_of(sim, wish.pair) + 1;
        if (prng_chance(&sim->prng, 500))
            snprintf(wish.key, sizeof(wish.key), "grant-%zu", sim->gift_count);
    }
    struct core_consume command = {.customer = sim_text(sim->pairs[wish.pair].customer),
                                   .product = sim_text(sim->pairs[wish.pair].product),
                                   .raw_amount = wish.raw_amount + other,
                                   .metadata = sim_text("a grant"),
                                   .uid = wish.uid,
                                   .repeat =
                                       wish.key[0] != '\0' ? CORE_REPEAT_KEY : CORE_REPEAT_NONE,
                                   .key = sim_text(wish.key)};
    size_t records = sim->ledger.count;
    int status = core_grant(sim->core, &command, sim->now, &given);
    process_settle(sim);
    sim_trace(sim, "grant %s %s raw %lld: %d", sim->pairs[wish.pair].customer,
              sim->pairs[wish.pair].product, (long long)command.raw_amount, status);
    if (sim->ledger.count != records + (status == CORE_OK && earlier == NULL))
        sim_fail(sim, "a grant with status %d left %zu records", status,
                 sim->ledger.count - records);
    if (process_may_fail(sim, status))
        return;
    if (status < 0 && !(status == -ENOSPC && sim->ledger.no_space) &&
        !process_may_fail(sim, status))
        sim_fail(sim, "core_grant: %d", status);
    if (earlier != NULL)
        judge_grant_again(sim, earlier, other, status, &given);
    else
        judge_grant(sim, &wish, &before, status, &given);
}

void gives_event(struct sim *sim, uint32_t uid)
{
    if (prng_chance(&sim->prng, 700))
        refund(sim, uid);
    else
        grant(sim, uid);
}

void gives_crash(struct sim *sim)
{
    for (size_t i = 0; i < sim->gift_count; i++) {
        struct gift *gift = &sim->gifts[i];
        if (gift->sequence <= sim->ledger.count)
            continue;
        sim->pairs[gift->pair].returned -= gift->credits - gift->pushed;
        sim->pairs[gift->pair].gifts -= gift->pushed;
        gift->sequence = 0;
        gift->of_raw = 0;
    }
}

/* --- their pushes, as the records tell of them --- */

void gives_forget(struct sim *sim)
{
    sim->done_count = 0;
    for (int pair = 0; pair < SIM_PAIRS; pair++)
        sim->pairs[pair].gifts_done = sim->pairs[pair].gifts_dropped =
            sim->pairs[pair].gifts_counted = 0;
}

static bool is_done(struct sim *sim, uint64_t sequence)
{
    for (size_t i = 0; i < sim->done_count; i++)
        if (sim->done_gifts[i] == sequence)
            return true;
    if (sim->done_count == sim->done_capacity) {
        sim->done_capacity = sim->done_capacity > 0 ? 2 * sim->done_capacity : 32;
        sim->done_gifts = need_array(sim->done_gifts, sim->done_capacity, sizeof(uint64_t));
    }
    sim->done_gifts[sim->done_count++] = sequence;
    return false;
}

void gives_note(struct sim *sim, int pair, const struct record *record)
{
    struct record_push detail;
    struct pair *books = &sim->pairs[pair];
    if ((record->header.type != RECORD_PUSH_RESOLVED && record->header.type != RECORD_WRITE_OFF) ||
        record->header.detail_length < sizeof(detail))
        return;
    memcpy(&detail, record->detail, sizeof(detail));
    if (detail.push.kind == CORE_PUSH_DEDUCT)
        return;
    if (record->header.type == RECORD_WRITE_OFF) {
        books->gifts_dropped += detail.push.credits;
        return;
    }
    books->gifts_counted += detail.counted;
    bool over = detail.push.state == 0 || detail.push.state == CORE_PUSH_WATCHED;
    if (over && !is_done(sim, detail.push.sequence)) {
        books->gifts_done += detail.push.credits;
        if (detail.counted < detail.push.credits)
            sim_fail(sim, "a gift of %lld ended with %lld", (long long)detail.push.credits,
                     (long long)detail.counted);
    }
}

void gives_check(struct sim *sim, int pair, const struct core_reading *reading, int64_t uncounted)
{
    const struct pair *books = &sim->pairs[pair];
    const struct upstream_balance *upstream = &sim->upstream.balances[pair];
    struct core_push push;
    uint32_t slot;
    int64_t open = 0;
    if (reading->returned != books->returned)
        sim_fail(sim, "%s %s: %lld were given back at once, the books say %lld", books->customer,
                 books->product, (long long)reading->returned, (long long)books->returned);
    if (books->gifts == 0)
        return;
    for (size_t position = 0; core_next_push(sim->core, &position, &push, &slot);)
        if (push.balance == books->id && push.kind != CORE_PUSH_DEDUCT &&
            push.state != CORE_PUSH_WATCHED)
            open += push.credits;
    if (books->gifts != open + books->gifts_done + books->gifts_dropped)
        sim_fail(sim, "%s %s: %lld were to be given; %lld are open, %lld done, %lld dropped",
                 books->customer, books->product, (long long)books->gifts, (long long)open,
                 (long long)books->gifts_done, (long long)books->gifts_dropped);
    if (upstream->given != books->gifts_counted + uncounted)
        sim_fail(sim, "%s %s: upstream gave %lld under our ids, we know of %lld and %lld open",
                 books->customer, books->product, (long long)upstream->given,
                 (long long)books->gifts_counted, (long long)uncounted);
}
