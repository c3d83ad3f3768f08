/*
 * The search for a user's customer. What the session claims is looked at first, where it could be
 * true; then the customers of that email, through all pages, for filters are not to be trusted;
 * then one is created, by an intent. A customer that is linked to another user is no match, for
 * whoever has a customer may give it any email. One search a user, however many ask; how it ended
 * badly is remembered for a short while, so that asking again costs nothing.
 */
#include "intent.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PAGES_MAX 1000u
#define NAMED_MAX 3u /* ids that an ambiguity names */
#define RETRY_FIRST_MS 500
#define RETRY_MOST_MS 60000

enum phase { PHASE_CLAIMED, PHASE_FIND, PHASE_CREATE, PHASE_ENDED };

struct found {
    char id[CORE_OBJECT_ID_SIZE];
    unsigned count;
    void *body;
    size_t body_length;
};

struct search {
    struct job job; /* first */
    struct hash128 key;
    enum phase phase;
    bool verified;
    uint32_t uid;
    char *user_id, *email, *name, *image,
        *claimed; /* owned, NUL-terminated; empty where there is none */
    char cursor[CORE_OBJECT_ID_SIZE];
    unsigned pages;
    struct found exact, other;
    char ids[(CORE_OBJECT_ID_SIZE + 2) * NAMED_MAX];
    char passed[CORE_OBJECT_ID_SIZE]; /* another user's that has the email; empty: none */
    int status;                       /* ended: a CORE_… other than CORE_OK */
    char message[512];
    int64_t until, delay;
};

static struct core_text text_of(const char *string)
{
    return (struct core_text){string, strlen(string)};
}

static struct search *find(const struct core *core, struct hash128 key)
{
    const uint64_t *found = map_get(&core->searches, key);
    return found ? (struct search *)(uintptr_t)*found : NULL;
}

static char *copy(struct core_text text)
{
    return strndup(text.data ? text.data : "", text.length);
}

static void drop(struct core *core, struct search *search)
{
    if (!search)
        return;
    map_remove(&core->searches, search->key);
    job_deinit(core, &search->job);
    free(search->user_id);
    free(search->email);
    free(search->name);
    free(search->image);
    free(search->claimed);
    free(search->exact.body);
    free(search->other.body);
    free(search);
}

static void tell(struct core *core, const struct search *search)
{
    if (core->effects.linked)
        core->effects.linked(core->effects.userdata, search->key);
}

/* --- ends --- */

/* A create that is more than a wish ends by itself. */
static int drop_wish(struct core *core, const struct search *search, int64_t now)
{
    struct intent *wish = intent_of_user(core, text_of(search->user_id));

    return wish && intent_is_wish(wish) ? intent_drop(core, wish, now) : 0;
}

static int go_on_later(struct core *core, struct search *search, int64_t now)
{
    search->delay = search->delay ? search->delay * 2 : RETRY_FIRST_MS;
    search->delay = search->delay < RETRY_MOST_MS ? search->delay : RETRY_MOST_MS;
    job_at(core, &search->job, now + search->delay);
    return 0;
}

static void begin_again(struct search *search)
{
    free(search->exact.body);
    free(search->other.body);
    search->exact = search->other = (struct found){0};
    search->cursor[0] = search->ids[0] = search->passed[0] = '\0';
    search->pages = 0;
}

/* From the first page: what was counted must not be counted again. */
static int retry(struct core *core, struct search *search, int64_t now)
{
    begin_again(search);
    return go_on_later(core, search, now);
}

static void end(struct core *core, struct search *search, int status, const char *message,
                int64_t now)
{
    if (drop_wish(core, search, now) < 0) { /* it must not outlive its search: looked into again */
        (void)retry(core, search, now);
        return;
    }
    search->phase = PHASE_ENDED;
    search->status = status;
    search->until = now + core->policy.unknown_ttl;
    snprintf(search->message, sizeof(search->message), "%s", message ? message : "");
    job_at(core, &search->job, search->until);
    tell(core, search);
}

static void linked(struct core *core, struct search *search, int64_t now)
{
    struct hash128 key = search->key;

    (void)drop_wish(core, search, now); /* with a link, a start drops it */
    if (search->job.exchange) {         /* which still points at it: it goes when that has ended */
        search->phase = PHASE_ENDED;
        search->status = CORE_OK;
        search->until = now;
    } else {
        drop(core, search);
    }
    if (core->effects.linked)
        core->effects.linked(core->effects.userdata, key);
}

static bool is_of_another(const struct core *core, const struct search *search,
                          struct core_text customer)
{
    struct core_text owner, user_id = text_of(search->user_id);

    return core_link_owner(core, customer, &owner) &&
           (owner.length != user_id.length || memcmp(owner.data, user_id.data, owner.length) != 0);
}

