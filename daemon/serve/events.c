/* See events.h. */
#include "events.h"
#include "serve.h"
#include <errno.h>
#include <proto/events.h>
#include <stdlib.h>
#include <string.h>
#include <util/log.h>

#define FIND_MAX 1000u

void events_init(struct events *events, struct serve *serve)
{
    memset(events, 0, sizeof(*events));
    events->serve = serve;
}

void events_deinit(struct events *events)
{
    free(events->items);
    memset(events, 0, sizeof(*events));
}

static int events_reserve(struct events *events)
{
    size_t capacity = events->capacity > 0 ? 2 * events->capacity : 16;
    struct event_item *items;

    if (events->first > 0) {
        memmove(events->items, events->items + events->first,
                events->count * sizeof(*events->items));
        events->first = 0;
    }
    if (events->count < events->capacity)
        return 0;
    items = reallocarray(events->items, capacity, sizeof(*items));
    if (items == NULL)
        return -ENOMEM;
    events->items = items;
    events->capacity = capacity;
    return 0;
}

_Static_assert(CORE_EVENT_COUNT_ == (int)PROTO_EVENT_COUNT_,
               "the engine's types are those of the wire");

static void copy_text(char *copy, size_t most, const char *text, size_t length)
{
    if (length > most)
        length = most;
    if (length > 0)
        memcpy(copy, text, length);
    copy[length] = '\0';
}

/* A look at the history does not name the push that it is for. */
static void find_push(struct core *core, uint32_t slot, char *id)
{
    struct core_push push;
    size_t position = 0;
    uint32_t at;

    while (position < FIND_MAX && core_next_push(core, &position, &push, &at))
        if (at == slot && push.state != CORE_PUSH_WATCHED) {
            core_push_id(core, push.epoch, push.sequence, id);
            return;
        }
}

static void add_parked(const struct events *events, uint32_t slot, struct event_item *item)
{
    const struct exchange *cause = events->cause;

    if (cause != NULL && cause->kind == EXCHANGE_PUSH)
        copy_text(item->push_id, sizeof(item->push_id) - 1, cause->push_id, strlen(cause->push_id));
    else
        find_push(events->serve->core, slot, item->push_id);
    copy_text(item->said, EVENTS_SAID_MAX, events->said, events->said_length);
}

void events_add(struct events *events, enum core_event_type event, uint32_t slot, uint64_t sequence)
{
    struct core_balance balance;
    struct event_item *item;

    if (!core_balance_at(events->serve->core, slot, serve_now(events->serve), &balance))
        return;
    if (events->first + events->count == events->capacity && events_reserve(events) < 0) {
        log_error("event %s is not told: out of memory", proto_event_type(event));
        return;
    }
    item = &events->items[events->first + events->count++];
    item->event = event;
    item->sequence = sequence;
    copy_text(item->customer, PROTO_ID_MAX, balance.customer.data, balance.customer.length);
    copy_text(item->product, PROTO_ID_MAX, balance.product.data, balance.product.length);
    item->push_id[0] = item->said[0] = '\0';
    if (event == CORE_EVENT_PUSH_PARKED)
        add_parked(events, slot, item);
}

static void event_tell(const struct event_item *item)
{
    enum log_level level =
        item->event == CORE_EVENT_CREDITS_OVERDRAWN ? LOG_LEVEL_NOTICE : LOG_LEVEL_INFO;

    if (item->event == CORE_EVENT_PUSH_PARKED) {
        log_warning("%s: customer %s, product %s, push %s; StellarTools said: %s",
                    proto_event_type(item->event), item->customer, item->product,
                    item->push_id[0] != '\0' ? item->push_id : "(many)",
                    item->said[0] != '\0' ? item->said : "nothing");
        return;
    }
    log_line(level, "%s: customer %s, product %s", proto_event_type(item->event), item->customer,
             item->product);
}

void events_pass(struct events *events, uint64_t durable)
{
    while (events->count > 0 && events->items[events->first].sequence <= durable) {
        event_tell(&events->items[events->first]);
        events->first++;
        events->count--;
    }
    if (events->count == 0)
        events->first = 0;
}
