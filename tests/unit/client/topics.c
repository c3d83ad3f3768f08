/* The methods of all topics, over a real socket: results, arguments, and what a lost
 * connection does to each. */
#include "server.h"
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static struct server server;
static struct creditd *c;
static const struct creditd_who user = {.user_id = "u"};

static void setup(void)
{
    server_start(&server, 100);
    cr_assert_eq(creditd_open(&c, server.path, 0), 0);
}

static void teardown(void)
{
    c = creditd_close(c);
    server_stop(&server);
}

TestSuite(topics, .init = setup, .fini = teardown);

static const struct creditd_value *get(const struct creditd_object *object, const char *key)
{
    return creditd_value_get(object->value, key);
}

Test(topics, a_reservation_is_made_extended_settled_and_released)
{
    struct creditd_reserve_request reserve = {
        .who = user, .product_id = "p", .raw_amount = 40, .ttl = 60000};
    struct creditd_extend_request extend = {.who = user, .ttl = 90000};
    struct creditd_settle_request settle = {.who = user, .raw_amount = 53};
    struct creditd_release_request release = {.who = user, .reservation_id = "rsv_1_1"};
    struct creditd_reservation reservation;
    struct creditd_settle_result settled;
    struct creditd_release_result released;

    cr_assert_eq(creditd_reserve(c, &reserve, &reservation), 0);
    cr_assert_str_eq(reservation.reservation_id, "rsv_1_1");
    cr_assert_eq(reservation.credits_held, 40);
    cr_assert_eq(reservation.held, 1040);
    cr_assert_eq(reservation.balance, 98960);
    cr_assert_eq(reservation.expires_at, 1700000060000);
    cr_assert(reservation.stale);
    cr_assert_not(reservation.replayed);
    cr_assert_not_null(creditd_reply_stamp(creditd_last(c)));
    extend.reservation_id = settle.reservation_id = reservation.reservation_id;
    cr_assert_eq(creditd_extend(c, &extend, &reservation), 0);
    cr_assert_eq(reservation.expires_at, 1700000090000);
    cr_assert_null(creditd_reply_stamp(creditd_last(c)));
    cr_assert_eq(creditd_settle(c, &settle, &settled), 0);
    cr_assert_str_eq(settled.transaction_id, "tx_1_2");
    cr_assert_eq(settled.credits_deducted, 50);
    cr_assert_eq(settled.shortfall, 3);
    cr_assert_eq(settled.billed_units, 53);
    cr_assert_eq(settled.pending, 25);
    cr_assert_eq(creditd_release(c, &release, &released), 0);
    cr_assert(released.released);
    cr_assert_eq(released.held, 1000);
}

Test(topics, credits_are_given_back_and_granted)
{
    struct creditd_credit_refund_request refund = {
        .who = user, .product_id = "p", .transaction_id = "tx_1_1", .reason = "broken"};
    struct creditd_grant_request grant = {.who = user, .product_id = "p", .raw_amount = 1200};
    struct creditd_credit_refund_result refunded;
    struct creditd_grant_result granted;

    cr_assert_eq(creditd_credit_refund(c, &refund, &refunded), 0);
    cr_assert_str_eq(refunded.transaction_id, "rf_1_3");
    cr_assert_eq(refunded.credits_refunded, 1200);
    cr_assert_eq(refunded.pending_confirmation, 200);
    cr_assert_eq(refunded.balance, 101200);
    cr_assert_not(server.last.present & PROTO_BIT(RAW_AMOUNT));
    cr_assert_eq(creditd_grant(c, &grant, &granted), 0);
    cr_assert_str_eq(granted.grant_id, "gr_1_4");
    cr_assert_eq(granted.credits_granted, 1200);
    cr_assert(server.last.present & PROTO_BIT(STAMP));
}

