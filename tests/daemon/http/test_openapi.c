/*
 * The OpenAPI document and creditd-http say the same: paths, methods and parameters; and what the
 * document allows, and what it does not, generated from a seed, is answered as it says.
 */
#include "http_fixture.h"
#include "parameters.h"
#include "route.h"
#include "splitmix.h"
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct http_fixture fixture;
static json_t *document;

static void setup(void)
{
    json_error_t error;

    document = json_load_file(OPENAPI, JSON_REJECT_DUPLICATES, &error);
    cr_assert_not_null(document, "%s:%d: %s", OPENAPI, error.line, error.text);
}

static void teardown(void)
{
    json_decref(document);
    http_fixture_deinit(&fixture);
}

TestSuite(openapi, .init = setup, .fini = teardown, .timeout = 1000);

#define PREFIX "/api/auth/stellar"

/* "#/components/schemas/Id" */
static json_t *resolve(json_t *value)
{
    const char *reference;
    char path[256], *save = NULL;

    while ((reference = json_string_value(json_object_get(value, "$ref"))) != NULL) {
        snprintf(path, sizeof(path), "%s", reference + 2);
        value = document;
        for (char *key = strtok_r(path, "/", &save); key; key = strtok_r(NULL, "/", &save))
            value = json_object_get(value, key);
        cr_assert_not_null(value, "%s", reference);
    }
    return value;
}

/* --- the same paths --- */

static void check_path(const struct route *route, const char *path)
{
    const char *verb = (route->verbs & VERB_POST) != 0 ? "post" : "get";
    const json_t *item = json_object_get(json_object_get(document, "paths"), path);

    cr_assert_not_null(item, "%s is not in the document", path);
    cr_assert_not_null(json_object_get(item, verb), "%s %s is not in the document", verb, path);
    cr_assert_eq(json_object_size(item), 1, "%s takes %s alone", path, verb);
}

Test(openapi, each_route_is_in_the_document)
{
    char path[128];

    for (size_t i = 0; i < route_count; i++) {
        snprintf(path, sizeof(path), "%s%s", route_table[i].is_prefixed ? PREFIX : "",
                 route_table[i].path);
        check_path(&route_table[i], path);
    }
    for (unsigned m = 0; m < PROTO_METHOD_COUNT_; m++) {
        struct route route;

        snprintf(path, sizeof(path), "/v1/%s", proto_method_spec(m)->name);
        if (route_find(PREFIX, path, strlen(path), &route) == 0)
            check_path(&route, path);
    }
}

/* --- the same parameters --- */

/* `stamp` is the library's own, and the session comes in a header. */
static uint64_t of_body(const struct route *route, uint64_t parameters)
{
    parameters &= ~(PROTO_BIT(SESSION) | PROTO_BIT(STAMP));
    return route->kind == ROUTE_ENDPOINT ? parameters & route->taken : parameters;
}

static uint64_t bits_of_names(const json_t *names)
{
    json_t *object = json_object(), *name;
    uint64_t bits;
    size_t i;

    json_array_foreach(names, i, name)
        json_object_set_new(object, json_string_value(name), json_null());
    bits = parameters_present(object);
    cr_assert_eq((size_t)__builtin_popcountll(bits), json_array_size(names));
    json_decref(object);
    return bits;
}

static json_t *body_schema(json_t *op)
{
    json_t *content = json_object_get(json_object_get(op, "requestBody"), "content");

    return json_object_get(json_object_get(content, "application/json"), "schema");
}

static void check_body(const struct route *route, json_t *op, const char *path)
{
    const struct proto_method_spec *spec = proto_method_spec(route->method);
    json_t *schema = body_schema(op), *properties = json_object_get(schema, "properties");

    cr_assert_eq(parameters_present(properties), of_body(route, spec->known), "%s", path);
    cr_assert_eq(json_object_size(properties),
                 (size_t)__builtin_popcountll(of_body(route, spec->known)), "%s", path);
    cr_assert_eq(bits_of_names(json_object_get(schema, "required")), of_body(route, spec->needed),
                 "%s", path);
    cr_assert_eq(json_is_false(json_object_get(schema, "additionalProperties")),
                 route->kind == ROUTE_METHOD, "%s", path);
    cr_assert_eq(json_is_true(json_object_get(json_object_get(op, "requestBody"), "required")),
                 of_body(route, spec->needed) != 0, "%s", path);
}

