/*
 * Users who want a customer, all at once or by the signup hook; operators who link and unlink them;
 * creates for customers, which must come to exactly one object each, or to an end that is known.
 */
#include "world.h"

#include "need.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define KEPT INT64_C(80000000) /* of ended intents: less than the engine's own day */

void people_init(struct sim *sim)
{
    int persons = sim->scenario.persons;
    for (int i = 0; i < persons; i++) {
        struct person *person = &sim->persons[i];
        snprintf(person->user_id, sizeof(person->user_id), "user_%d", i);
        int shared =
            prng_chance(&sim->prng, 200) ? (int)prng_below(&sim->prng, (uint64_t)persons) : i;
        snprintf(person->email, sizeof(person->email), "mail%d@x.io", shared);
        person->verified = prng_chance(&sim->prng, 700);
        if (prng_chance(&sim->prng, 150))
            snprintf(person->claimed, sizeof(person->claimed), "cus_made%u",
                     1 + (unsigned)prng_below(&sim->prng, 8));
    }
}

static struct core_user user_of(const struct person *person)
{
    return (struct core_user){.user_id = sim_text(person->user_id),
                              .email = sim_text(person->email),
                              .name = sim_text("Name"),
                              .claimed_customer = sim_text(person->claimed),
                              .email_verified = person->verified};
}

static const struct rowset_row *link_row(const struct rowset *rows, const struct person *person)
{
    return rowset_get(rows, TABLE_LINK, person->user_id, strlen(person->user_id));
}

static struct person *person_of(struct sim *sim, const char *user_id, size_t length)
{
    for (int i = 0; i < sim->scenario.persons; i++)
        if (strlen(sim->persons[i].user_id) == length &&
            memcmp(sim->persons[i].user_id, user_id, length) == 0)
            return &sim->persons[i];
    return NULL;
}

/* --- asking for a customer --- */

static void judge_link(struct sim *sim, const struct person *person, const struct core_link *link)
{
    const struct rowset_row *row = link_row(&sim->ledger.latest, person);
    if (row == NULL || row->value_length != link->customer.length ||
        memcmp(row->value, link->customer.data, link->customer.length) != 0)
        sim_fail(sim, "%s is told the customer %.*s, and the ledger has another", person->user_id,
                 (int)link->customer.length, link->customer.data);
    if (link->reveals < person->linked_at && person->linked_at > sim->started_with)
        sim_fail(sim, "a link does not wait for its own record (J3)");
}

static void judge_end(struct sim *sim, const struct person *person, int status)
{
    unsigned alike = 0, same = 0, first = 0;
    for (size_t i = 0; i < sim->registry.count; i++) {
        const struct registered *object = &sim->registry.objects[i];
        alike += strcasecmp(object->email, person->email) == 0;
        first += strcmp(object->email, person->email) == 0 && i < sim->registry.first &&
                 !object->was_linked;
        same += strcmp(object->email, person->email) == 0;
    }
    if (status == CORE_AMBIGUOUS && same == 1 && first == 1)
        sim_fail(sim, "AMBIGUOUS with one customer spelt exactly so");
    if (status == CORE_AMBIGUOUS && alike < 2)
        sim_fail(sim, "AMBIGUOUS with %u customers of that email", alike);
    /* The third JSON error, or the third 409 of a key whose lock is kept, ends a create. */
    bool errors =
        sim->drawn.error_before > 0 || sim->drawn.error_after > 0 || sim->drawn.stuck_lock > 0;
    if (status == CORE_REFUSED && sim->drawn.refused == 0 && !sim->drawn.forbidden && !errors)
        sim_fail(sim, "REFUSED, and upstream has refused nothing");
    if (status == CORE_UNLINKED || status < 0)
        sim_fail(sim, "core_link_get: %d", status);
}

static int ask(struct sim *sim, struct person *person)
{
    struct core_user user = user_of(person);
    struct core_link link;
    int status =
        core_link_get(sim->core, &user, true, 1000 + (person->user_id[5] & 1), sim->now, &link);
    process_settle(sim);
    sim_trace(sim, "link of %s: %d", person->user_id, status);
    person->key = link.key;
    if (status == CORE_OK)
        judge_link(sim, person, &link);
    else if (status != CORE_COLD && status != CORE_QUOTA_TURNS)
        judge_end(sim, person, status);
    if (status != CORE_COLD && status != CORE_QUOTA_TURNS)
        person->last_end = status;
    return status;
}