static int link_to(struct core *core, struct search *search, const char *customer, const void *body,
                   size_t length, int64_t now)
{
    struct core_text user_id = text_of(search->user_id);

    if (link_find(core, user_id)) { /* an operator was quicker */
        linked(core, search, now);
        return 0;
    }
    if (is_of_another(core, search, text_of(customer))) {
        if (search->phase == PHASE_FIND) /* since its page was read */
            return retry(core, search, now);
        end(core, search, CORE_TAKEN, customer, now);
        return 0;
    }
    int r =
        link_make(core, user_id, text_of(customer), body, length, false, search->uid, now, NULL);
    if (r < 0)
        return retry(core, search, now);
    linked(core, search, now);
    return 0;
}

/* --- phases --- */

/* The create's payload: see struct core_customer_payload. NULL: no memory. */
static char *payload_of(const struct search *search, size_t *ret_length)
{
    struct core_customer_payload head = {
        .email_length = (uint16_t)strlen(search->email),
        .name_length = (uint16_t)strlen(search->name),
        .image_length = (uint16_t)strlen(search->image),
        .flags = search->verified,
    };
    size_t length = sizeof(head) + head.email_length + head.name_length + head.image_length;
    char *payload = malloc(length);

    if (!payload)
        return NULL;
    memcpy(payload, &head, sizeof(head));
    char *at = mempcpy(payload + sizeof(head), search->email, head.email_length);
    at = mempcpy(at, search->name, head.name_length);
    memcpy(at, search->image, head.image_length);
    *ret_length = length;
    return payload;
}

static int create(struct core *core, struct search *search, int64_t now)
{
    size_t length;

    if (link_find(core, text_of(search->user_id))) {
        linked(core, search, now);
        return 0;
    }
    char *payload = payload_of(search, &length);
    int r = payload ? intent_of_customer(core, text_of(search->user_id),
                                         (struct core_text){payload, length}, true, search->uid,
                                         now, NULL)
                    : -ENOMEM;

    free(payload);
    if (r < 0)
        return retry(core, search, now);
    search->phase = PHASE_CREATE; /* search_intent_ended tells */
    return 0;
}

static int next_phase(struct core *core, struct search *search, int64_t now)
{
    bool may_find = search->verified || core->policy.link_unverified_email;

    if (search->phase == PHASE_CLAIMED && may_find && search->email[0]) {
        search->phase = PHASE_FIND;
        job_ready(core, &search->job, TURN_COLD, false);
        return 0;
    }
    return create(core, search, now);
}

static int start(struct core *core, struct search *search, int64_t now)
{
    search->phase = PHASE_CLAIMED;
    if (search->claimed[0] && core->policy.trust_customer_id)
        return link_to(core, search, search->claimed, NULL, 0, now);
    if (search->claimed[0] && search->verified && search->email[0]) {
        job_ready(core, &search->job, TURN_COLD, false);
        return 0;
    }
    return next_phase(core, search, now);
}

void search_fire(struct core *core, struct job *job, int64_t now)
{
    struct search *search = (struct search *)job;

    if (search->phase == PHASE_ENDED && search->job.exchange)
        job_at(core, job, now + RETRY_FIRST_MS);
    else if (search->phase == PHASE_ENDED)
        drop(core, search);
    else if (search->phase == PHASE_CREATE || search->phase == PHASE_CLAIMED)
        (void)start(core, search, now);
    else
        job_ready(core, &search->job, TURN_COLD, false);
}

int search_begin(struct core *core, struct job *job, int64_t now, struct exchange *exchange)
{
    struct search *search = (struct search *)job;

    (void)core;
    (void)now;
    if (search->phase == PHASE_CLAIMED) {
        exchange->kind = EXCHANGE_CUSTOMER;
        exchange->customer = search->claimed;
        exchange->customer_length = strlen(search->claimed);
        return 0;
    }
    exchange->kind = EXCHANGE_CUSTOMERS;
    exchange->email = search->email;
    exchange->email_length = strlen(search->email);
    exchange->cursor = search->cursor;
    return 0;
}

/* --- answers --- */

static bool same_spelling(const struct exchange_object *row, const char *email, bool exact)
{
    return email_is_same(row, text_of(email), exact);
}

static int take(struct search *search, struct found *found, const struct exchange_object *row)
{
    size_t used = strlen(search->ids);

    if (row->id_length >= sizeof(found->id))
        return 0;
    if (found->count < NAMED_MAX && used + row->id_length + 3 < sizeof(search->ids))
        snprintf(search->ids + used, sizeof(search->ids) - used, "%s%.*s", used ? ", " : "",
                 (int)row->id_length, row->id);
    if (found->count++ > 0)
        return 0;
    memcpy(found->id, row->id, row->id_length);
    found->id[row->id_length] = '\0';
    found->body = malloc(row->body_length ? row->body_length : 1);
    if (!found->body)
        return -ENOMEM;
    memcpy(found->body, row->body, row->body_length);
    found->body_length = row->body_length;
    return 0;
}