Test(topics, objects_are_whole_and_outlive_the_connection)
{
    struct creditd_customer_retrieve_request retrieve = {.who = user, .fresh = true};
    struct creditd_object customer;
    char text[8];

    cr_assert_eq(creditd_customer_retrieve(c, &retrieve, &customer), 0);
    cr_assert(server.last.values[PROTO_PARAMETER_FRESH].boolean);
    c = creditd_close(c);
    cr_assert_str_eq(customer.id, "cus_1");
    cr_assert_eq(customer.synced_at, 1700000000000);
    cr_assert(customer.stale);
    cr_assert(creditd_value_is_text(get(&customer, "email"), "ada@example.com"));
    cr_assert_not(creditd_value_is_text(get(&customer, "email"), "ada@example.co"));
    cr_assert_not(creditd_value_is_text(get(&customer, "phone"), ""));
    cr_assert(creditd_value_is_text(creditd_value_get(get(&customer, "metadata"), "plan"), "gold"));
    cr_assert(creditd_value_is_text(
        creditd_value_get(creditd_value_at(get(&customer, "wallets"), 0), "address"), "GABC"));
    cr_assert(creditd_value_copy_text(get(&customer, "email"), text, sizeof text));
    cr_assert_str_eq(text, "ada@exa");
    cr_assert_not(creditd_value_copy_text(get(&customer, "phone"), text, sizeof text));
    cr_assert_str_eq(text, "");
    creditd_object_clear(&customer);
    cr_assert_null(customer.value);
    creditd_object_clear(&customer);
    creditd_object_clear(NULL);
}

Test(topics, customers_and_users)
{
    struct creditd_map *metadata = creditd_map_new();
    struct creditd_customer_create_request create = {.who = user, .email = "e", .name = "n"};
    struct creditd_customer_update_request update = {
        .who = user, .phone = "1", .image = "i", .metadata = metadata};
    struct creditd_customer_link_request link = {.user_id = "u", .customer_id = "cus_2"};
    struct creditd_customer_unlink_request unlink = {.user_id = "u"};
    struct creditd_user_created_request created = {.user_id = "u", .email = "e"};
    struct creditd_object object;

    creditd_map_text(metadata, "plan", "gold");
    cr_assert_eq(creditd_customer_create(c, &create, &object), 0);
    cr_assert(creditd_value_is_text(get(&object, "email"), "e"));
    creditd_object_clear(&object);
    cr_assert_eq(creditd_customer_update(c, &update, &object), 0);
    cr_assert_eq(server.last.present,
                 PROTO_BIT(USER_ID) | PROTO_BIT(PHONE) | PROTO_BIT(IMAGE) | PROTO_BIT(METADATA));
    creditd_object_clear(&object);
    cr_assert_eq(creditd_customer_link(c, &link, &object), 0);
    cr_assert(creditd_value_is_text(get(&object, "customer_id"), "cus_2"));
    cr_assert_str_eq(object.id, "");
    cr_assert_eq(object.synced_at, -1);
    cr_assert_not(object.stale);
    creditd_object_clear(&object);
    cr_assert_eq(creditd_customer_unlink(c, &unlink, &object), 0);
    creditd_object_clear(&object);
    cr_assert_eq(creditd_user_created(c, &created, &object), 0);
    creditd_object_clear(&object);
    cr_assert_eq(server.asked[PROTO_METHOD_USER_CREATED], 1);
    creditd_map_free(metadata);
}

Test(topics, subscriptions)
{
    struct creditd_subscription_create_request create = {
        .who = user, .product_id = "p", .cancel_at_period_end = CREDITD_NO, .trial_days = 7};
    struct creditd_subscription_update_request update = {
        .who = user, .subscription_id = "sub_1", .cancel_at_period_end = CREDITD_YES};
    struct creditd_subscription_request one = {.who = user, .subscription_id = "sub_1"};
    struct creditd_subscription_list_request list = {.who = user};
    struct creditd_object object;
    struct creditd_list all;

    cr_assert_eq(creditd_subscription_create(c, &create, &object), 0);
    cr_assert(server.last.present & PROTO_BIT(CANCEL_AT_PERIOD_END));
    cr_assert_not(server.last.values[PROTO_PARAMETER_CANCEL_AT_PERIOD_END].boolean);
    cr_assert_eq(server.last.values[PROTO_PARAMETER_TRIAL_DAYS].number, 7);
    creditd_object_clear(&object);
    cr_assert_eq(creditd_subscription_update(c, &update, &object), 0);
    cr_assert(server.last.values[PROTO_PARAMETER_CANCEL_AT_PERIOD_END].boolean);
    creditd_object_clear(&object);
    cr_assert_eq(creditd_subscription_pause(c, &one, &object), 0);
    cr_assert(creditd_value_is_text(get(&object, "status"), "paused"));
    creditd_object_clear(&object);
    cr_assert_eq(creditd_subscription_resume(c, &one, &object), 0);
    creditd_object_clear(&object);
    cr_assert_eq(creditd_subscription_cancel(c, &one, &object), 0);
    creditd_object_clear(&object);
    cr_assert_eq(creditd_subscription_retrieve(c, &one, &object), 0);
    cr_assert_str_eq(object.id, "sub_1");
    creditd_object_clear(&object);
    for (int m = PROTO_METHOD_SUBSCRIPTION_CREATE; m <= PROTO_METHOD_SUBSCRIPTION_RESUME; m++)
        cr_assert_eq(server.asked[m], m != PROTO_METHOD_SUBSCRIPTION_LIST);
    cr_assert_eq(creditd_subscription_list(c, &list, &all), 0);
    c = creditd_close(c);
    cr_assert_eq(all.count, 2);
    cr_assert(all.stale);
    cr_assert_not(all.has_more);
    cr_assert(
        creditd_value_is_text(creditd_value_get(creditd_value_at(all.data, 1), "id"), "sub_2"));
    creditd_list_clear(&all);
    creditd_list_clear(&all);
    creditd_list_clear(NULL);
}

