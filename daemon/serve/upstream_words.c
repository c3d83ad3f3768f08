/* See upstream_words.h. */
#include "upstream_words.h"
#include <errno.h>
#include <proto/message.h>
#include <proto/upstream.h>
#include <string.h>

/* core includes nothing of the wire, so that only this can see that both lists are one. */
#define X(name, word, proof)                                                                       \
    _Static_assert((int)EXCHANGE_##name == (int)UPSTREAM_##name, "outcomes must correspond");
UPSTREAM_OUTCOMES(X)
#undef X
_Static_assert((int)EXCHANGE_ERROR + 1 == (int)UPSTREAM_OUTCOME_COUNT_, "outcomes must correspond");

static void pack_names(msgpack_packer *packer, const struct exchange *exchange)
{
    if (exchange->kind != EXCHANGE_PRODUCT) {
        pack_key(packer, "customer_id");
        pack_text_n(packer, exchange->customer, exchange->customer_length);
    }
    pack_key(packer, "product_id");
    pack_text_n(packer, exchange->product, exchange->product_length);
}

static void pack_details(msgpack_packer *packer, const struct exchange *exchange)
{
    static const char *const types[] = {
        [EXCHANGE_DEDUCT] = "deduct",
        [EXCHANGE_REFUND] = "refund",
        [EXCHANGE_GRANT] = "grant",
    };

    if (exchange->kind == EXCHANGE_PUSH) {
        const char *reason = exchange->reason;

        pack_kv_text(packer, "type", types[exchange->push_kind]);
        pack_kv_int(packer, "amount", exchange->amount);
        pack_kv_text(packer, "push_id", exchange->push_id);
        pack_kv_text(packer, "idempotency_key", exchange->idempotency_key);
        pack_kv_text(packer, "reason", reason != NULL && reason[0] != '\0' ? reason : NULL);
    } else if (exchange->kind == EXCHANGE_HISTORY) {
        pack_kv_int(packer, "limit", exchange->limit);
        pack_kv_int(packer, "offset", exchange->offset);
    }
}

static const struct {
    const char *method;
    size_t members; /* of its own */
} kinds[] = {
    [EXCHANGE_PRODUCT] = {UPSTREAM_METHOD_PRODUCT, 1},
    [EXCHANGE_BALANCE] = {UPSTREAM_METHOD_BALANCE, 2},
    [EXCHANGE_PUSH] = {UPSTREAM_METHOD_TRANSACTION, 7},
    [EXCHANGE_HISTORY] = {UPSTREAM_METHOD_HISTORY, 4},
};

const char *upstream_method(const struct exchange *exchange)
{
    if (upstream_has_objects(exchange->kind))
        return upstream_object_method(exchange);
    return kinds[exchange->kind].method;
}

void upstream_pack_common(msgpack_packer *packer, const struct upstream_common *common)
{
    pack_kv_int(packer, "timeout", common->timeout);
    pack_key(packer, "upstream");
    pack_text_n(packer, common->upstream, common->upstream_length);
}

void upstream_pack_params(msgpack_packer *packer, const struct exchange *exchange,
                          const struct upstream_common *common)
{
    if (upstream_has_objects(exchange->kind)) {
        upstream_pack_object_params(packer, exchange, common);
        return;
    }
    pack_map(packer, kinds[exchange->kind].members + UPSTREAM_COMMON_MEMBERS);
    pack_names(packer, exchange);
    pack_details(packer, exchange);
    upstream_pack_common(packer, common);
}

void upstream_no_answer(enum exchange_outcome outcome, struct exchange_answer *ret_answer)
{
    memset(ret_answer, 0, sizeof(*ret_answer));
    ret_answer->outcome = outcome;
    ret_answer->rate.limit = ret_answer->rate.remaining = -1;
    ret_answer->rate.reset_in = ret_answer->rate.retry_after = -1;
}

/* Typed reads that count what is amiss: one check at the end. */
struct reader {
    const msgpack_object *map;
    unsigned bad;
};

static int64_t read_int(struct reader *reader, const char *key)
{
    int64_t value = 0;

    if (map_get_int(reader->map, key, &value) <= 0)
        reader->bad++;
    return value;
}

static int64_t read_optional(const msgpack_object *map, const char *key)
{
    int64_t value = -1;

    return map_get_int(map, key, &value) == 1 && value >= 0 ? value : -1;
}

static int read_bool(const msgpack_object *map, const char *key)
{
    int value = 0;

    return map_get_bool(map, key, &value) == 1 && value;
}

static int read_product(const msgpack_object *map, struct exchange_answer *answer)
{
    struct reader reader = {map, 0};

    answer->product.units_per_credit = read_int(&reader, "units_per_credit");
    return reader.bad > 0 || answer->product.units_per_credit < 1 ? -EBADMSG : 0;
}

static int read_balance(const msgpack_object *map, struct exchange_answer *answer)
{
    struct reader reader = {map, 0};

    answer->balance.balance = read_int(&reader, "balance");
    answer->balance.consumed = read_int(&reader, "consumed");
    answer->balance.granted = read_int(&reader, "granted");
    answer->balance.revoked = read_bool(map, "revoked");
    return reader.bad > 0 ? -EBADMSG : 0;
}

static int read_push(const msgpack_object *map, struct exchange_answer *answer)
{
    struct reader reader = {map, 0};
    int r;

    answer->push.credits_deducted = read_int(&reader, "credits_deducted");
    r = map_get_int(map, "balance", &answer->push.balance);
    answer->push.has_balance = r == 1;
    return reader.bad > 0 || r < 0 || answer->push.credits_deducted < 0 ? -EBADMSG : 0;
}

static int read_row(const msgpack_object *map, struct exchange_row *row)
{
    static const struct {
        const char *word;
        int type;
    } types[] = {{"deduct", EXCHANGE_ROW_DEDUCT},
                 {"refund", EXCHANGE_ROW_REFUND},
                 {"grant", EXCHANGE_ROW_GRANT}};
    struct reader reader = {map, 0};
    const char *type = "";
    size_t type_length = 0;

    memset(row, 0, sizeof(*row));
    row->id = row->push_id = "";
    row->type = EXCHANGE_ROW_OTHER;
    row->credits = read_int(&reader, "credits");
    row->created_at = read_int(&reader, "created_at");
    if (reader.bad > 0 || row->credits < 0 ||
        map_get_text(map, "id", &row->id, &row->id_length) <= 0 ||
        map_get_text(map, "type", &type, &type_length) <= 0 ||
        map_get_text(map, "push_id", &row->push_id, &row->push_id_length) < 0)
        return -EBADMSG;
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
        if (strlen(types[i].word) == type_length && memcmp(types[i].word, type, type_length) == 0)
            row->type = types[i].type;
    return 0;
}

static int read_history(const msgpack_object *map, struct exchange_row *rows,
                        struct exchange_answer *answer)
{
    const msgpack_object *list = map_find(map, "rows");

    if (list == NULL || list->type != MSGPACK_OBJECT_ARRAY ||
        list->via.array.size > EXCHANGE_HISTORY_LIMIT)
        return -EBADMSG;
    for (uint32_t i = 0; i < list->via.array.size; i++)
        if (list->via.array.ptr[i].type != MSGPACK_OBJECT_MAP ||
            read_row(&list->via.array.ptr[i], &rows[i]) < 0)
            return -EBADMSG;
    answer->history.rows = rows;
    answer->history.count = list->via.array.size;
    answer->history.has_more = read_bool(map, "has_more");
    return 0;
}

static int read_details(enum exchange_kind kind, const msgpack_object *map,
                        struct exchange_row *rows, struct exchange_answer *answer)
{
    static const char *const keys[] = {
        [EXCHANGE_PRODUCT] = "product",
        [EXCHANGE_BALANCE] = "balance",
        [EXCHANGE_PUSH] = "transaction",
        [EXCHANGE_HISTORY] = "history",
    };
    const msgpack_object *details = map_find(map, keys[kind]);

    if (details == NULL || details->type != MSGPACK_OBJECT_MAP)
        return -EBADMSG;
    switch (kind) {
    case EXCHANGE_PRODUCT:
        return read_product(details, answer);
    case EXCHANGE_BALANCE:
        return read_balance(details, answer);
    case EXCHANGE_PUSH:
        return read_push(details, answer);
    case EXCHANGE_HISTORY:
        return read_history(details, rows, answer);
    default:
        return -EBADMSG;
    }
}

static int read_by_kind(enum exchange_kind kind, int intent_kind, const msgpack_object *map,
                        struct upstream_scratch *scratch, struct exchange_answer *answer)
{
    if (kind == EXCHANGE_ERRAND)
        return 0;
    if (upstream_has_objects(kind))
        return upstream_read_objects(kind, intent_kind, map, scratch, answer);
    return read_details(kind, map, scratch->rows, answer);
}

static void read_rate(const msgpack_object *map, struct exchange_answer *answer)
{
    const msgpack_object *rate = map_find(map, "rate");

    if (rate == NULL || rate->type != MSGPACK_OBJECT_MAP)
        return;
    answer->rate.limit = read_optional(rate, "limit");
    answer->rate.remaining = read_optional(rate, "remaining");
    answer->rate.reset_in = read_optional(rate, "reset_in");
    answer->rate.retry_after = read_optional(rate, "retry_after");
}

static void read_message(const msgpack_object *map, struct upstream_scratch *scratch,
                         struct exchange_answer *answer)
{
    const char *text;
    size_t length;

    if (map_get_text(map, "message", &text, &length) != 1 || length >= sizeof(scratch->message))
        return;
    memcpy(scratch->message, text, length);
    scratch->message[length] = '\0';
    answer->message = scratch->message;
}

void upstream_scratch_init(struct upstream_scratch *scratch)
{
    msgpack_sbuffer_init(&scratch->bodies);
}

void upstream_scratch_deinit(struct upstream_scratch *scratch)
{
    msgpack_sbuffer_destroy(&scratch->bodies);
}

void upstream_read_answer(enum exchange_kind kind, int intent_kind, const msgpack_object *map,
                          struct upstream_scratch *scratch, struct exchange_answer *ret_answer)
{
    struct exchange_answer answer;
    const char *word;
    size_t length;
    int64_t number;

    upstream_no_answer(EXCHANGE_UNANSWERED, &answer);
    if (map->type == MSGPACK_OBJECT_MAP && map_get_text(map, "outcome", &word, &length) == 1) {
        answer.outcome = (enum exchange_outcome)upstream_outcome_from_word(word, length);
        read_rate(map, &answer);
        read_message(map, scratch, &answer);
        if (map_get_int(map, "http_status", &number) == 1 && number >= 0 && number <= 999)
            answer.http_status = (int)number;
        if (map_get_int(map, "server_time", &number) == 1 && number > 0)
            answer.server_time = number;
        /* A 2xx that cannot be read proves nothing: as proto/upstream.h has it, "failed". */
        if (answer.outcome == EXCHANGE_OK &&
            read_by_kind(kind, intent_kind, map, scratch, &answer) < 0)
            answer.outcome = EXCHANGE_FAILED;
    }
    *ret_answer = answer;
}

bool upstream_read_message(const msgpack_object *map, const char **ret_text, size_t *ret_length)
{
    return map->type == MSGPACK_OBJECT_MAP &&
           map_get_text(map, "message", ret_text, ret_length) == 1;
}
