/*
 * Intents: creates, sent once onto an upstream that may answer otherwise than it did (ledger.md
 * P9). An intent is durable before its request leaves, and its id stands in the metadata of what it
 * makes. When an answer is no proof the objects are looked through for that id, twice a while
 * apart, before anything is sent again; a refund of a payment cannot be looked up, and is parked.
 *
 * What is not found was not made. Then it is its last answer that tells whether to send it again:
 *
 *   a refusal                → it ends so, as a first attempt would have
 *   an error of upstream's   → once more, for it may pass; the third one is its end
 *   "made"                   → parked: it is somewhere, and nobody knows why it is not found
 *   none                     → again, with growing delays. A subscription only for a day: nobody
 *                              expects it any more, and it costs money. A customer for ever, for
 *                              that is what a signup was promised.
 *
 * A customer's intent may begin as a wish (WANTED): the search that goes with it decides whether
 * anything is created at all.
 */
#include "intent.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EMPTY_LOOKUPS 2u
#define PAGES_MAX 1000u
#define RETRY_MOST_MS 60000
#define DOUBT_MOST_MS (INT64_C(60) * 60 * 1000)
#define GIVE_UP_MS (INT64_C(24) * 60 * 60 * 1000)

static void tell(struct core *core, const struct intent *intent)
{
    if (core->effects.intent)
        core->effects.intent(core->effects.userdata, intent->row.sequence);
}

static int retry_within(struct core *core, struct intent *intent, int64_t most, int64_t now)
{
    intent->delay = intent->delay ? intent->delay * 2 : INTENT_RETRY_MS;
    intent->delay = intent->delay < most ? intent->delay : most;
    job_at(core, &intent->job, now + intent->delay);
    return 0;
}

static int retry(struct core *core, struct intent *intent, int64_t now)
{
    return retry_within(core, intent, RETRY_MOST_MS, now);
}

/* --- ends --- */

static int doubt(struct core *core, struct intent *intent, enum intent_verdict verdict,
                 const char *message, int64_t now);

/* Made, and not recorded: to be looked up, never to be sent again. */
static int made_doubt(struct core *core, struct intent *intent, int64_t now)
{
    return doubt(core, intent, VERDICT_MADE, NULL, now);
}

/* A customer's: the link and the object are one record, the end of the intent is another. A crash
 * between the two leaves an intent whose user is linked: intent_fire drops it. */
