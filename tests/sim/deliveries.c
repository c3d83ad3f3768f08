/*
 * creditd-sim-deliveries: events of many customers, taken to hooks that succeed, fail and vanish,
 * by an engine that is killed at any point and started again from what was durable. One seed, one
 * run.
 *
 *   creditd-sim-deliveries --seed N [--trace] | --seeds FROM:TO | --random
 *
 * Held throughout: only durable events are told; of a customer's events an earlier one is over, or
 * parked, before a later one is tried; what was over durably is not tried again; what is parked has
 * failed for so long; retention keeps whatever is not over. One customer's events fail nearly
 * always with one hook, so that it is behind all the time, and the others are not. And at the end,
 * when faults stop: each event has reached each hook.
 */
#include "ledger.h"
#include "need.h"
#include <core/delivery.h>
#include <core/link.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define START INT64_C(1790000000000)
#define STEPS 700
#define EVENTS 4000
#define HOOKS 3u
#define CUSTOMERS 9u
#define RUNNING 64
#define RETENTION (INT64_C(90) * 24 * 60 * 60 * 1000)

enum fate { OPEN, OVER, PARKED };

/* What the model knows of one event and one hook. Sequences are of the record that says so. */
struct told {
    enum fate fate;
    uint64_t sequence;
    unsigned tries, gone; /* … in a row, by a helper that died, since the start */
    bool reached, dropped;
    int64_t failed_at; /* the first failure since the last retry that an operator asked for */
};

struct event {
    unsigned customer;
    enum core_event_type type;
    struct told told[HOOKS];
};

struct hook_model {
    struct core_hook_policy policy;
    uint32_t types;
    uint64_t begin, begin_sequence; /* events up to it are not for this hook; sequence 0: not yet */
};

struct world {
    struct prng prng;
    uint64_t seed;
    bool trace;
    struct ledger ledger;
    struct core *core;
    struct core_options options;
    int64_t now;
    bool helper, calm;
    struct hook_model hooks[HOOKS];
    struct event *events; /* number n stands at n − 1 */
    uint64_t event_count;
    struct {
        unsigned hook;
        uint64_t number;
    } running[RUNNING];
    size_t running_count;
    unsigned bad_hook, bad_customer;
    uint64_t attempts, crashes, parks, refused, behinds;
    jmp_buf failed;
};

static struct world world;

static const char *const customers[CUSTOMERS] = {"cus_a", "cus_b", "cus_c", "cus_d", "cus_e",
                                                 "cus_f", "cus_g", "cus_h", ""};

__attribute__((format(printf, 1, 2), noreturn)) static void fail(const char *format, ...)
{
    va_list arguments;

    printf("seed %llu: FAILED at sequence %zu, time %+lld: ", (unsigned long long)world.seed,
           world.ledger.count, (long long)(world.now - START));
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    putchar('\n');
    fflush(stdout);
    longjmp(world.failed, 1);
}

__attribute__((format(printf, 1, 2))) static void trace(const char *format, ...)
{
    va_list arguments;

    if (!world.trace)
        return;
    printf("%+9lld #%zu ", (long long)(world.now - START), world.ledger.count);
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    putchar('\n');
}

static unsigned long long number(uint64_t value)
{
    return (unsigned long long)value;
}

static struct core_text text(const char *data)
{
    return (struct core_text){data, strlen(data)};
}

static struct event *event_at(uint64_t event)
{
    if (event == 0 || event > world.event_count)
        fail("there is no event %llu", number(event));
    return &world.events[event - 1];
}

static bool is_for(unsigned hook, uint64_t event)
{
    const struct hook_model *model = &world.hooks[hook];

    return model->begin_sequence != 0 && event > model->begin &&
           (model->types >> event_at(event)->type & 1) != 0;
}

/* --- the engine's life --- */

static void settle(void)
{
    const char *wrong = ledger_settle(&world.ledger, world.now, world.options.epoch);

    if (wrong != NULL)
        fail("%s", wrong);
    if (core_check(world.core, &wrong) < 0)
        fail("%s", wrong);
}

