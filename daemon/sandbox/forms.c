/* The spellings, envelopes, list and error forms that lie over an endpoint's objects. */
#include "views.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <util/macros.h>

static char *camel_name(const char *name)
{
    char *camel = malloc(strlen(name) + 1);
    size_t used = 0;

    if (!camel)
        return NULL;
    for (const char *c = name; *c; c++) {
        if (*c == '_' && c[1] != '\0')
            camel[used++] = (char)toupper((unsigned char)*++c);
        else
            camel[used++] = *c;
    }
    camel[used] = '\0';
    return camel;
}

static json_t *camel_object(const json_t *object)
{
    json_t *camel = json_object(), *value;
    const char *name;

    json_object_foreach((json_t *)object, name, value)
    {
        CLEANUP(cleanup_free) char *spelt = camel_name(name);
        json_t *copy = strcmp(name, "metadata") == 0 ? json_deep_copy(value) : view_camel(value);

        if (!spelt || json_object_set_new(camel, spelt, copy) < 0) {
            if (!spelt)
                json_decref(copy);
            json_decref(camel);
            return NULL;
        }
    }
    return camel;
}

json_t *view_camel(const json_t *value)
{
    json_t *camel, *item;
    size_t i;

    if (json_is_object(value))
        return camel_object(value);
    if (!json_is_array(value))
        return json_deep_copy(value);
    camel = json_array();
    json_array_foreach((json_t *)value, i, item)
    {
        if (json_array_append_new(camel, view_camel(item)) < 0) {
            json_decref(camel);
            return NULL;
        }
    }
    return camel;
}

static json_t *error_form(const struct reply *reply, const struct faults *faults)
{
    if (faults_number(faults, FAULT_ERROR_FORM) == ERROR_FORM_OBJECT)
        return json_pack("{s:{s:s, s:s}}", "error", "code", reply->error_code, "message",
                         reply->error_message);
    return json_pack("{s:s}", "error", reply->error_message);
}

static json_t *list_form(const struct reply *reply, const struct faults *faults, json_t *items,
                         bool old)
{
    if (old)
        return json_pack("{s:O}", "data", items);
    switch (faults_number(faults, FAULT_LIST_FORM)) {
    case LIST_FORM_LIST:
        return json_pack("{s:s, s:O, s:b}", "object", "list", "data", items, "has_more",
                         reply->has_more);
    case LIST_FORM_DATA:
        return json_pack("{s:O, s:b}", "data", items, "has_more", reply->has_more);
    default:
        return json_incref(items);
    }
}

static json_t *reply_form(const struct reply *reply, const struct faults *faults, bool old)
{
    json_t *spelt, *whole;

    if (reply->error_code)
        return error_form(reply, faults);
    spelt = old ? view_camel(reply->json) : json_incref(reply->json);
    if (!spelt)
        return NULL;
    if (reply->is_list)
        whole = list_form(reply, faults, spelt, old);
    else if (old || faults_number(faults, FAULT_ENVELOPE) == ENVELOPE_DATA)
        whole = json_pack("{s:O}", "data", spelt);
    else
        whole = json_incref(spelt);
    json_decref(spelt);
    return whole;
}

int view_finish(struct reply *reply, const struct faults *faults, bool old)
{
    json_t *whole;

    if (reply->body)
        return 0;
    if (!reply->json && !reply->error_code)
        return 0; /* an answer without a body */
    whole = reply_form(reply, faults, old);
    if (!whole)
        return -ENOMEM;
    reply->body = json_dumps(whole, JSON_COMPACT | JSON_ENCODE_ANY);
    json_decref(whole);
    if (!reply->body)
        return -ENOMEM;
    reply->length = strlen(reply->body);
    return 0;
}
