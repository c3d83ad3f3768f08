/*
 * Upstream's customers, subscriptions and refunds of payments, as far as the engine needs them:
 * lists in pages with the newest first, filters that may be ignored, creates that are answered from
 * memory by their key, or not.
 */
#include "world.h"

#include "need.h"
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static struct registered *add(struct sim *sim, int kind, const char *subject, const char *intent)
{
    struct registry *registry = &sim->registry;
    static const char *const names[] = {"?", "cus", "sub", "ref"};
    if (registry->count == registry->capacity) {
        registry->capacity = registry->capacity > 0 ? 2 * registry->capacity : 32;
        registry->objects =
            need_array(registry->objects, registry->capacity, sizeof(*registry->objects));
    }
    struct registered *object = &registry->objects[registry->count++];
    *object = (struct registered){.kind = kind};
    snprintf(object->id, sizeof(object->id), "%s_made%llu", names[kind],
             (unsigned long long)++registry->next_id);
    snprintf(object->intent, sizeof(object->intent), "%s", intent);
    char *field = kind == CORE_INTENT_CUSTOMER ? object->email : object->customer;
    memcpy(field, subject, SIM_NAME_SIZE);
    snprintf(object->body, sizeof(object->body), "body of %s", object->id);
    return object;
}

void registry_init(struct sim *sim)
{
    /* Some customers were there before us; some with an email that a user has, in some spelling. */
    for (int i = 0; i < sim->scenario.persons; i++) {
        char email[SIM_NAME_SIZE] = {0};
        if (prng_chance(&sim->prng, 400)) {
            memcpy(email, sim->persons[i].email, sizeof(email));
            if (prng_chance(&sim->prng, 400))
                email[0] = (char)toupper((unsigned char)email[0]);
            add(sim, CORE_INTENT_CUSTOMER, email, "");
            if (prng_chance(&sim->prng, 200)) {
                email[1] = (char)toupper((unsigned char)email[1]);
                add(sim, CORE_INTENT_CUSTOMER, email, "");
            }
        }
        snprintf(email, sizeof(email), "other%d@x.io", i);
        add(sim, CORE_INTENT_CUSTOMER, email, "");
    }
    sim->registry.first = sim->registry.count;
}

void registry_deinit(struct registry *registry)
{
    free(registry->objects);
    free(registry->keys);
    *registry = (struct registry){0};
}

const struct registered *registry_find(const struct sim *sim, const char *id, size_t length)
{
    for (size_t i = 0; i < sim->registry.count; i++)
        if (strlen(sim->registry.objects[i].id) == length &&
            memcmp(sim->registry.objects[i].id, id, length) == 0)
            return &sim->registry.objects[i];
    return NULL;
}

/* --- answers --- */

struct page {
    struct exchange_object shown[100];
    struct registered copies[100]; /* the answer arrives later */
};

static void show(struct page *page, size_t at, const struct registered *object)
{
    struct registered *copy = &page->copies[at];
    *copy = *object;
    page->shown[at] = (struct exchange_object){.id = copy->id,
                                               .id_length = strlen(copy->id),
                                               .email = copy->email,
                                               .email_length = strlen(copy->email),
                                               .intent = copy->intent,
                                               .intent_length = strlen(copy->intent),
                                               .body = copy->body,
                                               .body_length = strlen(copy->body)};
}

static void answer_with(struct exchange_answer *ret_answer, struct page *page, size_t count)
{
    ret_answer->outcome = EXCHANGE_OK;
    ret_answer->http_status = 200;
    ret_answer->objects.rows = page->shown; /* the page's first member: frees it all */
    ret_answer->objects.count = count;
}

static bool matches(const struct sim *sim, const struct wire *wire, const struct registered *object)
{
    const struct exchange *exchange = &wire->exchange;
    if (exchange->kind == EXCHANGE_SUBSCRIPTIONS)
        return object->kind == CORE_INTENT_SUBSCRIPTION &&
               strcmp(object->customer, wire->customer) == 0;
    if (object->kind != CORE_INTENT_CUSTOMER)
        return false;
    return sim->scenario.filter_ignored ||
           strncasecmp(object->email, exchange->email, exchange->email_length) == 0;
}

