/* One event, opened: the members that every application looks at, as plain fields, and the rest as
 * values. What is not there is empty; what is there and of another type is no event. */
#include "object.h"
#include "stream.h"
#include "typed.h"
#include "value.h"
#include <errno.h>
#include <proto/events.h>
#include <string.h>

static const struct field event_fields[] = {
    FIELD(TEXT, struct creditd_event, id),
    FIELD(TEXT_CUT, struct creditd_event, type),
    FIELD(INT, struct creditd_event, sequence),
    FIELD_OPTIONAL(INT, struct creditd_event, created),
    FIELD_OPTIONAL(BOOL, struct creditd_event, livemode),
};

static void copy_id(const msgpack_object *map, const char *key, char id[CREDITD_ID_SIZE])
{
    const char *text;
    size_t length;

    if (map_get_text(map, key, &text, &length) <= 0 || !proto_id_valid(text, length))
        return;
    memcpy(id, text, length);
    id[length] = '\0';
}

/* A customer's own events have its id as the object's; all others name it. */
static void copy_customer(const msgpack_object *object, struct creditd_event *event)
{
    copy_id(object, "customer_id", event->customer_id);
    if (!event->customer_id[0] && strncmp(event->type, "customer.", strlen("customer.")) == 0)
        copy_id(object, "id", event->customer_id);
}

int event_open(const msgpack_object *envelope, struct creditd_event *ret_event)
{
    struct creditd_event event = {.value = value_of(envelope)};
    const msgpack_object *data;
    int r = READ_FIELDS(envelope, event_fields, &event);

    if (r < 0 || event.sequence < 1)
        return -EPROTO;
    data = map_find(envelope, "data");
    if (data && data->type == MSGPACK_OBJECT_MAP) {
        event.object = value_of(map_find(data, "object"));
        event.previous = value_of(map_find(data, "previous_attributes"));
    }
    if (creditd_value_type(event.object) == CREDITD_TYPE_MAP) {
        copy_customer(map_find(data, "object"), &event);
        copy_id(map_find(data, "object"), "product_id", event.product_id);
    }
    *ret_event = event;
    return 0;
}

int creditd_event_open(const struct creditd_value *value, struct creditd_event *ret_event)
{
    if (creditd_value_type(value) != CREDITD_TYPE_MAP)
        return -EPROTO;
    return event_open((const void *)value, ret_event);
}

int event_put_types(struct creditd_map *map, const char *const *types)
{
    if (!types)
        return 0;
    creditd_map_begin_array(map, "types");
    for (size_t i = 0; types[i]; i++) {
        if (i == PROTO_FILTERS_MAX || !types[i][0] || strlen(types[i]) > PROTO_TEXT_MAX)
            return -EINVAL;
        creditd_map_text(map, NULL, types[i]);
    }
    creditd_map_end(map);
    return types[0] ? creditd_map_check(map) : -EINVAL;
}

static int build_event_ack(struct creditd *c, const void *argument,
                           struct creditd_call_options *options)
{
    const struct creditd_event_ack_request *request = argument;
    int r;

    options->timeout = request->timeout;
    r = put_id(c, "subscriber", request->subscriber);
    if (r < 0)
        return r;
    if (request->sequence < 0)
        return typed_refuse(c, -EINVAL, "sequence must be an event's number");
    creditd_map_int(&c->params, "sequence", request->sequence);
    return 0;
}

static const struct field event_ack_fields[] = {
    FIELD(INT, struct creditd_event_ack_result, sequence),
};

TYPED_CALL_AND_READ(event_ack, "event.ack", struct creditd_event_ack_request,
                    struct creditd_event_ack_result, event_ack_fields)

static int build_event_list(struct creditd *c, const void *argument,
                            struct creditd_call_options *options)
{
    const struct creditd_event_list_request *request = argument;
    int r;

    options->timeout = request->timeout;
    r = event_put_types(&c->params, request->types);
    if (r < 0)
        return typed_refuse(c, r, "types must be 1 to %u filters", PROTO_FILTERS_MAX);
    r = put_count(c, "after", request->after);
    return r < 0 ? r : put_count(c, "limit", request->limit);
}

TYPED_CALL(event_list, "event.list", struct creditd_event_list_request, struct creditd_list, list)
