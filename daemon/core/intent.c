/*
 * Intents: creates, sent once onto an upstream that may answer otherwise than it did (ledger.md
 * P9). An intent is durable before its request leaves, and its id stands in the metadata of what it
 * makes. When an answer is no proof the objects are looked through for that id, twice a while
 * apart, before anything is sent again; a refund of a payment cannot be looked up, and is parked.
 *
 * A customer's intent may begin as a wish (WANTED): the search that goes with it decides whether
 * anything is created at all.
 */
#include "state.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEEP_ENDED (INT64_C(24) * 60 * 60 * 1000)
#define EMPTY_LOOKUPS 2u
#define PAGES_MAX 1000u
#define RETRY_MS 1000
#define RETRY_MOST_MS 60000

/* The row: this, then owner and payload. */
struct intent_image {
    struct hash128 key, fingerprint;
    uint64_t sequence;
    int64_t ended_at;
    uint32_t epoch, uid;
    uint32_t kind, state, attempt;
    uint32_t clean; /* no attempt so far can have run: the next answer is a first one */
    uint32_t has_key;
    uint16_t owner_length, payload_length;
    char object_id[CORE_OBJECT_ID_SIZE];
    char message[200];
    char padding[7];
};

struct intent {
    struct job job; /* first */
    struct intent_image row;
    char *owner; /* owned: the user of a customer, the customer of the rest; then the payload */
    uint64_t last_sequence;
    unsigned empty, pages;
    bool probing; /* its exchange only finds out whether upstream answers */
    int64_t delay;
    char cursor[CORE_OBJECT_ID_SIZE];
};

void core_intent_id(const struct core *core, uint32_t epoch, uint64_t sequence,
                    char ret_id[EXCHANGE_PUSH_ID_SIZE])
{
    snprintf(ret_id, EXCHANGE_PUSH_ID_SIZE, "int_%08x_%u_%llu", core->instance, epoch,
             (unsigned long long)sequence);
}

static struct core_text owner_of(const struct intent *intent)
{
    return (struct core_text){intent->owner, intent->row.owner_length};
}

static struct core_text payload_of(const struct intent *intent)
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

/* --- memory and records --- */