static int conclude(struct core *core, struct search *search, int64_t now)
{
    const struct found *found = search->exact.count ? &search->exact : &search->other;

    search->delay = 0;
    if (search->passed[0] && core->effects.passed)
        core->effects.passed(core->effects.userdata, text_of(search->user_id),
                             text_of(search->passed));
    if (found->count == 1)
        return link_to(core, search, found->id, found->body, found->body_length, now);
    if (found->count > 1) {
        end(core, search, CORE_AMBIGUOUS, search->ids, now);
        return 0;
    }
    return create(core, search, now);
}

/* Whether it may be the user's, as far as others are concerned. */
static bool is_free(const struct core *core, struct search *search,
                    const struct exchange_object *row)
{
    if (!is_of_another(core, search, (struct core_text){row->id, row->id_length}))
        return true;
    if (row->id_length < sizeof(search->passed)) {
        memcpy(search->passed, row->id, row->id_length);
        search->passed[row->id_length] = '\0';
    }
    return false;
}

static int page_done(struct core *core, struct search *search, const struct exchange_answer *answer,
                     int64_t now)
{
    for (size_t i = 0; i < answer->objects.count; i++) {
        const struct exchange_object *row = &answer->objects.rows[i];
        int r = 0;

        if (!same_spelling(row, search->email, false) || !is_free(core, search, row))
            continue;
        if (same_spelling(row, search->email, true))
            r = take(search, &search->exact, row);
        else
            r = take(search, &search->other, row);
        if (r < 0)
            return retry(core, search, now);
    }
    size_t length = answer->objects.cursor_length;
    bool more = answer->objects.has_more && length > 0 && length < sizeof(search->cursor) &&
                (strlen(search->cursor) != length ||
                 memcmp(search->cursor, answer->objects.cursor, length) != 0);
    if (!more)
        return conclude(core, search, now);
    if (++search->pages >= PAGES_MAX) {
        end(core, search, CORE_AMBIGUOUS, "StellarTools' list of customers does not end", now);
        return 0;
    }
    memcpy(search->cursor, answer->objects.cursor, length);
    search->cursor[length] = '\0';
    job_ready(core, &search->job, TURN_COLD, false);
    return 0;
}

/* Its end came while an exchange was under way; who asked in the meantime is told now. */
static int ended_meanwhile(struct core *core, struct search *search, int64_t now)
{
    struct intent *wish = intent_of_user(core, text_of(search->user_id));

    if (search->status != CORE_OK)
        return 0;
    if (wish && intent_is_wish(wish)) {
        begin_again(search);
        return start(core, search, now);
    }
    tell(core, search);
    drop(core, search);
    return 0;
}

int search_done(struct core *core, struct job *job, const struct exchange_answer *answer,
                int64_t now)
{
    struct search *search = (struct search *)job;
    bool answered = answer->outcome == EXCHANGE_OK;

    if (search->phase == PHASE_ENDED)
        return ended_meanwhile(core, search, now);
    if (search->phase == PHASE_CLAIMED) {
        bool denied = answer->outcome == EXCHANGE_NOT_FOUND || answer->outcome == EXCHANGE_REFUSED;
        if (answered && answer->objects.count == 1 &&
            same_spelling(answer->objects.rows, search->email, false) &&
            !is_of_another(core, search, text_of(search->claimed)))
            return link_to(core, search, search->claimed, answer->objects.rows->body,
                           answer->objects.rows->body_length, now);
        return answered || denied ? next_phase(core, search, now) : retry(core, search, now);
    }
    if (answered)
        return page_done(core, search, answer, now);
    /* A low limit must not keep a long list from ending; else, pages of different moments do not
     * make one list. */
    bool delayed = answer->outcome == EXCHANGE_RATE_LIMITED || answer->outcome == EXCHANGE_NOT_SENT;
    return delayed ? go_on_later(core, search, now) : retry(core, search, now);
}

void search_intent_ended(struct core *core, struct core_text user_id, int status,
                         const char *message, int64_t now)
{
    struct search *search = find(core, user_hash(core, user_id));

    if (!search)
        return;
    if (status == CORE_OK)
        linked(core, search, now);
    else
        end(core, search, status, message, now);
}

/* --- asking --- */

static int make(struct core *core, const struct core_user *user, uint32_t uid,
                struct search **ret_search)
{
    struct search *search = calloc(1, sizeof(*search));