static void wish(struct sim *sim, struct person *person)
{
    struct core_user user = user_of(person);
    uint64_t sequence = 0;
    struct core_link link;
    bool was_linked = link_row(&sim->ledger.latest, person) != NULL;
    uint64_t records = sim->ledger.count;
    user.claimed_customer = (struct core_text){"", 0};
    int status = core_link_wish(sim->core, &user, 1000, sim->now, &sequence);
    process_settle(sim);
    (void)core_link_get(sim->core, &user, false, 1000, sim->now, &link);
    person->key = link.key;
    sim_trace(sim, "wish of %s: %d, %llu", person->user_id, status, (unsigned long long)sequence);
    if (status != CORE_OK && !(status == -ENOSPC && sim->ledger.no_space) &&
        !process_may_fail(sim, status))
        sim_fail(sim, "core_link_wish: %d", status);
    if (status != CORE_OK)
        return;
    if (sim->ledger.count > records && sequence <= records)
        sim_fail(sim, "a wish does not wait for its own record (J3)");
    if (!was_linked && sequence < person->wish_sequence &&
        person->wish_sequence > sim->ledger.durable)
        sim_fail(sim, "a wish does not wait for its own record (J3)");
    if (was_linked && sequence < person->linked_at && person->linked_at > sim->ledger.durable)
        sim_fail(sim, "a wish that was granted does not wait for the link's record (J3)");
    if (!was_linked && sequence != 0) {
        person->wish_sequence = sequence;
        person->last_end = -1;
    }
}

void people_linked(struct sim *sim, struct hash128 key)
{
    for (int i = 0; i < sim->scenario.persons; i++)
        if (memcmp(&sim->persons[i].key, &key, sizeof(key)) == 0)
            sim->persons[i].told = true;
}

/* Those that were told ask again, and must not have to wait. */
void people_settle(struct sim *sim)
{
    for (int i = 0; i < sim->scenario.persons && !sim->failed; i++) {
        struct person *person = &sim->persons[i];
        if (!person->told)
            continue;
        bool waited = person->waiting;
        person->told = person->waiting = false;
        if (waited && ask(sim, person) == CORE_COLD && !person->unlinked)
            sim_fail(sim, "%s was told, and must wait again", person->user_id);
        else if (!waited)
            person->last_end = CORE_OK;
    }
}

/* --- operators --- */

static void relink(struct sim *sim, struct person *person)
{
    uint64_t sequence = 0;
    person->unlinked = true;
    if (prng_chance(&sim->prng, 500)) {
        bool linked = link_row(&sim->ledger.latest, person) != NULL;
        int status = core_link_remove(sim->core, sim_text(person->user_id), 0, sim->now, &sequence);
        process_settle(sim);
        sim_trace(sim, "unlink %s: %d", person->user_id, status);
        if (!process_may_fail(sim, status) && status != (linked ? CORE_OK : CORE_NOT_FOUND))
            sim_fail(sim, "core_link_remove: %d", status);
        return;
    }
    const struct registered *object =
        &sim->registry.objects[prng_below(&sim->prng, sim->registry.count)];
    struct core_text owner, id = sim_text(object->id);
    if (object->kind != CORE_INTENT_CUSTOMER)
        return;
    bool taken = core_link_owner(sim->core, id, &owner) &&
                 (owner.length != strlen(person->user_id) ||
                  memcmp(owner.data, person->user_id, owner.length) != 0);
    int status = core_link_set(sim->core, sim_text(person->user_id), id, 0, sim->now, &sequence);
    process_settle(sim);
    sim_trace(sim, "operator links %s to %s: %d", person->user_id, object->id, status);
    if (!process_may_fail(sim, status) && status != (taken ? CORE_TAKEN : CORE_OK))
        sim_fail(sim, "core_link_set: %d", status);
    if (status == CORE_OK)
        snprintf(person->set_to, sizeof(person->set_to), "%s", object->id);
}

/* --- creates --- */

