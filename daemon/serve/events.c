/* See events.h. */
#include "events.h"
#include "serve.h"
#include "words.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <util/log.h>

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

static void copy_id(char *copy, struct core_text text)
{
    size_t length = text.length < PROTO_ID_MAX ? text.length : PROTO_ID_MAX;

    memcpy(copy, text.data, length);
    copy[length] = '\0';
}

void events_add(struct events *events, enum core_event event, uint32_t slot, uint64_t sequence)
{
    struct core_balance balance;
    struct event_item *item;

    if (!core_balance_at(events->serve->core, slot, serve_now(events->serve), &balance))
        return;
    if (events->first + events->count == events->capacity && events_reserve(events) < 0) {
        log_error("event %s is not told: out of memory", words_event(event));
        return;
    }
    item = &events->items[events->first + events->count++];
    item->event = event;
    item->sequence = sequence;
    copy_id(item->customer, balance.customer);
    copy_id(item->product, balance.product);
}

static void event_tell(const struct event_item *item)
{
    enum log_level level =
        item->event == CORE_EVENT_PUSH_PARKED || item->event == CORE_EVENT_CREDITS_OVERDRAWN
            ? LOG_LEVEL_NOTICE
            : LOG_LEVEL_INFO;

    log_line(level, "%s: customer %s, product %s", words_event(item->event), item->customer,
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
