/* See upstream.h. */
#include "upstream.h"

#include "need.h"
#include <stdlib.h>
#include <string.h>

#define MINUTE 60000

void upstream_init(struct upstream *upstream, const struct scenario *scenario, struct prng *prng)
{
    static const int64_t units[] = {1, 10, 1000, 7, INT64_C(1) << 20, INT64_C(1) << 40};
    *upstream = (struct upstream){.scenario = scenario};
    for (int column = 0; column < scenario->products; column++) {
        upstream->units[column] = units[prng_below(prng, scenario->wrong_units ? 4 : 6)];
        upstream->real_units[column] = upstream->units[column];
        if (!scenario->product_endpoint && !scenario->wrong_units)
            upstream->real_units[column] = 1; /* what is assumed then */
        if (scenario->wrong_units && prng_chance(prng, 500))
            upstream->real_units[column] = units[prng_below(prng, 4)];
    }
    for (int row = 0; row < scenario->customers; row++)
        for (int column = 0; column < scenario->products; column++) {
            struct upstream_balance *balance = &upstream->balances[row * SIM_COLUMNS + column];
            balance->exists = prng_chance(prng, 900);
            if (balance->exists)
                balance->balance = balance->granted = prng_range(prng, 0, scenario->grant_max);
        }
}

void upstream_deinit(struct upstream *upstream)
{
    free(upstream->rows);
    free(upstream->keys);
    *upstream = (struct upstream){0};
}

int64_t upstream_clock(const struct upstream *upstream, int64_t now)
{
    return now + upstream->scenario->skew;
}

bool upstream_knows_customer(const struct upstream *upstream, int row)
{
    return row < upstream->scenario->customers;
}

bool upstream_knows_product(const struct upstream *upstream, int column)
{
    return column < upstream->scenario->products;
}

bool upstream_admit(struct upstream *upstream, int64_t now, struct exchange_answer *ret_answer)
{
    const struct scenario *s = upstream->scenario;
    int64_t window = upstream_clock(upstream, now) / MINUTE;
    if (s->requests_per_minute == 0)
        return true;
    if (window != upstream->window) {
        upstream->window = window;
        upstream->used = s->others_use_rate ? s->requests_per_minute / 4 : 0;
    }
    bool admitted = upstream->used < s->requests_per_minute;
    upstream->used += admitted;
    int64_t left = (window + 1) * MINUTE - upstream_clock(upstream, now);
    left += (1000 - left % 1000) % 1000; /* told in whole seconds */
    if (s->rate_headers) {
        ret_answer->rate.limit = s->requests_per_minute;
        ret_answer->rate.remaining = s->requests_per_minute - upstream->used;
        ret_answer->rate.reset_in = left;
    }
    if (!admitted) {
        upstream->refused_429++;
        ret_answer->outcome = EXCHANGE_RATE_LIMITED;
        ret_answer->http_status = 429;
        if (s->retry_after)
            ret_answer->rate.retry_after = left;
    }
    return admitted;
}

static void add_row(struct upstream *upstream, int pair, const char *push_id, int type,
                    int64_t credits, int64_t now)
{
    if (upstream->row_count == upstream->row_capacity) {
        upstream->row_capacity = upstream->row_capacity > 0 ? 2 * upstream->row_capacity : 64;
        upstream->rows =
            need_array(upstream->rows, upstream->row_capacity, sizeof(*upstream->rows));
    }
    struct upstream_row *row = &upstream->rows[upstream->row_count++];
    *row = (struct upstream_row){.id = ++upstream->next_id,
                                 .pair = pair,
                                 .type = type,
                                 .credits = credits,
                                 .created_at = upstream_clock(upstream, now)};
    strncpy(row->push_id, push_id, sizeof(row->push_id) - 1);
    if (push_id[0] != '\0' && type == EXCHANGE_ROW_DEDUCT)
        upstream->balances[pair].executed += credits;
    else if (push_id[0] != '\0')
        upstream->balances[pair].given += credits;
}