static struct booked_intent *find_intent(struct sim *sim, const char *id)
{
    for (size_t i = sim->intent_count; i > 0; i--)
        if (strcmp(sim->intents[i - 1].id, id) == 0)
            return &sim->intents[i - 1];
    return NULL;
}

static struct booked_intent *book_intent(struct sim *sim, const struct core_intent *intent)
{
    if (sim->intent_count == sim->intent_capacity) {
        sim->intent_capacity = sim->intent_capacity > 0 ? 2 * sim->intent_capacity : 32;
        sim->intents = need_array(sim->intents, sim->intent_capacity, sizeof(*sim->intents));
    }
    struct booked_intent *books = &sim->intents[sim->intent_count++];
    *books = (struct booked_intent){.sequence = intent->sequence,
                                    .epoch = intent->epoch,
                                    .kind = (int)intent->kind,
                                    .person = -1,
                                    .at = sim->now};
    core_intent_id(sim->core, intent->epoch, intent->sequence, books->id);
    return books;
}

struct booked_intent *people_intent(struct sim *sim, const char *id)
{
    struct booked_intent *found = find_intent(sim, id);
    struct core_intent intent;
    char text[EXCHANGE_PUSH_ID_SIZE];
    if (found != NULL)
        return found;
    for (size_t position = 0; core_next_intent(sim->core, &position, &intent);) {
        core_intent_id(sim->core, intent.epoch, intent.sequence, text);
        if (strcmp(text, id) == 0)
            return book_intent(sim, &intent);
    }
    return NULL;
}

static struct booked_intent *known_intent(struct sim *sim, const struct booked_intent *wish)
{
    for (size_t i = sim->intent_count; i > 0; i--) {
        struct booked_intent *books = &sim->intents[i - 1];
        if (!books->gone && !books->dropped && books->kind == wish->kind && books->key[0] != '\0' &&
            strcmp(books->key, wish->key) == 0 && strcmp(books->customer, wish->customer) == 0)
            return books;
    }
    return NULL;
}

static void begin_intent(struct sim *sim)
{
    struct booked_intent wish = {0};
    struct core_intent intent = {0};
    wish.kind = prng_chance(&sim->prng, 500) ? CORE_INTENT_SUBSCRIPTION : CORE_INTENT_REFUND;
    snprintf(wish.customer, sizeof(wish.customer), "cus_made%u",
             1 + (unsigned)prng_below(&sim->prng, 3));
    snprintf(wish.payload, sizeof(wish.payload), "p%u", (unsigned)prng_below(&sim->prng, 3) / 2);
    if (prng_chance(&sim->prng, 700))
        snprintf(wish.key, sizeof(wish.key), "k%u", (unsigned)prng_below(&sim->prng, 12));
    struct booked_intent *known = wish.key[0] != '\0' ? known_intent(sim, &wish) : NULL;
    size_t records = sim->ledger.count;
    int status =
        core_intent_begin(sim->core, (enum core_intent_kind)wish.kind, sim_text(wish.customer),
                          sim_text(wish.key), sim_text(wish.payload), 1000, sim->now, &intent);
    process_settle(sim);
    sim_trace(sim, "intent kind %d for %s key %s: %d, %llu in state %u", wish.kind, wish.customer,
              wish.key, status, (unsigned long long)intent.sequence, intent.state);
    if (status < 0 && !(status == -ENOSPC && sim->ledger.no_space) &&
        !process_may_fail(sim, status))
        sim_fail(sim, "core_intent_begin: %d", status);
    bool is_new = status == CORE_OK && sim->ledger.count > records;
    if (known != NULL && sim->now - known->at > KEPT)
        known = NULL;
    else if (known != NULL && strcmp(known->payload, wish.payload) != 0 &&
             status != CORE_KEY_REUSED)
        sim_fail(sim, "a key with another payload is answered with %d (K3)", status);
    else if (known != NULL && strcmp(known->payload, wish.payload) == 0 &&
             (status != CORE_OK || is_new || intent.sequence != known->sequence))
        sim_fail(sim, "a repeated create is answered with %d (K1)", status);
    if (status == CORE_OK && intent.reveals < intent.sequence &&
        intent.sequence > sim->started_with)
        sim_fail(sim, "an intent does not wait for its own record (J3)");
    if (!is_new)
        return;
    if (intent.sequence != sim->ledger.count)
        sim_fail(sim, "an intent names another record than its own");
    struct booked_intent *books = book_intent(sim, &intent);
    memcpy(books->key, wish.key, sizeof(books->key));
    memcpy(books->customer, wish.customer, sizeof(books->customer));
    memcpy(books->payload, wish.payload, sizeof(books->payload));
}

