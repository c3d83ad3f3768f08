/*
 * The exchanges about customers, subscriptions and refunds, in the channel's words.
 */
#include "json_words.h"
#include "upstream_words.h"
#include <core/link.h>
#include <criterion/criterion.h>
#include <proto/message.h>

static struct upstream_scratch scratch;

static enum exchange_outcome read_answer(enum exchange_kind kind, int intent_kind, const char *text,
                                         struct json_words *words, struct exchange_answer *answer)
{
    json_words_init(words, text);
    upstream_read_answer(kind, intent_kind, &words->object, &scratch, answer);
    return answer->outcome;
}

Test(upstream_objects, what_cannot_be_read_proves_nothing)
{
    static const struct {
        enum exchange_kind kind;
        int intent;
        const char *text;
        enum exchange_outcome outcome;
        size_t count;
    } cases[] = {
        {EXCHANGE_CUSTOMER, 0, "{\"outcome\": \"ok\", \"customer\": {\"id\": \"cus_1\"}}",
         EXCHANGE_OK, 1},
        {EXCHANGE_CUSTOMER, 0, "{\"outcome\": \"ok\", \"customer\": {}}", EXCHANGE_FAILED, 0},
        {EXCHANGE_CUSTOMER, 0, "{\"outcome\": \"ok\", \"customer\": {\"id\": \"..\"}}",
         EXCHANGE_FAILED, 0},
        {EXCHANGE_CUSTOMER, 0, "{\"outcome\": \"ok\"}", EXCHANGE_FAILED, 0},
        {EXCHANGE_CUSTOMER, 0, "{\"outcome\": \"not_found\"}", EXCHANGE_NOT_FOUND, 0},
        {EXCHANGE_CREATE, CORE_INTENT_CUSTOMER,
         "{\"outcome\": \"ok\", \"customer\": {\"id\": \"cus_1\"}}", EXCHANGE_OK, 1},
        {EXCHANGE_CREATE, CORE_INTENT_SUBSCRIPTION,
         "{\"outcome\": \"ok\", \"subscription\": {\"id\": \"sub_1\"}}", EXCHANGE_OK, 1},
        {EXCHANGE_CREATE, CORE_INTENT_REFUND,
         "{\"outcome\": \"ok\", \"refund\": {\"id\": \"rf_1\"}}", EXCHANGE_OK, 1},
        {EXCHANGE_CREATE, CORE_INTENT_REFUND,
         "{\"outcome\": \"ok\", \"customer\": {\"id\": \"rf_1\"}}", EXCHANGE_FAILED, 0},
        {EXCHANGE_CUSTOMERS, 0,
         "{\"outcome\": \"ok\", \"customers\": {\"rows\": [], \"has_more\": false, \"next\": "
         "null}}",
         EXCHANGE_OK, 0},
        {EXCHANGE_CUSTOMERS, 0, "{\"outcome\": \"ok\", \"customers\": {\"rows\": []}}",
         EXCHANGE_FAILED, 0},
        {EXCHANGE_CUSTOMERS, 0,
         "{\"outcome\": \"ok\", \"customers\": {\"rows\": [], \"has_more\": true, \"next\": null}}",
         EXCHANGE_FAILED, 0},
        {EXCHANGE_CUSTOMERS, 0,
         "{\"outcome\": \"ok\", \"customers\": {\"rows\": [7], \"has_more\": false}}",
         EXCHANGE_FAILED, 0},
        {EXCHANGE_SUBSCRIPTIONS, 0,
         "{\"outcome\": \"ok\", \"subscriptions\": {\"rows\": [{\"id\": \"a\"}, {\"id\": \"b\"}], "
         "\"has_more\": true, \"next\": \"b\"}}",
         EXCHANGE_OK, 2},
        {EXCHANGE_ERRAND, 0, "{\"outcome\": \"ok\"}", EXCHANGE_OK, 0},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct exchange_answer answer;
        struct json_words words;

        cr_assert_eq(read_answer(cases[i].kind, cases[i].intent, cases[i].text, &words, &answer),
                     cases[i].outcome, "case %zu", i);
        if (cases[i].outcome == EXCHANGE_OK)
            cr_assert_eq(answer.objects.count, cases[i].count, "case %zu", i);
        json_words_deinit(&words);
    }
}