static void drop(struct core *core, struct intent *intent)
{
    map_remove(&core->intents, hash_number(intent->row.sequence));
    if (intent->row.has_key && at(map_get(&core->intents_by_key, intent->row.key)) == intent)
        map_remove(&core->intents_by_key, intent->row.key);
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

/* The intent as `next`; its sequence, if it has none yet, is the record's. */
static int append_intent(struct core *core, struct intent *intent, struct intent_image *next,
                         enum record_type type, bool deleted, int64_t now)
{
    size_t length = sizeof(*next) + intent->row.owner_length + intent->row.payload_length;
    uint8_t *value = malloc(length);
    struct append append;
    bool is_new = next->sequence == 0;

    if (!value)
        return -ENOMEM;
    append_init(&append);
    append_image(&append, TABLE_INTENT, &next->sequence, sizeof(next->sequence), value,
                 deleted ? 0 : length);
    int r = append_begin(core, &append, 0, !is_new);
    if (r == 0) {
        if (is_new)
            next->sequence = append.sequence;
        memcpy(value, next, sizeof(*next));
        memcpy(value + sizeof(*next), intent->owner, length - sizeof(*next));
        append_finish(core, &append, type, NULL, next->uid, 0, 0, NULL, now);
        intent->row = *next;
        intent->last_sequence = append.sequence;
    }
    free(value);
    return r;
}

static void tell(struct core *core, const struct intent *intent)
{
    if (core->effects.intent)
        core->effects.intent(core->effects.userdata, intent->row.sequence);
}

static int retry(struct core *core, struct intent *intent, int64_t now)
{
    intent->delay = intent->delay ? intent->delay * 2 : RETRY_MS;
    intent->delay = intent->delay < RETRY_MOST_MS ? intent->delay : RETRY_MOST_MS;
    job_at(core, &intent->job, now + intent->delay);
    return 0;
}

/* --- ends --- */

static int doubt(struct core *core, struct intent *intent, int64_t now);

/* A customer's: the link and the object are in the same record as the end, so that neither is
 * without the other. */
static int end_customer(struct core *core, struct intent *intent,
                        const struct exchange_object *object, int64_t now)
{
    struct core_text customer = {object->id, object->id_length}, user_id = owner_of(intent);

    if (link_find(core, user_id) || link_of_customer(core, customer)) /* others were quicker */
        return intent_drop(core, intent, now);
    int r = link_make(core, user_id, customer, object->body, object->body_length, intent->row.uid,
                      now, NULL);
    if (r < 0)
        return doubt(core, intent, now);
    r = intent_drop(core, intent, now);
    if (r < 0) /* linked: intent_fire drops it later */
        job_at(core, &intent->job, now + RETRY_MS);
    return r;
}

static int customer_made(struct core *core, struct intent *intent,
                         const struct exchange_object *object, int64_t now)
{
    char *copy = strndup(intent->owner, intent->row.owner_length);
    char *made = strndup(object->id, object->id_length);
    int r = copy && made ? end_customer(core, intent, object, now) : -ENOMEM;

    if (r == 0) {
        struct core_text user_id = {copy, strlen(copy)};
        if (link_find(core, user_id))
            search_intent_ended(core, user_id, CORE_OK, NULL, now);
        else if (!intent_of_user(core, user_id)) /* it is another user's by now */
            search_intent_ended(core, user_id, CORE_TAKEN, made, now);
    }
    free(copy);
    free(made);
    return r;
}

static int succeeded(struct core *core, struct intent *intent, const struct exchange_object *object,
                     int64_t now)
{
    struct intent_image next = intent->row;

    if (object->id_length >= sizeof(next.object_id))
        return doubt(core, intent, now);
    if (next.kind == CORE_INTENT_CUSTOMER)
        return customer_made(core, intent, object, now);
    memcpy(next.object_id, object->id, object->id_length);
    next.object_id[object->id_length] = '\0';
    next.state = CORE_INTENT_DONE;
    next.ended_at = now;
    int r = append_intent(core, intent, &next, RECORD_OUTCOME, false, now);
    if (r < 0) /* made, and not recorded: to be looked up, never to be sent again */
        return doubt(core, intent, now);
    job_at(core, &intent->job, now + KEEP_ENDED);
    tell(core, intent);
    return 0;
}

static int refused(struct core *core, struct intent *intent, const struct exchange_answer *answer,
                   int64_t now)
{
    struct intent_image next = intent->row;

    next.state = CORE_INTENT_REFUSED;
    next.ended_at = now;
    snprintf(next.message, sizeof(next.message), "%s", answer->message ? answer->message : "");
    int r =
        append_intent(core, intent, &next, RECORD_OUTCOME, next.kind == CORE_INTENT_CUSTOMER, now);
    if (r < 0)
        return retry(core, intent, now);
    if (next.kind == CORE_INTENT_CUSTOMER) {
        search_intent_ended(core, owner_of(intent), CORE_REFUSED, next.message, now);
        drop(core, intent);
        return 0;
    }
    job_at(core, &intent->job, now + KEEP_ENDED);
    tell(core, intent);
    return 0;
}

static int doubt(struct core *core, struct intent *intent, int64_t now)
{
    struct intent_image next = intent->row;

    next.clean = 0;
    next.state = next.kind == CORE_INTENT_REFUND ? CORE_INTENT_PARKED : CORE_INTENT_DOUBT;
    int r = append_intent(core, intent, &next, RECORD_INTENT, false, now);
    if (r < 0)
        intent->row = next; /* true all the same; a restart would find it so */
    intent->empty = 0;
    if (next.state == CORE_INTENT_DOUBT)
        job_at(core, &intent->job, now + core->policy.in_doubt_delay);
    else
        tell(core, intent);
    return 0;
}

/* --- turns --- */

void intent_fire(struct core *core, struct job *job, int64_t now)
{
    struct intent *intent = (struct intent *)job;
    bool linked = intent->row.kind == CORE_INTENT_CUSTOMER && link_find(core, owner_of(intent));

    if (linked) { /* a crash came between the link and the end of its intent, or an operator was
                     quicker */
        search_intent_ended(core, owner_of(intent), CORE_OK, NULL, now);
        if (intent_drop(core, intent, now) < 0)
            job_at(core, job, now + RETRY_MS);
        return;
    }
    switch ((enum core_intent_state)intent->row.state) {
    case CORE_INTENT_SENDING:
        job_ready(core, job, TURN_COLD, true);
        break;
    case CORE_INTENT_DOUBT:
        job_ready(core, job, intent->empty >= EMPTY_LOOKUPS ? TURN_COLD : TURN_DOUBT,
                  intent->empty >= EMPTY_LOOKUPS);
        break;
    case CORE_INTENT_DONE:
    case CORE_INTENT_REFUSED:
        if (intent_drop(core, intent, now) < 0)
            job_at(core, job, now + RETRY_MS);
        break;
    case CORE_INTENT_WANTED:
    case CORE_INTENT_PARKED:
        break;
    }
}

static int send_again(struct core *core, struct intent *intent, int64_t now)
{
    struct intent_image next = intent->row;

    next.attempt++;
    next.state = CORE_INTENT_SENDING;
    return append_intent(core, intent, &next, RECORD_INTENT, false, now);
}

int intent_begin_exchange(struct core *core, struct job *job, int64_t now,
                          struct exchange *exchange)
{
    struct intent *intent = (struct intent *)job;
    struct core_text payload = payload_of(intent);
    struct core_customer_payload head;

    bool looks = intent->row.state == CORE_INTENT_DOUBT && intent->empty < EMPTY_LOOKUPS;
    intent->probing = !looks && plan_troubled(core);
    if (intent->probing && intent->row.kind != CORE_INTENT_CUSTOMER) {
        exchange->kind = EXCHANGE_CUSTOMER;
        exchange->customer = intent->owner;
        exchange->customer_length = intent->row.owner_length;
        return 0;
    }
    if (looks || intent->probing) {
        exchange->cursor = intent->cursor;
        if (intent->row.kind == CORE_INTENT_SUBSCRIPTION) {
            exchange->kind = EXCHANGE_SUBSCRIPTIONS;
            exchange->customer = intent->owner;
            exchange->customer_length = intent->row.owner_length;
            return 0;
        }
        memcpy(&head, payload.data, sizeof(head));
        exchange->kind = EXCHANGE_CUSTOMERS;
        exchange->email = payload.data + sizeof(head);
        exchange->email_length = head.email_length;
        return 0;
    }
    if (intent->row.state == CORE_INTENT_DOUBT) {
        int r = send_again(core, intent, now);
        if (r < 0)
            return r;
    }
    exchange->kind = EXCHANGE_CREATE;
    exchange->intent_kind = (int)intent->row.kind;
    exchange->customer = intent->owner;
    exchange->customer_length = intent->row.owner_length;
    exchange->payload = payload.data;
    exchange->payload_length = payload.length;
    exchange->after_sequence = intent->last_sequence;
    core_intent_id(core, intent->row.epoch, intent->row.sequence, exchange->push_id);
    snprintf(exchange->idempotency_key, sizeof(exchange->idempotency_key), "%s-%u",
             exchange->push_id, intent->row.attempt);
    return 0;
}

static int create_done(struct core *core, struct intent *intent,
                       const struct exchange_answer *answer, int64_t now)
{
    if (!intent->row.clean)
        return doubt(core, intent, now);
    switch (answer->outcome) {
    case EXCHANGE_OK:
        return answer->objects.count == 1 ? succeeded(core, intent, answer->objects.rows, now)
                                          : doubt(core, intent, now);
    case EXCHANGE_INSUFFICIENT:
    case EXCHANGE_NO_BALANCE:
    case EXCHANGE_NOT_FOUND:
    case EXCHANGE_REFUSED:
    case EXCHANGE_FORBIDDEN:
        return refused(core, intent, answer, now);
    case EXCHANGE_UNAUTHORIZED:
    case EXCHANGE_RATE_LIMITED:
    case EXCHANGE_NOT_SENT:
        return retry(core, intent, now); /* nothing has happened: the same again */
    case EXCHANGE_NO_ENDPOINT:
    case EXCHANGE_FAILED:
    case EXCHANGE_UNANSWERED:
        break;
    }
    return doubt(core, intent, now);
}

static void lookup_again(struct core *core, struct intent *intent, int64_t due)
{
    intent->cursor[0] = '\0';
    intent->pages = 0;
    job_at(core, &intent->job, due);
}

static int lookup_done(struct core *core, struct intent *intent,
                       const struct exchange_answer *answer, int64_t now)
{
    char id[EXCHANGE_PUSH_ID_SIZE];

    if (answer->outcome != EXCHANGE_OK) {
        bool delayed =
            answer->outcome == EXCHANGE_RATE_LIMITED || answer->outcome == EXCHANGE_NOT_SENT;
        if (!delayed) { /* a low limit must not keep a long list from ending */
            intent->cursor[0] = '\0';
            intent->pages = 0;
        }
        return retry(core, intent, now);
    }
    core_intent_id(core, intent->row.epoch, intent->row.sequence, id);
    for (size_t i = 0; i < answer->objects.count; i++) {
        const struct exchange_object *row = &answer->objects.rows[i];
        if (row->intent_length == strlen(id) && memcmp(row->intent, id, row->intent_length) == 0)
            return succeeded(core, intent, row, now);
    }
    size_t length = answer->objects.cursor_length;
    bool more = answer->objects.has_more && length > 0 && length < sizeof(intent->cursor) &&
                (strlen(intent->cursor) != length ||
                 memcmp(intent->cursor, answer->objects.cursor, length) != 0);
    intent->delay = 0;
    if (more && ++intent->pages < PAGES_MAX) {
        memcpy(intent->cursor, answer->objects.cursor, length);
        intent->cursor[length] = '\0';
        job_ready(core, &intent->job, TURN_DOUBT, false);
        return 0;
    }
    if (more) {
        lookup_again(core, intent,
                     now + core->policy.in_doubt_delay); /* a list without end proves nothing */
        return 0;
    }
    intent->empty++;
    lookup_again(core, intent,
                 intent->empty >= EMPTY_LOOKUPS ? now : now + core->policy.in_doubt_delay / 4);
    return 0;
}

int intent_done(struct core *core, struct job *job, const struct exchange_answer *answer,
                int64_t now)
{
    struct intent *intent = (struct intent *)job;

    if (intent->probing) {
        intent->probing = false;
        job_ready(core, job, TURN_COLD, true);
        return 0;
    }
    return job->exchange_kind == EXCHANGE_CREATE ? create_done(core, intent, answer, now)
                                                 : lookup_done(core, intent, answer, now);
}

/* --- commands --- */

static void describe(const struct intent *intent, struct core_intent *ret_intent)
{
    *ret_intent = (struct core_intent){
        .sequence = intent->row.sequence,
        .epoch = intent->row.epoch,
        .kind = intent->row.kind,
        .state = intent->row.state,
        .attempt = intent->row.attempt,
        .reveals = intent->last_sequence,
    };
    memcpy(ret_intent->object_id, intent->row.object_id, sizeof(ret_intent->object_id));
    memcpy(ret_intent->message, intent->row.message, sizeof(ret_intent->message));
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
    r = append_intent(core, intent, &next, RECORD_INTENT, false, now);
    if (r == 0)
        r = index_intent(core, intent);
    if (r < 0) {
        drop(core, intent);
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
        };
        r = begin(core, &row, user_id, payload, now, &intent);
    } else if (send && intent->row.state == CORE_INTENT_WANTED) {
        struct intent_image next = intent->row;
        next.state = CORE_INTENT_SENDING;
        r = append_intent(core, intent, &next, RECORD_INTENT, false, now);
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

    int r = append_intent(core, intent, &next, RECORD_OUTCOME, true, now);
    if (r == 0)
        drop(core, intent);
    return r;
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
        .fingerprint = hash_bytes(&core->hash_key, payload.data, payload.length),
        .has_key = key.length > 0,
    };
    struct intent *intent;

    if (payload.length > CORE_PAYLOAD_MAX || customer.length > 128 || kind == CORE_INTENT_CUSTOMER)
        return -EINVAL;
    if (row.has_key) {
        row.key = app_key(core, kind, customer, key);
        intent = at(map_get(&core->intents_by_key, row.key));
        if (intent) {
            bool same =
                memcmp(&intent->row.fingerprint, &row.fingerprint, sizeof(row.fingerprint)) == 0;
            describe(intent, ret_intent);
            return same ? CORE_OK : CORE_KEY_REUSED;
        }
    }
    int r = turns_take(core, uid, customer, now);
    if (r == CORE_OK)
        r = begin(core, &row, customer, payload, now, &intent);
    if (r != CORE_OK)
        return r;
    job_ready(core, &intent->job, TURN_COLD, true);
    describe(intent, ret_intent);
    return CORE_OK;
}

