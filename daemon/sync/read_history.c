/*
 * The reader of a balance's history, by which doubts are resolved: whether a push ran is counted in
 * these rows. One that cannot be read could be ours; therefore it makes the whole answer
 * unreadable, and so does a row that belongs to another balance, which says that the filter was
 * ignored.
 */
#include "exchange.h"
#include "fields.h"

#include <errno.h>
#include <inttypes.h>
#include <proto/message.h>
#include <stdlib.h>
#include <string.h>

#define PUSH_MEMBER "creditd_push"
#define ROW_TYPE_MAX 64

struct row {
    const char *id, *type;
    char push_id[PROTO_ID_MAX + 1]; /* empty: not a push of ours */
    int64_t credits, created_at;
};

/* Reads the push id of a metadata object. One that is no text is a row that cannot be read; a text
 * that is no id is none of ours. */
static int push_of_object(const json_t *metadata, char push_id[PROTO_ID_MAX + 1])
{
    const char *text;
    int r;

    if (!json_object_get(metadata, PUSH_MEMBER))
        return 0;
    r = field_text(metadata, PUSH_MEMBER, &text);
    if (r < 0)
        return r;
    if (r == 1 && proto_id_valid(text, strlen(text)))
        memcpy(push_id, text, strlen(text) + 1);
    return 0;
}

/* Metadata comes back as sent, or as the JSON text of it. */
static int row_push(const json_t *row, char push_id[PROTO_ID_MAX + 1])
{
    const json_t *metadata = field_find(row, "metadata");
    json_t *parsed;
    int r;

    push_id[0] = '\0';
    if (json_is_object(metadata))
        return push_of_object(metadata, push_id);
    if (!json_is_string(metadata) || !strstr(json_string_value(metadata), PUSH_MEMBER))
        return 0;
    parsed = fields_parse(json_string_value(metadata), json_string_length(metadata));
    r = json_is_object(parsed) ? push_of_object(parsed, push_id) : -EBADMSG;
    json_decref(parsed);
    return r;
}

/* What the row moved, without its sign: the balances say it in credits; `amount` is read only where
 * they are missing, for other programs' rows may hold fractions there. */
static int row_credits(const json_t *row, int64_t *ret_credits)
{
    int64_t before, after, amount;
    int has_before = field_int(row, "balance_before", &before);
    int has_after = field_int(row, "balance_after", &after);

    if (has_before < 0 || has_after < 0)
        return -EBADMSG;
    if (has_before && has_after)
        amount = before - after;
    else if (field_int(row, "amount", &amount) != 1)
        return -EBADMSG;
    *ret_credits = amount < 0 ? -amount : amount;
    return 0;
}

static const char *row_read(const struct exchange_args *args, const json_t *json, struct row *row)
{
    if (!json_is_object(json))
        return "a row is not an object";
    if (!field_matches(json, "customer_id", args->customer_id) ||
        !field_matches(json, "product_id", args->product_id))
        return "a row belongs to another balance";
    if (field_text(json, "id", &row->id) != 1 || !proto_id_valid(row->id, strlen(row->id)))
        return "a row has no id";
    if (field_text(json, "type", &row->type) != 1 || strlen(row->type) > ROW_TYPE_MAX)
        return "a row has no type";
    if (row_credits(json, &row->credits) < 0)
        return "a row does not say what it moved";
    if (row_push(json, row->push_id) < 0)
        return "a row's metadata cannot be read";
    if (field_time(json, "created_at", &row->created_at) != 1)
        return "a row has no time";
    return NULL;
}

static void row_pack(msgpack_packer *packer, const struct row *row)
{
    msgpack_pack_map(packer, 5);
    pack_kv_text(packer, "id", row->id);
    pack_kv_text(packer, "type", row->type);
    pack_kv_int(packer, "credits", row->credits);
    pack_kv_text(packer, "push_id", row->push_id[0] != '\0' ? row->push_id : NULL);
    pack_kv_int(packer, "created_at", row->created_at);
}

int read_history(const struct exchange_args *args, const json_t *root, msgpack_sbuffer *member,
                 const char **ret_reason)
{
    const json_t *rows, *json;
    msgpack_packer packer;
    size_t index, count;
    int has_more;

    if (envelope_list(root, &rows, &has_more) < 0)
        return read_unreadable(ret_reason, "not a list");
    count = json_array_size(rows);
    if ((int64_t)count > args->limit)
        return read_unreadable(ret_reason, "more rows than were asked for");
    msgpack_packer_init(&packer, member, msgpack_sbuffer_write);
    msgpack_pack_map(&packer, 2);
    pack_key(&packer, "rows");
    msgpack_pack_array(&packer, count);
    json_array_foreach(rows, index, json)
    {
        struct row row;
        const char *wrong = row_read(args, json, &row);

        if (wrong)
            return read_unreadable(ret_reason, wrong);
        row_pack(&packer, &row);
    }
    /* Where the answer does not say, a full page may have a next one. */
    pack_kv_bool(&packer, "has_more", has_more >= 0 ? has_more : (int64_t)count == args->limit);
    return 0;
}