static int end_customer(struct core *core, struct intent *intent,
                        const struct exchange_object *object, int64_t now)
{
    struct core_text customer = {object->id, object->id_length}, user_id = intent_owner(intent);

    bool linked = link_find(core, user_id);            /* an operator was quicker */
    if (!linked && link_of_customer(core, customer)) { /* another user was */
        int r = intent_drop(core, intent, now);
        return r < 0 ? made_doubt(core, intent, now) : 0;
    }
    int r = linked ? 0
                   : link_make(core, user_id, customer, object->body, object->body_length, true,
                               intent->row.uid, now, NULL);
    if (r < 0)
        return made_doubt(core, intent, now);
    r = intent_drop(core, intent, now);
    if (r < 0) /* linked: intent_fire drops it later */
        job_at(core, &intent->job, now + INTENT_RETRY_MS);
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

int intent_succeeded(struct core *core, struct intent *intent, const struct exchange_object *object,
                     int64_t now)
{
    struct intent_image next = intent->row;

    if (object->id_length >= sizeof(next.object_id))
        return made_doubt(core, intent, now);
    if (next.kind == CORE_INTENT_CUSTOMER)
        return customer_made(core, intent, object, now);
    memcpy(next.object_id, object->id, object->id_length);
    next.object_id[object->id_length] = '\0';
    next.state = CORE_INTENT_DONE;
    next.ended_at = now;
    int r = intent_append(core, intent, &next, RECORD_OUTCOME, false, now);
    if (r < 0)
        return made_doubt(core, intent, now);
    job_at(core, &intent->job, now + INTENT_KEEP_ENDED);
    tell(core, intent);
    return 0;
}

int intent_refused(struct core *core, struct intent *intent, const char *message, int64_t now)
{
    struct intent_image next = intent->row;

    next.state = CORE_INTENT_REFUSED;
    next.ended_at = now;
    if (message != intent->row.message)
        snprintf(next.message, sizeof(next.message), "%s", message ? message : "");
    int r =
        intent_append(core, intent, &next, RECORD_OUTCOME, next.kind == CORE_INTENT_CUSTOMER, now);
    if (r < 0)
        return retry(core, intent, now);
    if (next.kind == CORE_INTENT_CUSTOMER) {
        search_intent_ended(core, intent_owner(intent), CORE_REFUSED, next.message, now);
        intent_forget(core, intent);
        return 0;
    }
    job_at(core, &intent->job, now + INTENT_KEEP_ENDED);
    tell(core, intent);
    return 0;
}

int intent_park(struct core *core, struct intent *intent, int64_t now)
{
    struct intent_image next = intent->row;

    next.state = CORE_INTENT_PARKED;
    int r = intent_append(core, intent, &next, RECORD_INTENT, false, now);
    if (r < 0) { /* true all the same; a restart would find it so */
        intent->row = next;
        job_at(core, &intent->job, now + INTENT_RETRY_MS);
    }
    intent->untold = r < 0;
    tell(core, intent);
    return 0;
}

int intent_give_up(struct core *core, struct intent *intent, uint32_t uid, int64_t now)
{
    struct intent_image next = intent->row;
    bool is_customer = next.kind == CORE_INTENT_CUSTOMER;
    char *user_id = strndup(intent->owner, intent->row.owner_length);

    if (!user_id)
        return -ENOMEM;
    next.uid = uid;
    int r = intent_append(core, intent, &next, RECORD_OUTCOME, true, now);
    if (r == 0) {
        intent_forget(core, intent);
        if (is_customer)
            search_intent_ended(core, (struct core_text){user_id, strlen(user_id)}, CORE_REFUSED,
                                "an operator has given it up", now);
        else if (core->effects.intent)
            core->effects.intent(core->effects.userdata, next.sequence);
    }
    free(user_id);
    return r;
}

/* What is only asked for again, to no end, is asked for less and less. */
static int64_t doubt_delay(const struct core *core, const struct intent *intent)
{
    int64_t delay = core->policy.in_doubt_delay;

    if (intent->row.verdict == VERDICT_MADE || delay > DOUBT_MOST_MS)
        return delay;
    for (uint32_t i = 1; i < intent->row.attempt && i < 32 && delay < DOUBT_MOST_MS; i++)
        delay *= 2;
    return delay < DOUBT_MOST_MS ? delay : DOUBT_MOST_MS;
}

static int doubt(struct core *core, struct intent *intent, enum intent_verdict verdict,
                 const char *message, int64_t now)
{
    struct intent_image next = intent->row;

    next.clean = 0;
    next.state = CORE_INTENT_DOUBT;
    next.verdict = (uint8_t)verdict;
    next.errors = (uint8_t)(next.errors + (verdict == VERDICT_ERROR && next.errors < UINT8_MAX));
    if (message && (verdict == VERDICT_ERROR || verdict == VERDICT_REFUSED))
        snprintf(next.message, sizeof(next.message), "%s", message);
    intent->empty = 0;
    if (next.kind == CORE_INTENT_REFUND) {
        intent->row = next;
        return intent_park(core, intent, now);
    }
    int r = intent_append(core, intent, &next, RECORD_INTENT, false, now);
    if (r < 0)
        intent->row = next; /* true all the same; a restart would find it so */
    job_at(core, &intent->job, now + doubt_delay(core, intent));
    return 0;
}

/* Two lookups have found nothing. */
static int conclude(struct core *core, struct intent *intent, int64_t now)
{
    const struct intent_image *row = &intent->row;
    bool old = now - row->begun_at >= GIVE_UP_MS;

    if (row->verdict == VERDICT_REFUSED ||
        (row->verdict == VERDICT_ERROR && row->errors >= CORE_INTENT_ERRORS_MAX))
        return intent_refused(core, intent, row->message, now);
    if (row->verdict == VERDICT_MADE)
        return intent_park(core, intent, now);
    if (row->kind == CORE_INTENT_SUBSCRIPTION && old)
        return intent_refused(
            core, intent, "it did not answer within a day; it was looked for, and not made", now);
    job_ready(core, &intent->job, TURN_COLD, true);
    return 0;
}

/* --- an end that others tell of --- */

int intent_ending_add(struct core *core, struct append *append, const struct core_intent_end *end,
                      int64_t now, struct intent_ending *ret_ending)
{
    struct intent *intent = intent_find(core, end->intent);
    size_t texts, id_length = end->object_id.length;

    if (!intent)
        return CORE_NOT_FOUND;
    if (intent->row.state != CORE_INTENT_PARKED)
        return CORE_NOT_PARKED;
    if (!end->refused && (id_length == 0 || id_length >= sizeof(intent->row.object_id)))
        return -EINVAL;
    texts = (size_t)intent->row.owner_length + intent->row.payload_length;
    struct intent_image *image = malloc(sizeof(*image) + texts);
    if (!image)
        return -ENOMEM;
    *image = intent->row;
    image->state = end->refused ? CORE_INTENT_REFUSED : CORE_INTENT_DONE;
    image->ended_at = now;
    if (end->refused)
        snprintf(image->message, sizeof(image->message), "%s", end->refused);
    else
        snprintf(image->object_id, sizeof(image->object_id), "%.*s", (int)id_length,
                 end->object_id.data);
    memcpy(image + 1, intent->owner, texts);
    append_image(append, TABLE_INTENT, &intent->row.sequence, sizeof(intent->row.sequence), image,
                 sizeof(*image) + texts);
    *ret_ending = (struct intent_ending){.intent = intent, .image = image};
    return CORE_OK;
}

void intent_ending_finish(struct core *core, struct intent_ending *ending, uint64_t sequence)
{
    struct intent *intent = ending->intent;

    if (!intent)
        return;
    intent->row = *ending->image;
    intent->last_sequence = sequence;
    job_at(core, &intent->job, intent->row.ended_at + INTENT_KEEP_ENDED);
    tell(core, intent);
}

void intent_ending_deinit(struct intent_ending *ending)
{
    free(ending->image);
}

/* --- turns --- */

void intent_fire(struct core *core, struct job *job, int64_t now)
{
    struct intent *intent = (struct intent *)job;
    bool linked = intent->row.kind == CORE_INTENT_CUSTOMER && link_find(core, intent_owner(intent));

    if (linked) { /* a crash came between the link and the end of its intent, or an operator was
                     quicker */
        search_intent_ended(core, intent_owner(intent), CORE_OK, NULL, now);
        if (intent_drop(core, intent, now) < 0)
            job_at(core, job, now + INTENT_RETRY_MS);
        return;
    }
    switch ((enum core_intent_state)intent->row.state) {
    case CORE_INTENT_SENDING:
        job_ready(core, job, TURN_COLD, true);
        break;
    case CORE_INTENT_DOUBT:
        if (intent->empty >= EMPTY_LOOKUPS)
            (void)conclude(core, intent, now);
        else
            job_ready(core, job, TURN_DOUBT, false);
        break;
    case CORE_INTENT_DONE:
    case CORE_INTENT_REFUSED:
        if (intent_drop(core, intent, now) < 0)
            job_at(core, job, now + INTENT_RETRY_MS);
        break;
    case CORE_INTENT_PARKED:
        if (intent->untold)
            (void)intent_park(core, intent, now);
        break;
    case CORE_INTENT_WANTED:
        break;
    }
}

void intent_user_linked(struct core *core, struct core_text user_id, int64_t now)
{
    struct intent *intent = intent_of_user(core, user_id);

    if (intent && !intent->job.exchange)
        job_at(core, &intent->job, now);
}

static int send_again(struct core *core, struct intent *intent, int64_t now)
{
    struct intent_image next = intent->row;

    next.attempt++;
    next.verdict = VERDICT_NONE;
    next.state = CORE_INTENT_SENDING;
    return intent_append(core, intent, &next, RECORD_INTENT, false, now);
}

int intent_begin_exchange(struct core *core, struct job *job, int64_t now,
                          struct exchange *exchange)
{
    struct intent *intent = (struct intent *)job;
    struct core_text payload = intent_payload(intent);
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

static enum intent_verdict verdict_of(const struct exchange_answer *answer)
{
    switch (answer->outcome) {
    case EXCHANGE_OK:
        return answer->objects.count == 1 ? VERDICT_MADE : VERDICT_NONE;
    case EXCHANGE_INSUFFICIENT:
    case EXCHANGE_NO_BALANCE:
    case EXCHANGE_NOT_FOUND:
    case EXCHANGE_REFUSED:
    case EXCHANGE_FORBIDDEN:
        return VERDICT_REFUSED;
    case EXCHANGE_ERROR:
        return VERDICT_ERROR;
    case EXCHANGE_UNAUTHORIZED:
    case EXCHANGE_RATE_LIMITED:
    case EXCHANGE_NOT_SENT:
    case EXCHANGE_NO_ENDPOINT:
    case EXCHANGE_FAILED:
    case EXCHANGE_UNANSWERED:
        break;
    }
    return VERDICT_NONE;
}

/* Not one byte of it has left, or it was turned away at the door. */
static bool is_undone(enum exchange_outcome outcome)
{
    return outcome == EXCHANGE_UNAUTHORIZED || outcome == EXCHANGE_RATE_LIMITED ||
           outcome == EXCHANGE_NOT_SENT;
}

static int create_done(struct core *core, struct intent *intent,
                       const struct exchange_answer *answer, int64_t now)
{
    enum intent_verdict verdict = verdict_of(answer);

    if (intent->row.clean && verdict == VERDICT_MADE)
        return intent_succeeded(core, intent, answer->objects.rows, now);
    if (intent->row.clean && verdict == VERDICT_REFUSED)
        return intent_refused(core, intent, answer->message, now);
    if (intent->row.clean && is_undone(answer->outcome))
        return retry(core, intent, now); /* the same again */
    return doubt(core, intent, verdict, answer->message, now);
}

static void lookup_again(struct core *core, struct intent *intent, int64_t due)
{
    intent->cursor[0] = '\0';
    intent->pages = 0;
    job_at(core, &intent->job, due);
}

/* Metadata may be written by others: what has our id must be what was asked for as well. What a
 * subscription is of, the caller has compared (it knows what is in the payload). */
static bool is_made_by(const struct intent *intent, const char *id,
                       const struct exchange_object *row)
{
    struct core_text payload = intent_payload(intent);
    struct core_customer_payload head;

    if (row->intent_length != strlen(id) || memcmp(row->intent, id, row->intent_length) != 0)
        return false;
    if (intent->row.kind != CORE_INTENT_CUSTOMER)
        return true;
    memcpy(&head, payload.data, sizeof(head));
    return email_is_same(row, (struct core_text){payload.data + sizeof(head), head.email_length},
                         false);
}

/* Upstream answers, and says nothing of use, however often it is asked: only an operator can tell.
 */
static int lookup_failed(struct core *core, struct intent *intent,
                         const struct exchange_answer *answer, int64_t now)
{
    bool delayed = answer->outcome == EXCHANGE_RATE_LIMITED || answer->outcome == EXCHANGE_NOT_SENT;
    bool denied = answer->outcome == EXCHANGE_ERROR || verdict_of(answer) == VERDICT_REFUSED;
    bool old = now - intent->row.begun_at >= GIVE_UP_MS;
    bool often = intent->delay >= DOUBT_MOST_MS;

    if (denied && often && old && intent->row.kind == CORE_INTENT_SUBSCRIPTION)
        return intent_park(core, intent, now);
    if (!delayed) { /* a low limit must not keep a long list from ending */
        intent->cursor[0] = '\0';
        intent->pages = 0;
    }
    return retry_within(core, intent, denied ? DOUBT_MOST_MS : RETRY_MOST_MS, now);
}

static int lookup_done(struct core *core, struct intent *intent,
                       const struct exchange_answer *answer, int64_t now)
{
    char id[EXCHANGE_PUSH_ID_SIZE];

    if (answer->outcome != EXCHANGE_OK)
        return lookup_failed(core, intent, answer, now);
    core_intent_id(core, intent->row.epoch, intent->row.sequence, id);
    for (size_t i = 0; i < answer->objects.count; i++) {
        if (is_made_by(intent, id, &answer->objects.rows[i]))
            return intent_succeeded(core, intent, &answer->objects.rows[i], now);
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
    lookup_again(core, intent, now + core->policy.in_doubt_delay / 4);
    return ++intent->empty >= EMPTY_LOOKUPS ? conclude(core, intent, now) : 0;
}

int intent_done(struct core *core, struct job *job, const struct exchange_answer *answer,
                int64_t now)
{
    struct intent *intent = (struct intent *)job;

    if (intent->forgotten) {
        intent_forget(core, intent);
        return 0;
    }
    if (intent->probing) {
        intent->probing = false;
        job_ready(core, job, TURN_COLD, true);
        return 0;
    }
    return job->exchange_kind == EXCHANGE_CREATE ? create_done(core, intent, answer, now)
                                                 : lookup_done(core, intent, answer, now);
}
