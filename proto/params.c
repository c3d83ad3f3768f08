/*
 * Decoding a request's parameters by the table. One pass over the map; a key costs one lookup, and
 * one bit tells whether it has been seen. Values are decoded aside and handed over at the end,
 * since nothing is written where the request is refused.
 */
#include "params.h"
#include <assert.h>
#include <math.h>
#include <proto/events.h>
#include <proto/limits.h>
#include <proto/methods.h>
#include <string.h>

#define SECRET_MAX 16384u

#define REASON_MISSING "is missing"
#define REASON_REPEATED "is there more than once"

#define AMOUNT_RANGE "must be an integer from 1 to 9007199254740991"
#define COUNT_RANGE "must be an integer from 0 to 9007199254740991"

_Static_assert(PROTO_ID_MAX == 128 && PROTO_TEXT_MAX == 1024 && PROTO_KEY_MAX == 255 &&
                   PROTO_BODY_MAX == 524288 && PROTO_FILTERS_MAX == 32 &&
                   PROTO_AMOUNT_MAX == INT64_C(9007199254740991),
               "the reasons below say so");

/* Each decoder writes to *value and returns NULL, or returns what is allowed. */

static const char *decode_text(const msgpack_object *object, struct proto_value *value,
                               size_t limit, const char *allowed)
{
    if (object->type != MSGPACK_OBJECT_STR || object->via.str.size == 0 ||
        object->via.str.size > limit ||
        !proto_text_valid(object->via.str.ptr, object->via.str.size))
        return allowed;
    value->text = object->via.str.ptr;
    value->length = object->via.str.size;
    return NULL;
}

static const char *decode_id(const msgpack_object *object, struct proto_value *value)
{
    if (object->type != MSGPACK_OBJECT_STR ||
        !proto_id_valid(object->via.str.ptr, object->via.str.size))
        return "must be 1 to 128 characters of A-Z a-z 0-9 _ - . (and not \".\" or \"..\")";
    value->text = object->via.str.ptr;
    value->length = object->via.str.size;
    return NULL;
}

static const char *decode_bytes(const msgpack_object *object, struct proto_value *value)
{
    /* str and bin have the same layout in msgpack-c, but only by accident. */
    if (object->type == MSGPACK_OBJECT_STR) {
        value->text = object->via.str.ptr;
        value->length = object->via.str.size;
    } else if (object->type == MSGPACK_OBJECT_BIN) {
        value->text = object->via.bin.ptr;
        value->length = object->via.bin.size;
    } else {
        return "must be text or bytes";
    }
    return NULL;
}

static const char *decode_secret(const msgpack_object *object, struct proto_value *value)
{
    const char *wrong = decode_bytes(object, value);

    if (wrong != NULL)
        return wrong;
    return value->length >= 1 && value->length <= SECRET_MAX ? NULL : "must be 1 to 16384 bytes";
}

static const char *decode_body(const msgpack_object *object, struct proto_value *value)
{
    const char *wrong = decode_bytes(object, value);

    if (wrong != NULL)
        return wrong;
    return value->length >= 1 && value->length <= PROTO_BODY_MAX ? NULL
                                                                 : "must be 1 to 524288 bytes";
}

static const char *decode_filters(const msgpack_object *object, struct proto_value *value)
{
    const char *allowed = "must be an array of 1 to 32 event types, like \"credits.low\", "
                          "\"credits.*\" or \"*\"";
    unsigned mask = 0;

    if (object->type != MSGPACK_OBJECT_ARRAY || object->via.array.size == 0 ||
        object->via.array.size > PROTO_FILTERS_MAX)
        return allowed;
    for (uint32_t i = 0; i < object->via.array.size; i++) {
        const msgpack_object *filter = &object->via.array.ptr[i];
        unsigned bits = filter->type == MSGPACK_OBJECT_STR
                            ? proto_event_filter(filter->via.str.ptr, filter->via.str.size)
                            : 0;

        if (bits == 0)
            return allowed;
        mask |= bits;
    }
    value->number = mask;
    return NULL;
}

struct number_reasons {
    const char *range, *fraction, *not_finite;
};

static const char *decode_float(double number, struct proto_value *value,
                                const struct number_reasons *reasons)
{
    if (!isfinite(number))
        return reasons->not_finite;
    if (!(number > -9007199254740992.0 && number < 9007199254740992.0))
        return reasons->range;
    value->number = (int64_t)number;
    return (double)value->number == number ? NULL : reasons->fraction;
}

static const char *decode_number(const msgpack_object *object, struct proto_value *value,
                                 int64_t least, const struct number_reasons *reasons)
{
    const char *wrong;

    switch (object->type) {
    case MSGPACK_OBJECT_POSITIVE_INTEGER:
        if (object->via.u64 > (uint64_t)PROTO_AMOUNT_MAX)
            return reasons->range;
        value->number = (int64_t)object->via.u64;
        break;
    case MSGPACK_OBJECT_FLOAT32:
    case MSGPACK_OBJECT_FLOAT64:
        wrong = decode_float(object->via.f64, value, reasons);
        if (wrong != NULL)
            return wrong;
        break;
    default:
        return reasons->range;
    }
    return value->number >= least ? NULL : reasons->range;
}

