/* See apply.h. */
#include "apply.h"
#include "object_compare.h"
#include "objects.h"
#include "payment_refund.h"
#include "serve.h"
#include <core/link.h>
#include <errno.h>
#include <proto/unpack.h>
#include <stdlib.h>
#include <string.h>
#include <util/log.h>

/* One record, unless there is too much to be told in one: then what is stored changes with the
 * last of them, so that nothing is left untold. */
static int append(struct core *core, const struct core_object_change *change, int64_t now,
                  uint64_t *ret_sequence)
{
    struct core_object_change part = *change;
    int r = core_object_change(core, change, now, ret_sequence);

    if (r != -E2BIG || change->event_count < 2)
        return r;
    part.key = part.webhook = part.beside = (struct core_text){"", 0};
    part.ends.intent = 0;
    part.event_count = change->event_count / 2;
    r = append(core, &part, now, ret_sequence);
    if (r < 0)
        return r;
    part = *change;
    part.events += change->event_count / 2;
    part.event_count -= change->event_count / 2;
    return append(core, &part, now, ret_sequence);
}

static void log_unkept(const struct core_object_change *change, bool is_told)
{
    log_warning("what StellarTools says of %.*s (%s) is too large to be kept (%zu KiB): it is in "
                "memory only, what is stored stays as it was%s",
                (int)change->key.length, change->key.data, record_table_name(change->table),
                change->length / 1024,
                is_told ? "" : ", and no event tells of what has changed in it");
}

/* What is told must not be lost because it cannot be kept, and what was read is answered. That it
 * is in memory also keeps it from being read anew for each who asks, and from being told anew each
 * time that it is read: once more after a restart. */
static int put_unkept(struct serve *serve, const struct apply *apply,
                      const struct core_object_change *change, uint64_t *ret_sequence)
{
    struct core_object_change rest = *change;
    bool is_first = true, is_told = true;
    int r;

    rest.key = (struct core_text){"", 0};
    rest.body = NULL;
    rest.length = 0;
    r = append(serve->core, &rest, serve_now(serve), ret_sequence);
    if (r == -E2BIG && apply->input.source != CHANGES_TOLD) { /* will be as large the next time */
        is_told = false;
        rest.event_count = 0;
        r = append(serve->core, &rest, serve_now(serve), ret_sequence);
    }
    if (r != CORE_OK)
        return r;
    r = core_object_cache(serve->core, change, *ret_sequence, serve_now(serve), &is_first);
    serve->objects_unkept++;
    if (is_first)
        log_unkept(change, is_told);
    return r;
}

static int put(struct serve *serve, const struct apply *apply, const struct changes *changes,
               const struct payment_row *row, int64_t synced_at, struct applied *ret_applied)
{
    struct core_object_change change = {
        .table = apply->input.table,
        .events = changes->events,
        .event_count = changes->event_count,
        .webhook = apply->webhook,
        .beside = {row->key, row->key_length},
        .beside_body = row->body.data,
        .beside_length = row->body.size,
    };
    uint64_t sequence = 0;
    int r;

    if (!changes->is_older) /* which proves nothing */
        change.ends = apply->ends;
    if (changes->store) {
        change.key = apply->key;
        change.body = changes->body.data;
        change.length = changes->body.size;
        change.partial = changes->partial;
        change.synced_at = changes->keeps_time ? synced_at : 0;
    }
    r = append(serve->core, &change, serve_now(serve), &sequence);
    if (r == -E2BIG && changes->store)
        r = put_unkept(serve, apply, &change, &sequence);
    if (r != CORE_OK)
        return r;
    *ret_applied = (struct applied){
        .changed = changes->store,
        .is_older = changes->is_older,
        .events = changes->event_count,
        .reveals = sequence,
    };
    return CORE_OK;
}

/* Which refund gave the payment back, where that is news. CORE_OK, CORE_LOAD or -errno. */
static int make_row(struct serve *serve, const struct apply *apply, struct payment_row *row)
{
    struct core_text payment;
    msgpack_object refund;
    msgpack_zone zone;
    bool failed;
    int r;

    if (!msgpack_zone_init(&zone, 4096))
        return -ENOMEM;
    r = unpack(&zone, apply->input.body, apply->input.length, &refund);
    if (r == 0 && (payment = object_id(&refund, "payment_id")).length > 0) {
        failed =
            object_text_is(&refund, "status", "failed") ||
            (apply->input.source == CHANGES_TOLD && apply->input.type == CORE_EVENT_REFUND_FAILED);
        r = payment_row_make(serve, payment, apply->key, failed, row);
    }
    msgpack_zone_destroy(&zone);
    return r;
}

