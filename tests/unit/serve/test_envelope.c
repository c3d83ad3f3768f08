/*
 * Envelopes: each type's object, made of records as the engine writes them.
 */
#include "envelope.h"
#include <core/rows.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <jansson.h>
#include <proto/events.h>
#include <stdlib.h>
#include <string.h>

#define IMAGES_MAX 4
#define INSTANCE 0xabcdef

/* A record in the making. */
struct made {
    struct record_header header;
    struct record_image images[IMAGES_MAX];
    size_t count;
    const void *detail;
    size_t detail_length;
    uint64_t buffer[1024];
    struct record record;
};

static void made_init(struct made *made, enum record_type type)
{
    memset(made, 0, sizeof(*made));
    made->header = (struct record_header){.sequence = 70, .time = 5000, .type = (uint16_t)type};
}

static void add(struct made *made, enum record_table table, const char *key, const void *value,
                size_t length)
{
    made->images[made->count++] =
        (struct record_image){table, key, (uint16_t)strlen(key), value, (uint32_t)length};
}

static void finish(struct made *made)
{
    cr_assert_leq(record_size(made->images, made->count, made->detail_length),
                  sizeof(made->buffer));
    record_encode((uint8_t *)made->buffer, &made->header, made->images, made->count, made->detail,
                  made->detail_length);
    cr_assert_eq(record_decode((uint8_t *)made->buffer, sizeof(made->buffer), &made->record), 0);
}

static struct core_event event_of(enum core_event_type type)
{
    return (struct core_event){.number = 12,
                               .sequence = 70,
                               .epoch = 3,
                               .type = type,
                               .created = 1790000000123,
                               .value = 50,
                               .livemode = true,
                               .customer = {"cus_1", 5},
                               .product = {"prod_1", 6}};
}

static json_t *to_json(const msgpack_object *object)
{
    json_t *value;

    switch (object->type) {
    case MSGPACK_OBJECT_NIL:
        return json_null();
    case MSGPACK_OBJECT_BOOLEAN:
        return json_boolean(object->via.boolean);
    case MSGPACK_OBJECT_STR:
        return json_stringn(object->via.str.ptr, object->via.str.size);
    case MSGPACK_OBJECT_MAP:
        value = json_object();
        for (uint32_t i = 0; i < object->via.map.size; i++) {
            const msgpack_object_kv *entry = &object->via.map.ptr[i];
            char key[64] = "";

            cr_assert_lt(entry->key.via.str.size, sizeof(key));
            memcpy(key, entry->key.via.str.ptr, entry->key.via.str.size);
            json_object_set_new(value, key, to_json(&entry->val));
        }
        return value;
    default:
        return json_integer(object->via.i64);
    }
}

/* Exactly one value, as JSON. */
static json_t *unpack(const msgpack_sbuffer *bytes)
{
    msgpack_unpacked unpacked;
    size_t offset = 0;
    json_t *value;

    msgpack_unpacked_init(&unpacked);
    cr_assert_eq(msgpack_unpack_next(&unpacked, bytes->data, bytes->size, &offset),
                 MSGPACK_UNPACK_SUCCESS);
    cr_assert_eq(offset, bytes->size);
    value = to_json(&unpacked.data);
    msgpack_unpacked_destroy(&unpacked);
    return value;
}

static void check(const struct core_event *event, struct made *made, const char *data)
{
    msgpack_sbuffer envelope;
    json_t *told, *wanted = json_loads(data, 0, NULL);

    cr_assert_not_null(wanted, "%s", data);
    msgpack_sbuffer_init(&envelope);
    finish(made);
    cr_assert_eq(envelope_pack(event, &made->record, INSTANCE, &envelope), 0, "%s", data);
    told = unpack(&envelope);
    cr_assert(json_equal(json_object_get(told, "data"), wanted), "%s\nand not\n%s",
              json_dumps(json_object_get(told, "data"), 0), data);
    cr_assert_str_eq(json_string_value(json_object_get(told, "type")),
                     proto_event_type(event->type));
    json_decref(told);
    json_decref(wanted);
    msgpack_sbuffer_destroy(&envelope);
}