static void load_rows(void)
{
    static const enum record_table tables[] = {TABLE_META, TABLE_HOOK, TABLE_DELIVERY};
    const struct rowset *rows = &world.ledger.rows;
    uint64_t first = UINT64_MAX, last = 0;
    struct core_event event;

    for (size_t i = 0; i < rows->count; i++) {
        const struct rowset_row *row = &rows->rows[i];

        if (row->table != TABLE_EVENT || row->value_length == 0)
            continue;
        if (core_event_decode(row->key, row->key_length, row->value, row->value_length, &event) < 0)
            fail("an event's row cannot be read");
        first = event.number < first ? event.number : first;
        last = event.number > last ? event.number : last;
    }
    if (last > 0 && core_event_load(world.core, first, last) < 0)
        fail("events cannot be loaded");
    for (size_t t = 0; t < sizeof(tables) / sizeof(tables[0]); t++)
        for (size_t i = 0; i < rows->count; i++) {
            const struct rowset_row *row = &rows->rows[i];

            if (row->table == tables[t] && row->value_length > 0 &&
                core_load_row(world.core, row->table, row->key, row->key_length, row->value,
                              row->value_length) < 0)
                fail("a row cannot be loaded");
        }
}

static void set_policies(void)
{
    for (unsigned i = 0; i < HOOKS; i++) {
        struct hook_model *model = &world.hooks[i];
        size_t before = world.ledger.count;
        int r = core_hook_set_policy(world.core, i, &model->policy, world.now);

        if (r < 0 && r != -ENOSPC)
            fail("a hook's policy: %d", r);
        if (r == 0 && model->policy.types != 0 && model->begin_sequence == 0) {
            if (world.ledger.count != before + 1)
                fail("a hook has begun without a record");
            model->begin = world.event_count;
            model->begin_sequence = world.ledger.count;
        }
    }
}

static void start(void)
{
    uint64_t first, last, stored = world.ledger.stored;
    uint32_t missing;

    world.options.epoch++;
    world.options.sink = ledger_sink(&world.ledger);
    if (core_new(&world.options, &world.core) < 0)
        abort();
    load_rows();
    for (uint64_t sequence = stored + 1; sequence <= world.ledger.count; sequence++) {
        const struct ledger_record *entry = ledger_at(&world.ledger, sequence);

        if (core_replay(world.core, &entry->record, entry->place, &missing) < 0)
            fail("record %llu cannot be replayed", number(sequence));
    }
    if (core_start(world.core, world.now) < 0)
        fail("it does not start");
    core_set_stored(world.core, stored);
    core_event_range(world.core, &first, &last);
    world.event_count = last;
    world.helper = false;
    set_policies();
    settle();
}

/* What the lost records said has not happened. */
static void forget_lost(void)
{
    uint64_t kept = world.ledger.count;

    for (unsigned hook = 0; hook < HOOKS; hook++) {
        if (world.hooks[hook].begin_sequence > kept)
            world.hooks[hook].begin_sequence = 0;
        for (uint64_t i = 0; i < world.event_count; i++) {
            struct told *told = &world.events[i].told[hook];

            told->gone = 0;
            if (told->sequence > kept) {
                told->fate = OPEN;
                told->sequence = 0;
                told->dropped = false;
            }
        }
    }
}

static void crash(void)
{
    uint64_t before = world.event_count;

    trace("crash: %llu of %zu records are durable", number(world.ledger.durable),
          world.ledger.count);
    world.crashes++;
    world.core = core_free(world.core);
    world.running_count = 0;
    ledger_crash(&world.ledger, &world.prng);
    forget_lost();
    start();
    for (uint64_t i = world.event_count; i < before; i++) {
        for (unsigned hook = 0; hook < HOOKS; hook++)
            if (world.events[i].told[hook].tries > 0)
                fail("event %llu was told before it was durable", number(i + 1));
        memset(&world.events[i], 0, sizeof(world.events[i]));
    }
}

/* --- what happens --- */

