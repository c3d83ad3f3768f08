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

json_t *fake_answer(const char *outcome, int status)
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
        return fake_answer("not_found", 404);
    result = fake_answer("ok", 200);
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
        return fake_answer("no_balance", 404);
    balance = find_balance(sync, params);
    if (balance == NULL)
        return fake_answer("failed", 500);
    result = fake_answer("ok", 200);
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
    const char *type = json_string_value(json_object_get(params, "type"));
    const char *reason = json_string_value(json_object_get(params, "reason"));
    struct fake_row *row;
    json_t *result;

    if (sync->refuse_pushes) {
        atomic_fetch_add(&sync->pushes, 1);
        result = fake_answer("refused", 400);
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
    snprintf(row->type, sizeof(row->type), "%s", type);
    snprintf(row->reason, sizeof(row->reason), "%s", reason != NULL ? reason : "");
    if (strcmp(type, "deduct") == 0) {
        balance->balance -= credits;
        balance->consumed += credits;
    } else { /* a refund lowers `consumed`, as upstream does */
        balance->balance += credits;
        balance->consumed -= strcmp(type, "refund") == 0 ? credits : 0;
    }
    atomic_fetch_add(&sync->pushes, 1);
    result = fake_answer("ok", 200);
    json_object_set_new(result, "transaction",
                        json_pack("{s:I, s:I, s:n}", "credits_deducted", (json_int_t)credits,
                                  "balance", (json_int_t)balance->balance, "billed_units"));
    return result;
}

static json_t *answer_history(struct fake_sync *sync, const json_t *params)
{
    const char *customer = json_string_value(json_object_get(params, "customer_id"));
    json_t *rows = json_array(), *result = fake_answer("ok", 200);

    atomic_fetch_add(&sync->histories, 1);
    for (size_t i = sync->row_count; i > 0 && json_array_size(rows) < 100; i--) {
        const struct fake_row *row = &sync->rows[i - 1];

        if (strcmp(row->customer, customer) == 0)
            json_array_append_new(rows, json_pack("{s:s, s:s, s:I, s:s, s:I}", "id", row->id,
                                                  "type", row->type, "credits",
                                                  (json_int_t)row->credits, "push_id", row->push_id,
                                                  "created_at", (json_int_t)1790000000000));
    }
    json_object_set_new(result, "history", json_pack("{s:o, s:b}", "rows", rows, "has_more", 0));
    return result;
}

/* Credentials are words: "WHAT:USER" (see below), or bytes of any kind for user u_bytes. */
static json_t *answer_session(struct fake_sync *sync, const json_t *params)
{
    const char *text = json_string_value(json_object_get(params, "session"));
    const char *user = strchr(text, ':');
    char token[80] = "bin:", email[64];
    bool offline;

    atomic_fetch_add(&sync->sessions, 1);
    cr_assert_gt(json_integer_value(json_object_get(params, "timeout")), 0);
    if (strncmp(text, "down", 4) == 0)
        return json_pack("{s:s, s:s, s:i, s:n}", "verdict", "unavailable", "message",
                         "the app does not answer", "http_status", 500, "token_hash");
    user = user == NULL || strncmp(text, "bin:", 4) == 0 ? "u_bytes" : user + 1;
    for (size_t i = 0; i < 32; i++)
        snprintf(token + 4 + 2 * i, 3, "%02x", i < strlen(user) ? (unsigned char)user[i] : 0);
    if (strncmp(text, "forged", 6) == 0)
        return json_pack("{s:s, s:s, s:i, s:s}", "verdict", "invalid", "message",
                         "its signature is wrong", "http_status", 0, "token_hash", token);
    offline = strncmp(text, "offline", 7) == 0;
    if (strncmp(text, "expired", 7) == 0 || (sync->revoked && !offline))
        return json_pack("{s:s, s:n, s:i, s:s}", "verdict", "invalid", "message", "http_status",
                         200, "token_hash", token);
    snprintf(email, sizeof(email), "%s@example.com", user);
    return json_pack("{s:s, s:n, s:i, s:s, s:b, s:i, s:I, s:{s:s, s:s, s:b, s:s, s:n, s:s?}}",
                     "verdict", "valid", "message", "http_status", offline ? 0 : 200, "token_hash",
                     token, "offline", (int)offline, "valid_for", (int)sync->valid_for,
                     "expires_at", (json_int_t)1990000000000, "user", "id", user, "email", email,
                     "email_verified", (int)(strncmp(text, "unverified", 10) != 0), "name",
                     "A User", "image", "stellartools_customer_id",
                     strncmp(text, "claims", 6) == 0 ? "cus_claimed" : NULL);
}

