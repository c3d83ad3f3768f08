/* See stage.h. */
#include "stage.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int append(void *userdata, size_t size, int use_reserve, uint8_t **ret_buffer,
                  uint64_t *ret_sequence, uint64_t *ret_place)
{
    struct stage *stage = userdata;
    if (stage->append_error != 0 && !use_reserve)
        return stage->append_error;
    if (stage->full)
        return -ENOSPC;
    cr_assert_lt(stage->count, STAGE_RECORDS);
    uint8_t *bytes = calloc(1, size);
    cr_assert_not_null(bytes);
    stage->records[stage->count].bytes = bytes;
    stage->records[stage->count].size = size;
    stage->records[stage->count].place = 4096 * (stage->count + 1);
    *ret_buffer = bytes;
    *ret_place = stage->records[stage->count].place;
    *ret_sequence = ++stage->count;
    return 0;
}

static void on_ready(void *userdata, uint32_t slot)
{
    struct stage *stage = userdata;
    if (stage->ready_count < 64)
        stage->ready[stage->ready_count++] = slot;
}

static void on_event(void *userdata, enum core_event_type event, uint32_t slot, uint64_t sequence)
{
    struct stage *stage = userdata;
    (void)slot;
    cr_assert_eq(sequence, stage->count);
    stage->events |= 1u << event;
    stage->event_count++;
}

static void on_linked(void *userdata, struct hash128 key)
{
    struct stage *stage = userdata;
    (void)key;
    stage->linked_count++;
}

static void on_passed(void *userdata, struct core_text user_id, struct core_text customer)
{
    struct stage *stage = userdata;
    cr_expect_gt(user_id.length, 0);
    cr_expect_gt(customer.length, 0);
    stage->passed_count++;
}

static void on_intent(void *userdata, uint64_t sequence)
{
    struct stage *stage = userdata;
    (void)sequence;
    stage->intent_count++;
}

struct core_policy stage_policy(void)
{
    return (struct core_policy){.push_interval = 1000,
                                .refresh_interval = 60000,
                                .in_doubt_delay = 120000,
                                .max_offline_spend = -1,
                                .max_offline_time = -1,
                                .thresholds = {10},
                                .threshold_count = 1,
                                .unknown_ttl = 60000,
                                .retention = -1,
                                .dedupe_keys_per_user = 1000,
                                .dedupe_clients_per_user = 100,
                                .dedupe_stamps_per_user = 100000,
                                .turns_per_user = -1,
                                .turns_per_customer = -1};
}

static void start(struct stage *stage)
{
    stage->options.epoch++;
    cr_assert_eq(core_new(&stage->options, &stage->core), 0);
    for (size_t i = 0; i < stage->count; i++) {
        struct record record;
        uint32_t missing;
        cr_assert_eq(record_decode(stage->records[i].bytes, stage->records[i].size, &record), 0);
        cr_assert_eq(core_replay(stage->core, &record, stage->records[i].place, &missing), 0);
    }
    cr_assert_eq(core_start(stage->core, stage->now), 0);
    core_set_helper(stage->core, true, stage->now);
}

void stage_init(struct stage *stage, const struct core_policy *policy)
{
    *stage = (struct stage){.now = STAGE_NOW,
                            .rate_limit = -1,
                            .rate_remaining = -1,
                            .rate_reset = -1,
                            .retry_after = -1};
    stage->options.policy = policy != NULL ? *policy : stage_policy();
    stage->options.instance = 0xabcd;
    stage->options.hash_key.bytes[3] = 7;
    stage->options.sink = (struct core_sink){.userdata = stage, .append = append};
    stage->options.effects = (struct core_effects){.userdata = stage,
                                                   .ready = on_ready,
                                                   .linked = on_linked,
                                                   .passed = on_passed,
                                                   .intent = on_intent,
                                                   .event = on_event};
    start(stage);
}

void stage_deinit(struct stage *stage)
{
    const char *what = NULL;
    cr_assert_eq(core_check(stage->core, &what), 0, "%s", what != NULL ? what : "");
    core_free(stage->core);
    for (size_t i = 0; i < stage->count; i++)
        free(stage->records[i].bytes);
}

void stage_restart_with(struct stage *stage, size_t records)
{
    for (; stage->count > records; stage->count--)
        free(stage->records[stage->count - 1].bytes);
    core_free(stage->core);
    start(stage);
}

void stage_restart(struct stage *stage)
{
    stage_restart_with(stage, stage->count);
}

void stage_later(struct stage *stage, int64_t ms)
{
    stage->now += ms;
    cr_assert_geq(core_tick(stage->core, stage->now), 0);
}