static void raise_events(void)
{
    struct core_event_data data[CORE_EVENTS_MAX];
    bool burst = prng_chance(&world.prng, 40);
    uint64_t count = burst ? 1 + prng_below(&world.prng, CORE_EVENTS_MAX)
                           : 1 + prng_below(&world.prng, 4),
             sequence, first, last;
    unsigned only = prng_chance(&world.prng, 500) ? world.bad_customer
                                                  : (unsigned)prng_below(&world.prng, CUSTOMERS);

    if (world.event_count + count > EVENTS)
        return;
    for (uint64_t i = 0; i < count; i++) {
        struct event *event = &world.events[world.event_count + i];

        memset(event, 0, sizeof(*event));
        event->customer = burst ? only : (unsigned)prng_below(&world.prng, CUSTOMERS);
        event->type = (enum core_event_type)prng_below(&world.prng, CORE_EVENT_COUNT_);
        memset(&data[i], 0, sizeof(data[i]));
        data[i].type = event->type;
        data[i].customer = text(customers[event->customer]);
    }
    struct core_object_change change = {.events = data, .event_count = count};
    int r = core_object_change(world.core, &change, world.now, &sequence);
    if (r == -ENOSPC)
        return;
    if (r < 0)
        fail("events cannot be raised: %d", r);
    world.event_count += count;
    core_event_range(world.core, &first, &last);
    if (last != world.event_count)
        fail("event %llu is the last, not %llu", number(last), number(world.event_count));
    trace("events up to %llu", number(last));
}

static bool read_event(uint64_t event, struct core_event *ret_event)
{
    uint8_t key[CORE_EVENT_KEY_SIZE];
    const struct rowset_row *row;

    switch (core_event_get(world.core, event, ret_event)) {
    case CORE_OK:
        return true;
    case CORE_LOAD:
        core_event_key(event, key);
        row = rowset_get(&world.ledger.rows, TABLE_EVENT, key, sizeof(key));
        if (row == NULL || core_event_decode(row->key, row->key_length, row->value,
                                             row->value_length, ret_event) < 0)
            fail("event %llu is not in the store", number(event));
        return true;
    default:
        fail("event %llu is gone", number(event));
    }
}

static void show(unsigned hook)
{
    uint64_t from, through, pages = 0;

    while (core_hook_wants(world.core, hook, world.ledger.durable, &from, &through)) {
        if (from == 0 || through < from || through - from >= 256)
            fail("hook %u wants %llu to %llu", hook, number(from), number(through));
        for (; from <= through; from++) {
            struct core_event event;

            read_event(from, &event);
            if (event.sequence > world.ledger.durable)
                fail("event %llu is shown before it is durable", number(from));
            int r = core_hook_show(world.core, hook, &event, world.now);
            if (r == -ESTALE)
                break; /* it has enough of these: it is asked again */
            if (r < 0)
                fail("event %llu cannot be shown", number(from));
        }
        if (++pages > 2 * EVENTS + 1000)
            fail("hook %u is never shown enough", hook);
    }
}

/* The rule of order, and that what is over is over. */
static void check_attempt(const struct core_delivery *delivery)
{
    const struct event *event = event_at(delivery->number);
    const struct told *told = &event->told[delivery->hook];

    if (!is_for(delivery->hook, delivery->number))
        fail("event %llu is not for hook %u", number(delivery->number), delivery->hook);
    if (told->fate != OPEN)
        fail("event %llu of hook %u is tried again after its end", number(delivery->number),
             delivery->hook);
    for (size_t i = 0; i < world.running_count; i++)
        if (world.running[i].hook == delivery->hook &&
            event_at(world.running[i].number)->customer == event->customer)
            fail("two events of %s at a time", customers[event->customer]);
    for (uint64_t earlier = 1; earlier < delivery->number; earlier++)
        if (is_for(delivery->hook, earlier) && event_at(earlier)->customer == event->customer &&
            event_at(earlier)->told[delivery->hook].fate == OPEN)
            fail("event %llu of hook %u is tried before event %llu", number(delivery->number),
                 delivery->hook, number(earlier));
}

static bool try_next(void)
{
    struct core_delivery delivery;
    size_t side_by_side = 1;

    if (!world.helper || world.running_count == RUNNING ||
        !core_next_delivery(world.core, world.now, &delivery))
        return false;
    trace("hook %u tries %llu, attempt %u", delivery.hook, number(delivery.number),
          delivery.attempt);
    check_attempt(&delivery);
    for (size_t i = 0; i < world.running_count; i++)
        side_by_side += world.running[i].hook == delivery.hook;
    if (side_by_side > world.hooks[delivery.hook].policy.concurrency)
        fail("hook %u has too much under way", delivery.hook);
    event_at(delivery.number)->told[delivery.hook].tries++;
    world.running[world.running_count].hook = delivery.hook;
    world.running[world.running_count++].number = delivery.number;
    world.attempts++;
    return true;
}

