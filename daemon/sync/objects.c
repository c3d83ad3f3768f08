/* JSON to MessagePack: see objects.h. */
#include "objects.h"
#include "fields.h"

#include <errno.h>
#include <math.h>
#include <proto/message.h>
#include <stdbool.h>
#include <string.h>

#define NAME_SIZE 128

static int value_pack(const json_t *value, unsigned depth, msgpack_packer *packer);

static int text_pack(const char *text, size_t length, msgpack_packer *packer)
{
    if (!proto_text_valid(text, length))
        return -EBADMSG;
    pack_text_n(packer, text, length);
    return 0;
}

static void number_pack(double number, msgpack_packer *packer)
{
    if (fabs(number) <= (double)PROTO_AMOUNT_MAX && trunc(number) == number)
        pack_int(packer, (int64_t)number);
    else if (msgpack_pack_double(packer, number) < 0)
        pack_break(packer);
}

static int array_pack(const json_t *array, unsigned depth, msgpack_packer *packer)
{
    const json_t *value;
    size_t index;
    int r = depth > OBJECT_DEPTH_MAX ? -EBADMSG : 0;

    pack_array(packer, json_array_size(array));
    json_array_foreach(array, index, value) if (r == 0) r = value_pack(value, depth, packer);
    return r;
}

static int map_pack(const json_t *object, unsigned depth, msgpack_packer *packer)
{
    const char *key;
    json_t *value;
    int r = depth > OBJECT_DEPTH_MAX ? -EBADMSG : 0;

    pack_map(packer, json_object_size(object));
    json_object_foreach((json_t *)(uintptr_t)object, key, value)
    {
        if (r == 0)
            r = text_pack(key, strlen(key), packer);
        if (r == 0)
            r = value_pack(value, depth, packer);
    }
    return r;
}

/* `depth` counts the containers around the value. */
static int value_pack(const json_t *value, unsigned depth, msgpack_packer *packer)
{
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        return map_pack(value, depth + 1, packer);
    case JSON_ARRAY:
        return array_pack(value, depth + 1, packer);
    case JSON_STRING:
        return text_pack(json_string_value(value), json_string_length(value), packer);
    case JSON_INTEGER:
    case JSON_REAL:
        number_pack(json_number_value(value), packer);
        return 0;
    case JSON_TRUE:
    case JSON_FALSE:
        pack_bool(packer, json_is_true(value));
        return 0;
    case JSON_NULL:
        break;
    }
    pack_nil(packer);
    return 0;
}

/* --- the top level --- */

/* customerId → customer_id. Only names that are camelCase throughout, so that no two names become
 * the same one; false: the name stays. */
static bool name_snake(const char *camel, char snake[NAME_SIZE])
{
    size_t length = 0;
    bool changed = false;

    if (strlen(camel) >= NAME_SIZE / 2 || strchr(camel, '_') || *camel < 'a' || *camel > 'z')
        return false;
    for (; *camel != '\0'; camel++) {
        bool upper = *camel >= 'A' && *camel <= 'Z';

        if (upper)
            snake[length++] = '_';
        snake[length++] = upper ? (char)(*camel - 'A' + 'a') : *camel;
        changed |= upper;
    }
    snake[length] = '\0';
    return changed;
}

/* Of two spellings of one name the first that is not null counts, as in field_find. */
static int top_merge(json_t *top, const char *key, json_t *value)
{
    char snake[NAME_SIZE];
    const char *name = name_snake(key, snake) ? snake : key;
    const json_t *there = json_object_get(top, name);

    if (there && !json_is_null(there) && (name != key || json_is_null(value)))
        return 0;
    return json_object_set(top, name, value) < 0 ? -ENOMEM : 0;
}

/* Metadata that an older server gives as JSON text becomes the object that it was. */
static int top_metadata(json_t *top)
{
    const json_t *metadata = json_object_get(top, "metadata");
    json_t *parsed = NULL;

    if (!metadata || json_is_object(metadata) || json_is_null(metadata))
        return 0;
    if (json_is_string(metadata))
        parsed = fields_parse(json_string_value(metadata), json_string_length(metadata));
    if (json_is_object(parsed) || json_is_null(parsed))
        return json_object_set_new(top, "metadata", parsed) < 0 ? -ENOMEM : 0;
    json_decref(parsed);
    return -EBADMSG;
}

int object_pack(const json_t *object, msgpack_sbuffer *buffer)
{
    size_t before = buffer->size;
    json_t *top = json_object(), *value;
    msgpack_packer packer;
    const char *key;
    int r = top ? 0 : -ENOMEM;

    json_object_foreach((json_t *)(uintptr_t)object, key, value) if (r == 0) r =
        top_merge(top, key, value);
    if (r == 0)
        r = top_metadata(top);
    msgpack_packer_init(&packer, buffer, msgpack_sbuffer_write);
    if (r == 0)
        r = value_pack(top, 0, &packer);
    json_decref(top);
    if (r < 0)
        return r;
    if (pack_failed(&packer))
        return -ENOMEM;
    return buffer->size - before > OBJECT_SIZE_MAX ? -EBADMSG : 0;
}
