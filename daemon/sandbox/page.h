/* Pages of a list, newest first: limit, starting_after and ending_before, which are ids. A cursor
 * that leads nowhere is taken for none. */
#pragma once

#include "model.h"
#include "request.h"

struct page {
    int64_t limit;
    char *starting_after, *ending_before; /* or NULL */
};

/* What is paged. */
struct page_source {
    const struct model *model;
    const struct list *list; /* oldest first */
    const struct map *by_id; /* places in the list */
    bool (*wants)(const void *item, const char *filter);
    const char *filter; /* NULL: all */
    json_t *(*view)(const void *item);
};

void page_deinit(struct page *page);
/* -EINVAL where the limit is none. What was parsed before is the caller's to deinit either way. */
int page_parse(struct page *page, const char *query);
int page_reply(const struct page *page, const struct page_source *source, struct reply *reply);
/* Both, with the answer to a wrong limit. */
int page_serve(const struct page_source *source, const char *query, struct reply *reply);
/* A parameter that may be missing: NULL then. */
int page_text(const char *query, const char *name, char **ret_value);
