/*
 * Intents kept: found by their sequence and by the name they were asked for under, each change a
 * record; and the commands about them. intent.c says what they are and carries them out.
 */
#include "intent.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void core_intent_id(const struct core *core, uint32_t epoch, uint64_t sequence,
                    char ret_id[EXCHANGE_PUSH_ID_SIZE])
{
    snprintf(ret_id, EXCHANGE_PUSH_ID_SIZE, "int_%08x_%u_%llu", core->instance, epoch,
             (unsigned long long)sequence);
}

struct core_text intent_owner(const struct intent *intent)
{
    return (struct core_text){intent->owner, intent->row.owner_length};
}

struct core_text intent_payload(const struct intent *intent)
{
    return (struct core_text){intent->owner + intent->row.owner_length, intent->row.payload_length};
}

static struct intent *at(const uint64_t *found)
{
    return found ? (struct intent *)(uintptr_t)*found : NULL;
}

static struct hash128 owner_key(const struct core *core, struct core_text user_id)
{
    return hash_pair(&core->hash_key, "intent of", 9, user_id.data, user_id.length);
}

static struct hash128 app_key(const struct core *core, enum core_intent_kind kind,
                              struct core_text customer, struct core_text key)
{
    struct hash128 scope[2] = {
        hash_pair(&core->hash_key, &kind, sizeof(kind), customer.data, customer.length)};
    return hash_pair(&core->hash_key, scope, sizeof(scope), key.data, key.length);
}

struct intent *intent_of_user(const struct core *core, struct core_text user_id)
{
    return at(map_get(&core->intents_by_key, owner_key(core, user_id)));
}

struct intent *intent_find(const struct core *core, uint64_t sequence)
{
    return at(map_get(&core->intents, hash_number(sequence)));
}

/* --- memory and records --- */

void intent_forget(struct core *core, struct intent *intent)
{
    if (!intent->forgotten) {
        map_remove(&core->intents, hash_number(intent->row.sequence));
        if (intent->row.has_key && at(map_get(&core->intents_by_key, intent->row.key)) == intent)
            map_remove(&core->intents_by_key, intent->row.key);
    }
    intent->forgotten = true;
    if (intent->job.exchange) /* which still points at it, and counts as one that is under way */
        return;
    job_deinit(core, &intent->job);
    free(intent->owner);
    free(intent);
}

static int make(struct core *core, const struct intent_image *row, struct core_text owner,
                struct core_text payload, struct intent **ret_intent)
{
    struct intent *intent = calloc(1, sizeof(*intent));
    char *text = malloc(owner.length + payload.length + 1);
    int r = intent && text ? job_init(core, &intent->job, JOB_INTENT) : -ENOMEM;

    if (r < 0) {
        free(intent);
        free(text);
        return r;
    }
    intent->row = *row;
    intent->owner = text;
    intent->row.owner_length = (uint16_t)owner.length;
    intent->row.payload_length = (uint16_t)payload.length;
    memcpy(text, owner.data, owner.length);
    if (payload.length)
        memcpy(text + owner.length, payload.data, payload.length);
    *ret_intent = intent;
    return 0;
}

static int index_intent(struct core *core, struct intent *intent)
{
    int r = map_put(&core->intents, hash_number(intent->row.sequence), (uint64_t)(uintptr_t)intent);

    if (r == 0 && intent->row.has_key)
        r = map_put(&core->intents_by_key, intent->row.key, (uint64_t)(uintptr_t)intent);
    return r;
}

/* Who is told: a customer has an owner who is a user, and is none yet. */
static int add_parked_event(struct core *core, struct append *append, const struct intent *intent)
{
    bool of_user = intent->row.kind == CORE_INTENT_CUSTOMER;
    const struct event_note note = {
        .type = CORE_EVENT_PUSH_PARKED,
        .customer = of_user ? (struct core_text){"", 0} : intent_owner(intent),
        .product = {"", 0},
    };

    return event_log_add(core, append, &note);
}

int intent_append(struct core *core, struct intent *intent, struct intent_image *next,
                  enum record_type type, bool deleted, int64_t now)
{
    size_t length = sizeof(*next) + intent->row.owner_length + intent->row.payload_length;
    uint8_t *value = malloc(length);
    struct append append;
    bool is_new = next->sequence == 0;
    bool parks = !deleted && next->state == CORE_INTENT_PARKED;