Test(topics, refunds_and_access)
{
    struct creditd_refund_create_request refund = {.who = user, .payment_id = "pay_1"};
    struct creditd_access_check_request access = {.who = user, .product_id = "p"};
    struct creditd_access_result result;
    struct creditd_object refunded;

    cr_assert_eq(creditd_refund_create(c, &refund, &refunded), 0);
    cr_assert_str_eq(refunded.id, "rf_1");
    cr_assert(creditd_value_is_text(get(&refunded, "payment_id"), "pay_1"));
    creditd_object_clear(&refunded);
    cr_assert_eq(creditd_access_check(c, &access, &result), 0);
    cr_assert(result.has_access);
    cr_assert(result.stale);
    cr_assert_str_eq(result.grant.type, "subscription");
    cr_assert_str_eq(result.grant.subscription_id, "sub_1");
    cr_assert_str_eq(result.grant.payment_id, "");
    access.product_id = "nobody";
    cr_assert_eq(creditd_access_check(c, &access, &result), 0);
    cr_assert_not(result.has_access);
    cr_assert_str_eq(result.grant.type, "");
}

Test(topics, a_session_of_16_KiB_is_sent_whole_and_a_longer_one_not)
{
    static char session[CREDITD_SESSION_MAX + 2];
    struct creditd_access_check_request access = {.who = {.session = session}, .product_id = "p"};
    struct creditd_access_result result;

    memset(session, 's', CREDITD_SESSION_MAX + 1);
    cr_assert_eq(creditd_access_check(c, &access, &result), -EINVAL);
    cr_assert_not_null(strstr(creditd_reply_message(creditd_last(c)), "session must be"));
    cr_assert_eq(creditd_fd(c), -1, "it was sent");
    session[CREDITD_SESSION_MAX] = '\0';
    cr_assert_eq(creditd_access_check(c, &access, &result), 0);
    cr_assert_eq(server.last.values[PROTO_PARAMETER_SESSION].length, CREDITD_SESSION_MAX);
}

/* ---- One line for each method ---- */

/* Each calls its method with the request that a test has put there; objects are cleared. */
#define CALL(name, request_type, result_type, ...)                                                 \
    static int call_##name(const char *id)                                                         \
    {                                                                                              \
        struct request_type request = {__VA_ARGS__};                                               \
        struct result_type result;                                                                 \
                                                                                                   \
        (void)id;                                                                                  \
        return creditd_##name(c, &request, &result);                                               \
    }
#define CALL_OBJECT(name, request_type, ...)                                                       \
    static int call_##name(const char *id)                                                         \
    {                                                                                              \
        struct request_type request = {__VA_ARGS__};                                               \
        struct creditd_object object = {0};                                                        \
        int r;                                                                                     \
                                                                                                   \
        (void)id;                                                                                  \
        r = creditd_##name(c, &request, &object);                                                  \
        creditd_object_clear(&object);                                                             \
        return r;                                                                                  \
    }

CALL(reserve, creditd_reserve_request, creditd_reservation, .who = user, .product_id = id,
     .raw_amount = 1)
CALL(extend, creditd_extend_request, creditd_reservation, .who = user, .reservation_id = id)
CALL(settle, creditd_settle_request, creditd_settle_result, .who = user, .reservation_id = id,
     .raw_amount = 1)
