/*
 * Events in the engine: how they come into a record (event.c), which of them a new balance raises
 * (threshold.c), and which webhooks have been seen (webhook.c). Part of state.h.
 */
#pragma once

#include <core/event.h>

struct append;
struct balance;

struct event_row;
struct event_log {
    struct event_row **rows; /* owned: a ring, oldest first, without a gap */
    size_t capacity, head, count;
    uint64_t first, last; /* numbers, of all that are kept anywhere */
};

/* Of credits.low, descending. */
struct thresholds {
    int64_t items[CORE_THRESHOLDS_MAX];
    uint32_t count, tag;
};

/* --- event.c --- */
struct event_note {
    enum core_event_type type;
    int64_t value;
    uint32_t data_offset, data_length;
    struct core_text customer, product;
};
void event_log_init(struct core *core);
void event_log_deinit(struct core *core);
/* One more event of the record, before append_begin. Where this or append_begin fails, all of the
 * record's are gone. 0 or -ENOMEM. */
int event_log_add(struct core *core, struct append *append, const struct event_note *note);
void event_log_drop(struct append *append);
/* append_finish's: they get their numbers, and are kept. The bits of their types. */
uint32_t event_log_number(struct core *core, struct append *append, int64_t now);
/* When the state has followed the record. */
void event_log_tell(const struct core *core, const struct append *append, uint32_t slot);
int event_log_load(struct core *core, const void *key, size_t key_length, const void *value,
                   size_t value_length);
void event_log_trim(struct core *core);
/* For core_check: what is wrong, or NULL. */
const char *event_log_check(const struct core *core);

/* --- threshold.c --- */
void thresholds_make(const int64_t *items, size_t count, struct thresholds *ret_list);
/* Flags and events that follow from a new row of that balance; `spent`: by a consume. Again with
 * the same row it adds nothing. */
uint32_t crossing(const struct core *core, const struct balance *balance, struct core_row *row,
                  bool spent);
/* Adds events, crossing's and others of the balance, before `row` becomes the balance's. */
int crossing_add(struct core *core, struct append *append, const struct balance *balance,
                 const struct core_row *row, uint32_t events);

/* --- webhook.c --- */
struct webhook_seen;
/* In memory, where it is not there yet: before the record. Then the one or the other. */
int webhook_seen_new(struct core *core, struct core_text id, struct webhook_seen **ret_webhook);
void webhook_seen_set(struct core *core, struct webhook_seen *webhook,
                      const struct webhook_image *row);
void webhook_seen_drop(struct core *core, struct webhook_seen *webhook);
int webhook_seen_load(struct core *core, const void *key, size_t key_length, const void *value,
                      size_t value_length);
int webhook_seen_tick(struct core *core, int64_t now);
int64_t webhook_seen_wakeup(const struct core *core);
void webhook_seen_deinit(struct core *core);