Test(upstream_objects, each_row_has_its_own_body)
{
    struct exchange_answer answer;
    struct json_words words;

    cr_assert_eq(read_answer(EXCHANGE_CUSTOMERS, 0,
                             "{\"outcome\": \"ok\", \"message\": \"m\", \"customers\": {\"rows\": "
                             "[{\"id\": \"cus_1\", \"email\": \"a@b\", \"metadata\": null}, "
                             "{\"id\": \"cus_22\", \"metadata\": {\"creditd_intent\": \"int_9\"}, "
                             "\"more\": [1, 2]}], \"has_more\": true, \"next\": \"cus_33\"}}",
                             &words, &answer),
                 EXCHANGE_OK);
    cr_assert_str_eq(answer.message, "m");
    cr_assert(answer.objects.has_more);
    cr_assert_eq(answer.objects.cursor_length, 6);
    cr_assert_eq(answer.objects.rows[0].email_length, 3);
    cr_assert_eq(answer.objects.rows[0].intent_length, 0);
    cr_assert_eq(answer.objects.rows[1].email_length, 0);
    cr_assert_arr_eq(answer.objects.rows[1].intent, "int_9", 5);
    for (size_t i = 0; i < 2; i++) {
        const struct exchange_object *row = &answer.objects.rows[i];
        msgpack_unpacked unpacked;
        const char *id;
        size_t length;

        msgpack_unpacked_init(&unpacked);
        cr_assert_eq(msgpack_unpack_next(&unpacked, row->body, row->body_length, NULL),
                     MSGPACK_UNPACK_SUCCESS);
        cr_assert_eq(map_get_text(&unpacked.data, "id", &id, &length), 1);
        cr_assert_eq(length, row->id_length);
        cr_assert_eq(unpacked.data.via.map.size, 3);
        msgpack_unpacked_destroy(&unpacked);
    }
    json_words_deinit(&words);
}

/* A create's payload is what was asked for; the intent and its key are added. */
Test(upstream_objects, a_create_says_what_was_asked_for)
{
    static const struct {
        int intent;
        const char *method;
        const char *keys[8];
    } cases[] = {
        {CORE_INTENT_CUSTOMER,
         "upstream.customer_create",
         {"email", "name", "image", "intent_id", "idempotency_key", "timeout", "upstream"}},
        {CORE_INTENT_SUBSCRIPTION,
         "upstream.subscription_create",
         {"customer_id", "intent_id", "idempotency_key", "timeout", "upstream", "a"}},
        {CORE_INTENT_REFUND,
         "upstream.refund_create",
         {"intent_id", "idempotency_key", "timeout", "upstream", "a"}},
    };
    struct {
        struct core_customer_payload head;
        char text[6];
    } person = {{3, 2, 1, 1}, "abcdef"};
    static const char other[] = {1, (char)0xa1, 'a', 5};

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        bool is_person = cases[i].intent == CORE_INTENT_CUSTOMER;
        struct exchange exchange = {
            .kind = EXCHANGE_CREATE,
            .intent_kind = cases[i].intent,
            .customer = "cus_1",
            .customer_length = 5,
            .push_id = "int_1",
            .idempotency_key = "int_1-1",
            .payload = is_person ? (const void *)&person : other,
            .payload_length = is_person ? sizeof(person) : sizeof(other),
        };
        msgpack_sbuffer buffer;
        msgpack_packer packer;
        msgpack_unpacked unpacked;
        uint32_t count = 0;

        msgpack_sbuffer_init(&buffer);
        msgpack_packer_init(&packer, &buffer, msgpack_sbuffer_write);
        cr_assert_str_eq(upstream_method(&exchange), cases[i].method);
        upstream_pack_params(&packer, &exchange, &(struct upstream_common){100, "x", 1});
        msgpack_unpacked_init(&unpacked);
        cr_assert_eq(msgpack_unpack_next(&unpacked, buffer.data, buffer.size, NULL),
                     MSGPACK_UNPACK_SUCCESS);
        for (; count < 8 && cases[i].keys[count] != NULL; count++)
            cr_assert_not_null(map_find(&unpacked.data, cases[i].keys[count]), "%s: %s",
                               cases[i].method, cases[i].keys[count]);
        cr_assert_eq(unpacked.data.via.map.size, count);
        if (is_person)
            cr_assert_arr_eq(map_find(&unpacked.data, "name")->via.str.ptr, "de", 2);
        msgpack_unpacked_destroy(&unpacked);
        msgpack_sbuffer_destroy(&buffer);
    }
}
