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
    unsigned steps, steps_max;
    uint64_t written_off[HISTORY_OPEN_MAX]; /* refunds and grants that operators dropped */
    size_t written_off_count;
};

/* A record of the history, of whatever type. */
struct history_row {
    struct record record;
    struct record_consume consume;        /* CONSUME, SETTLE */
    struct record_credit_refund returned; /* CREDIT_REFUND */
    int64_t credits, balance_after;
};

static bool is_deduction(unsigned type)
{
    return type == RECORD_CONSUME || type == RECORD_SETTLE;
}

/* The next older record: 1, 0 at the end, -ENOENT at a gap. */
static int walk_step(struct history_walk *walk, struct record *ret_record)
{
    int r;

    if (walk->place == 0)
        return 0;
    if (walk->steps++ >= walk->steps_max)
        return -ENOENT;
    if (walk->cancelled != NULL && atomic_load(walk->cancelled))
        return -ECANCELED;
    r = walk->read(walk->userdata, walk->place, walk->buffer, ret_record);
    if (r < 0)
        return r;
    if (ret_record->header.previous >= walk->place) /* links only ever lead back */
        return -EBADMSG;
    walk->place = ret_record->header.previous;
    return 1;
}

static int read_detail(const struct record *record, void *detail, size_t size)
{
    if (record->header.detail_length < size)
        return -EBADMSG;
    memcpy(detail, record->detail, size);
    return 0;
}

/* Where a refund's and a grant's figures stand: the rows that they left behind. */
static void read_images(const struct record *record, struct history_row *row)
{
    struct record_image image;
    struct core_push push;
    struct core_row after;

    for (size_t position = 0; record_next_image(record, &position, &image);) {
        if (image.table == TABLE_BALANCE && image.value_length == sizeof(after)) {
            memcpy(&after, image.value, sizeof(after));
            row->balance_after = after.upstream - (after.deducted - after.pushed) - after.held;
        } else if (image.table == TABLE_PUSH && image.value_length == sizeof(push)) {
            memcpy(&push, image.value, sizeof(push));
            row->credits = push.credits;
        }
    }
}

static int read_row(struct history_row *row)
{
    const struct record *record = &row->record;
    int r = 0;

    if (is_deduction(record->header.type)) {
        r = read_detail(record, &row->consume, sizeof(row->consume));
        if (r == 0 &&
            row->consume.metadata_length > record->header.detail_length - sizeof(row->consume))
            r = -EBADMSG;
        row->credits = row->consume.credits;
        row->balance_after = row->consume.balance_after;
        return r;
    }
    read_images(record, row);
    if (record->header.type == RECORD_CREDIT_REFUND) {
        r = read_detail(record, &row->returned, sizeof(row->returned));
        row->credits = row->returned.result.credits;
    }
    return r;
}

static void note_write_off(struct history_walk *walk, const struct record *record)
{
    struct record_push detail;

    if (read_detail(record, &detail, sizeof(detail)) == 0 && detail.push.kind != CORE_PUSH_DEDUCT &&
        walk->written_off_count < HISTORY_OPEN_MAX)
        walk->written_off[walk->written_off_count++] = detail.push.sequence;
}

/* The next older row: 1, 0 at the end, -ENOENT at a gap. */
static int walk_next(struct history_walk *walk, struct history_row *ret_row)
{
    struct history_row row;
    int r;

    memset(&row, 0, sizeof(row));
    while ((r = walk_step(walk, &row.record)) > 0) {
        unsigned type = row.record.header.type;

        if (type == RECORD_WRITE_OFF)
            note_write_off(walk, &row.record);
        if (!is_deduction(type) && type != RECORD_CREDIT_REFUND && type != RECORD_GRANT)
            continue;
        r = read_row(&row);
        if (r < 0)
            return r;
        *ret_row = row;
        return 1;
    }
    return r;
}

static bool contains(const uint64_t *sequences, size_t count, uint64_t sequence)
{
    for (size_t i = 0; i < count; i++)
        if (sequences[i] == sequence)
            return true;
    return false;
}

static const char *push_state(const struct history_walk *walk, const struct history_query *query,
                              const struct history_row *row)
{
    const struct record_header *header = &row->record.header;

    if (is_deduction(header->type))
        return row->consume.deducted_after <= query->pushed ? "pushed" : "pending";
    if (contains(query->open, query->open_count, header->sequence))
        return "pending";
    return contains(walk->written_off, walk->written_off_count, header->sequence) ? "dropped"
                                                                                  : "pushed";
}

