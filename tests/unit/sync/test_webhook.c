/* webhook.verify: what is believed, what it says, and what is refused. */
#include "render.h"
#include "webhook.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <util/macros.h>
#include <web/signature.h>

#define SECRET "whsec_60c5590f72eef292f9545afc28bf63ca"
#define NOW INT64_C(1795443617)

static char secret[] = SECRET;

/* `seconds` later than it was signed. The answer as text; the caller frees it. */
static char *verify(char *own_secret, const char *body, const char *signature, int64_t seconds)
{
    struct settings settings = {.webhook.secret = own_secret};
    json_t *params = json_pack("{s:s, s:s}", "body", body, "signature", signature);
    char *json = json_dumps(params, 0), *text;
    const char *parameter = NULL;
    msgpack_unpacked unpacked;
    msgpack_sbuffer answer;

    msgpack_unpacked_init(&unpacked);
    render_unpack(json, &unpacked);
    msgpack_sbuffer_init(&answer);
    cr_assert_eq(webhook_verify(&unpacked.data, &settings, (NOW + seconds) * 1000 + 999, &answer,
                                &parameter),
                 0, "%s", parameter);
    text = render(&answer);
    msgpack_sbuffer_destroy(&answer);
    msgpack_unpacked_destroy(&unpacked);
    free(json);
    json_decref(params);
    return text;
}

static char *verify_signed(const char *body, int64_t seconds)
{
    char signature[SIGNATURE_TEXT_SIZE];

    cr_assert_eq(signature_make(SECRET, body, strlen(body), NOW, signature), 0);
    return verify(secret, body, signature, seconds);
}

#define HEAD(more) "{\"verdict\"=>\"valid\", \"message\"=>nil, \"id\"=>\"wh_evt_1\", " more "}"
#define MALFORMED(message) "{\"verdict\"=>\"malformed\", \"message\"=>\"" message "\"}"
#define INVALID(message) "{\"verdict\"=>\"invalid\", \"message\"=>\"" message "\"}"
#define BODY(more) "{\"id\":\"wh_evt_1\",\"type\":\"customer.updated\"," more "}"

Test(webhook, bodies)
{
    static const struct {
        const char *body, *answer;
    } table[] = {
        {BODY("\"created\":\"2026-01-05T12:34:56.789Z\",\"livemode\":true,\"data\":{\"object\":"
              "{\"id\":\"cus_1\",\"createdAt\":\"x\",\"n\":1.0},\"previous_attributes\":"
              "{\"name\":null}}"),
         HEAD("\"type\"=>\"customer.updated\", \"created\"=>1767616496789, \"livemode\"=>true, "
              "\"object\"=>{\"id\"=>\"cus_1\", \"created_at\"=>\"x\", \"n\"=>1}, "
              "\"previous_attributes\"=>{\"name\"=>nil}")},
        {BODY("\"created\":1767616496,\"data\":{\"object\":{\"id\":\"../x\"}}"),
         HEAD("\"type\"=>\"customer.updated\", \"created\"=>1767616496000, \"livemode\"=>nil, "
              "\"object\"=>nil, \"previous_attributes\"=>nil")},
        {BODY("\"created\":1767616496789,\"data\":{\"object\":[1],\"previousAttributes\":{}}"),
         HEAD("\"type\"=>\"customer.updated\", \"created\"=>1767616496789, \"livemode\"=>nil, "
              "\"object\"=>nil, \"previous_attributes\"=>{}")},
        {BODY("\"created\":\"soon\",\"livemode\":\"yes\",\"data\":{}"),
         HEAD("\"type\"=>\"customer.updated\", \"created\"=>0, \"livemode\"=>nil, "
              "\"object\"=>nil, \"previous_attributes\"=>nil")},
        {"[]", MALFORMED("the body is no JSON object")},
        {"{", MALFORMED("the body is no JSON object")},
        {"{\"id\":\"wh_evt_1\",\"id\":\"wh_evt_2\",\"type\":\"a\",\"data\":{}}",
         MALFORMED("the body is no JSON object")},
        {"{\"type\":\"a\",\"data\":{}}", MALFORMED("the body has no id that could be one")},
        {"{\"id\":\"a/b\",\"type\":\"a\",\"data\":{}}",
         MALFORMED("the body has no id that could be one")},
        {"{\"id\":\"wh_evt_1\",\"data\":{}}", MALFORMED("the body has no type")},
        {"{\"id\":\"wh_evt_1\",\"type\":\"\",\"data\":{}}", MALFORMED("the body has no type")},
        {BODY("\"n\":1"), MALFORMED("the body has no data")},
    };

    for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
        char *answer = verify_signed(table[i].body, 0);

        cr_expect_str_eq(answer, table[i].answer, "%s: %s", table[i].body, answer);
        free(answer);
    }
}