    if (!value)
        return -ENOMEM;
    append_init(&append);
    append_image(&append, TABLE_INTENT, &next->sequence, sizeof(next->sequence), value,
                 deleted ? 0 : length);
    int r = parks ? add_parked_event(core, &append, intent) : 0;
    if (r == 0)
        r = append_begin(core, &append, 0, !is_new);
    if (r == 0) {
        if (is_new)
            next->sequence = append.sequence;
        memcpy(value, next, sizeof(*next));
        memcpy(value + sizeof(*next), intent->owner, length - sizeof(*next));
        append_finish(core, &append, type, NULL, next->uid, 0, NULL, now);
        intent->row = *next;
        intent->last_sequence = append.sequence;
        event_log_tell(core, &append, NO_SLOT);
    }
    free(value);
    return r;
}

/* --- commands --- */

static void describe(const struct intent_image *row, uint64_t reveals,
                     struct core_intent *ret_intent)
{
    *ret_intent = (struct core_intent){
        .sequence = row->sequence,
        .epoch = row->epoch,
        .kind = row->kind,
        .state = row->state,
        .attempt = row->attempt,
        .begun_at = row->begun_at,
        .reveals = reveals,
    };
    memcpy(ret_intent->object_id, row->object_id, sizeof(ret_intent->object_id));
    memcpy(ret_intent->message, row->message, sizeof(ret_intent->message));
}

static int begin(struct core *core, const struct intent_image *row, struct core_text owner,
                 struct core_text payload, int64_t now, struct intent **ret_intent)
{
    struct intent_image next = *row;
    struct intent *intent;

    int r = make(core, row, owner, payload, &intent);
    if (r < 0)
        return r;
    next.owner_length = intent->row.owner_length;
    next.payload_length = intent->row.payload_length;
    r = intent_append(core, intent, &next, RECORD_INTENT, false, now);
    if (r == 0)
        r = index_intent(core, intent);
    if (r < 0) {
        intent_forget(core, intent);
        return r;
    }
    *ret_intent = intent;
    return 0;
}

int intent_of_customer(struct core *core, struct core_text user_id, struct core_text payload,
                       bool send, uint32_t uid, int64_t now, uint64_t *ret_sequence)
{
    struct intent *intent = intent_of_user(core, user_id);
    int r = 0;

    if (!intent) {
        struct intent_image row = {
            .key = owner_key(core, user_id),
            .epoch = core->epoch,
            .uid = uid,
            .kind = CORE_INTENT_CUSTOMER,
            .state = send ? CORE_INTENT_SENDING : CORE_INTENT_WANTED,
            .attempt = 1,
            .clean = 1,
            .has_key = 1,
            .begun_at = now,
        };
        r = begin(core, &row, user_id, payload, now, &intent);
    } else if (send && intent->row.state == CORE_INTENT_WANTED) {
        struct intent_image next = intent->row;
        next.state = CORE_INTENT_SENDING;
        r = intent_append(core, intent, &next, RECORD_INTENT, false, now);
    } else {
        return 0; /* it is under way */
    }
    if (r < 0)
        return r;
    if (ret_sequence)
        *ret_sequence = intent->last_sequence;
    if (send)
        job_ready(core, &intent->job, TURN_COLD, true);
    return 0;
}

bool intent_is_wish(const struct intent *intent)
{
    return intent->row.state == CORE_INTENT_WANTED;
}

uint64_t intent_reveals(const struct intent *intent)
{
    return intent->last_sequence;
}

bool intent_is_resent(const struct job *job)
{
    return job->exchange_kind == EXCHANGE_CREATE && !((const struct intent *)job)->row.clean;
}

int intent_drop(struct core *core, struct intent *intent, int64_t now)
{
    struct intent_image next = intent->row;

    int r = intent_append(core, intent, &next, RECORD_OUTCOME, true, now);
    if (r == 0)
        intent_forget(core, intent);
    return r;
}

static struct hash128 fingerprint_of(const struct core *core, struct core_text payload)
{
    return hash_bytes(&core->hash_key, payload.data, payload.length);
}

int core_intent_find(const struct core *core, enum core_intent_kind kind, struct core_text customer,
                     struct core_text key, struct core_text payload, struct core_intent *ret_intent)
{
    struct hash128 fingerprint = fingerprint_of(core, payload);
    const struct intent *intent = NULL;