void upstream_change(struct upstream *upstream, int pair, int64_t credits, int64_t now)
{
    struct upstream_balance *balance = &upstream->balances[pair];
    balance->balance += credits;
    if (credits < 0) {
        balance->consumed -= credits;
        add_row(upstream, pair, "", EXCHANGE_ROW_DEDUCT, -credits, now);
    } else {
        balance->granted += credits;
        add_row(upstream, pair, "", EXCHANGE_ROW_GRANT, credits, now);
    }
}

static struct upstream_key *find_key(struct upstream *upstream, const char *key)
{
    for (size_t i = upstream->key_count; i > 0; i--)
        if (strcmp(upstream->keys[i - 1].key, key) == 0)
            return &upstream->keys[i - 1];
    return NULL;
}

static struct upstream_key *take_key(struct upstream *upstream, const char *key)
{
    if (upstream->key_count == upstream->key_capacity) {
        upstream->key_capacity = upstream->key_capacity > 0 ? 2 * upstream->key_capacity : 64;
        upstream->keys =
            need_array(upstream->keys, upstream->key_capacity, sizeof(*upstream->keys));
    }
    struct upstream_key *entry = &upstream->keys[upstream->key_count++];
    *entry = (struct upstream_key){.state = KEY_LOCKED};
    strncpy(entry->key, key, sizeof(entry->key) - 1);
    return entry;
}

static void answer(struct exchange_answer *ret_answer, enum exchange_outcome outcome, int status)
{
    ret_answer->outcome = outcome;
    ret_answer->http_status = status;
}

static int64_t take(struct upstream *upstream, const struct upstream_deduct *order, int64_t credits,
                    int64_t now)
{
    struct upstream_balance *balance = &upstream->balances[order->pair];
    if (!order->row_alone) {
        balance->balance -= credits;
        balance->consumed += credits;
    }
    if (order->overwritten > 0) /* their row is there, their deduction is lost */
        add_row(upstream, order->pair, "", EXCHANGE_ROW_DEDUCT, order->overwritten, now);
    if (order->balance_alone)
        return 0;
    add_row(upstream, order->pair, order->push_id, EXCHANGE_ROW_DEDUCT, credits, now);
    return credits;
}

static void give(struct upstream *upstream, const struct upstream_deduct *order, int64_t credits,
                 int64_t now, struct exchange_answer *ret_answer)
{
    struct upstream_balance *balance = &upstream->balances[order->pair];
    bool refund = order->kind == EXCHANGE_REFUND;
    balance->balance += credits;
    if (!refund)
        balance->granted += credits;
    else if (upstream->scenario->refund_lowers_consumed)
        balance->consumed -= credits;
    add_row(upstream, order->pair, order->push_id,
            refund ? EXCHANGE_ROW_REFUND : EXCHANGE_ROW_GRANT, credits, now);
    answer(ret_answer, EXCHANGE_OK, 200);
    ret_answer->push.credits_deducted = credits;
    ret_answer->push.has_balance = !upstream->scenario->answers_without_balance;
    ret_answer->push.balance = balance->balance;
}

static void execute(struct upstream *upstream, const struct upstream_deduct *order, int64_t now,
                    struct exchange_answer *ret_answer, int64_t *ret_taken)
{
    struct upstream_balance *balance = &upstream->balances[order->pair];
    int64_t unit = upstream->real_units[order->pair % SIM_COLUMNS];
    int64_t credits = order->amount / unit + (order->amount % unit != 0);
    *ret_taken = 0;
    if (!balance->exists) {
        answer(ret_answer, EXCHANGE_NO_BALANCE, 500);
        return;
    }
    if (order->kind != EXCHANGE_DEDUCT) {
        give(upstream, order, credits, now, ret_answer);
        *ret_taken = credits;
        return;
    }
    if (balance->balance < credits || balance->revoked) {
        answer(ret_answer, EXCHANGE_INSUFFICIENT, 500);
        return;
    }
    *ret_taken = take(upstream, order, credits, now);
    answer(ret_answer, EXCHANGE_OK, 200);
    ret_answer->push.credits_deducted = credits;
    ret_answer->push.has_balance = !upstream->scenario->answers_without_balance;
    ret_answer->push.balance = balance->balance;
}

