/*
 * Verdicts on sessions: how long they count, who is forgotten first, and what wins over what.
 */
#include "verdicts.h"
#include <criterion/criterion.h>
#include <string.h>

#define TTL 60000

static void make_hash(uint64_t number, uint8_t ret_hash[SESSION_HASH_SIZE])
{
    memset(ret_hash, 7, SESSION_HASH_SIZE);
    number *= UINT64_C(0x9e3779b97f4a7c15);
    memcpy(ret_hash, &number, sizeof(number));
}

/* Adds one and drops the reference: its state. */
static enum session_state add(struct verdicts *verdicts, uint64_t key, uint32_t uid,
                              const struct session_answer *answer, int64_t now)
{
    uint8_t hash[SESSION_HASH_SIZE];
    struct verdict *verdict;
    enum session_state state;

    make_hash(key, hash);
    verdict = verdicts_add(verdicts, hash, uid, answer, TTL, now);
    state = verdict->state;
    verdict_unref(verdict);
    return state;
}

static struct verdict *find(struct verdicts *verdicts, uint64_t key, int64_t now)
{
    uint8_t hash[SESSION_HASH_SIZE];

    make_hash(key, hash);
    return verdicts_find(verdicts, hash, now);
}

static const struct session_answer good = {
    .state = SESSION_VALID, .asked = true, .valid_for = 1000, .user = {.user_id = {"u_1", 3}}};
static const struct session_answer bad = {.state = SESSION_INVALID, .asked = true};

Test(verdicts, count_for_their_time)
{
    struct session_answer answer = good;
    struct verdicts verdicts;

    verdicts_init(&verdicts);
    add(&verdicts, 1, 5, &good, 100);
    cr_assert_not_null(find(&verdicts, 1, 1099));
    cr_assert_null(find(&verdicts, 1, 1100));
    cr_assert_eq(verdicts.count, 0);
    add(&verdicts, 1, 5, &bad, 100);
    cr_assert_eq(find(&verdicts, 1, 100 + VERDICT_REFUSED_MS - 1)->state, SESSION_INVALID);
    cr_assert_null(find(&verdicts, 1, 100 + VERDICT_REFUSED_MS));
    answer.valid_for = INT64_C(7) * 86400000; /* never past session_ttl */
    add(&verdicts, 1, 5, &answer, 100);
    cr_assert_not_null(find(&verdicts, 1, 100 + TTL - 1));
    cr_assert_null(find(&verdicts, 1, 100 + TTL));
    answer.valid_for = 0;
    cr_assert_eq(add(&verdicts, 1, 5, &answer, 100), SESSION_VALID);
    cr_assert_null(find(&verdicts, 1, 100));
    answer.state = SESSION_UNAVAILABLE;
    answer.valid_for = 1000; /* an outage is none, whatever it says */
    add(&verdicts, 1, 5, &answer, 100);
    cr_assert_null(find(&verdicts, 1, 100));
    verdicts_deinit(&verdicts);
}

/* Found by half of the hash, and believed by all of it. */
Test(verdicts, of_another_credential_are_not_this_one_s)
{
    uint8_t hash[SESSION_HASH_SIZE];
    struct verdicts verdicts;

    verdicts_init(&verdicts);
    add(&verdicts, 1, 5, &good, 100);
    make_hash(1, hash);
    cr_assert_not_null(verdicts_find(&verdicts, hash, 100));
    hash[SESSION_HASH_SIZE - 1] ^= 1;
    cr_assert_null(verdicts_find(&verdicts, hash, 100));
    verdicts_deinit(&verdicts);
}

Test(verdicts, are_bounded_for_each_user)
{
    struct verdicts verdicts;

    verdicts_init(&verdicts);
    add(&verdicts, 1, 6, &good, 100);
    add(&verdicts, 2, 5, &good, 100);
    add(&verdicts, 3, 5, &good, 100);
    cr_assert_not_null(find(&verdicts, 2, 100)); /* used: not the oldest any more */
    for (unsigned i = 0; i < VERDICTS_PER_USER - 1; i++)
        add(&verdicts, 10 + i, 5, &good, 100);
    cr_assert_eq(verdicts.count, VERDICTS_PER_USER + 1);
    cr_assert_null(find(&verdicts, 3, 100));
    cr_assert_not_null(find(&verdicts, 2, 100));
    cr_assert_not_null(find(&verdicts, 1, 100)); /* another's */
    verdicts_clear(&verdicts);
    cr_assert_null(find(&verdicts, 1, 100));
    verdicts_deinit(&verdicts);
}

Test(verdicts, a_refused_token_wins_until_it_cannot_be_believed)
{
    uint8_t token[SESSION_HASH_SIZE];
    struct session_answer offline = good, refused = bad, asked = good, forged = bad;
    struct verdicts verdicts;

    make_hash(77, token);
    offline.token_hash = refused.token_hash = asked.token_hash = forged.token_hash = token;
    offline.offline = true;
    offline.asked = forged.asked = false;
    verdicts_init(&verdicts);
    add(&verdicts, 1, 5, &asked, 100);
    add(&verdicts, 9, 5, &forged, 100);
    cr_assert_not_null(find(&verdicts, 1, 100)); /* a wrong signature says nothing of the token */
    add(&verdicts, 2, 5, &refused, 100);
    cr_assert_null(find(&verdicts, 1, 100));
    cr_assert_eq(add(&verdicts, 3, 5, &offline, 100 + TTL - 1), SESSION_INVALID);
    cr_assert_null(find(&verdicts, 3, 100 + TTL));
    cr_assert_eq(add(&verdicts, 3, 5, &offline, 100 + TTL), SESSION_VALID);
    add(&verdicts, 2, 5, &refused, 200 + TTL);
    cr_assert_eq(add(&verdicts, 4, 5, &asked, 200 + TTL), SESSION_VALID); /* the app's own word */
    cr_assert_eq(add(&verdicts, 3, 5, &offline, 200 + TTL), SESSION_VALID);
    verdicts_deinit(&verdicts);
}