    if (key.length)
        intent = at(map_get(&core->intents_by_key, app_key(core, kind, customer, key)));
    if (!intent)
        return CORE_NOT_FOUND;
    describe(&intent->row, intent->last_sequence, ret_intent);
    return memcmp(&intent->row.fingerprint, &fingerprint, sizeof(fingerprint)) == 0
               ? CORE_OK
               : CORE_KEY_REUSED;
}

/* Those that may still cost requests of upstream's. */
static unsigned open_of(const struct core *core, enum core_intent_kind kind,
                        struct core_text customer)
{
    const struct map_entry *entry;
    unsigned count = 0;

    for (size_t position = 0; (entry = map_next(&core->intents, &position));) {
        const struct intent *intent = (const struct intent *)(uintptr_t)entry->value;
        struct core_text owner = intent_owner(intent);
        bool open =
            intent->row.state == CORE_INTENT_SENDING || intent->row.state == CORE_INTENT_DOUBT;
        count += open && intent->row.kind == kind && owner.length == customer.length &&
                 memcmp(owner.data, customer.data, owner.length) == 0;
    }
    return count;
}

int core_intent_begin(struct core *core, enum core_intent_kind kind, struct core_text customer,
                      struct core_text key, struct core_text payload, uint32_t uid, int64_t now,
                      struct core_intent *ret_intent)
{
    struct intent_image row = {
        .epoch = core->epoch,
        .uid = uid,
        .kind = kind,
        .state = CORE_INTENT_SENDING,
        .attempt = 1,
        .clean = 1,
        .fingerprint = fingerprint_of(core, payload),
        .has_key = key.length > 0,
        .begun_at = now,
    };
    struct intent *intent;

    if (payload.length > CORE_PAYLOAD_MAX || customer.length > 128 || kind == CORE_INTENT_CUSTOMER)
        return -EINVAL;
    int r = core_intent_find(core, kind, customer, key, payload, ret_intent);
    if (r != CORE_NOT_FOUND)
        return r;
    if (open_of(core, kind, customer) >= CORE_INTENTS_OPEN_MAX)
        return CORE_QUOTA_INTENTS;
    if (row.has_key)
        row.key = app_key(core, kind, customer, key);
    r = turns_take(core, uid, customer, now);
    if (r == CORE_OK)
        r = begin(core, &row, customer, payload, now, &intent);
    if (r != CORE_OK)
        return r;
    job_ready(core, &intent->job, TURN_COLD, true);
    describe(&intent->row, intent->last_sequence, ret_intent);
    return CORE_OK;
}

bool core_intent_get(const struct core *core, uint64_t sequence, struct core_intent *ret_intent)
{
    const struct intent *intent = intent_find(core, sequence);

    if (intent)
        describe(&intent->row, intent->last_sequence, ret_intent);
    return intent != NULL;
}

struct core_text core_intent_payload(const struct core *core, uint64_t sequence)
{
    const struct intent *intent = intent_find(core, sequence);

    return intent ? intent_payload(intent) : (struct core_text){"", 0};
}

struct core_text core_intent_owner(const struct core *core, uint64_t sequence)
{
    const struct intent *intent = intent_find(core, sequence);

    return intent ? intent_owner(intent) : (struct core_text){"", 0};
}

bool core_next_intent(const struct core *core, size_t *position, struct core_intent *ret_intent)
{
    const struct map_entry *entry = map_next(&core->intents, position);

    if (entry) {
        const struct intent *intent = (const struct intent *)(uintptr_t)entry->value;
        describe(&intent->row, intent->last_sequence, ret_intent);
    }
    return entry != NULL;
}

int core_intent_settle(struct core *core, uint64_t sequence, struct core_text object_id,
                       uint32_t uid, int64_t now)
{
    struct intent *intent = intent_find(core, sequence);

    if (!intent)
        return CORE_NOT_FOUND;
    bool sent = intent->row.state == CORE_INTENT_SENDING && intent->job.exchange;
    bool open = intent->row.state == CORE_INTENT_SENDING || intent->row.state == CORE_INTENT_DOUBT;
    bool gives_up = object_id.length == 0 && open && !sent;
    if (intent->row.state != CORE_INTENT_PARKED && !gives_up)
        return CORE_NOT_PARKED;
    if (object_id.length == 0)
        return intent_give_up(core, intent, uid, now);
    struct exchange_object object = {.id = object_id.data, .id_length = object_id.length};
    int r = intent_succeeded(core, intent, &object, now);
    return r == 0 && intent->row.state != CORE_INTENT_DONE ? -ENOSPC : r; /* not recorded */
}

/* --- start --- */