static void pack_metadata(msgpack_packer *packer, const struct history_row *row)
{
    pack_key(packer, "metadata");
    if (row->consume.metadata_length > 0)
        /* Encoded already: it was checked when it came in. */
        msgpack_pack_str_body(packer, row->record.detail + sizeof(row->consume),
                              row->consume.metadata_length);
    else
        pack_nil(packer);
}

/* What only rows of that type have: two members. */
static void pack_own(msgpack_packer *packer, const struct history_row *row)
{
    const struct record *record = &row->record;
    char id[WORDS_TRANSACTION_ID_SIZE];

    switch (record->header.type) {
    case RECORD_CREDIT_REFUND:
        words_transaction_id(row->returned.of.epoch, row->returned.of.sequence, id);
        pack_kv_int(packer, "raw_amount", row->returned.result.raw_amount);
        pack_kv_text(packer, "refunded_transaction_id", id);
        break;
    case RECORD_GRANT:
        pack_kv_nil(packer, "raw_amount");
        pack_key(packer, "reason");
        pack_text_n(packer, (const char *)record->detail, record->header.detail_length);
        break;
    case RECORD_SETTLE:
        words_id("rsv", row->consume.reservation_epoch, row->consume.reservation, id);
        pack_kv_int(packer, "raw_amount", row->consume.raw_amount);
        pack_kv_text(packer, "reservation_id", id);
        break;
    default:
        pack_kv_int(packer, "raw_amount", row->consume.raw_amount);
        break;
    }
}

static void pack_row(msgpack_packer *packer, const struct history_walk *walk,
                     const struct history_query *query, const struct history_row *row)
{
    const struct record_header *header = &row->record.header;
    bool refund = header->type == RECORD_CREDIT_REFUND, grant = header->type == RECORD_GRANT;
    char id[WORDS_TRANSACTION_ID_SIZE];

    words_id(refund ? "rf" : grant ? "gr" : "tx", header->epoch, header->sequence, id);
    pack_map(packer, header->type == RECORD_CONSUME ? 11 : 12);
    pack_kv_text(packer, "id", id);
    pack_kv_text(packer, "object", "credit_transaction");
    pack_kv_text(packer, "type", refund ? "refund" : grant ? "grant" : "deduct");
    pack_key(packer, "customer_id");
    pack_text_n(packer, query->customer.data, query->customer.length);
    pack_key(packer, "product_id");
    pack_text_n(packer, query->product.data, query->product.length);
    pack_kv_int(packer, "amount", row->credits);
    pack_own(packer, row);
    pack_kv_int(packer, "balance_after", row->balance_after);
    pack_metadata(packer, row);
    pack_kv_int(packer, "created_at", header->time);
    pack_kv_text(packer, "push_state", push_state(walk, query, row));
}

/* Rows into `packer`; *ret_more as has_more. 0 or as walk_next. */
static int pack_rows(struct history_walk *walk, const struct history_query *query,
                     msgpack_packer *packer, size_t *ret_count, bool *ret_more)
{
    int64_t end = query->offset + query->limit;
    struct history_row row;

    *ret_count = 0;
    *ret_more = false;
    for (int64_t position = 0;; position++) {
        int r = walk_next(walk, &row);

        if (r <= 0)
            return r;
        if (position >= end) {
            *ret_more = true;
            return 0;
        }
        if (position >= query->offset) {
            pack_row(packer, walk, query, &row);
            ++*ret_count;
        }
    }
}

int history_pack(history_read_function read, void *userdata, const struct history_query *query,
                 uint8_t *buffer, msgpack_sbuffer *result)
{
    struct history_walk walk = {.read = read,
                                .userdata = userdata,
                                .buffer = buffer,
                                .cancelled = query->cancelled,
                                .place = query->place,
                                .steps_max = HISTORY_STEPS_MAX};
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

int history_find(history_read_function read, void *userdata, const struct history_query *query,
                 const struct core_transaction *of, uint8_t *buffer,
                 struct history_deduction *ret_deduction)
{
    struct history_walk walk = {.read = read,
                                .userdata = userdata,
                                .buffer = buffer,
                                .cancelled = query->cancelled,
                                .place = query->place,
                                .steps_max = HISTORY_SEARCH_MAX};
    struct history_row row;
    int r;

    memset(&row, 0, sizeof(row));
    do
        r = walk_step(&walk, &row.record);
    while (r > 0 && row.record.header.sequence > of->sequence);
    if (r < 0)
        return r;
    if (r == 0 || row.record.header.sequence != of->sequence ||
        row.record.header.epoch != of->epoch || !is_deduction(row.record.header.type))
        return -ESRCH;
    r = read_row(&row);
    if (r < 0)
        return r;
    *ret_deduction = (struct history_deduction){
        .of = *of, .credits = row.consume.credits, .raw_amount = row.consume.raw_amount};
    return 0;
}