/* The operator looks, and says what there is. */
static void settle_parked(struct sim *sim)
{
    struct core_intent intent;
    uint64_t parked = 0;
    char id[EXCHANGE_PUSH_ID_SIZE];
    for (size_t position = 0; core_next_intent(sim->core, &position, &intent);) {
        if (intent.state != CORE_INTENT_PARKED)
            continue;
        if (intent.kind != CORE_INTENT_REFUND)
            sim_fail(sim, "an intent of kind %u is parked", intent.kind);
        parked = intent.sequence;
        core_intent_id(sim->core, intent.epoch, intent.sequence, id);
        if (prng_chance(&sim->prng, 300))
            break;
    }
    if (parked == 0)
        return;
    struct booked_intent *books = people_intent(sim, id);
    bool made = books != NULL && books->made > 0;
    int status =
        core_intent_settle(sim->core, parked, sim_text(made ? "ref_seen" : ""), 0, sim->now);
    process_settle(sim);
    sim_trace(sim, "operator settles %s: %d", id, status);
    if (process_may_fail(sim, status))
        return;
    if (status != CORE_OK)
        sim_fail(sim, "core_intent_settle: %d", status);
    if (!made && books != NULL)
        books->dropped = true;
}

void people_event(struct sim *sim)
{
    sim_later(sim, sim->scenario.person_every, EVENT_PERSON, 0, 0);
    struct person *person = &sim->persons[prng_below(&sim->prng, (uint64_t)sim->scenario.persons)];
    unsigned draw = (unsigned)prng_below(&sim->prng, 100);
    if (draw < 50) {
        int64_t many = prng_range(&sim->prng, 1, 20); /* at once */
        for (int64_t i = 0; i < many && !sim->failed; i++)
            person->waiting |= ask(sim, person) == CORE_COLD;
    } else if (draw < 65) {
        wish(sim, person);
    } else if (draw < 80) {
        begin_intent(sim);
    } else if (draw < 90) {
        settle_parked(sim);
    } else if (sim->scenario.relinked) {
        relink(sim, person);
    }
}

/* --- what must hold --- */

/* What was made for a user is another's by now, and with that the user's wish is over (TAKEN). Who
 * waits is told; after a crash nobody may wait. */
static void note_taken(struct sim *sim, const struct record *record,
                       const struct record_image *image)
{
    uint64_t sequence = 0;
    if (image->value_length > 0 || image->key_length != sizeof(sequence))
        return;
    memcpy(&sequence, image->key, sizeof(sequence));
    for (size_t i = 0; i < sim->intent_count; i++) {
        const struct booked_intent *books = &sim->intents[i];
        if (books->gone || books->sequence != sequence || books->person < 0)
            continue;
        struct person *person = &sim->persons[books->person];
        for (size_t k = 0; k < sim->registry.count; k++) {
            const struct registered *object = &sim->registry.objects[k];
            const struct rowset_row *owner =
                rowset_get(&sim->ledger.latest, TABLE_OWNER, object->id, strlen(object->id));
            if (strcmp(object->intent, books->id) == 0 && owner != NULL &&
                person_of(sim, (const char *)owner->value, owner->value_length) != person &&
                person->wish_sequence < record->header.sequence)
                person->last_end = CORE_TAKEN;
        }
    }
}

static void note_owner(struct sim *sim, const struct record_image *image)
{
    for (size_t i = 0; i < sim->registry.count; i++) {
        struct registered *object = &sim->registry.objects[i];
        object->was_linked |= image->value_length > 0 && strlen(object->id) == image->key_length &&
                              memcmp(object->id, image->key, image->key_length) == 0;
    }
}