static void check_query(const struct route *route, json_t *op, const char *path)
{
    const struct proto_method_spec *spec = proto_method_spec(route->method);
    json_t *names = json_array(), *needed = json_array(), *parameter;
    size_t i;

    json_array_foreach(json_object_get(op, "parameters"), i, parameter)
    {
        parameter = resolve(parameter);
        if (strcmp(harness_text(parameter, "in"), "query") != 0)
            continue;
        json_array_append(names, json_object_get(parameter, "name"));
        if (json_is_true(json_object_get(parameter, "required")))
            json_array_append(needed, json_object_get(parameter, "name"));
    }
    cr_assert_eq(bits_of_names(names), of_body(route, spec->known), "%s", path);
    cr_assert_eq(bits_of_names(needed), of_body(route, spec->needed), "%s", path);
    json_decref(names);
    json_decref(needed);
}

static const char *const verbs[] = {"get", "post", "put", "patch", "delete"};

Test(openapi, each_path_of_the_document_is_a_route_with_these_parameters)
{
    const char *path;
    json_t *item;

    json_object_foreach(json_object_get(document, "paths"), path, item)
    {
        struct route route;

        cr_assert_eq(route_find(PREFIX, path, strlen(path), &route), 0, "%s is not served", path);
        for (size_t v = 0; v < sizeof(verbs) / sizeof(verbs[0]); v++) {
            json_t *op = json_object_get(item, verbs[v]);

            if (op == NULL)
                continue;
            cr_assert_eq(strcmp(verbs[v], "post") == 0, (route.verbs & VERB_POST) != 0, "%s", path);
            if (route.kind == ROUTE_METHOD || (route.kind == ROUTE_ENDPOINT && v == 1))
                check_body(&route, op, path);
            else if (route.kind == ROUTE_ENDPOINT || route.kind == ROUTE_EVENTS)
                check_query(&route, op, path);
        }
    }
}

/* --- generated requests --- */

static uint64_t state;

static unsigned draw(unsigned count)
{
    return (unsigned)random_below(&state, count);
}

static json_t *good_text(const char *name)
{
    static const struct {
        const char *name, *values[4];
    } known[] = {
        {"product_id", {"prod_1", "prod_2", "prod_none", "p.-_"}},
        {"customer_id", {"cus_1", "cus_2", "cus_none", "cus_new"}},
        {"user_id", {"u_1", "u_2", "u_3", "u_4"}},
        {"payment_id", {"pay_1", "pay_2", "pay_none", "x"}},
        {"source", {"local", "upstream", "local", "nowhere"}},
        {"state", {"parked", "sending", "doubt", "x"}},
        {"email", {"one@example.com", "two@example.com", "x@example.com", "x"}},
        {"image", {"https://example.com/x.png", "x", "", "http://"}},
        {"directory", {"x", "relative/path", ".", "~"}}, /* none that is made */
    };

    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        if (strcmp(name, known[i].name) == 0)
            return json_string(known[i].values[draw(4)]);
    return json_sprintf("v_%u", draw(4));
}

static json_t *good(const char *name, json_t *schema)
{
    const char *type;

    schema = resolve(schema);
    type = harness_text(schema, "type");
    if (strcmp(type, "integer") == 0)
        return json_integer(draw(8) == 0 ? INT64_C(9007199254740991) : (json_int_t)draw(100) + 1);
    if (strcmp(type, "boolean") == 0)
        return json_boolean(draw(2));
    if (strcmp(type, "array") == 0)
        return json_pack("[s]", draw(2) ? "*" : "credits.low");
    if (strcmp(type, "object") == 0)
        return json_pack("{s:s, s:i, s:{s:[i, n]}}", "k", "v", "n", draw(10), "deep", "x", 1);
    return good_text(name);
}

static json_t *filled_text(size_t length)
{
    char *text = malloc(length + 1);
    json_t *result;

    memset(text, 'a', length);
    text[length] = '\0';
    result = json_string(text);
    free(text);
    return result;
}