static void note_failure(unsigned hook, uint64_t event, struct told *told)
{
    struct core_delivery delivery;

    if (told->failed_at == 0)
        told->failed_at = world.now;
    if (!core_delivery_get(world.core, hook, event, &delivery))
        fail("event %llu has failed and is nowhere", number(event));
    if (delivery.state != CORE_DELIVERY_PARKED)
        return;
    int64_t park_after = world.hooks[hook].policy.park_after;
    if (park_after < 0 || world.now - told->failed_at < park_after)
        fail("event %llu of hook %u is parked too early", number(event), hook);
    told->fate = PARKED;
    told->sequence = world.ledger.count;
    world.parks++;
}

static void end(size_t index, enum core_delivery_end how)
{
    unsigned hook = world.running[index].hook;
    uint64_t event = world.running[index].number;
    struct told *told = &event_at(event)->told[hook];
    int r;

    trace("hook %u ends %llu with %d", hook, number(event), (int)how);
    world.running[index] = world.running[--world.running_count];
    r = core_delivery_done(world.core, hook, event, how, 1, text("why"), world.now);
    told->reached |= how == CORE_DELIVERY_OK;
    if (r == -ENOSPC) { /* remembered: it is over as soon as the ledger takes it, or never was */
        world.refused++;
        told->gone = 0;
        if (how == CORE_DELIVERY_OK) {
            told->fate = OVER;
            told->sequence = UINT64_MAX;
        } else if (told->failed_at == 0) {
            told->failed_at = world.now;
        }
        return;
    }
    if (r != CORE_OK)
        fail("the end of event %llu: %d", number(event), r);
    if (how == CORE_DELIVERY_GONE && ++told->gone >= CORE_DELIVERY_GONE_MAX)
        how = CORE_DELIVERY_FAILURE;
    if (how == CORE_DELIVERY_FAILURE)
        told->gone = 0;
    if (how == CORE_DELIVERY_OK) {
        told->fate = OVER;
        told->sequence = world.ledger.count;
    } else if (how == CORE_DELIVERY_FAILURE) {
        note_failure(hook, event, told);
    }
}

static void helper_dies(void)
{
    trace("the helper dies");
    world.helper = false;
    while (world.running_count > 0)
        end(world.running_count - 1, CORE_DELIVERY_GONE);
}

/* Ends that the ledger had refused are recorded by core_tick. Which record it was does not matter:
 * a crash that loses it may take it for over or not. */
static void note_late_ends(void)
{
    struct core_delivery delivery;

    for (uint64_t i = 1; i <= world.event_count; i++)
        for (unsigned hook = 0; hook < HOOKS; hook++) {
            struct told *told = &event_at(i)->told[hook];
            bool there = core_delivery_get(world.core, hook, i, &delivery);

            if (told->sequence == UINT64_MAX && !there)
                told->sequence = world.ledger.count;
            else if (told->fate == OPEN && there && delivery.state == CORE_DELIVERY_PARKED)
                note_failure(hook, i, told);
        }
}

static void later(int64_t ms)
{
    world.now += ms;
    if (core_wakeup(world.core) > world.now)
        return;
    (void)core_tick(world.core, world.now);
    if (!world.ledger.full && core_wakeup(world.core) <= world.now &&
        core_tick(world.core, world.now) == 0 && core_wakeup(world.core) <= world.now)
        fail("it would be woken for ever");
    if (world.refused > 0)
        note_late_ends();
}

static bool is_running(unsigned hook, uint64_t event)
{
    struct core_delivery delivery;

    return core_delivery_get(world.core, hook, event, &delivery) &&
           delivery.state == CORE_DELIVERY_RUNNING;
}