CALL(release, creditd_release_request, creditd_release_result, .who = user, .reservation_id = id)
CALL(credit_refund, creditd_credit_refund_request, creditd_credit_refund_result, .who = user,
     .product_id = "p", .transaction_id = id)
CALL(grant, creditd_grant_request, creditd_grant_result, .who = user, .product_id = id,
     .raw_amount = 1)
CALL(access_check, creditd_access_check_request, creditd_access_result, .who = user,
     .product_id = id)
CALL_OBJECT(customer_create, creditd_customer_create_request, .who = {.user_id = id})
CALL_OBJECT(customer_update, creditd_customer_update_request, .who = {.user_id = id}, .name = "n")
CALL_OBJECT(customer_link, creditd_customer_link_request, .user_id = "u", .customer_id = id)
CALL_OBJECT(customer_unlink, creditd_customer_unlink_request, .user_id = id)
CALL_OBJECT(user_created, creditd_user_created_request, .user_id = id, .email = "e")
CALL_OBJECT(subscription_create, creditd_subscription_create_request, .who = user, .product_id = id)
CALL_OBJECT(subscription_update, creditd_subscription_update_request, .who = user,
            .subscription_id = id)
CALL_OBJECT(subscription_cancel, creditd_subscription_request, .who = user, .subscription_id = id)
CALL_OBJECT(subscription_pause, creditd_subscription_request, .who = user, .subscription_id = id)
CALL_OBJECT(subscription_resume, creditd_subscription_request, .who = user, .subscription_id = id)
CALL_OBJECT(refund_create, creditd_refund_create_request, .who = user, .payment_id = id)

static int call_subscription_create_with_key(const char *id)
{
    struct creditd_subscription_create_request request = {
        .who = user, .product_id = id, .idempotency_key = "order-1"};
    struct creditd_object object = {0};
    int r = creditd_subscription_create(c, &request, &object);

    creditd_object_clear(&object);
    return r;
}

static int call_refund_create_with_key(const char *id)
{
    struct creditd_refund_create_request request = {
        .who = user, .payment_id = id, .idempotency_key = "order-1"};
    struct creditd_object object = {0};
    int r = creditd_refund_create(c, &request, &object);

    creditd_object_clear(&object);
    return r;
}

static const struct method {
    enum proto_method method;
    int (*call)(const char *id);
    bool is_repeated; /* after a lost connection */
} methods[] = {
    {PROTO_METHOD_CREDITS_RESERVE, call_reserve, true},
    {PROTO_METHOD_CREDITS_EXTEND, call_extend, true},
    {PROTO_METHOD_CREDITS_SETTLE, call_settle, true},
    {PROTO_METHOD_CREDITS_RELEASE, call_release, true},
    {PROTO_METHOD_CREDITS_REFUND, call_credit_refund, true},
    {PROTO_METHOD_CREDITS_GRANT, call_grant, true},
    {PROTO_METHOD_CUSTOMER_CREATE, call_customer_create, false},
    {PROTO_METHOD_CUSTOMER_UPDATE, call_customer_update, false},
    {PROTO_METHOD_CUSTOMER_LINK, call_customer_link, false},
    {PROTO_METHOD_CUSTOMER_UNLINK, call_customer_unlink, false},
    {PROTO_METHOD_USER_CREATED, call_user_created, false},
    {PROTO_METHOD_SUBSCRIPTION_CREATE, call_subscription_create, false},
    {PROTO_METHOD_SUBSCRIPTION_CREATE, call_subscription_create_with_key, true},
    {PROTO_METHOD_SUBSCRIPTION_UPDATE, call_subscription_update, false},
    {PROTO_METHOD_SUBSCRIPTION_CANCEL, call_subscription_cancel, false},
    {PROTO_METHOD_SUBSCRIPTION_PAUSE, call_subscription_pause, false},
    {PROTO_METHOD_SUBSCRIPTION_RESUME, call_subscription_resume, false},
    {PROTO_METHOD_REFUND_CREATE, call_refund_create, false},
    {PROTO_METHOD_REFUND_CREATE, call_refund_create_with_key, true},
};

#define METHOD_COUNT (sizeof methods / sizeof methods[0])

