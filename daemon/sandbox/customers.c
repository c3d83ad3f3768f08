/* The endpoints of customers. */
#include "metadata.h"
#include "page.h"
#include "sandbox.h"
#include "views.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <util/clock.h>
#include <util/macros.h>

static const char *const field_names[] = {"email", "name", "phone", "image"};

static char **customer_field(struct customer *customer, size_t i)
{
    char **const fields[] = {&customer->email, &customer->name, &customer->phone, &customer->image};

    return fields[i];
}

/* NULL, or what is wrong with the fields of a new or changed customer. */
static const char *fields_check(const json_t *fields)
{
    const json_t *value;

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
    return metadata_check(json_object_get(fields, "metadata"));
}

static int fields_apply(struct customer *customer, const json_t *fields)
{
    for (size_t i = 0; i < ARRAY_SIZE(field_names); i++) {
        const json_t *value = json_object_get(fields, field_names[i]);
        int r = value ? text_set(customer_field(customer, i), json_string_value(value)) : 0;

        if (r < 0)
            return r;
    }
    return metadata_merge(&customer->metadata, json_object_get(fields, "metadata"));
}

static int customer_create(struct call *call, const json_t *fields, json_t **ret_view)
{
    struct customer *customer;
    int r;

    r = model_customer_add(&call->sandbox->model, NULL, clock_wall_ms(), &customer);
    if (r < 0)
        return r;
    r = fields_apply(customer, fields);
    if (r == 0)
        r = text_set(&customer->key, call->request->key);
    if (r < 0)
        return r;
    *ret_view = view_customer(customer);
    return *ret_view ? 0 : -ENOMEM;
}

/* An array makes a list, an object one customer, or as customer_answer has it. The same email twice
 * makes two customers, as there. */
static int customers_reply(struct call *call, json_t *views, bool from_array)
{
    int64_t form = faults_number(&call->sandbox->faults, FAULT_CUSTOMER_ANSWER);
    bool as_list = form == CUSTOMER_ANSWER_LIST || (form == CUSTOMER_ANSWER_SAME && from_array) ||
                   json_array_size(views) > 1;
    json_t *one;

    if (as_list)
        return reply_list(call->reply, views, false);
    one = json_incref(json_array_get(views, 0));
    json_decref(views);
    return reply_json(call->reply, one);
}

static const json_t *body_item(const json_t *body, size_t i)
{
    return json_is_array(body) ? json_array_get(body, i) : body;
}

static const char *customers_check(const struct faults *faults, const json_t *body, size_t count)
{
    int64_t accepted = faults_number(faults, FAULT_CUSTOMER_BODY);

    if (accepted == CUSTOMER_BODY_ARRAY && !json_is_array(body))
        return "body: expected an array";
    if (accepted == CUSTOMER_BODY_OBJECT && !json_is_object(body))
        return "body: expected an object";
    if (count == 0)
        return "body: expected at least one customer";
    for (size_t i = 0; i < count; i++) {
        const char *wrong = fields_check(body_item(body, i));

        if (wrong)
            return wrong;
        if (!json_is_string(json_object_get(body_item(body, i), "email")))
            return "email: required";
    }
    return NULL;
}

int endpoint_customers_create(struct call *call)
{
    const json_t *body = call->request->json;
    size_t count = json_is_array(body) ? json_array_size(body) : 1;
    const char *wrong = customers_check(&call->sandbox->faults, body, count);
    json_t *views, *view;

    if (wrong)
        return reply_error(call->reply, 400, "%s", wrong);
    views = json_array();
    for (size_t i = 0; i < count; i++) {
        int r = customer_create(call, body_item(body, i), &view);

        if (r < 0 || json_array_append_new(views, view) < 0) {
            json_decref(views);
            return -ENOMEM;
        }
    }
    return customers_reply(call, views, json_is_array(body));
}

static json_t *item_view(const void *item)
{
    return view_customer(item);
}

/* To the letter: the same address in another case is another customer's. */
static bool email_is(const void *item, const char *email)
{
    const struct customer *customer = item;

    return customer->email && strcmp(customer->email, email) == 0;
}

int endpoint_customers_list(struct call *call)
{
    const struct model *model = &call->sandbox->model;
    bool filters = !call->match->old && faults_on(&call->sandbox->faults, FAULT_EMAIL_FILTER);
    CLEANUP(cleanup_free) char *email = NULL;
    struct page_source source = {
        .model = model,
        .list = &model->customers,
        .by_id = &model->customers_by_id,
        .wants = email_is,
        .view = item_view,
    };
    int r;

    r = page_text(call->request->query, "email", &email);
    if (r < 0)
        return r;
    source.filter = filters ? email : NULL;
    return page_serve(&source, call->request->query, call->reply);
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
