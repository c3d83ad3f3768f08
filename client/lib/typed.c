/* What typed calls are made of: see typed.h. Refusing early spares a round trip and names the
 * argument; the daemon refuses all the same. */
#include "typed.h"
#include "value.h"
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int typed_refuse(struct creditd *c, int error, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(c->refusal, sizeof c->refusal, format, arguments);
    va_end(arguments);
    return error;
}

int put_text(struct creditd *c, const char *key, const char *text, size_t size_max)
{
    size_t length;

    if (!text)
        return 0;
    length = strlen(text);
    if (length < 1 || length > size_max || !proto_text_valid(text, length))
        return typed_refuse(c, -EINVAL, "%s must be 1 to %zu bytes of UTF-8", key, size_max);
    creditd_map_text_n(&c->params, key, text, length);
    return 0;
}

int put_id(struct creditd *c, const char *key, const char *id)
{
    if (!id || !proto_id_valid(id, strlen(id)))
        return typed_refuse(c, -EINVAL, "%s must be 1 to %u of A-Z a-z 0-9 _ - . (not . or ..)",
                            key, PROTO_ID_MAX);
    creditd_map_text(&c->params, key, id);
    return 0;
}

int put_who(struct creditd *c, const struct creditd_who *who)
{
    if (!!who->session + !!who->user_id + !!who->customer_id != 1)
        return typed_refuse(c, -EINVAL,
                            "exactly one of session, user_id and customer_id is needed");
    if (who->session)
        return put_text(c, "session", who->session, CREDITD_SESSION_MAX);
    return who->user_id ? put_id(c, "user_id", who->user_id)
                        : put_id(c, "customer_id", who->customer_id);
}

int put_amount(struct creditd *c, const char *key, int64_t amount)
{
    if (amount < 1 || amount > PROTO_AMOUNT_MAX)
        return typed_refuse(c, -EINVAL, "%s must be an integer from 1 to 9007199254740991", key);
    creditd_map_int(&c->params, key, amount);
    return 0;
}

int put_count(struct creditd *c, const char *key, int64_t count)
{
    if (count < 0 || count > PROTO_AMOUNT_MAX)
        return typed_refuse(c, -EINVAL, "%s must be an integer from 0 to 9007199254740991", key);
    if (count > 0)
        creditd_map_int(&c->params, key, count);
    return 0;
}

int put_metadata(struct creditd *c, const struct creditd_map *metadata)
{
    int r;

    if (!metadata)
        return 0;
    r = creditd_map_check(metadata);
    if (r < 0)
        return typed_refuse(c, r, "the metadata was not built well");
    if (map_size(metadata) > PROTO_METADATA_MAX)
        return typed_refuse(c, -EMSGSIZE, "metadata takes %zu bytes encoded; %u are allowed",
                            map_size(metadata), PROTO_METADATA_MAX);
    map_put_map(&c->params, "metadata", metadata);
    return 0;
}

void put_flag(struct creditd *c, const char *key, bool flag)
{
    if (flag)
        creditd_map_bool(&c->params, key, true);
}

int put_choice(struct creditd *c, const char *key, enum creditd_choice choice)
{
    if (choice > CREDITD_NO)
        return typed_refuse(c, -EINVAL, "%s must be one of enum creditd_choice", key);
    if (choice != CREDITD_UNCHANGED)
        creditd_map_bool(&c->params, key, choice == CREDITD_YES);
    return 0;
}

int put_once(struct creditd *c, const char *key, const struct creditd_stamp *stamp,
             struct creditd_call_options *options)
{
    if (key && stamp)
        return typed_refuse(c, -EINVAL, "either an idempotency_key or a stamp, not both");
    if (!key)
        options->repeat = CREDITD_REPEAT_STAMPED;
    options->stamp = stamp;
    return put_text(c, "idempotency_key", key, PROTO_KEY_MAX);
}

int put_key(struct creditd *c, const char *key, struct creditd_call_options *options)
{
    if (!key)
        options->repeat = CREDITD_REPEAT_NEVER;
    return put_text(c, "idempotency_key", key, PROTO_KEY_MAX);
}

int typed_submit(struct creditd *c, const char *method, build_function build, const void *request,
                 creditd_callback callback, void *data)
{
    struct creditd_call_options options = {.repeat = CREDITD_REPEAT_SAFE};
    int r = 0;

    engine_check_process(c);
    c->refusal[0] = '\0';
    map_reset(&c->params);
    if (build)
        r = build(c, request, &options);
    if (r < 0)
        return r;
    return call_submit(c, method, &c->params, &options, callback, data);
}

static int read_text(const msgpack_object *map, const struct field *field, char *place)
{
    const char *text;
    size_t length;
    int r = map_get_text(map, field->key, &text, &length);

    if (r <= 0)
        return r;
    if (length >= field->size) {
        if (field->kind != FIELD_TEXT_CUT)
            return -EPROTO;
        length = text_cut(text, field->size - 1);
    }
    memcpy(place, text, length);
    place[length] = '\0';
    return 1;
}

static int read_field(const msgpack_object *map, const struct field *field, void *place)
{
    int64_t number;
    int flag, r = 0;

    switch (field->kind) {
    case FIELD_TEXT:
    case FIELD_TEXT_CUT:
        return read_text(map, field, place);
    case FIELD_INT:
        r = map_get_int(map, field->key, &number);
        if (r == 0)
            number = -1;
        if (r >= 0)
            memcpy(place, &number, sizeof number);
        break;
    case FIELD_BOOL:
        r = map_get_bool(map, field->key, &flag);
        if (r > 0)
            *(bool *)place = flag != 0;
        break;
    }
    return r;
}

int read_fields(const msgpack_object *map, const struct field *fields, size_t count, void *record)
{
    static const msgpack_object empty = {.type = MSGPACK_OBJECT_MAP};

    if (map->type != MSGPACK_OBJECT_MAP)
        return -EPROTO;
    for (size_t i = 0; i < count; i++) {
        const msgpack_object *in = map;
        int r;

        if (fields[i].group)
            in = map_find(map, fields[i].group);
        if (!in || in->type != MSGPACK_OBJECT_MAP)
            in = &empty;
        r = read_field(in, &fields[i], (char *)record + fields[i].offset);
        if (r < 0 || (r == 0 && !fields[i].is_optional))
            return -EPROTO;
    }
    return 0;
}

const msgpack_object *list_elements(const msgpack_object *result)
{
    const msgpack_object *data =
        result->type == MSGPACK_OBJECT_MAP ? map_find(result, "data") : NULL;

    return data && data->type == MSGPACK_OBJECT_ARRAY ? data : NULL;
}

int read_list(const msgpack_object *result, const struct field *fields, size_t field_count,
              size_t record_size, struct list *ret_list)
{
    const msgpack_object *elements = list_elements(result);
    struct list list = {0};
    int has_more = 0;

    if (!elements || map_get_bool(result, "has_more", &has_more) < 0)
        return -EPROTO;
    list.has_more = has_more != 0;
    list.count = elements->via.array.size;
    list.data = calloc(list.count > 0 ? list.count : 1, record_size);
    if (!list.data)
        return -ENOMEM;
    for (size_t i = 0; i < list.count; i++) {
        int r = read_fields(&elements->via.array.ptr[i], fields, field_count,
                            (char *)list.data + i * record_size);

        if (r < 0) {
            free(list.data);
            return r;
        }
    }
    *ret_list = list;
    return 0;
}