bool core_intent_get(const struct core *core, uint64_t sequence, struct core_intent *ret_intent)
{
    const struct intent *intent = at(map_get(&core->intents, hash_number(sequence)));

    if (intent)
        describe(intent, ret_intent);
    return intent != NULL;
}

bool core_next_intent(const struct core *core, size_t *position, struct core_intent *ret_intent)
{
    const struct map_entry *entry = map_next(&core->intents, position);

    if (entry)
        describe((const struct intent *)(uintptr_t)entry->value, ret_intent);
    return entry != NULL;
}

int core_intent_settle(struct core *core, uint64_t sequence, struct core_text object_id,
                       uint32_t uid, int64_t now)
{
    struct intent *intent = at(map_get(&core->intents, hash_number(sequence)));

    (void)uid;
    if (!intent)
        return CORE_NOT_FOUND;
    if (intent->row.state != CORE_INTENT_PARKED)
        return CORE_NOT_PARKED;
    if (object_id.length == 0)
        return intent_drop(core, intent, now);
    struct exchange_object object = {.id = object_id.data, .id_length = object_id.length};
    int r = succeeded(core, intent, &object, now);
    return r == 0 && intent->row.state != CORE_INTENT_DONE ? -ENOSPC : r; /* not recorded */
}

/* --- start --- */