static int apply_changes(struct serve *serve, const struct apply *apply,
                         const struct changes *changes, int64_t synced_at,
                         struct applied *ret_applied, struct apply_missing *ret_missing)
{
    const struct changes_input *input = &apply->input;
    struct payment_row row;
    int r = CORE_OK;

    payment_row_init(&row);
    if (changes->store && input->table == TABLE_REFUND)
        r = make_row(serve, apply, &row);
    if (r == CORE_LOAD) {
        memcpy(ret_missing->key, row.key, row.key_length);
        ret_missing->length = row.key_length;
    }
    if (r == CORE_OK)
        r = put(serve, apply, changes, &row, synced_at, ret_applied);
    if (r == CORE_OK && changes->store && input->table == TABLE_SUBSCRIPTIONS && !input->is_list)
        errands_overtake(&serve->errands, TABLE_SUBSCRIPTIONS, apply->key);
    payment_row_deinit(&row);
    return r;
}

int apply_object(struct serve *serve, const struct apply *apply, struct applied *ret_applied,
                 struct apply_missing *ret_missing)
{
    const struct changes_input *input = &apply->input;
    struct changes_stored stored = {0};
    struct core_object object = {0};
    struct changes changes;
    int r = CORE_NOT_FOUND;

    if (apply->key.length > 0)
        r = core_object_get(serve->core, input->table, apply->key, &object);
    if (r == CORE_LOAD) {
        memcpy(ret_missing->key, apply->key.data, apply->key.length);
        ret_missing->length = apply->key.length;
        return r;
    }
    if (r == CORE_OK) {
        stored.body = object.body;
        stored.length = object.body_length;
        stored.partial = object.synced_at == 0;
    }
    r = changes_make(input, &stored, &changes);
    if (r < 0)
        return r;
    r = apply_changes(serve, apply, &changes, object.synced_at, ret_applied, ret_missing);
    changes_deinit(&changes);
    return r;
}

/* --- for who cannot wait --- */

struct later {
    struct serve *serve;
    struct apply apply;
    unsigned loads;
    char key[OBJECT_KEY_MAX];
    uint8_t body[];
};

#define LOADS_MAX 2u /* the row, and the one beside it */

static void report(int r)
{
    if (r < 0)
        log_error("keeping an object of StellarTools: %s", strerror(-r));
}

static void on_loaded(void *userdata);

static int load(struct later *later, const struct apply_missing *missing)
{
    later->loads++;
    return object_load_then(later->serve, later->apply.input.table,
                            (struct core_text){missing->key, missing->length}, on_loaded, later);
}

static void on_loaded(void *userdata)
{
    struct later *later = userdata;
    struct apply_missing missing;
    struct applied applied;
    int r = apply_object(later->serve, &later->apply, &applied, &missing);

    if (r == CORE_LOAD && later->loads < LOADS_MAX && (r = load(later, &missing)) == 0)
        return;
    report(r == CORE_LOAD ? -EIO : r);
    free(later);
}

static int apply_later(struct serve *serve, const struct apply *apply,
                       const struct apply_missing *missing)
{
    struct later *later = malloc(sizeof(*later) + apply->input.length);
    int r;

    if (later == NULL)
        return -ENOMEM;
    later->serve = serve;
    later->apply = *apply;
    later->loads = 0;
    memcpy(later->key, apply->key.data, apply->key.length);
    later->apply.key.data = later->key;
    memcpy(later->body, apply->input.body, apply->input.length);
    later->apply.input.body = later->body;
    r = load(later, missing);
    if (r < 0)
        free(later);
    return r;
}

void apply_soon(struct serve *serve, const struct apply *apply, uint64_t *reveals)
{
    struct apply_missing missing;
    struct applied applied = {0};
    int r = apply_object(serve, apply, &applied, &missing);

    if (r == CORE_LOAD)
        r = apply_later(serve, apply, &missing);
    report(r);
    if (applied.reveals > *reveals)
        *reveals = applied.reveals;
}
