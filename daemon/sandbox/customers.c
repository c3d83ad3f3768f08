/* The endpoints of customers. */
#include "sandbox.h"
#include "views.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <util/clock.h>
#include <util/macros.h>

#define CUSTOMERS_LIMIT_DEFAULT 50
#define CUSTOMERS_LIMIT_MAX 100

static const char *const field_names[] = {"email", "name", "phone", "image"};

static char **customer_field(struct customer *customer, size_t i)
{
    char **const fields[] = {&customer->email, &customer->name, &customer->phone, &customer->image};

    return fields[i];
}

/* NULL, or what is wrong with the fields of a new or changed customer. */
static const char *fields_check(const json_t *fields)
{
    const json_t *metadata = json_object_get(fields, "metadata"), *value;

    if (!json_is_object(fields))
        return "body: expected an object";
    for (size_t i = 0; i < ARRAY_SIZE(field_names); i++) {
        value = json_object_get(fields, field_names[i]);
        if (value && !json_is_string(value) && !json_is_null(value))
            return "email, name, phone, image: expected strings";
    }
    value = json_object_get(fields, "email");
    if (json_is_string(value) && !strchr(json_string_value(value), '@'))
        return "email: invalid email";
    if (metadata && !json_is_object(metadata) && !json_is_null(metadata))
        return "metadata: expected an object";
    return NULL;
}

static int metadata_merge(struct customer *customer, const json_t *metadata)
{
    json_t *merged = customer->metadata ? json_loads(customer->metadata, 0, NULL) : json_object();
    char *text = NULL;

    if (merged && json_object_update(merged, (json_t *)metadata) == 0)
        text = json_dumps(merged, JSON_COMPACT);
    json_decref(merged);
    if (!text)
        return -ENOMEM;
    free(customer->metadata);
    customer->metadata = text;
    return 0;
}

static int fields_apply(struct customer *customer, const json_t *fields)
{
    const json_t *metadata = json_object_get(fields, "metadata");

    for (size_t i = 0; i < ARRAY_SIZE(field_names); i++) {
        const json_t *value = json_object_get(fields, field_names[i]);
        char **field = customer_field(customer, i), *copy = NULL;

        if (!value)
            continue;
        if (json_is_string(value)) {
            copy = strdup(json_string_value(value));
            if (!copy)
                return -ENOMEM;
        }
        free(*field);
        *field = copy;
    }
    return json_is_object(metadata) ? metadata_merge(customer, metadata) : 0;
}

static int customer_create(struct call *call, const json_t *fields, json_t **ret_view)
{
    struct customer *customer;
    int r;

    r = model_customer_add(&call->sandbox->model, NULL, clock_wall_ms(), &customer);
    if (r < 0)
        return r;
    r = fields_apply(customer, fields);
    if (r < 0)
        return r;
    *ret_view = view_customer(customer);
    return *ret_view ? 0 : -ENOMEM;
}

/* An array makes a list, an object one customer. The same email twice makes two customers, as
 * there. */
static int customers_create(struct call *call, const json_t *body)
{
    json_t *views = json_array(), *fields, *view;
    size_t i;

    json_array_foreach((json_t *)body, i, fields)
    {
        int r = customer_create(call, fields, &view);

        if (r < 0 || json_array_append_new(views, view) < 0) {
            json_decref(views);
            return -ENOMEM;
        }
    }
    return reply_list(call->reply, views, false);
}

int endpoint_customers_create(struct call *call)
{
    const json_t *body = call->request->json;
    size_t count = json_is_array(body) ? json_array_size(body) : 1;
    json_t *view;
    int r;

    if (count == 0)
        return reply_error(call->reply, 400, "body: expected at least one customer");
    for (size_t i = 0; i < count; i++) {
        const json_t *fields = json_is_array(body) ? json_array_get(body, i) : body;
        const char *wrong = fields_check(fields);

        if (!wrong && !json_is_string(json_object_get(fields, "email")))
            wrong = "email: required";
        if (wrong)
            return reply_error(call->reply, 400, "%s", wrong);
    }
    if (json_is_array(body))
        return customers_create(call, body);
    r = customer_create(call, body, &view);
    return r < 0 ? r : reply_json(call->reply, view);
}