void stage_wake(struct stage *stage, int64_t most)
{
    int64_t at = core_wakeup(stage->core);
    cr_assert_leq(at, stage->now + most, "asleep for longer than %lld ms", (long long)most);
    stage_later(stage, at > stage->now ? at - stage->now : 0);
}

/* --- commands --- */

static struct core_text text(const char *data)
{
    return (struct core_text){data, strlen(data)};
}

struct core_consume stage_command(const char *customer, const char *product, int64_t raw)
{
    return (struct core_consume){.customer = text(customer),
                                 .product = text(product),
                                 .raw_amount = raw,
                                 .metadata = text(""),
                                 .uid = STAGE_UID,
                                 .pid = 42,
                                 .key = text("")};
}

int stage_consume_with(struct stage *stage, struct core_consume *command,
                       struct core_consumed *ret_consumed)
{
    int status = core_consume(stage->core, command, stage->now, ret_consumed);
    if (status != CORE_LOAD)
        return status;
    cr_assert_eq(core_load_absent(stage->core, command->customer, command->product, stage->now), 0);
    return core_consume(stage->core, command, stage->now, ret_consumed);
}

int stage_consume(struct stage *stage, const char *customer, const char *product, int64_t raw,
                  struct core_consumed *ret_consumed)
{
    struct core_consume command = stage_command(customer, product, raw);
    return stage_consume_with(stage, &command, ret_consumed);
}

void stage_know(struct stage *stage, const char *customer, const char *product, int64_t units,
                int64_t balance)
{
    struct core_consumed consumed;
    struct exchange exchange;
    cr_assert_eq(stage_consume(stage, customer, product, 1, &consumed), CORE_COLD);
    cr_assert_eq(core_next_exchange(stage->core, stage->now, &exchange), 0);
    if (exchange.kind == EXCHANGE_PRODUCT) {
        stage_end_product(stage, &exchange, units);
        exchange = stage_next(stage, EXCHANGE_BALANCE);
    }
    stage_end_balance(stage, &exchange, balance, 0);
}

struct core_balance stage_balance(struct stage *stage, const char *customer, const char *product)
{
    struct core_balance balance;
    uint32_t slot;
    cr_assert_eq(core_balance_get(stage->core, text(customer), text(product), STAGE_UID, stage->now,
                                  &balance, &slot),
                 CORE_OK);
    return balance;
}

void stage_spend(struct stage *stage, const char *customer, const char *product, int64_t raw)
{
    struct core_consumed consumed;
    cr_assert_eq(stage_consume(stage, customer, product, raw, &consumed), CORE_OK);
}

/* --- exchanges --- */

struct exchange stage_next(struct stage *stage, enum exchange_kind kind)
{
    struct exchange exchange;
    int result = core_next_exchange(stage->core, stage->now, &exchange);
    cr_assert_eq(result, 0, "no exchange: %d", result);
    cr_assert_eq(exchange.kind, kind, "an exchange of kind %d", (int)exchange.kind);
    return exchange;
}

void stage_idle(struct stage *stage)
{
    struct exchange exchange;
    int result = core_next_exchange(stage->core, stage->now, &exchange);
    cr_assert_eq(result, -EAGAIN, "an exchange of kind %d where none was expected",
                 result == 0 ? (int)exchange.kind : -1);
}

struct exchange stage_await(struct stage *stage, enum exchange_kind kind, int64_t most)
{
    struct exchange exchange;
    int64_t until = stage->now + most;
    while (core_next_exchange(stage->core, stage->now, &exchange) == -EAGAIN)
        stage_wake(stage, until - stage->now);
    cr_assert_eq(exchange.kind, kind, "an exchange of kind %d", (int)exchange.kind);
    return exchange;
}

struct exchange_answer stage_answer(const struct stage *stage, enum exchange_outcome outcome)
{
    struct exchange_answer answer = {
        .outcome = outcome,
        .http_status = outcome == EXCHANGE_OK ? 200 : 500,
        .server_time = (stage->now + stage->server_ahead) / 1000 * 1000,
        .rate = {stage->rate_limit, stage->rate_remaining, stage->rate_reset, stage->retry_after}};
    if (stage->no_date || outcome == EXCHANGE_UNANSWERED || outcome == EXCHANGE_NOT_SENT)
        answer.server_time = 0;
    return answer;
}

static void end(struct stage *stage, const struct exchange *exchange,
                const struct exchange_answer *answer)
{
    cr_assert_eq(core_exchange_done(stage->core, exchange->id, answer, stage->now), 0);
}

void stage_end(struct stage *stage, const struct exchange *exchange, enum exchange_outcome outcome)
{
    struct exchange_answer answer = stage_answer(stage, outcome);
    end(stage, exchange, &answer);
}