static void operate(bool drop)
{
    unsigned hook = (unsigned)prng_below(&world.prng, HOOKS);
    uint64_t event = prng_below(&world.prng, world.event_count + 2), sequence;
    struct core_delivery delivery;
    bool there = core_delivery_get(world.core, hook, event, &delivery);
    int r = drop && event > 0
                ? core_delivery_drop(world.core, hook, event, 7, world.now, &sequence)
                : core_delivery_retry(world.core, hook, event, 7, world.now, &sequence);

    if (r == -ENOSPC)
        return;
    trace("operator: %s %llu of hook %u: %d", drop ? "drop" : "retry", number(event), hook, r);
    if (event > 0 && r != (!there                                    ? CORE_NOT_FOUND
                           : delivery.state == CORE_DELIVERY_RUNNING ? CORE_MAY_HAVE_RUN
                                                                     : CORE_OK))
        fail("the operator is told %d", r);
    if (r != CORE_OK)
        return;
    ledger_flush(&world.ledger); /* an operator is answered when it is durable */
    ledger_sync(&world.ledger, true);
    for (uint64_t i = event > 0 ? event : 1; i <= (event > 0 ? event : world.event_count); i++) {
        struct told *told = &event_at(i)->told[hook];

        if (drop && event > 0) {
            told->fate = OVER;
            told->dropped = true;
            told->sequence = world.ledger.count;
        } else if (told->fate != OVER && !is_running(hook, i)) {
            told->fate = OPEN;
            told->sequence = 0;
            told->failed_at = 0;
        }
    }
}

static void change_policy(void)
{
    struct core_hook_policy *policy = &world.hooks[prng_below(&world.prng, HOOKS)].policy;
    struct hook_model *model = (struct hook_model *)(void *)policy;

    if (prng_chance(&world.prng, 300))
        policy->types = policy->types != 0 ? 0 : model->types;
    policy->concurrency = 1 + (unsigned)prng_below(&world.prng, 6);
    policy->park_after = prng_range(&world.prng, -1, 3) * 20000;
    if (policy->park_after < 0)
        policy->park_after = -1;
    set_policies();
}

/* Whoever drops what is older than needed loses nothing. */
static void check_needed(void)
{
    uint64_t needed = core_event_needed(world.core, world.now, RETENTION);

    for (unsigned hook = 0; hook < HOOKS; hook++)
        for (uint64_t i = 1; i <= world.event_count && i < needed; i++)
            if (world.hooks[hook].policy.types != 0 && is_for(hook, i) &&
                event_at(i)->told[hook].fate != OVER)
                fail("event %llu may go, and hook %u needs it", number(i), hook);
}

/* --- runs --- */

static void end_some(void)
{
    size_t index = prng_below(&world.prng, world.running_count);
    bool bad = world.running[index].hook == world.bad_hook &&
               event_at(world.running[index].number)->customer == world.bad_customer;

    end(index,
        prng_chance(&world.prng, bad ? 200 : 750) ? CORE_DELIVERY_OK : CORE_DELIVERY_FAILURE);
}

static void count_behinds(void)
{
    struct core_hook_summary summary;

    for (unsigned hook = 0; hook < HOOKS; hook++)
        if (core_hook_summary(world.core, hook, &summary))
            world.behinds += summary.behind;
}

static void step(void)
{
    uint64_t chosen = prng_below(&world.prng, 1000);

    if (chosen < 150)
        raise_events();
    else if (chosen < 300)
        ledger_flush(&world.ledger), ledger_sync(&world.ledger, chosen < 200);
    else if (chosen < 340)
        ledger_checkpoint(&world.ledger, world.ledger.durable),
            core_set_stored(world.core, world.ledger.stored);
    else if (chosen < 480)
        show((unsigned)prng_below(&world.prng, HOOKS));
    else if (chosen < 700)
        (void)try_next();
    else if (chosen < 880 && world.running_count > 0)
        end_some();
    else if (chosen < 930)
        later(prng_wait(&world.prng, chosen < 920 ? 400 : 20000));
    else if (chosen < 950)
        operate(chosen < 940);
    else if (chosen < 960)
        helper_dies();
    else if (chosen < 985)
        world.helper = true;
    else if (chosen < 990)
        change_policy();
    else if (chosen < 995)
        world.ledger.full = !world.ledger.full;
    else
        crash();
}

static bool is_all_over(void)
{
    for (unsigned hook = 0; hook < HOOKS; hook++)
        for (uint64_t i = 1; i <= world.event_count; i++)
            if (is_for(hook, i) && event_at(i)->told[hook].fate != OVER)
                return false;
    return world.running_count == 0;
}