void people_note(struct sim *sim, const struct record *record)
{
    struct record_image image;
    for (size_t position = 0; record_next_image(record, &position, &image);) {
        if (image.table == TABLE_OWNER)
            note_owner(sim, &image);
        if (image.table == TABLE_INTENT)
            note_taken(sim, record, &image);
        struct person *person =
            image.table == TABLE_LINK ? person_of(sim, image.key, image.key_length) : NULL;
        if (person == NULL)
            continue;
        person->linked_at = image.value_length > 0 ? record->header.sequence : 0;
        /* What an operator has set stays until an operator changes it. */
        if (person->set_to[0] != '\0' && image.value_length > 0 &&
            (strlen(person->set_to) != image.value_length ||
             memcmp(person->set_to, image.value, image.value_length) != 0) &&
            sim->ledger.settled == sim->ledger.count && record->header.uid != 0)
            sim_fail(sim, "%s was linked to %s by an operator, and is now linked to %.*s",
                     person->user_id, person->set_to, (int)image.value_length,
                     (const char *)image.value);
        if (image.value_length == 0)
            person->set_to[0] = '\0';
    }
}

void people_crash(struct sim *sim)
{
    for (int i = 0; i < sim->scenario.persons; i++) {
        struct person *person = &sim->persons[i];
        person->waiting = person->told = false;
        person->linked_at = 0;
        person->set_to[0] = '\0';
        if (person->wish_sequence > sim->ledger.count)
            person->wish_sequence = 0;
    }
    for (size_t i = 0; i < sim->intent_count; i++)
        sim->intents[i].gone |= sim->intents[i].sequence > sim->ledger.count;
}

static void check_person(struct sim *sim, const struct person *person)
{
    const struct rowset *rows = &sim->ledger.latest;
    const struct rowset_row *row = link_row(rows, person);
    struct core_user user = user_of(person);
    struct core_link link;
    struct core_text owner;
    int status = core_link_get(sim->core, &user, false, 1000, sim->now, &link);
    if (status != (row != NULL ? CORE_OK : CORE_UNLINKED))
        sim_fail(sim, "the link of %s is answered with %d", person->user_id, status);
    if (row == NULL)
        return;
    const struct rowset_row *back = rowset_get(rows, TABLE_OWNER, row->value, row->value_length);
    if (status == CORE_OK)
        judge_link(sim, person, &link);
    if (back == NULL || back->value_length != strlen(person->user_id) ||
        memcmp(back->value, person->user_id, back->value_length) != 0)
        sim_fail(sim, "%s has a customer who has another user", person->user_id);
    if (!core_link_owner(sim->core, (struct core_text){(char *)row->value, row->value_length},
                         &owner) ||
        owner.length != strlen(person->user_id) ||
        memcmp(owner.data, person->user_id, owner.length) != 0)
        sim_fail(sim, "the engine says that the customer of %s is another's", person->user_id);
}

static void check_owners(struct sim *sim)
{
    const struct rowset *rows = &sim->ledger.latest;
    for (size_t i = 0; i < rows->count; i++) {
        const struct rowset_row *row = &rows->rows[i];
        if (row->table != TABLE_OWNER || row->value_length == 0)
            continue;
        const struct rowset_row *link = rowset_get(rows, TABLE_LINK, row->value, row->value_length);
        if (link == NULL || link->value_length != row->key_length ||
            memcmp(link->value, row->key, row->key_length) != 0)
            sim_fail(sim, "customer %.*s has a user who has another customer", (int)row->key_length,
                     (const char *)row->key);
    }
}

/* Unless upstream executes later than was agreed, or an operator had a hand in it. */
static void check_made(struct sim *sim, int index)
{
    const struct person *person = &sim->persons[index];
    unsigned made = 0, alike = 0;
    for (size_t i = 0; i < sim->registry.first; i++)
        alike += strcasecmp(sim->registry.objects[i].email, person->email) == 0 &&
                 !sim->registry.objects[i].was_linked;
    for (size_t i = 0; i < sim->intent_count; i++) {
        const struct booked_intent *books = &sim->intents[i];
        if (books->person != index || books->made == 0)
            continue;
        if (person->verified && alike > 0)
            sim_fail(sim, "%s was made a customer, though one of that email was there",
                     person->user_id);
        bool taken = false; /* by another user with the same email */
        for (size_t k = 0; k < sim->registry.count; k++) {
            struct core_text owner;
            const struct registered *object = &sim->registry.objects[k];
            if (strcmp(object->intent, books->id) == 0 &&
                core_link_owner(sim->core, sim_text(object->id), &owner))
                taken |= owner.length != strlen(person->user_id) ||
                         memcmp(owner.data, person->user_id, owner.length) != 0;
        }
        made += !taken;
    }
    if (made > 1 && !person->unlinked && !sim->drawn.late_beyond && !sim->drawn.relinked)
        sim_fail(sim, "%u customers were created for %s", made, person->user_id);
}

