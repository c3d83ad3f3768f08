/* JSON as a bag of fields: see fields.h. */
#include "fields.h"

#include <errno.h>
#include <math.h>
#include <proto/limits.h>
#include <string.h>
#include <util/iso8601.h>

#define NAME_MAX_CAMEL 64
#define ENVELOPES_MAX 2

json_t *fields_parse(const char *body, size_t length)
{
    json_error_t error;

    /* All numbers as doubles: an integer past 2^63 somewhere in an unknown field is no reason to
     * call the whole body unreadable. NUL is looked for where a text is read. */
    return json_loadb(body, length,
                      JSON_DECODE_ANY | JSON_DECODE_INT_AS_REAL | JSON_REJECT_DUPLICATES |
                          JSON_ALLOW_NUL,
                      &error);
}

/* units_per_credit → unitsPerCredit. */
static void name_camel(const char *snake, char camel[NAME_MAX_CAMEL])
{
    size_t length = 0;

    for (; *snake != '\0' && length < NAME_MAX_CAMEL - 1; snake++) {
        bool upper = *snake == '_' && snake[1] >= 'a' && snake[1] <= 'z';

        if (upper)
            snake++;
        camel[length++] = upper ? (char)(*snake - 'a' + 'A') : *snake;
    }
    camel[length] = '\0';
}

const json_t *field_find(const json_t *object, const char *name)
{
    char camel[NAME_MAX_CAMEL];
    const json_t *value = json_object_get(object, name);
    const json_t *other;

    if (value && !json_is_null(value))
        return value;
    name_camel(name, camel);
    other = json_object_get(object, camel);
    return other ? other : value;
}

int field_int(const json_t *object, const char *name, int64_t *ret_value)
{
    const json_t *value = field_find(object, name);
    double number;

    if (!value || json_is_null(value))
        return 0;
    if (!json_is_real(value))
        return -EBADMSG;
    number = json_real_value(value);
    /* 2^53 itself may be what 2^53 + 1 was rounded to. */
    if (fabs(number) > (double)PROTO_AMOUNT_MAX || trunc(number) != number)
        return -EBADMSG;
    *ret_value = (int64_t)number;
    return 1;
}

int field_bool(const json_t *object, const char *name, bool *ret_value)
{
    const json_t *value = field_find(object, name);

    if (!value || json_is_null(value))
        return 0;
    if (!json_is_boolean(value))
        return -EBADMSG;
    *ret_value = json_is_true(value);
    return 1;
}

int field_text(const json_t *object, const char *name, const char **ret_text)
{
    const json_t *value = field_find(object, name);

    if (!value || json_is_null(value))
        return 0;
    if (!json_is_string(value) || strlen(json_string_value(value)) != json_string_length(value))
        return -EBADMSG;
    *ret_text = json_string_value(value);
    return 1;
}

bool field_matches(const json_t *object, const char *name, const char *id)
{
    const char *text;
    int r = field_text(object, name, &text);

    return r == 0 || (r == 1 && strcmp(text, id) == 0);
}

int field_time(const json_t *object, const char *name, int64_t *ret_ms)
{
    const char *text;
    int r = field_text(object, name, &text);

    if (r <= 0)
        return r;
    r = iso8601_parse(text, ret_ms);
    return r < 0 ? r : 1;
}

const json_t *envelope_open(const json_t *root)
{
    for (int i = 0; i < ENVELOPES_MAX; i++) {
        const json_t *inner = json_object_get(root, "data");

        if (!inner)
            break;
        root = inner;
    }
    return root;
}

int envelope_list(const json_t *root, const json_t **ret_rows, int *ret_has_more)
{
    bool has_more = false;
    int told = 0;

    for (int i = 0; i < ENVELOPES_MAX && json_is_object(root); i++) {
        int r = field_bool(root, "has_more", &has_more);

        if (r < 0)
            return r;
        told |= r;
        root = json_object_get(root, "data");
    }
    if (!json_is_array(root))
        return -EBADMSG;
    *ret_rows = root;
    *ret_has_more = told ? has_more : -1;
    return 0;
}