static json_t *bad(void)
{
    switch (draw(14)) {
    case 0:
        return json_null();
    case 1:
        return json_integer(-1);
    case 2:
        return json_integer(INT64_MAX);
    case 3:
        return json_integer(INT64_MIN);
    case 4:
        return json_real(0.5);
    case 5:
        return json_real(1e300);
    case 6:
        return json_string("");
    case 7:
        return json_string("../../etc/passwd");
    case 8:
        return json_string("a b%00\n\r\t\"\\");
    case 9:
        return json_string("\xf0\x9f\x92\xb0\xe2\x80\xae");
    case 10:
        return filled_text(draw(2) ? 129 : 5000);
    case 11:
        return json_pack("[[[]], {}]");
    case 12:
        return json_pack("{s:{s:n}}", "", "x");
    default:
        return json_true();
    }
}

static bool is_among(const json_t *names, const char *name)
{
    json_t *item;
    size_t i;

    json_array_foreach(names, i, item) if (strcmp(json_string_value(item), name) == 0) return true;
    return false;
}

/* As a careful client would ask: what is needed, some of the rest, all of it right. `named`: for
 * whom it is, where that is not needed anyway; NULL: the session says so. */
static json_t *generate_careful(json_t *properties, const json_t *required, const char *named)
{
    json_t *object = json_object(), *schema;
    const char *name;

    json_object_foreach(properties, name, schema)
    {
        bool is_identity = strcmp(name, "user_id") == 0 || strcmp(name, "customer_id") == 0;
        bool is_wanted = is_identity ? named && strcmp(name, named) == 0 : draw(3) == 0;

        if (is_wanted || is_among(required, name))
            json_object_set_new(object, name, good(name, schema));
    }
    return object;
}

/* Each property there with odds, and good with odds. */
static json_t *generate_careless(json_t *properties)
{
    json_t *object = json_object(), *schema;
    unsigned there = draw(4), right = draw(5);
    const char *name;

    json_object_foreach(properties, name, schema)
    {
        if (draw(4) < there || there == 3)
            json_object_set_new(object, name, draw(5) < right + 1 ? good(name, schema) : bad());
    }
    if (draw(10) == 0)
        json_object_set_new(object, "unknown", bad());
    return object;
}

static char *encode(const char *text)
{
    char *encoded = calloc(3, strlen(text) + 1), *end = encoded;

    for (; *text; text++)
        end += snprintf(end, 4, "%%%02x", (unsigned char)*text);
    return encoded;
}

static void add_query(char *target, size_t size, const char *name, const json_t *value)
{
    char *text = json_is_string(value) ? strdup(json_string_value(value))
                                       : json_dumps(value, JSON_ENCODE_ANY);
    char *encoded = encode(text);
    size_t length = strlen(target);

    snprintf(target + length, size - length, "%c%s=%s", strchr(target, '?') ? '&' : '?', name,
             encoded);
    free(text);
    free(encoded);
}

static json_t *query_properties(json_t *op)
{
    json_t *properties = json_object(), *parameter;
    size_t i;

    json_array_foreach(json_object_get(op, "parameters"), i, parameter)
    {
        parameter = resolve(parameter);
        if (strcmp(harness_text(parameter, "in"), "query") == 0)
            json_object_set(properties, harness_text(parameter, "name"),
                            json_object_get(parameter, "schema"));
    }
    return properties;
}

static json_t *response_of(json_t *op, unsigned status)
{
    json_t *responses = json_object_get(op, "responses"), *response;
    char key[8];

    snprintf(key, sizeof(key), "%u", status);
    response = json_object_get(responses, key);
    if (response == NULL && status / 100 == 4)
        response = json_object_get(responses, "4XX");
    return resolve(response);
}

/* The members that the document promises, and of the types that it says. */
static void check_schema(json_t *schema, json_t *value, const char *what)
{
    json_t *name;
    size_t i;

    schema = resolve(schema);
    json_array_foreach(json_object_get(schema, "required"), i, name)
        cr_assert_not_null(json_object_get(value, json_string_value(name)), "%s: no %s", what,
                           json_string_value(name));
}