int intent_load(struct core *core, const void *key, size_t key_length, const void *value,
                size_t value_length)
{
    struct intent_image row;
    uint64_t sequence;

    if (key_length != sizeof(sequence) || (value_length != 0 && value_length < sizeof(row)))
        return -EBADMSG;
    memcpy(&sequence, key, sizeof(sequence));
    struct intent *old = at(map_get(&core->intents, hash_number(sequence)));
    if (old)
        drop(core, old);
    if (value_length == 0)
        return 0;
    memcpy(&row, value, sizeof(row));
    if (row.sequence != sequence ||
        value_length != sizeof(row) + row.owner_length + row.payload_length)
        return -EBADMSG;
    const char *text = (const char *)value + sizeof(row);
    struct intent *intent;
    int r = make(core, &row, (struct core_text){text, row.owner_length},
                 (struct core_text){text + row.owner_length, row.payload_length}, &intent);
    if (r == 0 && (r = index_intent(core, intent)) < 0)
        drop(core, intent);
    return r;
}

static int start(struct core *core, struct intent *intent, int64_t now)
{
    if (intent->row.state == CORE_INTENT_SENDING) {
        intent->row.clean = 0;
        intent->row.state =
            intent->row.kind == CORE_INTENT_REFUND ? CORE_INTENT_PARKED : CORE_INTENT_DOUBT;
    }
    if (intent->row.state == CORE_INTENT_DOUBT)
        job_at(core, &intent->job, now + core->policy.in_doubt_delay);
    else if (intent->row.ended_at)
        job_at(core, &intent->job, intent->row.ended_at + KEEP_ENDED);
    return 0;
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
            (void)start(core, intent, now);
        count++;
    }
    int r = 0;
    for (size_t i = 0; r == 0 && i < wishes; i++)
        r = search_resume(core, owner_of(all[i]), payload_of(all[i]), now);
    free(all);
    return r;
}

void intents_deinit(struct core *core)
{
    const struct map_entry *entry;

    for (size_t position = 0; (entry = map_next(&core->intents, &position));) {
        struct intent *intent = (struct intent *)(uintptr_t)entry->value;
        free(intent->owner);
        free(intent);
    }
    map_deinit(&core->intents);
    map_deinit(&core->intents_by_key);
}