static void take_request(struct fake_sync *sync, const struct harness_message *message)
{
    json_t *result;

    if (sync->silent)
        return;
    pthread_mutex_lock(&sync->lock);
    sync->last_timeout = json_integer_value(json_object_get(message->params, "timeout"));
    if (json_object_get(message->params, "upstream") != NULL)
        snprintf(sync->meant_for, sizeof(sync->meant_for), "%s",
                 harness_text(message->params, "upstream"));
    if (strcmp(message->method, "webhook.verify") == 0)
        result = fake_webhook_answer(sync, message->params);
    else if (sync->unreachable)
        result = fake_answer("not_sent", 0);
    else if (strcmp(message->method, "auth.session") == 0)
        result = answer_session(sync, message->params);
    else if (strcmp(message->method, "upstream.product") == 0)
        result = answer_product(sync, message->params);
    else if (strcmp(message->method, "upstream.balance") == 0)
        result = answer_balance(sync, message->params);
    else if (strcmp(message->method, "upstream.transaction") == 0)
        result = answer_push(sync, message->params);
    else if (strcmp(message->method, "upstream.history") == 0)
        result = answer_history(sync, message->params);
    else
        result = fake_objects_answer(sync, message->method, message->params);
    pthread_mutex_unlock(&sync->lock);
    cr_assert_not_null(result, "%s", message->method);
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
            sync->is_cut_off = true;
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

void fake_sync_say(struct fake_sync *sync, const char *upstream)
{
    fake_sync_hello(&sync->connection, upstream);
}

void fake_sync_hello(struct harness_connection *connection, const char *upstream)
{
    harness_notify_with(connection, "sync.hello",
                        json_pack("{s:s, s:b, s:s?}", "version", "0", "livemode", 0, "upstream",
                                  upstream[0] != '\0' ? upstream : NULL));
}

void fake_sync_start(struct fake_sync *sync, const char *path)
{
    if (sync->units == 0) {
        sync->units = 10;
        sync->grant = 1000;
        sync->valid_for = 60000;
        sync->page_size = 2;
        pthread_mutex_init(&sync->lock, NULL);
        fake_objects_init(sync);
    }
    sync->stop = false;
    sync->is_cut_off = false;
    harness_connect(&sync->connection, path);
    if (sync->mute)
        harness_notify(&sync->connection, "sync.hello");
    else
        fake_sync_say(sync, sync->upstream != NULL ? sync->upstream : "fake test");
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

void fake_sync_wait_cut_off(struct fake_sync *sync)
{
    for (int waited = 0; waited < HARNESS_TIMEOUT_MS && !sync->is_cut_off; waited += 10)
        poll(NULL, 0, 10);
    if (!sync->is_cut_off)
        cr_assert_fail("the stand-in is still connected:%s", harness_logs());
}

void fake_sync_wait(atomic_int *counter, int value)
{
    for (int waited = 0; waited < HARNESS_TIMEOUT_MS && *counter < value; waited += 10)
        poll(NULL, 0, 10);
    if (*counter < value)
        cr_assert_fail("the stand-in was not asked:%s", harness_logs());
}