/* P9: what ends as refused has not been made. */
static void check_refused(struct sim *sim)
{
    struct core_intent intent;
    char id[EXCHANGE_PUSH_ID_SIZE];
    for (size_t position = 0; core_next_intent(sim->core, &position, &intent);) {
        core_intent_id(sim->core, intent.epoch, intent.sequence, id);
        const struct booked_intent *books = find_intent(sim, id);
        if (intent.state == CORE_INTENT_REFUSED && books != NULL && books->made > 0 &&
            !sim->drawn.late_beyond)
            sim_fail(sim, "%s was made, and ended as refused", id);
    }
}

void people_check(struct sim *sim)
{
    check_refused(sim);
    for (int i = 0; i < sim->scenario.persons && !sim->failed; i++) {
        check_person(sim, &sim->persons[i]);
        check_made(sim, i);
    }
    if (sim->scenario.persons > 0)
        check_owners(sim);
}

void people_compare(struct sim *sim, struct core *core, const struct rowset *rows)
{
    for (int i = 0; i < sim->scenario.persons && !sim->failed; i++) {
        const struct rowset_row *row = link_row(rows, &sim->persons[i]);
        struct core_user user = user_of(&sim->persons[i]);
        struct core_link link;
        int status = core_link_get(core, &user, false, 1000, sim->now, &link);
        if (status != (row != NULL ? CORE_OK : CORE_UNLINKED) ||
            (row != NULL && (row->value_length != link.customer.length ||
                             memcmp(row->value, link.customer.data, row->value_length) != 0)))
            sim_fail(sim, "replay: the link of %s is not as its images", sim->persons[i].user_id);
    }
}

/* --- the end --- */

bool people_at_rest(struct sim *sim)
{
    struct core_intent intent;
    for (size_t position = 0; core_next_intent(sim->core, &position, &intent);)
        if (intent.state != CORE_INTENT_DONE && intent.state != CORE_INTENT_REFUSED)
            return false;
    for (int i = 0; i < sim->scenario.persons; i++) {
        const struct person *person = &sim->persons[i];
        if (person->waiting)
            return false;
        if (person->wish_sequence != 0 && person->last_end == -1 && !person->unlinked &&
            link_row(&sim->ledger.latest, person) == NULL)
            return false;
    }
    return true;
}

/* For whoever reads why there is no rest. */
void people_trace(struct sim *sim)
{
    struct core_intent intent;
    for (size_t position = 0; core_next_intent(sim->core, &position, &intent);)
        if (intent.state != CORE_INTENT_DONE && intent.state != CORE_INTENT_REFUSED)
            sim_trace(sim, "intent %u_%llu kind %u is in state %u", intent.epoch,
                      (unsigned long long)intent.sequence, intent.kind, intent.state);
    for (int i = 0; i < sim->scenario.persons; i++)
        sim_trace(sim, "%s:%s %s, wish %llu, its search ended with %d", sim->persons[i].user_id,
                  sim->persons[i].waiting ? " waits," : "",
                  link_row(&sim->ledger.latest, &sim->persons[i]) != NULL ? "linked" : "unlinked",
                  (unsigned long long)sim->persons[i].wish_sequence, sim->persons[i].last_end);
}

void people_look(struct sim *sim)
{
    settle_parked(sim);
    for (int i = 0; i < sim->scenario.persons && !sim->failed; i++)
        if (sim->persons[i].waiting && ask(sim, &sim->persons[i]) != CORE_COLD)
            sim_fail(sim, "%s waits for an answer that is there, and was not told",
                     sim->persons[i].user_id);
}