void stage_end_product(struct stage *stage, const struct exchange *exchange, int64_t units)
{
    struct exchange_answer answer = stage_answer(stage, EXCHANGE_OK);
    answer.product.units_per_credit = units;
    end(stage, exchange, &answer);
}

void stage_end_balance(struct stage *stage, const struct exchange *exchange, int64_t balance,
                       int64_t consumed)
{
    struct exchange_answer answer = stage_answer(stage, EXCHANGE_OK);
    answer.balance.balance = balance;
    answer.balance.consumed = consumed;
    answer.balance.granted = balance + consumed;
    end(stage, exchange, &answer);
}

void stage_end_push(struct stage *stage, const struct exchange *exchange, int64_t credits,
                    int64_t balance)
{
    struct exchange_answer answer = stage_answer(stage, EXCHANGE_OK);
    answer.push.credits_deducted = credits;
    answer.push.has_balance = true;
    answer.push.balance = balance;
    end(stage, exchange, &answer);
}

void stage_end_history(struct stage *stage, const struct exchange *exchange,
                       const struct stage_row *rows, size_t count, bool has_more)
{
    struct exchange_row shown[EXCHANGE_HISTORY_LIMIT] = {0};
    struct exchange_answer answer = stage_answer(stage, EXCHANGE_OK);
    cr_assert_leq(count, EXCHANGE_HISTORY_LIMIT);
    for (size_t i = 0; i < count; i++)
        shown[i] = (struct exchange_row){
            .id = rows[i].id,
            .id_length = strlen(rows[i].id),
            .push_id = rows[i].push_id,
            .push_id_length = rows[i].push_id != NULL ? strlen(rows[i].push_id) : 0,
            .type = EXCHANGE_ROW_DEDUCT,
            .credits = rows[i].credits,
            .created_at = stage->now + stage->server_ahead - rows[i].age};
    answer.history.rows = shown;
    answer.history.count = count;
    answer.history.has_more = has_more;
    end(stage, exchange, &answer);
}

void stage_look(struct stage *stage, int64_t most, const struct stage_row *rows, size_t count,
                int64_t balance, int64_t consumed)
{
    struct exchange exchange = stage_await(stage, EXCHANGE_HISTORY, most);
    stage_end_history(stage, &exchange, rows, count, false);
    exchange = stage_next(stage, EXCHANGE_BALANCE);
    stage_end_balance(stage, &exchange, balance, consumed);
}

struct core_text stage_text(const char *data)
{
    return text(data);
}

void stage_end_objects(struct stage *stage, const struct exchange *exchange,
                       const struct stage_object *objects, size_t count, const char *cursor)
{
    struct exchange_object shown[16] = {0};
    struct exchange_answer answer = stage_answer(stage, EXCHANGE_OK);
    cr_assert_leq(count, 16);
    for (size_t i = 0; i < count; i++)
        shown[i] = (struct exchange_object){
            .id = objects[i].id,
            .id_length = strlen(objects[i].id),
            .email = objects[i].email,
            .email_length = objects[i].email != NULL ? strlen(objects[i].email) : 0,
            .intent = objects[i].intent,
            .intent_length = objects[i].intent != NULL ? strlen(objects[i].intent) : 0,
            .body = objects[i].id,
            .body_length = strlen(objects[i].id)};
    answer.objects.rows = shown;
    answer.objects.count = count;
    answer.objects.has_more = cursor != NULL;
    answer.objects.cursor = cursor;
    answer.objects.cursor_length = cursor != NULL ? strlen(cursor) : 0;
    end(stage, exchange, &answer);
}

struct exchange stage_push(struct stage *stage, enum exchange_outcome outcome)
{
    struct exchange exchange = stage_await(stage, EXCHANGE_PUSH, 10000);
    stage_end(stage, &exchange, outcome);
    return exchange;
}

size_t stage_pushes(struct stage *stage)
{
    struct core_push push;
    uint32_t slot;
    size_t position = 0, count = 0;
    while (core_next_push(stage->core, &position, &push, &slot))
        count++;
    return count;
}

struct core_push stage_only_push(struct stage *stage)
{
    struct core_push push;
    uint32_t slot;
    size_t position = 0;
    cr_assert_eq(stage_pushes(stage), 1);
    cr_assert(core_next_push(stage->core, &position, &push, &slot));
    return push;
}

unsigned stage_records_of(const struct stage *stage, enum record_type type)
{
    unsigned count = 0;
    for (size_t i = 0; i < stage->count; i++) {
        struct record record;
        cr_assert_eq(record_decode(stage->records[i].bytes, stage->records[i].size, &record), 0);
        count += record.header.type == type;
    }
    return count;
}