void upstream_deduct(struct upstream *upstream, const struct upstream_deduct *order, int64_t now,
                     struct exchange_answer *ret_answer, int64_t *ret_taken)
{
    *ret_taken = 0;
    if (!upstream->scenario->keys_honoured) {
        execute(upstream, order, now, ret_answer, ret_taken);
        return;
    }
    struct upstream_key *key = find_key(upstream, order->key);
    if (key != NULL && key->state == KEY_LOCKED) {
        answer(ret_answer, EXCHANGE_FAILED, 409);
        return;
    }
    if (key != NULL) { /* replayed: what it said then, whatever the body says now */
        struct exchange_answer now_answer = *ret_answer;
        *ret_answer = key->answer;
        ret_answer->rate = now_answer.rate;
        return;
    }
    key = take_key(upstream, order->key);
    execute(upstream, order, now, ret_answer, ret_taken);
    if (order->keep_locked)
        return;
    key->state = KEY_ANSWERED;
    key->answer = *ret_answer;
}

void upstream_read_balance(const struct upstream *upstream, int pair,
                           struct exchange_answer *ret_answer)
{
    const struct upstream_balance *balance = &upstream->balances[pair];
    if (!upstream_knows_customer(upstream, pair / SIM_COLUMNS)) {
        answer(ret_answer, EXCHANGE_NOT_FOUND, 404);
    } else if (!balance->exists) {
        answer(ret_answer, EXCHANGE_NO_BALANCE, 404);
    } else {
        answer(ret_answer, EXCHANGE_OK, 200);
        ret_answer->balance.balance = balance->balance;
        ret_answer->balance.consumed = balance->consumed;
        ret_answer->balance.granted = balance->granted;
        ret_answer->balance.revoked = balance->revoked;
    }
}

void upstream_read_product(const struct upstream *upstream, int column,
                           struct exchange_answer *ret_answer)
{
    if (!upstream->scenario->product_endpoint) {
        answer(ret_answer, EXCHANGE_NO_ENDPOINT, 404);
    } else if (!upstream_knows_product(upstream, column)) {
        answer(ret_answer, EXCHANGE_NOT_FOUND, 404);
    } else {
        answer(ret_answer, EXCHANGE_OK, 200);
        ret_answer->product.units_per_credit = upstream->units[column];
    }
}

/* The id's bytes are the number's: unique, which is all that ids are. */
static struct exchange_row show(const struct upstream_row *row)
{
    return (struct exchange_row){.id = (const char *)&row->id,
                                 .id_length = sizeof(row->id),
                                 .push_id = row->push_id,
                                 .push_id_length = strlen(row->push_id),
                                 .type = row->type,
                                 .credits = row->credits,
                                 .created_at = row->created_at};
}

void upstream_read_history(const struct upstream *upstream, int pair, int64_t limit, int64_t offset,
                           struct exchange_answer *ret_answer)
{
    if (limit > upstream->scenario->page_limit)
        limit = upstream->scenario->page_limit;
    if (limit > EXCHANGE_HISTORY_LIMIT)
        limit = EXCHANGE_HISTORY_LIMIT;
    struct page {
        struct exchange_row shown[EXCHANGE_HISTORY_LIMIT];
        struct upstream_row copies[EXCHANGE_HISTORY_LIMIT]; /* the answer arrives later */
    } *page = need(sizeof(*page));
    size_t count = 0;
    bool more = false;
    for (size_t i = upstream->row_count; i > 0; i--) {
        if (upstream->rows[i - 1].pair != pair)
            continue;
        if (offset > 0) {
            offset--;
        } else if (count < (size_t)limit) {
            page->copies[count] = upstream->rows[i - 1];
            page->shown[count] = show(&page->copies[count]);
            count++;
        } else {
            more = true;
            break;
        }
    }
    answer(ret_answer, EXCHANGE_OK, 200);
    ret_answer->history.rows = page->shown; /* the page's first member: frees it all */
    ret_answer->history.count = count;
    ret_answer->history.has_more = more;
}
