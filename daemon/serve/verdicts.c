/* See verdicts.h. */
#include "verdicts.h"
#include <stdlib.h>
#include <string.h>
#include <util/macros.h>

struct verdict_owner {
    uint32_t uid;
    size_t count;
    struct list verdicts; /* oldest first */
};

struct token_refusal {
    struct list link;
    struct hash128 key;
    int64_t until;
};

/* Half of a SHA-256 is as good as any other hash. */
static struct hash128 half(const uint8_t hash[SESSION_HASH_SIZE])
{
    struct hash128 key;

    memcpy(&key, hash, sizeof(key));
    return key;
}

/* --- one --- */

static struct core_text put_text(char **at, struct core_text text)
{
    struct core_text copy = {*at, text.length};

    if (text.length > 0)
        memcpy(*at, text.data, text.length);
    *at += text.length;
    return copy;
}

static struct verdict *verdict_new(enum session_state state, const struct core_user *user,
                                   struct core_text message)
{
    size_t size = user->user_id.length + user->email.length + user->name.length +
                  user->image.length + user->claimed_customer.length + message.length;
    struct verdict *verdict = calloc(1, sizeof(*verdict) + size);
    char *at;

    if (verdict == NULL)
        return NULL;
    at = verdict->text;
    verdict->refs = 1;
    verdict->state = state;
    verdict->user = (struct core_user){
        .user_id = put_text(&at, user->user_id),
        .email = put_text(&at, user->email),
        .name = put_text(&at, user->name),
        .image = put_text(&at, user->image),
        .claimed_customer = put_text(&at, user->claimed_customer),
        .email_verified = user->email_verified,
    };
    verdict->message = put_text(&at, message);
    list_init(&verdict->of_all);
    list_init(&verdict->of_owner);
    return verdict;
}

struct verdict *verdict_unavailable(const char *message)
{
    const struct core_user nobody = {0};

    return verdict_new(SESSION_UNAVAILABLE, &nobody, (struct core_text){message, strlen(message)});
}

struct verdict *verdict_ref(struct verdict *verdict)
{
    verdict->refs++;
    return verdict;
}

struct verdict *verdict_unref(struct verdict *verdict)
{
    if (verdict != NULL && --verdict->refs == 0)
        free(verdict);
    return NULL;
}

/* --- all --- */

void verdicts_init(struct verdicts *verdicts)
{
    memset(verdicts, 0, sizeof(*verdicts));
    map_init(&verdicts->by_key);
    map_init(&verdicts->owners);
    map_init(&verdicts->refusals);
    list_init(&verdicts->all);
    list_init(&verdicts->refused);
}

static void forget(struct verdicts *verdicts, struct verdict *verdict)
{
    struct verdict_owner *owner = verdict->owner;

    map_remove(&verdicts->by_key, half(verdict->key));
    list_remove(&verdict->of_all);
    list_remove(&verdict->of_owner);
    verdicts->count--;
    verdict->remembered = false;
    verdict->owner = NULL;
    if (--owner->count == 0) {
        map_remove(&verdicts->owners, (struct hash128){owner->uid, 0});
        free(owner);
    }
    verdict_unref(verdict);
}

static void forget_refusal(struct verdicts *verdicts, struct token_refusal *refusal)
{
    map_remove(&verdicts->refusals, refusal->key);
    list_remove(&refusal->link);
    verdicts->refused_count--;
    free(refusal);
}

void verdicts_clear(struct verdicts *verdicts)
{
    while (!list_is_empty(&verdicts->all))
        forget(verdicts, CONTAINER_OF(verdicts->all.next, struct verdict, of_all));
    while (!list_is_empty(&verdicts->refused))
        forget_refusal(verdicts, CONTAINER_OF(verdicts->refused.next, struct token_refusal, link));
}

void verdicts_deinit(struct verdicts *verdicts)
{
    verdicts_clear(verdicts);
    map_deinit(&verdicts->by_key);
    map_deinit(&verdicts->owners);
    map_deinit(&verdicts->refusals);
}

/* Until when that token is refused; 0: it is not. */
static int64_t refused_until(struct verdicts *verdicts, const uint8_t *token, int64_t now)
{
    const uint64_t *found = map_get(&verdicts->refusals, half(token));
    struct token_refusal *refusal;

    if (found == NULL)
        return 0;
    refusal = (struct token_refusal *)(uintptr_t)*found;
    if (refusal->until > now)
        return refusal->until;
    forget_refusal(verdicts, refusal);
    return 0;
}

static void accept_token(struct verdicts *verdicts, const uint8_t *token)
{
    const uint64_t *found = map_get(&verdicts->refusals, half(token));

    if (found != NULL)
        forget_refusal(verdicts, (struct token_refusal *)(uintptr_t)*found);
}