static int intent_decode(const void *value, size_t length, struct intent_image *ret_row,
                         struct core_text *ret_owner, struct core_text *ret_payload)
{
    struct intent_image row = {.begun_at = 0};

    if (length < INTENT_IMAGE_OLD)
        return -EBADMSG;
    memcpy(&row, value, INTENT_IMAGE_OLD);
    size_t texts = (size_t)row.owner_length + row.payload_length;
    if (length != INTENT_IMAGE_OLD + texts && length != sizeof(row) + texts)
        return -EBADMSG;
    if (length == sizeof(row) + texts)
        memcpy(&row, value, sizeof(row));
    const char *text = (const char *)value + length - texts;
    *ret_row = row;
    *ret_owner = (struct core_text){text, row.owner_length};
    *ret_payload = (struct core_text){text + row.owner_length, row.payload_length};
    return 0;
}

int core_intent_decode(const void *value, size_t length, struct core_intent *ret_intent,
                       struct core_text *ret_owner, struct core_text *ret_payload)
{
    struct intent_image row;
    int r = intent_decode(value, length, &row, ret_owner, ret_payload);

    if (r == 0)
        describe(&row, 0, ret_intent);
    return r;
}

int intent_load(struct core *core, const void *key, size_t key_length, const void *value,
                size_t value_length)
{
    struct core_text owner, payload;
    struct intent_image row;
    uint64_t sequence;
    int r;

    if (key_length != sizeof(sequence))
        return -EBADMSG;
    memcpy(&sequence, key, sizeof(sequence));
    struct intent *old = intent_find(core, sequence);
    if (old)
        intent_forget(core, old);
    if (value_length == 0)
        return 0;
    r = intent_decode(value, value_length, &row, &owner, &payload);
    if (r < 0 || row.sequence != sequence)
        return -EBADMSG;
    struct intent *intent;
    r = make(core, &row, owner, payload, &intent);
    if (r == 0 && (r = index_intent(core, intent)) < 0)
        intent_forget(core, intent);
    return r;
}

/* What was under way has no answer, and the one before it counts no more. */
static void start(struct core *core, struct intent *intent, int64_t now)
{
    if (intent->row.begun_at == 0)
        intent->row.begun_at = now;
    if (intent->row.state == CORE_INTENT_SENDING) {
        intent->row.clean = 0;
        intent->row.verdict = VERDICT_NONE;
        intent->untold = intent->row.kind == CORE_INTENT_REFUND;
        intent->row.state = intent->untold ? CORE_INTENT_PARKED : CORE_INTENT_DOUBT;
    }
    if (intent->untold) /* a start changes nothing */
        job_at(core, &intent->job, now);
    else if (intent->row.state == CORE_INTENT_DOUBT)
        job_at(core, &intent->job, now + core->policy.in_doubt_delay);
    else if (intent->row.ended_at)
        job_at(core, &intent->job, intent->row.ended_at + INTENT_KEEP_ENDED);
}

int intents_start(struct core *core, int64_t now)
{
    size_t count = 0, wishes = 0;
    const struct map_entry *entry;

    /* The searches change the map of intents, which must not change under a walk. */
    struct intent **all = calloc(core->intents.count + 1, sizeof(struct intent *));
    if (!all)
        return -ENOMEM;
    for (size_t position = 0; (entry = map_next(&core->intents, &position));) {
        struct intent *intent = (struct intent *)(uintptr_t)entry->value;
        if (intent->row.state == CORE_INTENT_WANTED)
            all[wishes++] = intent;
        else
            start(core, intent, now);
        count++;
    }
    int r = 0;
    for (size_t i = 0; r == 0 && i < wishes; i++)
        r = search_resume(core, intent_owner(all[i]), intent_payload(all[i]), now);
    free(all);
    return r;
}

void intents_deinit(struct core *core)
{
    const struct map_entry *entry;

    for (size_t position = 0; (entry = map_next(&core->job_exchanges, &position));) {
        struct intent *intent = (struct intent *)(uintptr_t)entry->value;
        if (intent->job.kind != JOB_INTENT || !intent->forgotten)
            continue;
        free(intent->owner);
        free(intent);
    }
    for (size_t position = 0; (entry = map_next(&core->intents, &position));) {
        struct intent *intent = (struct intent *)(uintptr_t)entry->value;
        free(intent->owner);
        free(intent);
    }
    map_deinit(&core->intents);
    map_deinit(&core->intents_by_key);
}