Test(webhook, an_object_that_is_too_large_is_not_there)
{
    size_t size = 70000;
    char *large = malloc(size), *body, *answer;

    memset(large, 'x', size);
    large[size - 1] = '\0';
    cr_assert_gt(
        asprintf(&body, BODY("\"data\":{\"object\":{\"id\":\"cus_1\",\"n\":\"%s\"}}"), large), 0);
    answer = verify_signed(body, 0);
    cr_expect_not_null(strstr(answer, "\"object\"=>nil"));
    free(answer);
    free(body);
    free(large);
}

Test(webhook, signatures)
{
    static const char *const body = BODY("\"data\":{}");
    static const struct {
        int64_t seconds;
        const char *answer;
    } table[] = {
        {300, "{\"verdict\"=>\"valid\""},
        {-300, "{\"verdict\"=>\"valid\""},
        {301, "{\"verdict\"=>\"invalid\", \"message\"=>\"the signature was made more than 300 s"},
        {-301, "{\"verdict\"=>\"invalid\""},
    };
    char *answer;

    for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
        answer = verify_signed(body, table[i].seconds);
        cr_expect_eq(strncmp(answer, table[i].answer, strlen(table[i].answer)), 0, "%s", answer);
        free(answer);
    }
    answer = verify(secret, body, "t=1795443617,v1=00", 0);
    cr_expect_str_eq(answer, INVALID("the signature is not of the form t=UNIX_SECONDS,v1=HEX"));
    free(answer);
    answer = verify(NULL, body, "t=1795443617,v1=00", 0);
    cr_expect_eq(strncmp(answer, "{\"verdict\"=>\"unavailable\", \"message\"=>\"no webhook", 49), 0,
                 "%s", answer);
    free(answer);
}

Test(webhook, published_cases)
{
    json_t *root = json_load_file(WEBHOOK_VECTORS, 0, NULL), *item;
    char *own = strdup(json_string_value(json_object_get(root, "secret")));
    size_t i;

    json_array_foreach(json_object_get(root, "cases"), i, item)
    {
        const char *body = json_string_value(json_object_get(item, "body"));
        const char *signature = json_string_value(json_object_get(item, "signature"));
        bool valid = json_is_true(json_object_get(item, "valid"));
        char *answer;

        if (*body == '\0' || *signature == '\0')
            continue; /* no parameters of webhook.deliver's */
        answer =
            verify(own, body, signature, json_integer_value(json_object_get(item, "now")) - NOW);
        cr_expect_eq(strncmp(answer, "{\"verdict\"=>\"valid\"", 19) == 0, valid, "%s: %s",
                     json_string_value(json_object_get(item, "name")), answer);
        free(answer);
    }
    free(own);
    json_decref(root);
}

Test(webhook, parameters)
{
    static const struct {
        const char *params, *parameter;
    } table[] = {
        {"{}", "body"},
        {"{\"body\":7,\"signature\":\"x\"}", "body"},
        {"{\"body\":\"\",\"signature\":\"x\"}", "body"},
        {"{\"body\":\"x\"}", "signature"},
        {"{\"body\":\"x\",\"signature\":\"\"}", "signature"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
        struct settings settings = {.webhook.secret = secret};
        const char *parameter = NULL;
        msgpack_unpacked unpacked;
        msgpack_sbuffer answer;

        msgpack_unpacked_init(&unpacked);
        render_unpack(table[i].params, &unpacked);
        msgpack_sbuffer_init(&answer);
        cr_expect_eq(webhook_verify(&unpacked.data, &settings, NOW, &answer, &parameter), -EBADMSG);
        cr_expect_str_eq(parameter, table[i].parameter);
        msgpack_sbuffer_destroy(&answer);
        msgpack_unpacked_destroy(&unpacked);
    }
}