Test(envelope, the_head_is_that_of_the_row)
{
    struct core_event event = event_of(CORE_EVENT_CREDITS_LOW);
    struct core_row row = {.upstream = 1};
    msgpack_sbuffer envelope;
    struct made made;
    json_t *told;

    msgpack_sbuffer_init(&envelope);
    made_init(&made, RECORD_CONSUME);
    add(&made, TABLE_BALANCE, "bal1", &row, sizeof(row));
    finish(&made);
    cr_assert_eq(envelope_pack(&event, &made.record, INSTANCE, &envelope), 0);
    told = unpack(&envelope);
    cr_assert_eq(json_object_size(told), 6);
    cr_assert_str_eq(json_string_value(json_object_get(told, "id")), "evt_3_12");
    cr_assert_eq(json_integer_value(json_object_get(told, "created")), 1790000000123);
    cr_assert(json_is_true(json_object_get(told, "livemode")));
    cr_assert_eq(json_integer_value(json_object_get(told, "sequence")), 12);
    json_decref(told);
    msgpack_sbuffer_destroy(&envelope);
}

Test(envelope, credits_tell_the_balance_after_the_change)
{
    static const struct {
        enum core_event_type type;
        struct core_row row;
        const char *numbers; /* balance, upstream, pending, held, threshold */
    } cases[] = {
        {CORE_EVENT_CREDITS_LOW,
         {.upstream = 100, .deducted = 70, .pushed = 20, .held = 10},
         "\"balance\": 40, \"upstream\": 100, \"pending\": 50, \"held\": 10, \"threshold\": 50"},
        {CORE_EVENT_CREDITS_RECOVERED,
         {.upstream = 51},
         "\"balance\": 51, \"upstream\": 51, \"pending\": 0, \"held\": 0, \"threshold\": 50"},
        {CORE_EVENT_CREDITS_EXHAUSTED,
         {.upstream = 9, .deducted = 9},
         "\"balance\": 0, \"upstream\": 9, \"pending\": 9, \"held\": 0, \"threshold\": null"},
        {CORE_EVENT_CREDITS_OVERDRAWN,
         {.upstream = 2, .deducted = 9},
         "\"balance\": -7, \"upstream\": 2, \"pending\": 9, \"held\": 0, \"threshold\": null"},
        {CORE_EVENT_CREDITS_EXHAUSTED,
         {.upstream = 9, .flags = CORE_ROW_REVOKED},
         "\"balance\": 0, \"upstream\": 9, \"pending\": 0, \"held\": 0, \"threshold\": null"},
        {CORE_EVENT_CREDITS_OVERDRAWN,
         {.upstream = 2, .deducted = 9, .flags = CORE_ROW_REVOKED},
         "\"balance\": -7, \"upstream\": 2, \"pending\": 9, \"held\": 0, \"threshold\": null"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct core_event event = event_of(cases[i].type);
        struct made made;
        char data[512];

        made_init(&made, RECORD_CONSUME);
        add(&made, TABLE_KEY, "key", "x", 1);
        add(&made, TABLE_BALANCE, "bal1", &cases[i].row, sizeof(cases[i].row));
        snprintf(data, sizeof(data),
                 "{\"object\": {\"object\": \"credit_balance\", \"customer_id\": \"cus_1\", "
                 "\"product_id\": \"prod_1\", %s}, \"previous_attributes\": null}",
                 cases[i].numbers);
        check(&event, &made, data);
    }
}

Test(envelope, a_parked_push_says_which_and_why)
{
    struct core_event event = event_of(CORE_EVENT_PUSH_PARKED);
    struct core_push push = {.sequence = 61,
                             .epoch = 2,
                             .credits = 30,
                             .kind = CORE_PUSH_REFUND,
                             .state = CORE_PUSH_PARKED,
                             .reason = CORE_PARK_REFUSED};
    struct core_row row = {.upstream = 1};
    struct made made;

    made_init(&made, RECORD_PUSH_PARKED);
    add(&made, TABLE_BALANCE, "bal1", &row, sizeof(row));
    add(&made, TABLE_PUSH, "pushpush", &push, sizeof(push));
    check(&event, &made,
          "{\"object\": {\"object\": \"push\", \"id\": \"psh_00abcdef_2_61\", \"customer_id\": "
          "\"cus_1\", \"product_id\": \"prod_1\", \"type\": \"refund\", \"credits\": 30, "
          "\"state\": \"parked\", \"reason\": \"StellarTools refused it; it did not run\"}, "
          "\"previous_attributes\": null}");
}

Test(envelope, a_parked_product_has_no_push)
{
    struct core_event event = event_of(CORE_EVENT_PUSH_PARKED);
    struct core_product product = {.units_per_credit = 10, .parked = 1, .suggested = 25};
    struct made made;

    event.customer.length = 0;
    made_init(&made, RECORD_PRODUCT);
    add(&made, TABLE_PRODUCT, "prod_1", &product, sizeof(product));
    check(&event, &made,
          "{\"object\": {\"object\": \"push\", \"id\": null, \"customer_id\": null, "
          "\"product_id\": \"prod_1\", \"type\": null, \"credits\": null, \"state\": \"parked\", "
          "\"reason\": \"StellarTools counts this product's units otherwise than we do; its "
          "answer suggests 25 units per credit\"}, \"previous_attributes\": null}");
}

/* Its row is gone with the record: the detail has it as it was. */
Test(envelope, an_operators_push_is_told_as_it_was)
{
    struct core_event event = event_of(CORE_EVENT_PUSH_RESUMED);
    struct {
        struct record_push push;
        char reason[7];
    } detail = {.push = {.push = {.sequence = 61, .epoch = 2, .credits = 30}}, .reason = "by hand"};
    static const struct {
        enum record_type type;
        size_t length;
        const char *state, *reason;
    } cases[] = {
        {RECORD_PUSH_RESOLVED, sizeof(detail.push), "retried", "null"},
        {RECORD_WRITE_OFF, sizeof(detail.push), "dropped", "null"},
        {RECORD_WRITE_OFF, sizeof(detail.push) + 7, "dropped", "\"by hand\""},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct made made;
        char data[512];

        made_init(&made, cases[i].type);
        add(&made, TABLE_PUSH, "pushpush", NULL, 0);
        made.detail = &detail;
        made.detail_length = cases[i].length;
        snprintf(data, sizeof(data),
                 "{\"object\": {\"object\": \"push\", \"id\": \"psh_00abcdef_2_61\", "
                 "\"customer_id\": \"cus_1\", \"product_id\": \"prod_1\", \"type\": \"deduct\", "
                 "\"credits\": 30, \"state\": \"%s\", \"reason\": %s}, \"previous_attributes\": "
                 "null}",
                 cases[i].state, cases[i].reason);
        check(&event, &made, data);
    }
}

Test(envelope, a_link_says_whose_it_is_and_was)
{
    struct core_event event = event_of(CORE_EVENT_CUSTOMER_LINKED);
    struct made made;

    made_init(&made, RECORD_LINK);
    add(&made, TABLE_LINK, "u_1", "cus_1", 5);
    add(&made, TABLE_OWNER, "cus_1", "u_1", 3);
    check(&event, &made,
          "{\"object\": {\"object\": \"customer_link\", \"user_id\": \"u_1\", \"customer_id\": "
          "\"cus_1\"}, \"previous_attributes\": null}");

    made_init(&made, RECORD_LINK);
    add(&made, TABLE_OWNER, "cus_old", NULL, 0);
    add(&made, TABLE_LINK, "u_1", "cus_1", 5);
    add(&made, TABLE_OWNER, "cus_1", "u_1", 3);
    check(&event, &made,
          "{\"object\": {\"object\": \"customer_link\", \"user_id\": \"u_1\", \"customer_id\": "
          "\"cus_1\"}, \"previous_attributes\": {\"customer_id\": \"cus_old\"}}");

    made_init(&made, RECORD_LINK);
    add(&made, TABLE_LINK, "u_1", NULL, 0);
    add(&made, TABLE_OWNER, "cus_1", NULL, 0);
    event.type = CORE_EVENT_CUSTOMER_UNLINKED;
    check(&event, &made,
          "{\"object\": {\"object\": \"customer_link\", \"user_id\": \"u_1\", \"customer_id\": "
          "\"cus_1\"}, \"previous_attributes\": null}");
}

Test(envelope, a_created_customer_is_the_object_that_came_with_it)
{
    struct core_event event = event_of(CORE_EVENT_CUSTOMER_CREATED);
    struct {
        int64_t synced_at;
        uint8_t body[10];
    } image = {7, {0x81, 0xa2, 'i', 'd', 0xa5, 'c', 'u', 's', '_', '1'}};
    struct made made;

    made_init(&made, RECORD_LINK);
    add(&made, TABLE_LINK, "u_1", "cus_1", 5);
    add(&made, TABLE_CUSTOMER, "cus_1", &image, sizeof(image.synced_at) + sizeof(image.body));
    check(&event, &made, "{\"object\": {\"id\": \"cus_1\"}, \"previous_attributes\": null}");

    made_init(&made, RECORD_LINK); /* it was too large to be kept */
    check(&event, &made,
          "{\"object\": {\"object\": \"customer\", \"id\": \"cus_1\"}, \"previous_attributes\": "
          "null}");
}

Test(envelope, data_stand_as_they_came)
{
    static const uint8_t detail[] = {9,   9,   0x82, 0xa6, 'o', 'b', 'j', 'e', 'c', 't', 0x81, 0xa1,
                                     'a', 1,   0xb3, 'p',  'r', 'e', 'v', 'i', 'o', 'u', 's',  '_',
                                     'a', 't', 't',  'r',  'i', 'b', 'u', 't', 'e', 's', 0xc0, 9};
    struct core_event event = event_of(CORE_EVENT_SUBSCRIPTION_UPDATED);
    msgpack_sbuffer envelope;
    struct made made;

    event.data_offset = 2;
    event.data_length = sizeof(detail) - 3;
    made_init(&made, RECORD_OBJECT);
    made.detail = detail;
    made.detail_length = sizeof(detail);
    check(&event, &made, "{\"object\": {\"a\": 1}, \"previous_attributes\": null}");

    msgpack_sbuffer_init(&envelope);
    event.data_length = sizeof(detail); /* more than there is */
    cr_assert_eq(envelope_pack(&event, &made.record, INSTANCE, &envelope), -EBADMSG);
    event.data_offset = UINT32_MAX;
    cr_assert_eq(envelope_pack(&event, &made.record, INSTANCE, &envelope), -EBADMSG);
    cr_assert_eq(envelope.size, 0);
    msgpack_sbuffer_destroy(&envelope);
}

/* What was read at the place is not what the row says, or lacks what the type needs. */
Test(envelope, a_record_that_does_not_fit_is_refused_and_told_bare)
{
    static const enum core_event_type types[] = {
        CORE_EVENT_CREDITS_LOW,       CORE_EVENT_PUSH_PARKED,     CORE_EVENT_PUSH_RESUMED,
        CORE_EVENT_CUSTOMER_UNLINKED, CORE_EVENT_CUSTOMER_LINKED, CORE_EVENT_REFUND_CREATED,
    };
    msgpack_sbuffer envelope;
    struct made made;

    msgpack_sbuffer_init(&envelope);
    made_init(&made, RECORD_WRITE_OFF);
    add(&made, TABLE_BALANCE, "bal1", "short", 5);
    finish(&made);
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        struct core_event event = event_of(types[i]);
        json_t *told;

        msgpack_sbuffer_clear(&envelope);
        cr_assert_eq(envelope_pack(&event, &made.record, INSTANCE, &envelope), -EBADMSG, "case %zu",
                     i);
        cr_assert_eq(envelope.size, 0);
        cr_assert_eq(envelope_pack_bare(&event, &envelope), 0);
        told = unpack(&envelope);
        cr_assert(json_is_null(json_object_get(json_object_get(told, "data"), "object")));
        cr_assert_str_eq(json_string_value(json_object_get(told, "id")), "evt_3_12");
        json_decref(told);
    }
    msgpack_sbuffer_destroy(&envelope);
}

Test(envelope, a_record_of_another_sequence_is_refused)
{
    struct core_event event = event_of(CORE_EVENT_CREDITS_LOW);
    struct core_row row = {.upstream = 1};
    msgpack_sbuffer envelope;
    struct made made;

    msgpack_sbuffer_init(&envelope);
    made_init(&made, RECORD_CONSUME);
    made.header.sequence = 71;
    add(&made, TABLE_BALANCE, "bal1", &row, sizeof(row));
    finish(&made);
    cr_assert_eq(envelope_pack(&event, &made.record, INSTANCE, &envelope), -EBADMSG);
    msgpack_sbuffer_destroy(&envelope);
}