/* Without memory for it the verdicts must do: they are judged anew soon enough. */
static void refuse_token(struct verdicts *verdicts, const uint8_t *token, int64_t until)
{
    struct token_refusal *refusal;

    accept_token(verdicts, token);
    if (verdicts->refused_count >= VERDICTS_MAX)
        forget_refusal(verdicts, CONTAINER_OF(verdicts->refused.next, struct token_refusal, link));
    refusal = malloc(sizeof(*refusal));
    if (refusal == NULL)
        return;
    refusal->key = half(token);
    refusal->until = until;
    list_init(&refusal->link);
    if (map_put(&verdicts->refusals, refusal->key, (uint64_t)(uintptr_t)refusal) < 0) {
        free(refusal);
        return;
    }
    list_append(&verdicts->refused, &refusal->link);
    verdicts->refused_count++;
}

static struct verdict *get(const struct verdicts *verdicts, const uint8_t *key)
{
    const uint64_t *found = map_get(&verdicts->by_key, half(key));

    return found != NULL ? (struct verdict *)(uintptr_t)*found : NULL;
}

struct verdict *verdicts_find(struct verdicts *verdicts, const uint8_t key[SESSION_HASH_SIZE],
                              int64_t now)
{
    struct verdict *verdict = get(verdicts, key);

    if (verdict == NULL || memcmp(verdict->key, key, SESSION_HASH_SIZE) != 0)
        return NULL;
    /* Refused since, in whatever form: it is to be asked for again, or refused, not believed. */
    if (verdict->until <= now || (verdict->state == SESSION_VALID && verdict->has_token &&
                                  refused_until(verdicts, verdict->token, now) != 0)) {
        forget(verdicts, verdict);
        return NULL;
    }
    list_remove(&verdict->of_all);
    list_append(&verdicts->all, &verdict->of_all);
    list_remove(&verdict->of_owner);
    list_append(&verdict->owner->verdicts, &verdict->of_owner);
    return verdict;
}

static struct verdict_owner *get_owner(struct verdicts *verdicts, uint32_t uid)
{
    const uint64_t *found = map_get(&verdicts->owners, (struct hash128){uid, 0});
    struct verdict_owner *owner;

    if (found != NULL)
        return (struct verdict_owner *)(uintptr_t)*found;
    owner = calloc(1, sizeof(*owner));
    if (owner == NULL)
        return NULL;
    owner->uid = uid;
    list_init(&owner->verdicts);
    if (map_put(&verdicts->owners, (struct hash128){uid, 0}, (uint64_t)(uintptr_t)owner) < 0) {
        free(owner);
        return NULL;
    }
    return owner;
}

/* Without memory it is not remembered, and that is all. */
static void remember(struct verdicts *verdicts, struct verdict *verdict, uint32_t uid)
{
    struct verdict *old = get(verdicts, verdict->key);
    struct verdict_owner *owner;

    if (old != NULL)
        forget(verdicts, old);
    owner = get_owner(verdicts, uid);
    if (owner == NULL)
        return;
    if (map_put(&verdicts->by_key, half(verdict->key), (uint64_t)(uintptr_t)verdict) < 0) {
        if (owner->count == 0) {
            map_remove(&verdicts->owners, (struct hash128){uid, 0});
            free(owner);
        }
        return;
    }
    verdict->owner = owner;
    verdict->remembered = true;
    owner->count++;
    verdicts->count++;
    list_append(&owner->verdicts, &verdict->of_owner);
    list_append(&verdicts->all, &verdict->of_all);
    verdict_ref(verdict);
    if (owner->count > VERDICTS_PER_USER)
        forget(verdicts, CONTAINER_OF(owner->verdicts.next, struct verdict, of_owner));
    if (verdicts->count > VERDICTS_MAX)
        forget(verdicts, CONTAINER_OF(verdicts->all.next, struct verdict, of_all));
}

struct verdict *verdicts_add(struct verdicts *verdicts, const uint8_t key[SESSION_HASH_SIZE],
                             uint32_t uid, const struct session_answer *answer, int64_t ttl,
                             int64_t now)
{
    enum session_state state = answer->state;
    int64_t valid_for = answer->valid_for < ttl ? answer->valid_for : ttl;
    int64_t refused = 0, until = now + valid_for;
    struct verdict *verdict;

    if (state == SESSION_VALID && answer->offline && answer->token_hash != NULL)
        refused = refused_until(verdicts, answer->token_hash, now);
    if (refused != 0)
        state = SESSION_INVALID;
    if (state == SESSION_INVALID)
        until =
            refused != 0 && refused < now + VERDICT_REFUSED_MS ? refused : now + VERDICT_REFUSED_MS;
    verdict = verdict_new(state, &answer->user, answer->message);
    if (verdict == NULL)
        return NULL;
    memcpy(verdict->key, key, sizeof(verdict->key));
    verdict->until = until;
    if (answer->token_hash != NULL) {
        verdict->has_token = true;
        memcpy(verdict->token, answer->token_hash, sizeof(verdict->token));
    }
    if (answer->token_hash != NULL && answer->asked && answer->state == SESSION_VALID)
        accept_token(verdicts, answer->token_hash);
    else if (answer->token_hash != NULL && answer->asked && answer->state == SESSION_INVALID)
        refuse_token(verdicts, answer->token_hash,
                     now + (ttl > VERDICT_REFUSED_MS ? ttl : VERDICT_REFUSED_MS));
    if (state != SESSION_UNAVAILABLE && until > now)
        remember(verdicts, verdict, uid);
    return verdict;
}