static void list(struct sim *sim, struct wire *wire)
{
    const struct registry *registry = &sim->registry;
    const char *cursor = wire->exchange.cursor != NULL ? wire->exchange.cursor : "";
    size_t most = (size_t)sim->scenario.customer_page, count = 0;
    struct page *page = need(sizeof(*page));
    bool begun = cursor[0] == '\0', more = false;
    for (size_t i = registry->count; i > 0 && !more; i--) {
        const struct registered *object = &registry->objects[i - 1];
        if (!begun) {
            begun = strcmp(object->id, cursor) == 0;
            continue;
        }
        if (!matches(sim, wire, object))
            continue;
        if (count == most)
            more = true;
        else
            show(page, count++, object);
    }
    answer_with(&wire->answer, page, count);
    wire->answer.objects.has_more = more;
    if (more) {
        wire->answer.objects.cursor = page->copies[count - 1].id;
        wire->answer.objects.cursor_length = strlen(page->copies[count - 1].id);
    }
}

/* --- creates --- */

static struct registry_key *find_key(struct registry *registry, const char *key)
{
    for (size_t i = registry->key_count; i > 0; i--)
        if (strcmp(registry->keys[i - 1].key, key) == 0)
            return &registry->keys[i - 1];
    return NULL;
}

static struct registry_key *take_key(struct registry *registry, const char *key)
{
    if (registry->key_count == registry->key_capacity) {
        registry->key_capacity = registry->key_capacity > 0 ? 2 * registry->key_capacity : 32;
        registry->keys =
            need_array(registry->keys, registry->key_capacity, sizeof(*registry->keys));
    }
    struct registry_key *entry = &registry->keys[registry->key_count++];
    *entry = (struct registry_key){.locked = true};
    memcpy(entry->key, key, sizeof(entry->key));
    return entry;
}

/* P9: no create without an intent that is older than it, and survives everything. */
static void check_recorded(struct sim *sim, const struct booked_intent *intent)
{
    const struct ledger_record *entry =
        intent != NULL ? ledger_at(&sim->ledger, intent->sequence) : NULL;
    if (entry == NULL || intent->gone || intent->sequence > sim->ledger.durable ||
        entry->record.header.epoch != intent->epoch || entry->record.header.type != RECORD_INTENT)
        sim_fail(sim, "upstream creates for an intent that is not durable here (P9)");
}

void registry_create(struct sim *sim, int kind, const char *intent_id, const char *key,
                     const char *subject, bool keep_locked, struct exchange_answer *ret_answer)
{
    struct registry *registry = &sim->registry;
    struct booked_intent *intent = people_intent(sim, intent_id);
    struct registry_key *known = sim->scenario.keys_honoured ? find_key(registry, key) : NULL;
    check_recorded(sim, intent);
    if (known != NULL && known->locked) {
        ret_answer->outcome = EXCHANGE_ERROR;
        ret_answer->http_status = 409;
        return;
    }
    size_t made = known != NULL ? known->object : registry->count;
    if (known == NULL) {
        add(sim, kind, subject, intent_id);
        sim_trace(sim, "upstream creates %s for %s", registry->objects[made].id, key);
        if (intent != NULL)
            intent->made++;
        known = sim->scenario.keys_honoured ? take_key(registry, key) : NULL;
        if (known != NULL) {
            known->object = made;
            known->locked = keep_locked;
        }
    }
    struct page *page = need(sizeof(*page));
    show(page, 0, &registry->objects[made]);
    answer_with(ret_answer, page, 1);
}

