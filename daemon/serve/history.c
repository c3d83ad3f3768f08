/*
 * See history.h. The page's rows are packed aside, since their number comes first on the wire.
 */
#include "history.h"
#include "words.h"
#include <errno.h>
#include <proto/message.h>
#include <string.h>

struct history_walk {
    history_read_function read;
    void *userdata;
    uint8_t *buffer;
    const atomic_bool *cancelled;
    uint64_t place;
    unsigned steps;
};

/* The next older deduction: 1, 0 at the end, -ENOENT at a gap. */
static int walk_next(struct history_walk *walk, struct record *ret_record,
                     struct record_consume *ret_consume)
{
    while (walk->place != 0) {
        struct record record;
        int r;

        if (walk->steps++ >= HISTORY_STEPS_MAX)
            return -ENOENT;
        if (walk->cancelled != NULL && atomic_load(walk->cancelled))
            return -ECANCELED;
        r = walk->read(walk->userdata, walk->place, walk->buffer, &record);
        if (r < 0)
            return r;
        if (record.header.previous >= walk->place) /* links only ever lead back */
            return -EBADMSG;
        walk->place = record.header.previous;
        if (record.header.type != RECORD_CONSUME)
            continue;
        if (record.header.detail_length < sizeof(*ret_consume))
            return -EBADMSG;
        memcpy(ret_consume, record.detail, sizeof(*ret_consume));
        if (ret_consume->metadata_length > record.header.detail_length - sizeof(*ret_consume))
            return -EBADMSG;
        *ret_record = record;
        return 1;
    }
    return 0;
}

static void pack_row(msgpack_packer *packer, const struct history_query *query,
                     const struct record *record, const struct record_consume *consume)
{
    char id[WORDS_TRANSACTION_ID_SIZE];

    words_transaction_id(record->header.epoch, record->header.sequence, id);
    pack_map(packer, 11);
    pack_kv_text(packer, "id", id);
    pack_kv_text(packer, "object", "credit_transaction");
    pack_kv_text(packer, "type", "deduct");
    pack_key(packer, "customer_id");
    pack_text_n(packer, query->customer.data, query->customer.length);
    pack_key(packer, "product_id");
    pack_text_n(packer, query->product.data, query->product.length);
    pack_kv_int(packer, "amount", consume->credits);
    pack_kv_int(packer, "raw_amount", consume->raw_amount);
    pack_kv_int(packer, "balance_after", consume->balance_after);
    pack_key(packer, "metadata");
    if (consume->metadata_length > 0)
        /* Encoded already: it was checked when it came in. */
        msgpack_pack_str_body(packer, record->detail + sizeof(*consume), consume->metadata_length);
    else
        pack_nil(packer);
    pack_kv_int(packer, "created_at", record->header.time);
    pack_kv_text(packer, "push_state",
                 consume->deducted_after <= query->pushed ? "pushed" : "pending");
}

/* Rows into `packer`; *ret_more as has_more. 0 or as walk_next. */
static int pack_rows(struct history_walk *walk, const struct history_query *query,
                     msgpack_packer *packer, size_t *ret_count, bool *ret_more)
{
    int64_t end = query->offset + query->limit;
    struct record record;
    struct record_consume consume;

    *ret_count = 0;
    *ret_more = false;
    for (int64_t position = 0;; position++) {
        int r = walk_next(walk, &record, &consume);

        if (r <= 0)
            return r;
        if (position >= end) {
            *ret_more = true;
            return 0;
        }
        if (position >= query->offset) {
            pack_row(packer, query, &record, &consume);
            ++*ret_count;
        }
    }
}

int history_pack(history_read_function read, void *userdata, const struct history_query *query,
                 uint8_t *buffer, msgpack_sbuffer *result)
{
    struct history_walk walk = {read, userdata, buffer, query->cancelled, query->place, 0};
    msgpack_sbuffer rows;
    msgpack_packer packer, row_packer;
    size_t count;
    bool more, gap;
    int r;

    msgpack_sbuffer_init(&rows);
    msgpack_packer_init(&row_packer, &rows, msgpack_sbuffer_write);
    r = pack_rows(&walk, query, &row_packer, &count, &more);
    gap = r == -ENOENT;
    if (gap || r == 0) {
        msgpack_packer_init(&packer, result, msgpack_sbuffer_write);
        pack_map(&packer, gap ? 4 : 3);
        pack_kv_text(&packer, "object", "list");
        pack_key(&packer, "data");
        pack_array(&packer, count);
        if (rows.size > 0)
            msgpack_pack_str_body(&packer, rows.data, rows.size);
        pack_kv_bool(&packer, "has_more", more);
        if (gap)
            pack_kv_bool(&packer, "gap", true);
        r = pack_failed(&packer) || pack_failed(&row_packer) ? -ENOMEM : 0;
    }
    msgpack_sbuffer_destroy(&rows);
    return r;
}