static void check_answer(json_t *op, struct http_answer *answer, const char *what)
{
    char *type = http_answer_header(answer, "Content-Type");
    json_t *response = response_of(op, answer->status), *media;

    cr_assert(answer->status < 500, "%s: %u %s", what, answer->status, answer->body);
    cr_assert_not_null(response, "%s: %u is not in the document: %s", what, answer->status,
                       answer->body);
    cr_assert_not_null(type, "%s", what);
    type[strcspn(type, ";")] = '\0';
    media = json_object_get(json_object_get(response, "content"), type);
    cr_assert_not_null(media, "%s: %u: %s is not in the document", what, answer->status, type);
    if (strcmp(type, "application/json") == 0)
        check_schema(json_object_get(media, "schema"), answer->json, what);
    free(type);
    http_answer_deinit(answer);
}

static void run_operation(int fd, const char *path, const char *verb, json_t *op)
{
    static const char *const whose[] = {"", BEARER("u_1"), COOKIE("u_2") ORIGIN,
                                        "Authorization: Bearer expired:u_1\r\n",
                                        "X-Forwarded-For: 1.2.3.4\r\n"};
    json_t *properties = strcmp(verb, "get") == 0 ? query_properties(op) : NULL, *object, *value;
    char target[65536], headers[512], *body = NULL, what[8192];
    json_t *members = json_object_get(body_schema(op), "properties");
    unsigned who = draw(5);
    struct http_answer answer;
    const char *name;

    if (draw(2) == 0)
        object = generate_careless(properties ? properties : members);
    else
        object = generate_careful(properties ? properties : members,
                                  json_object_get(body_schema(op), "required"),
                                  who > 0   ? NULL
                                  : draw(2) ? "user_id"
                                            : "customer_id");
    snprintf(target, sizeof(target), "%s", path);
    if (properties)
        json_object_foreach(object, name, value) add_query(target, sizeof(target), name, value);
    else
        body = json_dumps(object, JSON_COMPACT);
    snprintf(headers, sizeof(headers), "%s%s", whose[who],
             body && draw(20) > 0 ? JSON : "Accept: */*\r\n");
    snprintf(what, sizeof(what), "%s %.2000s %s %.5000s", verb, target, headers, body ? body : "");
    http_send_request(fd, properties ? "GET" : "POST", target, headers, body);
    http_receive(fd, false, &answer);
    cr_assert_neq(answer.status, 0, "%s", what);
    check_answer(op, &answer, what);
    free(body);
    json_decref(object);
    json_decref(properties);
}

static int64_t answers(const char *class)
{
    char name[64], *place;
    struct http_answer answer;
    int64_t count;

    snprintf(name, sizeof(name), "creditd_http_answers_total{status=\"%s\"} ", class);
    http_ask(&fixture, &answer, "GET", "/metrics", NULL, NULL);
    place = strstr(answer.body, name);
    cr_assert_not_null(place, "%s", answer.body);
    count = atoll(place + strlen(name));
    http_answer_deinit(&answer);
    return count;
}

#define ROUNDS 40

/* The stand-in for StellarTools is always there: nothing may be 5xx. */
Test(openapi, generated_requests_are_answered_as_the_document_says)
{
    const char *seed = getenv("CREDITD_SEED");
    int fd;

    http_fixture_start(&fixture,
                       "[limits]\nupstream_turns_per_user = 100000\n"
                       "upstream_turns_per_customer = 100000\n",
                       NULL);
    fixture.serve.sync.lose_creates = 0;
    fd = http_connect(&fixture);
    state = seed ? strtoull(seed, NULL, 10) : 1;
    for (int round = 0; round < ROUNDS; round++) {
        const char *path;
        json_t *item;

        json_object_foreach(json_object_get(document, "paths"), path, item)
        {
            if (strcmp(path, "/v1/events") == 0)
                continue; /* does not end */
            for (size_t v = 0; v < 2; v++)
                if (json_object_get(item, verbs[v]) != NULL)
                    run_operation(fd, path, verbs[v], json_object_get(item, verbs[v]));
        }
    }
    close(fd);
    cr_assert_gt(answers("2xx"), 10 * ROUNDS, "what is generated is mostly refused");
    cr_assert_gt(answers("4xx"), 10 * ROUNDS, "what is generated is hardly ever refused");
    cr_assert_eq(answers("5xx"), 0);
    http_fixture_deinit(&fixture);
}
