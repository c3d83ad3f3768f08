/*
 * The readers of customers and subscriptions, a page at a time. Some servers ignore the filter, and
 * some the page: the rows that were not asked for are dropped here, and a page that begins anew is
 * no page. What cannot be read makes the whole answer unreadable, for the row that we look for
 * could be it.
 */
#include "exchange.h"
#include "fields.h"
#include "objects.h"

#include <errno.h>
#include <proto/message.h>
#include <string.h>
#include <strings.h>

/* 1: the row was asked for, 0: it was not, -EBADMSG: nobody can tell. */
typedef int row_fn(const struct exchange_args *args, const json_t *row);

struct page {
    const json_t *rows;
    size_t count, kept;
    bool has_more;
    const char *next; /* NULL where there is no more */
};

static const char *row_id(const json_t *row)
{
    const char *id;

    return field_text(row, "id", &id) == 1 && proto_id_valid(id, strlen(id)) ? id : NULL;
}

/* NULL, or what is wrong. */
static const char *page_rows(const struct exchange_args *args, row_fn *is_asked, struct page *page)
{
    const json_t *row;
    size_t index;

    json_array_foreach(page->rows, index, row)
    {
        const char *id = row_id(row);
        int r = is_asked(args, row);

        if (r < 0)
            return "a row cannot be read";
        if (r > 0 && !id)
            return "a row has no id";
        if (id && strcmp(id, args->starting_after) == 0)
            return "starting_after was ignored";
        page->kept += (size_t)r;
        page->next = id;
    }
    return NULL;
}

static const char *page_read(const struct exchange_args *args, const json_t *root, row_fn *is_asked,
                             struct page *page)
{
    const char *wrong;
    int has_more;

    if (envelope_list(root, &page->rows, &has_more) < 0)
        return "not a list";
    page->count = json_array_size(page->rows);
    wrong = page_rows(args, is_asked, page);
    if (wrong)
        return wrong;
    /* Where the answer does not say, a full page may have a next one; more than a page is all. */
    page->has_more = has_more >= 0 ? has_more : (int64_t)page->count == args->limit;
    if (page->has_more && !page->next)
        return "there is more, and no id to go on from";
    return NULL;
}

static int list_read(const struct exchange_args *args, const json_t *root, row_fn *is_asked,
                     msgpack_sbuffer *member, const char **ret_reason)
{
    struct page page = {0};
    const char *wrong = page_read(args, root, is_asked, &page);
    const json_t *row;
    msgpack_packer packer;
    size_t index;

    if (wrong)
        return read_unreadable(ret_reason, wrong);
    msgpack_packer_init(&packer, member, msgpack_sbuffer_write);
    pack_map(&packer, 3);
    pack_kv_bool(&packer, "has_more", page.has_more);
    pack_kv_text(&packer, "next", page.has_more ? page.next : NULL);
    pack_key(&packer, "rows");
    pack_array(&packer, page.kept);
    if (pack_failed(&packer))
        return -ENOMEM;
    json_array_foreach(page.rows, index, row)
    {
        int r = is_asked(args, row) == 1 ? object_pack(row, member) : 0;

        if (r == -EBADMSG || member->size > OBJECT_ROWS_SIZE_MAX)
            return read_unreadable(ret_reason, "the rows are too deep or too large");
        if (r < 0)
            return r;
    }
    return 0;
}

static int customer_is_asked(const struct exchange_args *args, const json_t *row)
{
    const char *email;
    int r;

    if (!json_is_object(row))
        return -EBADMSG;
    if (args->email[0] == '\0')
        return 1;
    r = field_text(row, "email", &email);
    return r < 0 ? r : r == 1 && strcasecmp(email, args->email) == 0;
}

static int subscription_is_asked(const struct exchange_args *args, const json_t *row)
{
    const char *customer;

    if (!json_is_object(row) || field_text(row, "customer_id", &customer) != 1)
        return -EBADMSG;
    return strcmp(customer, args->customer_id) == 0;
}

EXCHANGE_READER(customers)
{
    return list_read(args, root, customer_is_asked, member, ret_reason);
}

EXCHANGE_READER(subscriptions)
{
    return list_read(args, root, subscription_is_asked, member, ret_reason);
}