static const char *decode_stamp(const msgpack_object *object, struct proto_value *value)
{
    const char *allowed =
        "must be [client id: 16 bytes, counter: an integer from 1 to 9223372036854775807]";
    const msgpack_object *fields;

    if (object->type != MSGPACK_OBJECT_ARRAY || object->via.array.size != 2)
        return allowed;
    fields = object->via.array.ptr;
    if (fields[0].type != MSGPACK_OBJECT_BIN || fields[0].via.bin.size != PROTO_CLIENT_ID_SIZE)
        return allowed;
    if (fields[1].type != MSGPACK_OBJECT_POSITIVE_INTEGER || fields[1].via.u64 < 1 ||
        fields[1].via.u64 > INT64_MAX)
        return allowed;
    memcpy(value->stamp.client_id, fields[0].via.bin.ptr, PROTO_CLIENT_ID_SIZE);
    value->stamp.counter = fields[1].via.u64;
    return NULL;
}

static const char *decode_value(enum proto_type type, const msgpack_object *object,
                                struct proto_value *value)
{
    static const struct number_reasons amount = {
        AMOUNT_RANGE,
        "has a fraction: " AMOUNT_RANGE,
        "is NaN or infinite: " AMOUNT_RANGE,
    };
    static const struct number_reasons count = {
        COUNT_RANGE,
        "has a fraction: " COUNT_RANGE,
        "is NaN or infinite: " COUNT_RANGE,
    };

    value->object = object;
    switch (type) {
    case PROTO_TYPE_ID:
        return decode_id(object, value);
    case PROTO_TYPE_TEXT:
        return decode_text(object, value, PROTO_TEXT_MAX,
                           "must be 1 to 1024 bytes of text (UTF-8 without NUL)");
    case PROTO_TYPE_KEY:
        return decode_text(object, value, PROTO_KEY_MAX,
                           "must be 1 to 255 bytes of text (UTF-8 without NUL)");
    case PROTO_TYPE_SECRET:
        return decode_secret(object, value);
    case PROTO_TYPE_AMOUNT:
        return decode_number(object, value, 1, &amount);
    case PROTO_TYPE_COUNT:
        return decode_number(object, value, 0, &count);
    case PROTO_TYPE_BOOL:
        value->boolean = object->type == MSGPACK_OBJECT_BOOLEAN && object->via.boolean;
        return object->type == MSGPACK_OBJECT_BOOLEAN ? NULL : "must be true or false";
    case PROTO_TYPE_METADATA:
        return metadata_check(object);
    case PROTO_TYPE_STAMP:
        return decode_stamp(object, value);
    case PROTO_TYPE_FILTERS:
        return decode_filters(object, value);
    case PROTO_TYPE_BODY:
        return decode_body(object, value);
    }
    return "is of no known type";
}

static int refuse(unsigned parameter, const char *reason, const char **ret_parameter,
                  const char **ret_reason)
{
    *ret_parameter = proto_parameter_name((enum proto_parameter)parameter);
    *ret_reason = reason;
    return PROTO_ERROR_INVALID_PARAMETER;
}

static void hand_over(const struct proto_value *values, uint64_t present,
                      struct proto_params *ret_params)
{
    ret_params->present = present;
    for (uint64_t rest = present; rest != 0; rest &= rest - 1) {
        int parameter = __builtin_ctzll(rest);
        ret_params->values[parameter] = values[parameter];
    }
}

int proto_params_decode(enum proto_method method, const msgpack_object *map,
                        struct proto_params *ret_params, const char **ret_parameter,
                        const char **ret_reason)
{
    const struct proto_method_spec *spec = proto_method_spec(method);
    struct proto_value values[PROTO_PARAMETER_COUNT_];
    uint64_t seen = 0, present = 0;

    assert(spec != NULL && map->type == MSGPACK_OBJECT_MAP);
    for (uint32_t i = 0; i < map->via.map.size; i++) {
        const msgpack_object_kv *entry = &map->via.map.ptr[i];
        const char *wrong;
        uint64_t bit;
        int found;

        if (entry->key.type != MSGPACK_OBJECT_STR) /* the scanner has refused those */
            continue;
        found = parameter_find(entry->key.via.str.ptr, entry->key.via.str.size);
        bit = found < 0 ? 0 : UINT64_C(1) << found;
        if ((spec->known & bit) == 0)
            continue;
        if (seen & bit)
            return refuse((unsigned)found, REASON_REPEATED, ret_parameter, ret_reason);
        seen |= bit;
        if (entry->val.type == MSGPACK_OBJECT_NIL) /* what other languages send for "not given" */
            continue;
        memset(&values[found], 0, sizeof(values[found]));
        wrong = decode_value(proto_parameter_type((enum proto_parameter)found), &entry->val,
                             &values[found]);
        if (wrong != NULL)
            return refuse((unsigned)found, wrong, ret_parameter, ret_reason);
        present |= bit;
    }
    if ((spec->needed & ~present) != 0)
        return refuse((unsigned)__builtin_ctzll(spec->needed & ~present), REASON_MISSING,
                      ret_parameter, ret_reason);
    hand_over(values, present, ret_params);
    return 0;
}