/* Faults stop: all that is left must be delivered, what is parked once an operator says so. */
static void calm_down(void)
{
    uint64_t sequence;

    world.ledger.full = false;
    world.helper = true;
    for (unsigned hook = 0; hook < HOOKS; hook++)
        world.hooks[hook].policy.types = world.hooks[hook].types;
    set_policies();
    for (int round = 0; !is_all_over(); round++) {
        if (round > 60000)
            fail("it does not come to an end");
        ledger_flush(&world.ledger);
        ledger_sync(&world.ledger, true);
        for (unsigned hook = 0; hook < HOOKS; hook++)
            show(hook);
        while (try_next())
            ;
        if (world.running_count > 0) {
            end(world.running_count - 1, CORE_DELIVERY_OK);
        } else {
            for (unsigned hook = 0; hook < HOOKS; hook++)
                if (core_delivery_retry(world.core, hook, 0, 7, world.now, &sequence) == CORE_OK)
                    for (uint64_t i = 1; i <= world.event_count; i++)
                        if (event_at(i)->told[hook].fate == PARKED)
                            event_at(i)->told[hook].fate = OPEN;
            later(1000);
        }
        settle();
    }
    for (unsigned hook = 0; hook < HOOKS; hook++)
        for (uint64_t i = 1; i <= world.event_count; i++) {
            const struct told *told = &event_at(i)->told[hook];

            if (is_for(hook, i) && !told->reached && !told->dropped)
                fail("event %llu has not reached hook %u", number(i), hook);
        }
}

static void play(void)
{
    static const uint32_t types[HOOKS] = {(1u << CORE_EVENT_COUNT_) - 1,
                                          CORE_EVENT_BIT(CREDITS_LOW), 0x2aaaa};

    for (unsigned i = 0; i < HOOKS; i++)
        world.hooks[i] = (struct hook_model){
            .types = types[i],
            .policy = {.types = i == 0 || prng_chance(&world.prng, 700) ? types[i] : 0,
                       .concurrency = 1 + (unsigned)prng_below(&world.prng, 6),
                       .delay_min = 100,
                       .delay_max = 5000,
                       .park_after = 20000}};
    world.bad_hook = (unsigned)prng_below(&world.prng, HOOKS);
    world.bad_customer = (unsigned)prng_below(&world.prng, CUSTOMERS);
    start();
    for (int i = 0; i < STEPS; i++) {
        step();
        settle();
        check_needed();
        count_behinds();
    }
    calm_down();
    check_needed();
    crash(); /* and once more from what is durable: nothing is left to do */
    struct core_delivery delivery;
    world.helper = true;
    for (unsigned hook = 0; hook < HOOKS; hook++)
        show(hook);
    if (core_next_delivery(world.core, world.now, &delivery))
        check_attempt(&delivery);
}

static bool run_seed(uint64_t seed, bool with_trace)
{
    volatile bool held = false;

    memset(&world, 0, sizeof(world));
    world.seed = seed;
    world.trace = with_trace;
    world.now = START;
    world.options.instance = 1;
    world.events = need_array(NULL, EVENTS, sizeof(*world.events));
    prng_init(&world.prng, seed);
    ledger_init(&world.ledger);
    if (setjmp(world.failed) == 0) {
        play();
        printf("seed %llu: ok (events %llu, attempts %llu, parked %llu, crashes %llu, refused "
               "%llu, behind %llu)\n",
               number(seed), number(world.event_count), number(world.attempts), number(world.parks),
               number(world.crashes), number(world.refused), number(world.behinds));
        held = true;
    }
    core_free(world.core);
    ledger_deinit(&world.ledger);
    free(world.events);
    return held;
}

int main(int argc, char **argv)
{
    uint64_t from = 0, to = 0, failures = 0;
    bool chosen = false, with_trace = false;
    char *rest;

    for (int i = 1; i < argc; i++) {
        if (strncmp(argv[i], "--seed", 6) == 0 && i + 1 < argc) {
            from = to = strtoull(argv[++i], &rest, 10);
            if (*rest == ':')
                to = strtoull(rest + 1, &rest, 10);
            chosen = *rest == '\0' && to >= from;
        } else if (strcmp(argv[i], "--random") == 0) {
            const char *given = getenv("CREDITD_SEED");
            from = to = given != NULL ? strtoull(given, NULL, 10) : (uint64_t)time(NULL);
            chosen = true;
        } else if (strcmp(argv[i], "--trace") == 0) {
            with_trace = true;
        }
    }
    if (!chosen) {
        fputs("usage: creditd-sim-deliveries --seed N | --seeds FROM:TO | --random [--trace]\n",
              stderr);
        return 2;
    }
    for (uint64_t seed = from; seed <= to && failures == 0; seed++)
        failures += !run_seed(seed, with_trace);
    return failures > 0;
}
