/*
 * The stand-in for creditd-sync: one thread, one connection, the requests of proto/upstream.h.
 */
#include "fixture.h"
#include <criterion/criterion.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

static struct fake_balance *find_balance(struct fake_sync *sync, const json_t *params)
{
    const char *customer = json_string_value(json_object_get(params, "customer_id"));
    const char *product = json_string_value(json_object_get(params, "product_id"));
    struct fake_balance *balance;

    for (size_t i = 0; i < sync->known_count; i++)
        if (strcmp(sync->known[i].customer, customer) == 0 &&
            strcmp(sync->known[i].product, product) == 0)
            return &sync->known[i];
    if (sync->known_count == FAKE_BALANCES)
        return NULL;
    balance = &sync->known[sync->known_count++];
    snprintf(balance->customer, sizeof(balance->customer), "%s", customer);
    snprintf(balance->product, sizeof(balance->product), "%s", product);
    balance->balance = sync->grant;
    return balance;
}

static json_t *answer(const char *outcome, int status)
{
    return json_pack("{s:s, s:i, s:n, s:{s:n, s:n, s:n, s:n}, s:I}", "outcome", outcome,
                     "http_status", status, "message", "rate", "limit", "remaining", "reset_in",
                     "retry_after", "server_time", (json_int_t)1790000000000);
}

static json_t *answer_product(struct fake_sync *sync, const json_t *params)
{
    const char *product = json_string_value(json_object_get(params, "product_id"));
    json_t *result;

    atomic_fetch_add(&sync->products, 1);
    if (strncmp(product, "prod_none", 9) == 0)
        return answer("not_found", 404);
    result = answer("ok", 200);
    json_object_set_new(
        result, "product",
        json_pack("{s:i, s:b, s:n}", "units_per_credit", (int)sync->units, "has_units", 1, "name"));
    return result;
}

static json_t *answer_balance(struct fake_sync *sync, const json_t *params)
{
    const char *customer = json_string_value(json_object_get(params, "customer_id"));
    struct fake_balance *balance;
    json_t *result;

    atomic_fetch_add(&sync->balances, 1);
    if (strncmp(customer, "cus_none", 8) == 0)
        return answer("no_balance", 404);
    balance = find_balance(sync, params);
    if (balance == NULL)
        return answer("failed", 500);
    result = answer("ok", 200);
    json_object_set_new(result, "balance",
                        json_pack("{s:I, s:I, s:I, s:b}", "balance", (json_int_t)balance->balance,
                                  "consumed", (json_int_t)balance->consumed, "granted",
                                  (json_int_t)(balance->balance + balance->consumed), "revoked",
                                  0));
    return result;
}

static json_t *answer_push(struct fake_sync *sync, const json_t *params)
{
    struct fake_balance *balance = find_balance(sync, params);
    int64_t credits =
        (json_integer_value(json_object_get(params, "amount")) + sync->units - 1) / sync->units;
    struct fake_row *row;
    json_t *result;

    if (sync->refuse_pushes) {
        atomic_fetch_add(&sync->pushes, 1);
        result = answer("refused", 400);
        json_object_set_new(result, "message", json_string("validation_error: too odd\nfor us"));
        return result;
    }
    cr_assert_lt(sync->row_count, FAKE_ROWS);
    row = &sync->rows[sync->row_count++];
    snprintf(row->id, sizeof(row->id), "ct_%zu", sync->row_count);
    snprintf(row->push_id, sizeof(row->push_id), "%s",
             json_string_value(json_object_get(params, "push_id")));
    snprintf(row->customer, sizeof(row->customer), "%s", balance->customer);
    row->credits = credits;
    balance->balance -= credits;
    balance->consumed += credits;
    atomic_fetch_add(&sync->pushes, 1);
    result = answer("ok", 200);
    json_object_set_new(result, "transaction",
                        json_pack("{s:I, s:I, s:n}", "credits_deducted", (json_int_t)credits,
                                  "balance", (json_int_t)balance->balance, "billed_units"));
    return result;
}

static json_t *answer_history(struct fake_sync *sync, const json_t *params)
{
    const char *customer = json_string_value(json_object_get(params, "customer_id"));
    json_t *rows = json_array(), *result = answer("ok", 200);

    atomic_fetch_add(&sync->histories, 1);
    for (size_t i = sync->row_count; i > 0 && json_array_size(rows) < 100; i--) {
        const struct fake_row *row = &sync->rows[i - 1];

        if (strcmp(row->customer, customer) == 0)
            json_array_append_new(rows, json_pack("{s:s, s:s, s:I, s:s, s:I}", "id", row->id,
                                                  "type", "deduct", "credits",
                                                  (json_int_t)row->credits, "push_id", row->push_id,
                                                  "created_at", (json_int_t)1790000000000));
    }
    json_object_set_new(result, "history", json_pack("{s:o, s:b}", "rows", rows, "has_more", 0));
    return result;
}

static void take_request(struct fake_sync *sync, const struct harness_message *message)
{
    json_t *result;

    if (sync->silent)
        return;
    pthread_mutex_lock(&sync->lock);
    sync->last_timeout = json_integer_value(json_object_get(message->params, "timeout"));
    if (sync->unreachable)
        result = answer("not_sent", 0);
    else if (strcmp(message->method, "upstream.product") == 0)
        result = answer_product(sync, message->params);
    else if (strcmp(message->method, "upstream.balance") == 0)
        result = answer_balance(sync, message->params);
    else if (strcmp(message->method, "upstream.transaction") == 0)
        result = answer_push(sync, message->params);
    else
        result = answer_history(sync, message->params);
    pthread_mutex_unlock(&sync->lock);
    harness_answer(&sync->connection, message->msgid, result);
}

static void *run(void *userdata)
{
    struct fake_sync *sync = userdata;

    while (!sync->stop) {
        struct harness_message message;
        bool timeout;

        if (!harness_receive_within(&sync->connection, 20, &message, &timeout)) {
            if (timeout)
                continue;
            break;
        }
        if (message.type == 0)
            take_request(sync, &message);
        else if (strcmp(message.method, "sync.reload") == 0)
            atomic_fetch_add(&sync->reloads, 1);
        harness_message_deinit(&message);
    }
    return NULL;
}

void fake_sync_start(struct fake_sync *sync, const char *path)
{
    if (sync->units == 0) {
        sync->units = 10;
        sync->grant = 1000;
        pthread_mutex_init(&sync->lock, NULL);
    }
    sync->stop = false;
    harness_connect(&sync->connection, path);
    harness_notify(&sync->connection, "sync.hello");
    cr_assert_eq(pthread_create(&sync->thread, NULL, run, sync), 0);
    sync->running = true;
}

void fake_sync_stop(struct fake_sync *sync)
{
    if (!sync->running)
        return;
    sync->stop = true;
    pthread_join(sync->thread, NULL);
    sync->running = false;
    harness_connection_deinit(&sync->connection);
}

int64_t fake_sync_consumed(struct fake_sync *sync)
{
    int64_t consumed = 0;

    pthread_mutex_lock(&sync->lock);
    for (size_t i = 0; i < sync->known_count; i++)
        consumed += sync->known[i].consumed;
    pthread_mutex_unlock(&sync->lock);
    return consumed;
}

void fake_sync_wait(atomic_int *counter, int value)
{
    for (int tries = 0; tries < 3000 && *counter < value; tries++)
        poll(NULL, 0, 10);
    cr_assert_geq(*counter, value, "the stand-in was not asked");
}