Test(topics, a_lost_connection_repeats_what_may_be_repeated_and_nothing_else)
{
    for (size_t i = 0; i < METHOD_COUNT; i++) {
        const struct method *m = &methods[i];
        const char *name = proto_method_spec(m->method)->name;

        server.asked[m->method] = 0;
        server.hang_ups = 1;
        if (m->is_repeated) {
            cr_assert_eq(m->call("id_1"), 0, "%s", name);
            cr_assert_eq(server.asked[m->method], 2, "%s", name);
        } else {
            cr_assert_eq(m->call("id_1"), -ECONNRESET, "%s", name);
            cr_assert(creditd_reply_in_doubt(creditd_last(c)), "%s", name);
            cr_assert_eq(server.asked[m->method], 1, "%s", name);
        }
        cr_assert_eq(server.hang_ups, 0, "%s", name);
    }
}

Test(topics, an_id_that_is_none_is_not_sent)
{
    for (size_t i = 0; i < METHOD_COUNT; i++) {
        cr_assert_eq(methods[i].call("../x"), -EINVAL, "%zu", i);
        cr_assert_eq(methods[i].call(NULL), -EINVAL, "%zu", i);
        cr_assert_eq(server.asked[methods[i].method], 0, "%zu", i);
    }
    cr_assert_eq(call_access_check("../x"), -EINVAL);
    cr_assert_eq(creditd_fd(c), -1);
}

Test(topics, K3_a_reservation_in_doubt_is_made_once)
{
    struct creditd_reserve_request request = {
        .who = user, .product_id = "p", .raw_amount = 40, .timeout = 20};
    struct creditd_reservation reservation;
    struct creditd_stamp stamp;

    server.mute = 1;
    cr_assert_eq(creditd_reserve(c, &request, &reservation), -ETIMEDOUT);
    stamp = *creditd_reply_stamp(creditd_last(c));
    request.stamp = &stamp;
    request.timeout = 0;
    cr_assert_eq(creditd_reserve(c, &request, &reservation), 0);
    cr_assert(reservation.replayed);
    request.idempotency_key = "and-a-key";
    cr_assert_eq(creditd_reserve(c, &request, &reservation), -EINVAL);
    request.stamp = NULL;
    cr_assert_eq(creditd_reserve(c, &request, &reservation), 0);
    cr_assert_not(reservation.replayed);
    cr_assert_null(creditd_reply_stamp(creditd_last(c)));
}

Test(topics, mistakes_are_named)
{
    struct creditd_user_created_request created = {.user_id = "u"};
    struct creditd_subscription_update_request update = {
        .who = user, .subscription_id = "s", .cancel_at_period_end = (enum creditd_choice)7};
    struct creditd_reserve_request reserve = {
        .who = user, .product_id = "p", .raw_amount = 1, .ttl = -1};
    struct creditd_reservation reservation;
    struct creditd_object object;

    cr_assert_eq(creditd_user_created(c, &created, &object), -EINVAL);
    cr_assert_not_null(strstr(creditd_reply_message(creditd_last(c)), "email"));
    cr_assert_eq(creditd_subscription_update(c, &update, &object), -EINVAL);
    cr_assert_not_null(strstr(creditd_reply_message(creditd_last(c)), "cancel_at_period_end"));
    cr_assert_eq(creditd_reserve(c, &reserve, &reservation), -EINVAL);
    cr_assert_not_null(strstr(creditd_reply_message(creditd_last(c)), "ttl"));
    cr_assert_eq(creditd_fd(c), -1);
}

Test(topics, results_of_another_shape_are_refused)
{
    struct creditd_object object = {.value = NULL};
    struct creditd_list list = {.count = 9};

    cr_assert_eq(creditd_call(c, "ping", NULL, NULL), 0);
    cr_assert_eq(creditd_read_list(creditd_last(c), &list), -EPROTO);
    cr_assert_eq(list.count, 9, "written on failure");
    cr_assert_eq(creditd_read_object(creditd_last(c), &object), 0, "any map is an object");
    creditd_object_clear(&object);
    cr_assert_eq(creditd_call(c, "no.such", NULL, NULL), CREDITD_UNKNOWN_METHOD);
    cr_assert_eq(creditd_read_object(creditd_last(c), &object), CREDITD_UNKNOWN_METHOD);
    cr_assert_eq(creditd_read_list(creditd_last(c), &list), CREDITD_UNKNOWN_METHOD);
}
