/* Parameters out of bodies and queries. */
#include "parameters.h"
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#define TRANSACTIONS PROTO_METHOD_CREDITS_TRANSACTIONS

static const struct {
    const char *query, *object; /* NULL: refused */
    const char *parameter;      /* which the refusal names */
} queries[] = {
    {NULL, "{}", NULL},
    {"", "{}", NULL},
    {"&&", "{}", NULL},
    {"product_id=prod_1", "{\"product_id\":\"prod_1\"}", NULL},
    {"product_id=prod_1&limit=10&offset=0", "{\"limit\":10,\"offset\":0,\"product_id\":\"prod_1\"}",
     NULL},
    {"limit=ten", "{\"limit\":\"ten\"}", NULL},
    {"limit=-1", "{\"limit\":\"-1\"}", NULL},
    {"limit=", "{\"limit\":\"\"}", NULL},
    {"limit", "{\"limit\":\"\"}", NULL},
    {"limit=1e3", "{\"limit\":\"1e3\"}", NULL},
    {"limit=0010", "{\"limit\":10}", NULL},
    {"limit=9007199254740993", "{\"limit\":9007199254740993}", NULL},
    {"limit=99999999999999999999", "{\"limit\":\"99999999999999999999\"}", NULL},
    {"source=a+b%20c%2B", "{\"source\":\"a b c+\"}", NULL},
    {"source=%C3%a4", "{\"source\":\"ä\"}", NULL},
    {"s%6furce=x", "{\"source\":\"x\"}", NULL},
    {"source=a=b", "{\"source\":\"a=b\"}", NULL},
    {"unknown=1&email=x&=y&LIMIT=2", "{}", NULL},
    {"unknown=1&unknown=2", "{}", NULL},
    {"limit=1&limit=2", NULL, "limit"},
    {"limit=1&l%69mit=1", NULL, "limit"},
    {"source=%", NULL, NULL},
    {"source=%4", NULL, NULL},
    {"source=%4&limit=1", NULL, NULL},
    {"source=%zz", NULL, NULL},
    {"source=%00", NULL, NULL},
    {"source=%ff", NULL, NULL},
    {"%ff=1", NULL, NULL},
    {"source=\xff", NULL, NULL},
};

static void check(int r, json_t *object, const struct parameters_problem *problem,
                  const char *expected, const char *parameter, const char *input)
{
    char *text;

    cr_assert_eq(r, expected != NULL ? 0 : -EINVAL, "%s", input);
    if (r < 0) {
        cr_assert_neq(problem->text[0], '\0', "%s", input);
        cr_assert(parameter != NULL
                      ? problem->parameter != NULL && strcmp(problem->parameter, parameter) == 0
                      : problem->parameter == NULL,
                  "%s", input);
        return;
    }
    text = json_dumps(object, JSON_COMPACT | JSON_SORT_KEYS);
    cr_assert_str_eq(text, expected, "%s", input);
    free(text);
    json_decref(object);
}

Test(parameters, of_a_query)
{
    for (size_t i = 0; i < sizeof(queries) / sizeof(queries[0]); i++) {
        struct parameters_problem problem;
        json_t *object = NULL;
        int r = parameters_from_query(queries[i].query, TRANSACTIONS, &object, &problem);

        check(r, object, &problem, queries[i].object, queries[i].parameter,
              queries[i].query ? queries[i].query : "(none)");
    }
}

Test(parameters, truth_values_of_a_query)
{
    struct parameters_problem problem;
    json_t *object;

    cr_assert_eq(
        parameters_from_query("fresh=true", PROTO_METHOD_CUSTOMER_RETRIEVE, &object, &problem), 0);
    check(0, object, &problem, "{\"fresh\":true}", NULL, "true");
    cr_assert_eq(
        parameters_from_query("fresh=false", PROTO_METHOD_CUSTOMER_RETRIEVE, &object, &problem), 0);
    check(0, object, &problem, "{\"fresh\":false}", NULL, "false");
    cr_assert_eq(
        parameters_from_query("fresh=1", PROTO_METHOD_CUSTOMER_RETRIEVE, &object, &problem), 0);
    check(0, object, &problem, "{\"fresh\":\"1\"}", NULL, "1");
}

static const struct {
    const char *body, *object;
} bodies[] = {
    {"", "{}"},
    {"{}", "{}"},
    {" {\"a\": 1} ", "{\"a\":1}"},
    {"{\"a\": null}", "{\"a\":null}"},
    {"[]", NULL},
    {"1", NULL},
    {"null", NULL},
    {"\"x\"", NULL},
    {"{", NULL},
    {"{\"a\": 1} x", NULL},
    {"{\"a\": 1, \"a\": 1}", NULL},
    {"{'a': 1}", NULL},
    {"{\"a\": \"\\u0000\"}", NULL},
    {"{\"\\u0000\": 1}", NULL},
    {"{\"a\": \"\xff\"}", NULL},
    {"{\"a\": 99999999999999999999}", NULL},
    {"{\"a\": 1e999}", NULL},
    {"a=1&b=2", NULL},
};

Test(parameters, of_a_body)
{
    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        struct parameters_problem problem;
        json_t *object = NULL;
        int r = parameters_from_body(bodies[i].body, strlen(bodies[i].body), &object, &problem);

        check(r, object, &problem, bodies[i].object, NULL, bodies[i].body);
    }
}

Test(parameters, a_deep_body_is_no_json)
{
    static char body[64 * 1024];
    struct parameters_problem problem;
    json_t *object;

    memset(body, '[', sizeof(body));
    cr_assert_eq(parameters_from_body(body, sizeof(body), &object, &problem), -EINVAL);
}

Test(parameters, only_what_an_endpoint_takes_is_left)
{
    json_t *object =
        json_pack("{s:s, s:s, s:s, s:s, s:i, s:s}", "session", "x", "user_id", "x", "customer_id",
                  "x", "product_id", "p", "raw_amount", 1, "other", "x");
    struct parameters_problem none = {0};

    cr_assert_eq(parameters_present(object),
                 PROTO_IDENTITY | PROTO_BIT(PRODUCT_ID) | PROTO_BIT(RAW_AMOUNT));
    parameters_restrict(object,
                        PROTO_BIT(PRODUCT_ID) | PROTO_BIT(RAW_AMOUNT) | PROTO_BIT(METADATA));
    cr_assert_eq(parameters_present(object), PROTO_BIT(PRODUCT_ID) | PROTO_BIT(RAW_AMOUNT));
    check(0, object, &none, "{\"product_id\":\"p\",\"raw_amount\":1}", NULL, "");
}
