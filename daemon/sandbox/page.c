#include "page.h"

#include <errno.h>
#include <stdlib.h>
#include <util/macros.h>

#define LIMIT_DEFAULT 50
#define LIMIT_MAX 100

void page_deinit(struct page *page)
{
    free(page->starting_after);
    free(page->ending_before);
}

int page_text(const char *query, const char *name, char **ret_value)
{
    int r = query_get(query, name, ret_value);

    return r == -ENOENT ? 0 : r;
}

int page_parse(struct page *page, const char *query)
{
    CLEANUP(cleanup_free) char *limit = NULL;
    int r;

    r = page_text(query, "limit", &limit);
    if (r == 0)
        r = page_text(query, "starting_after", &page->starting_after);
    if (r == 0)
        r = page_text(query, "ending_before", &page->ending_before);
    page->limit = limit ? strtoll(limit, NULL, 10) : LIMIT_DEFAULT;
    if (r == 0 && (page->limit < 1 || page->limit > LIMIT_MAX))
        r = -EINVAL;
    return r;
}

/* NULL where there is no such cursor. */
static const uint64_t *cursor_place(const struct page_source *source, const char *id)
{
    return id ? map_get(source->by_id, model_id_hash(source->model, id)) : NULL;
}

static bool page_wants(const struct page_source *source, const void *item)
{
    return !source->filter || source->wants(item, source->filter);
}

/* ending_before is the page that ends before that one: it is gathered upwards, towards newer ones,
 * and told newest first all the same. */
int page_reply(const struct page *page, const struct page_source *source, struct reply *reply)
{
    const uint64_t *after = cursor_place(source, page->starting_after);
    const uint64_t *before = cursor_place(source, page->ending_before);
    const struct list *list = source->list;
    json_t *views = json_array();
    bool has_more = false, up = before != NULL;
    size_t i = up ? *before + 1 : after ? *after : list->count;

    for (; up ? i < list->count : i > 0; i = up ? i + 1 : i - 1) {
        const void *item = list->items[up ? i : i - 1];
        int r;

        if (!page_wants(source, item))
            continue;
        if ((int64_t)json_array_size(views) == page->limit) {
            has_more = true;
            break;
        }
        r = up ? json_array_insert_new(views, 0, source->view(item))
               : json_array_append_new(views, source->view(item));
        if (r < 0) {
            json_decref(views);
            return -ENOMEM;
        }
    }
    return reply_list(reply, views, has_more);
}

int page_serve(const struct page_source *source, const char *query, struct reply *reply)
{
    CLEANUP(page_deinit) struct page page = {0};
    int r;

    r = page_parse(&page, query);
    if (r == -EINVAL)
        return reply_error(reply, 400, "limit: expected a number from 1 to 100");
    return r < 0 ? r : page_reply(&page, source, reply);
}