    if (!search)
        return -ENOMEM;
    int r = job_init(core, &search->job, JOB_SEARCH);
    if (r < 0) {
        free(search);
        return r;
    }
    search->key = user_hash(core, user->user_id);
    search->uid = uid;
    search->verified = user->email_verified;
    search->user_id = copy(user->user_id);
    search->email = copy(user->email);
    search->name = copy(user->name);
    search->image = copy(user->image);
    search->claimed = copy(user->claimed_customer);
    if (!search->user_id || !search->email || !search->name || !search->image || !search->claimed ||
        map_put(&core->searches, search->key, (uint64_t)(uintptr_t)search) < 0) {
        drop(core, search);
        return -ENOMEM;
    }
    *ret_search = search;
    return 0;
}

static bool too_long(const struct core_user *user)
{
    return user->user_id.length == 0 || user->user_id.length > 128 || user->email.length > 1024 ||
           user->name.length > 1024 || user->image.length > 1024 ||
           user->claimed_customer.length > 128;
}

int core_link_get(struct core *core, const struct core_user *user, bool may_create, uint32_t uid,
                  int64_t now, struct core_link *ret_link)
{
    const struct link *link = link_find(core, user->user_id);
    struct search *search;

    *ret_link = (struct core_link){.key = user_hash(core, user->user_id)};
    if (link) {
        ret_link->customer = link_customer(link);
        ret_link->reveals = link_sequence(link);
        return CORE_OK;
    }
    if (!may_create)
        return CORE_UNLINKED;
    if (too_long(user))
        return -EINVAL;
    search = find(core, ret_link->key);
    if (search && search->phase == PHASE_ENDED) {
        ret_link->message = search->message;
        if (search->until > now)
            return search->status;
        if (search->job.exchange)
            return CORE_COLD;
        drop(core, search);
        search = NULL;
    }
    if (search)
        return CORE_COLD;
    int r = turns_take(core, uid, user->user_id, now);
    if (r == CORE_OK)
        r = make(core, user, uid, &search);
    if (r != CORE_OK)
        return r;
    struct hash128 key = ret_link->key;
    (void)start(core, search, now);
    link = link_find(core, user->user_id); /* believed at once */
    search = find(core, key);
    if (link) {
        ret_link->customer = link_customer(link);
        ret_link->reveals = link_sequence(link);
        return CORE_OK;
    }
    if (search && search->phase == PHASE_ENDED) {
        ret_link->message = search->message;
        return search->status;
    }
    return CORE_COLD;
}

int core_link_wish(struct core *core, const struct core_user *user, uint32_t uid, int64_t now,
                   uint64_t *ret_sequence)
{
    struct search *search = find(core, user_hash(core, user->user_id));
    const struct link *link = link_find(core, user->user_id);
    const struct intent *known = intent_of_user(core, user->user_id);
    size_t length;

    if (too_long(user))
        return -EINVAL;
    if (link || known) {
        *ret_sequence = link ? link_sequence(link) : intent_reveals(known);
        return CORE_OK;
    }
    if (search && search->phase == PHASE_ENDED && !search->job.exchange) {
        drop(core, search);
        search = NULL;
    }
    bool is_new = !search;
    int r = search ? 0 : make(core, user, uid, &search);
    if (r < 0)
        return r;
    char *payload = payload_of(search, &length);
    r = payload ? intent_of_customer(core, user->user_id, (struct core_text){payload, length},
                                     false, uid, now, ret_sequence)
                : -ENOMEM;
    free(payload);
    if (r < 0 && is_new)
        drop(core, search);
    if (r < 0)
        return r;
    if (is_new)
        (void)start(core, search, now);
    return CORE_OK;
}

int search_resume(struct core *core, struct core_text user_id, struct core_text payload,
                  int64_t now)
{
    struct core_customer_payload head;
    struct search *search;

    if (payload.length < sizeof(head))
        return -EBADMSG;
    memcpy(&head, payload.data, sizeof(head));
    const char *text = payload.data + sizeof(head);
    if (payload.length != sizeof(head) + head.email_length + head.name_length + head.image_length)
        return -EBADMSG;
    struct core_user user = {
        .user_id = user_id,
        .email = {text, head.email_length},
        .name = {text + head.email_length, head.name_length},
        .image = {text + head.email_length + head.name_length, head.image_length},
        .email_verified = head.flags & 1,
    };
    int r = make(core, &user, UID_SELF, &search);
    if (r < 0)
        return r;
    return start(core, search, now);
}

void searches_deinit(struct core *core)
{
    const struct map_entry *entry;

    for (size_t position = 0; (entry = map_next(&core->searches, &position)); position = 0)
        drop(core, (struct search *)(uintptr_t)entry->value);
    map_deinit(&core->searches);
}