void registry_read(struct sim *sim, struct wire *wire)
{
    const struct exchange *exchange = &wire->exchange;
    if (exchange->kind == EXCHANGE_CREATE) {
        registry_create(sim, exchange->intent_kind, exchange->push_id, exchange->idempotency_key,
                        wire->subject, wire->fate == FATE_ERROR_AFTER, &wire->answer);
        if (wire->fate != FATE_TWICE)
            return;
        free((void *)(uintptr_t)wire->answer.objects.rows);
        wire->answer.objects.rows = NULL;
        registry_create(sim, exchange->intent_kind, exchange->push_id, exchange->idempotency_key,
                        wire->subject, false, &wire->answer);
    } else if (exchange->kind == EXCHANGE_CUSTOMER) {
        const struct registered *found =
            registry_find(sim, exchange->customer, exchange->customer_length);
        wire->answer.outcome = EXCHANGE_NOT_FOUND;
        wire->answer.http_status = 404;
        if (found == NULL)
            return;
        struct page *page = need(sizeof(*page));
        show(page, 0, found);
        answer_with(&wire->answer, page, 1);
    } else {
        list(sim, wire);
    }
}

/* --- what the engine asks for --- */

/* P9: never again what may have run; a refund of a payment not even then. */
static void check_again(struct sim *sim, const struct booked_intent *intent)
{
    bool known_limit = sim->scenario.late_beyond;
    if (intent->kind == CORE_INTENT_REFUND && intent->may_have_run)
        sim_fail(sim, "%s, a refund of a payment, is sent again", intent->id);
    if (intent->made > 0 && !known_limit)
        sim_fail(sim, "%s is sent again, though it has run", intent->id);
    for (size_t i = 0; i < sim->late_count; i++) {
        if (sim->lates[i].done || strcmp(sim->lates[i].push_id, intent->id) != 0)
            continue;
        if (!known_limit)
            sim_fail(sim, "%s is sent again, while a copy may still execute", intent->id);
        else if (prng_chance(&sim->prng, 500))
            wire_late(sim, i);
    }
}

static void take_create(struct sim *sim, struct wire *wire)
{
    const struct exchange *exchange = &wire->exchange;
    struct booked_intent *intent = people_intent(sim, exchange->push_id);
    const struct ledger_record *entry = ledger_at(&sim->ledger, exchange->after_sequence);
    if (intent == NULL || entry == NULL || entry->record.header.type != RECORD_INTENT) {
        sim_fail(sim, "a create without its record (P9): %s", exchange->push_id);
        return;
    }
    if (strncmp(exchange->idempotency_key, intent->id, strlen(intent->id)) != 0)
        sim_fail(sim, "a create's key is not of its intent");
    wire->ran_before = intent->may_have_run;
    for (int i = 0; i < sim->scenario.persons; i++)
        if (exchange->intent_kind == CORE_INTENT_CUSTOMER &&
            strlen(sim->persons[i].user_id) == exchange->customer_length &&
            memcmp(sim->persons[i].user_id, exchange->customer, exchange->customer_length) == 0)
            intent->person = i;
    check_again(sim, intent);
    intent->may_have_run = true;
    if (exchange->intent_kind == CORE_INTENT_CUSTOMER) {
        struct core_customer_payload head;
        memcpy(&head, exchange->payload, sizeof(head));
        if (head.email_length >= SIM_NAME_SIZE) {
            sim_fail(sim, "an email that nobody has");
            return;
        }
        memcpy(wire->subject, (const char *)exchange->payload + sizeof(head), head.email_length);
    } else if (exchange->customer_length < SIM_NAME_SIZE) {
        memcpy(wire->subject, exchange->customer, exchange->customer_length);
    }
}

void registry_take(struct sim *sim, struct wire *wire)
{
    const struct exchange *exchange = &wire->exchange;
    if (exchange->customer_length < SIM_NAME_SIZE && exchange->customer != NULL)
        memcpy(wire->customer, exchange->customer, exchange->customer_length);
    if (exchange->kind == EXCHANGE_CREATE)
        take_create(sim, wire);
    sim_trace(sim, "exchange %llu kind %d %s %.*s %s after %llu", (unsigned long long)exchange->id,
              (int)exchange->kind, wire->customer, (int)exchange->email_length,
              exchange->email != NULL ? exchange->email : "", exchange->idempotency_key,
              (unsigned long long)exchange->after_sequence);
}