struct page {
    int64_t limit;
    char *starting_after, *ending_before, *email;
};

static void page_deinit(struct page *page)
{
    free(page->starting_after);
    free(page->ending_before);
    free(page->email);
}

static int page_text(const char *query, const char *name, char **ret_value)
{
    int r = query_get(query, name, ret_value);

    return r == -ENOENT ? 0 : r;
}

static int page_parse(struct page *page, const char *query)
{
    CLEANUP(cleanup_free) char *limit = NULL;
    int r;

    r = page_text(query, "limit", &limit);
    if (r == 0)
        r = page_text(query, "starting_after", &page->starting_after);
    if (r == 0)
        r = page_text(query, "ending_before", &page->ending_before);
    if (r == 0)
        r = page_text(query, "email", &page->email);
    page->limit = limit ? strtoll(limit, NULL, 10) : CUSTOMERS_LIMIT_DEFAULT;
    if (r == 0 && (page->limit < 1 || page->limit > CUSTOMERS_LIMIT_MAX))
        r = -EINVAL;
    return r;
}

static bool page_wants(const struct page *page, const struct customer *customer, bool filter)
{
    if (!filter || !page->email)
        return true;
    return customer->email && strcmp(customer->email, page->email) == 0;
}

/* Newest first: starting_after goes on to older ones. ending_before is the page that ends before
 * that one. */
static int customers_page(struct call *call, const struct page *page, bool filter)
{
    const struct model *model = &call->sandbox->model;
    const struct customer *after = NULL, *before = NULL;
    json_t *views = json_array();
    bool has_more = false, up;
    size_t i;

    if (page->starting_after)
        after = model_customer(model, page->starting_after);
    if (page->ending_before)
        before = model_customer(model, page->ending_before);
    up = before != NULL;
    i = up ? before->position + 1 : after ? after->position : model->customers.count;
    for (; up ? i < model->customers.count : i > 0; i = up ? i + 1 : i - 1) {
        const struct customer *customer = model->customers.items[up ? i : i - 1];
        int r;

        if (!page_wants(page, customer, filter))
            continue;
        if ((int64_t)json_array_size(views) == page->limit) {
            has_more = true;
            break;
        }
        r = up ? json_array_insert_new(views, 0, view_customer(customer))
               : json_array_append_new(views, view_customer(customer));
        if (r < 0) {
            json_decref(views);
            return -ENOMEM;
        }
    }
    return reply_list(call->reply, views, has_more);
}

int endpoint_customers_list(struct call *call)
{
    bool filter = !call->match->old && faults_on(&call->sandbox->faults, FAULT_EMAIL_FILTER);
    CLEANUP(page_deinit) struct page page = {0};
    int r;

    r = page_parse(&page, call->request->query);
    if (r == -EINVAL)
        return reply_error(call->reply, 400, "limit: expected a number from 1 to 100");
    return r < 0 ? r : customers_page(call, &page, filter);
}

int endpoint_customer_get(struct call *call)
{
    const struct customer *customer =
        model_customer(&call->sandbox->model, call->match->parameters[0]);

    if (!customer)
        return reply_error(call->reply, 404, "Customer not found");
    return reply_json(call->reply, view_customer(customer));
}

int endpoint_customer_update(struct call *call)
{
    struct customer *customer = model_customer(&call->sandbox->model, call->match->parameters[0]);
    const char *wrong = fields_check(call->request->json);
    int r;

    if (wrong)
        return reply_error(call->reply, 400, "%s", wrong);
    if (!customer)
        return reply_error(call->reply, 404, "Customer not found");
    r = fields_apply(customer, call->request->json);
    if (r < 0)
        return r;
    customer->updated_ms = clock_wall_ms();
    return reply_json(call->reply, view_customer(customer));
}
