/*
 * What creditd-http makes of serve's answers, and of none: the test itself plays serve.
 */
#include "http_fixture.h"
#include "json_words.h"
#include <criterion/criterion.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static struct http_fixture fixture;
static struct harness_connection serve;
static int client;

static void setup(void)
{
    http_fixture_start_alone(&fixture);
    serve.fd = -1;
    client = http_connect(&fixture);
}

static void teardown(void)
{
    if (fixture.serve.directory.path[0] == '\0')
        return;
    close(client);
    if (serve.fd >= 0)
        harness_connection_deinit(&serve);
    http_fixture_deinit(&fixture);
}

TestSuite(answers, .init = setup, .fini = teardown, .timeout = 500);

/* The request as serve gets it; its msgid. */
static uint32_t take_request(const char *method)
{
    struct pollfd poller = {.fd = fixture.serve.client_fd, .events = POLLIN};
    struct harness_message message;
    uint32_t msgid;

    if (serve.fd < 0) {
        cr_assert_eq(poll(&poller, 1, HARNESS_TIMEOUT_MS), 1);
        harness_connection_init(&serve, accept(fixture.serve.client_fd, NULL, NULL));
    }
    cr_assert(harness_receive(&serve, &message));
    cr_assert_str_eq(message.method, method);
    msgid = message.msgid;
    harness_message_deinit(&message);
    return msgid;
}

/* [1, msgid, error, result] */
static void answer(uint32_t msgid, json_t *error, json_t *result)
{
    msgpack_sbuffer buffer;
    msgpack_packer packer;

    msgpack_sbuffer_init(&buffer);
    msgpack_packer_init(&packer, &buffer, msgpack_sbuffer_write);
    msgpack_pack_array(&packer, 4);
    msgpack_pack_int(&packer, 1);
    msgpack_pack_uint32(&packer, msgid);
    json_words_pack(&packer, error);
    json_words_pack(&packer, result);
    harness_send_bytes(&serve, buffer.data, buffer.size);
    msgpack_sbuffer_destroy(&buffer);
    json_decref(error);
    json_decref(result);
}

static void ask(const char *target, const char *body)
{
    http_send_request(client, "POST", target, JSON, body);
}

static json_t *error(const char *code, json_t *data)
{
    return json_pack("{s:s, s:s, s:o}", "code", code, "message", "for people", "data", data);
}

Test(answers, when_to_try_again)
{
    struct http_answer got;
    char *header;

    ask("/v1/ping", NULL);
    answer(take_request("ping"), error("busy", json_pack("{s:i}", "retry_after", 1500)),
           json_null());
    http_receive(client, false, &got);
    header = http_answer_header(&got, "Retry-After");
    cr_assert(header != NULL && strcmp(header, "2") == 0, "%s", got.head);
    free(header);
    http_check(&got, 429, "busy");
    ask("/v1/ping", NULL);
    answer(take_request("ping"), error("busy", json_null()), json_null());
    http_receive(client, false, &got);
    header = http_answer_header(&got, "Retry-After");
    cr_assert_null(header);
    http_check(&got, 429, "busy");
}

Test(answers, a_word_that_is_not_known)
{
    struct http_answer got;

    ask("/v1/ping", NULL);
    answer(take_request("ping"), error("of_tomorrow", json_null()), json_null());
    http_receive(client, false, &got);
    http_check(&got, 500, "of_tomorrow");
}

/* Values that JSON has not are shown as what is nearest. */
Test(answers, any_value)
{
    struct http_answer got;

    ask("/v1/ping", NULL);
    answer(take_request("ping"), json_null(), json_string("bin:00ff"));
    http_receive(client, false, &got);
    cr_assert_str_eq(got.body, "\"00ff\"");
    http_answer_deinit(&got);
}

/* A change that is not sent twice, and whose answer is lost. */
Test(answers, what_is_in_doubt_is_told)
{
    struct http_answer got;
    const json_t *data;

    ask("/v1/customer.update", "{\"customer_id\": \"cus_1\", \"name\": \"New\"}");
    take_request("customer.update");
    harness_connection_deinit(&serve);
    serve.fd = -1;
    http_receive(client, false, &got);
    data = json_object_get(json_object_get(got.json, "error"), "data");
    cr_assert(harness_bool(data, "in_doubt"), "%s", got.body);
    cr_assert_eq(got.status, 503);
    http_answer_deinit(&got);
}

/* One that may be sent again is. */
Test(answers, a_lost_connection_is_opened_again)
{
    struct http_answer got;

    ask("/v1/credits.consume",
        "{\"customer_id\": \"cus_1\", \"product_id\": \"prod_1\", \"raw_amount\": 1}");
    take_request("credits.consume");
    harness_connection_deinit(&serve);
    serve.fd = -1;
    answer(take_request("credits.consume"), json_null(), json_pack("{s:i}", "balance", 7));
    http_receive(client, false, &got);
    cr_assert_eq(harness_int(got.json, "balance"), 7);
    http_check(&got, 200, NULL);
}

Test(answers, a_serve_that_does_not_answer)
{
    struct http_answer got;

    http_send_request(client, "GET", "/readyz", NULL, NULL);
    take_request("ping");
    http_receive(client, false, &got);
    http_check(&got, 503, "timeout");
}
