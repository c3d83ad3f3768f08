/*
 * A Better Auth app that has switched over from the adapter by configuration: each row of the
 * adapter's table of endpoints, asked for as a browser does, through the real nginx, with cookies
 * of the real Better Auth.
 */
#include "stage.h"
#include <criterion/criterion.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PREFIX "/api/auth/stellar"
#define PASSWORD "correct horse battery staple"

static struct stage stage;
static char customer[80];

static void teardown(void)
{
    stage_deinit(&stage);
}

TestSuite(switch_over, .fini = teardown, .timeout = 1000);

/* Where changes are checked it must be there. */
static void start(void)
{
    const char *missing = stage_start(&stage), *ci = getenv("CI");

    if (missing && ci && strcmp(ci, "true") == 0)
        cr_assert_fail("%s", missing);
    if (missing)
        cr_skip_test("%s", missing);
}

/* --- answers --- */

/* Whether all that is expected is there: members of maps, and what stands in arrays. "*" is any
 * text, "$CUSTOMER" the customer. */
static bool contains(const json_t *actual, const json_t *expected)
{
    const char *key, *text = json_string_value(expected);
    json_t *value;
    size_t i;

    if (json_is_object(expected)) {
        json_object_foreach((json_t *)(uintptr_t)expected, key,
                            value) if (!contains(json_object_get(actual, key), value)) return false;
        return json_is_object(actual);
    }
    if (json_is_array(expected)) {
        json_array_foreach(expected, i,
                           value) if (!contains(json_array_get(actual, i), value)) return false;
        return json_array_size(actual) == json_array_size(expected);
    }
    if (!text)
        return json_equal(actual, expected);
    if (!json_is_string(actual))
        return false;
    if (strcmp(text, "*") == 0)
        return json_string_length(actual) > 0;
    return strcmp(json_string_value(actual), strcmp(text, "$CUSTOMER") == 0 ? customer : text) == 0;
}

/* `expected` NULL: whatever it says. */
static void check_answer(const struct browser_request *request, struct browser_answer *answer,
                         long status, const char *expected)
{
    json_t *wanted = expected ? json_loads(expected, 0, NULL) : NULL;

    cr_assert_eq(answer->status, status, "%s %s: %ld %s", request->method, request->path,
                 answer->status, answer->body);
    cr_assert(wanted ? contains(answer->json, wanted) : !expected, "%s %s: %s", request->method,
              request->path, answer->body);
    json_decref(wanted);
    browser_answer_deinit(answer);
}

static void ask(struct browser *browser, const struct browser_request *request, long status,
                const char *expected)
{
    struct browser_answer answer;

    browser_ask(browser, request, &answer);
    check_answer(request, &answer, status, expected);
}

static void get(struct browser *browser, const char *path, long status, const char *expected)
{
    ask(browser, &(struct browser_request){.method = "GET", .path = path}, status, expected);
}

static void post(struct browser *browser, const char *path, const char *body, long status,
                 const char *expected)
{
    ask(browser,
        &(struct browser_request){
            .method = "POST", .path = path, .body = body, .origin = STAGE_ORIGIN},
        status, expected);
}

/* --- users --- */

static void sign_up(struct browser *browser, const char *email)
{
    char body[256];

    *browser = stage.browser;
    snprintf(body, sizeof body,
             "{\"email\": \"%s\", \"password\": \"" PASSWORD "\", \"name\": \"Z\"}", email);
    post(browser, "/api/auth/sign-up/email", body, 200, "{\"token\": \"*\"}");
    cr_assert_not_null(strstr(browser->cookie, "__Secure-better-auth.session_token="), "%s",
                       browser->cookie);
}

/* The hook is not waited for: until it has been heard of. */
static void wait_for_customer(struct browser *browser)
{
    const struct browser_request request = {.method = "GET", .path = PREFIX "/customer/retrieve"};
    struct browser_answer answer;

    for (int waited = 0;; waited += 10) {
        browser_ask(browser, &request, &answer);
        if (answer.status == 200)
            break;
        cr_assert_eq(answer.status, 404, "%s", answer.body);
        cr_assert_lt(waited, HARNESS_TIMEOUT_MS, "%s", answer.body);
        browser_answer_deinit(&answer);
        poll(NULL, 0, 10);
    }
    snprintf(customer, sizeof customer, "%s", harness_text(answer.json, "id"));
    browser_answer_deinit(&answer);
}

static void give_payment(const char *id, const char *of)
{
    char body[200];

    snprintf(body, sizeof body, "{\"customer_id\": \"%s\", \"amount\": 50, \"id\": \"%s\"}", of,
             id);
    json_decref(sandbox_control(&stage.sandbox, "/_sandbox/payment", body));
}

/* --- the table --- */

/* In the order of the adapter's documentation; what comes later sees what came before. */
static const struct row {
    const char *method, *path, *body, *expected;
} rows[] = {
    {"POST", "/customer/create", "{}",
     "{\"id\": \"$CUSTOMER\", \"email\": \"zoe@example.org\", \"metadata\": {}}"},
    {"GET", "/customer/retrieve", NULL, "{\"id\": \"$CUSTOMER\", \"email\": \"zoe@example.org\"}"},
    {"POST", "/customer/update",
     "{\"name\": \"Zoe B\", \"phone\": \"+49 30 1\", \"metadata\": {\"plan\": \"pro\"}}",
     "{\"id\": \"$CUSTOMER\", \"name\": \"Zoe B\", \"metadata\": {\"plan\": \"pro\"}}"},
    {"POST", "/subscription/create",
     "{\"product_id\": \"prod_1\", \"metadata\": {\"from\": \"page\"}, \"cancel_at_period_end\": "
     "true}",
     "{\"id\": \"*\", \"customer_id\": \"$CUSTOMER\", \"product_id\": \"prod_1\","
     " \"cancel_at_period_end\": true}"},
    {"GET", "/subscription/list", NULL,
     "{\"data\": [{\"customer_id\": \"$CUSTOMER\", \"product_id\": \"prod_1\"}]}"},
    {"GET", "/subscriptions/list", NULL,
     "{\"data\": [{\"customer_id\": \"$CUSTOMER\", \"product_id\": \"prod_1\"}]}"},
    {"POST", "/credits/consume",
     "{\"product_id\": \"prod_1\", \"raw_amount\": 25, \"metadata\": {\"model\": \"small\"},"
     " \"customer_id\": \"cus_other\"}",
     "{\"customer_id\": \"$CUSTOMER\", \"product_id\": \"prod_1\", \"balance\": 97}"},
    {"GET", "/credits/transactions?product_id=prod_1&limit=10&offset=0", NULL,
     "{\"data\": [{\"product_id\": \"prod_1\", \"type\": \"deduct\", \"amount\": 3,"
     " \"raw_amount\": 25}]}"},
    {"POST", "/refund/create", "{\"payment_id\": \"pay_1\", \"reason\": \"not needed\"}",
     "{\"id\": \"*\", \"payment_id\": \"pay_1\", \"customer_id\": \"$CUSTOMER\"}"},
};

#define ROWS (sizeof rows / sizeof rows[0])
#define NO_SESSION "{\"error\": {\"code\": \"unauthenticated\", \"message\": \"*\"}}"
#define FOREIGN "{\"error\": {\"code\": \"permission_denied\", \"message\": \"*\"}}"

static struct browser_request request_of(const struct row *row, char path[BROWSER_PATH_MAX])
{
    snprintf(path, BROWSER_PATH_MAX, "%s%s", PREFIX, row->path);
    return (struct browser_request){
        .method = row->method, .path = path, .body = row->body, .origin = STAGE_ORIGIN};
}

static bool is_post(const struct row *row)
{
    return strcmp(row->method, "POST") == 0;
}

/* What must not be done is not done: these rows come first, and the answers of the good ones would
 * show it. */
static void ask_badly(struct browser *browser, const struct row *row)
{
    char path[BROWSER_PATH_MAX];
    struct browser_request request = request_of(row, path);
    struct browser_answer answer;

    request.no_cookie = true;
    ask(browser, &request, 401, NO_SESSION);
    request.no_cookie = false;
    if (is_post(row)) {
        request.origin = "https://elsewhere.example.com";
        ask(browser, &request, 403, FOREIGN);
        request.origin = "http://app.example.com";
        ask(browser, &request, 403, FOREIGN);
        request.origin = NULL;
        ask(browser, &request, 403, FOREIGN);
    }
    request = request_of(row, path);
    request.method = is_post(row) ? "GET" : "POST";
    request.body = is_post(row) ? NULL : "{}";
    browser_ask(browser, &request, &answer);
    cr_assert_str_eq(answer.allow, is_post(row) ? "POST, OPTIONS" : "GET, HEAD, OPTIONS");
    check_answer(&request, &answer, 405, "{\"error\": {\"code\": \"*\"}}");
    request.method = "DELETE";
    ask(browser, &request, 405, "{\"error\": {\"code\": \"*\"}}");
}

Test(switch_over, the_table_of_endpoints_row_by_row)
{
    char path[BROWSER_PATH_MAX];
    struct browser zoe;

    start();
    sign_up(&zoe, "zoe@example.org");
    wait_for_customer(&zoe);
    cr_assert_eq(sandbox_object_count(&stage.sandbox, "customers"), 1);
    sandbox_grant(&stage.sandbox, customer, "prod_1", 100, true);
    give_payment("pay_1", customer);
    for (size_t i = 0; i < ROWS; i++)
        ask_badly(&zoe, &rows[i]);
    for (size_t i = 0; i < ROWS; i++) {
        struct browser_request request = request_of(&rows[i], path);

        if (!is_post(&rows[i]))
            request.origin = NULL; /* browsers send none with a GET of their own page */
        ask(&zoe, &request, 200, rows[i].expected);
    }
    fixture_wait_status(&stage.fixture, "pending.credits", 0);
    cr_assert_eq(sandbox_balance(&stage.sandbox, customer, "prod_1"), 97);
    cr_assert_eq(sandbox_object_count(&stage.sandbox, "customers"), 1);
    cr_assert_eq(sandbox_object_count(&stage.sandbox, "subscriptions"), 1);
    cr_assert_eq(sandbox_object_count(&stage.sandbox, "refunds"), 1);
    stage_stop(&stage);
}

/* The page has the table's rows, and the hook as the app has it. */
Test(switch_over, the_page_shows_what_is_tested)
{
    static const char begin[] = "databaseHooks: {", *const space = " ";
    char *page = stage_read_example("README.md"), *app = stage_read_example("app.mjs");
    char *line = strstr(app, begin), *save = NULL;
    size_t lines = 0;

    for (size_t i = 0; i < ROWS; i++) {
        char path[BROWSER_PATH_MAX];

        snprintf(path, sizeof path, "%.*s`", (int)strcspn(rows[i].path, "?"), rows[i].path);
        cr_expect_not_null(strstr(page, path), "the page has no row for %s", path);
    }
    cr_assert_not_null(line);
    for (line = strtok_r(line, "\n", &save); strcmp(line, "});") != 0;
         line = strtok_r(NULL, "\n", &save), lines++)
        cr_expect_not_null(strstr(page, line + strspn(line, space)), "the page has no %s", line);
    cr_assert_geq(lines, 9);
    free(page);
    free(app);
}

/* --- around it --- */

Test(switch_over, each_user_has_what_is_theirs)
{
    struct browser zoe, max;
    char first[80];

    start();
    sign_up(&zoe, "zoe@example.org");
    wait_for_customer(&zoe);
    snprintf(first, sizeof first, "%s", customer);
    sign_up(&max, "max@example.org");
    wait_for_customer(&max);
    cr_assert_str_neq(first, customer);
    give_payment("pay_1", first);
    post(&max, PREFIX "/refund/create", "{\"payment_id\": \"pay_1\", \"reason\": \"mine\"}", 404,
         "{\"error\": {\"code\": \"not_found\"}}");
    get(&max, PREFIX "/subscription/list", 200, "{\"data\": []}");
    post(&max, PREFIX "/credits/consume", "{\"product_id\": \"prod_1\", \"raw_amount\": 25}", 402,
         "{\"error\": {\"code\": \"insufficient_credits\"}}");
    stage_stop(&stage);
}

/* What nginx leaves with the app, and what is not to be had from outside. */
Test(switch_over, all_else_is_the_apps)
{
    static const char *const nowhere[] = {
        "/customer", "/customer/create/",    "/credits/balance",
        "/",         "/%63ustomer/retrieve", "/../stellar/customer/retrieve"};
    struct browser zoe;
    char path[BROWSER_PATH_MAX];

    start();
    sign_up(&zoe, "zoe@example.org");
    get(&zoe, "/api/auth/get-session", 200, "{\"user\": {\"email\": \"zoe@example.org\"}}");
    get(&zoe, "/api/auth/ok", 200, "{\"ok\": true}");
    for (size_t i = 0; i < sizeof nowhere / sizeof nowhere[0]; i++) {
        snprintf(path, sizeof path, PREFIX "%s", nowhere[i]);
        get(&zoe, path, 404, "{\"error\": {\"code\": \"not_found\"}}");
    }
    /* A webhook comes this way, too; it is its signature that counts. */
    post(&zoe, PREFIX "/webhook", "{}", 400, "{\"error\": {\"code\": \"invalid_parameter\"}}");
    for (size_t i = 0; i < 4; i++) {
        static const char *const inside[] = {"/v1/status", "/metrics", "/livez",
                                             "/v1/user.created"};
        const struct browser_request request = {
            .method = "POST", .path = inside[i], .body = "{}", .origin = STAGE_ORIGIN};
        struct browser_answer answer;

        browser_ask(&zoe, &request, &answer);
        cr_assert_str_eq(answer.body, "the app\n", "%s: %s", inside[i], answer.body);
        browser_answer_deinit(&answer);
    }
    stage_stop(&stage);
}

/* nginx is a process of the daemon's own user here, which may do everything. */
Test(switch_over, a_proxy_that_says_nothing_lends_no_roles)
{
    static const char balance[] = "{\"customer_id\": \"cus_1\", \"product_id\": \"prod_1\"}";
    struct browser nobody;

    start();
    nobody = stage.browser;
    post(&nobody, "/bare/v1/ping", "{}", 200, "{\"pong\": true}");
    post(&nobody, "/bare/v1/push.list", "{}", 403, FOREIGN);
    post(&nobody, "/bare/v1/credits.balance", balance, 401, NO_SESSION);
    get(&nobody, "/bare/v1/events", 403, FOREIGN);
    stage_stop(&stage);
}

/* The hook is told to nobody; the user's first need makes the customer. */
Test(switch_over, a_signup_never_fails_for_creditd)
{
    struct browser zoe;

    start();
    stage_stop_http(&stage);
    sign_up(&zoe, "zoe@example.org");
    get(&zoe, "/api/auth/get-session", 200, "{\"user\": {\"email\": \"zoe@example.org\"}}");
    get(&zoe, PREFIX "/customer/retrieve", 502, NULL); /* nginx says so */
    stage_start_http(&stage);
    cr_assert_eq(sandbox_object_count(&stage.sandbox, "customers"), 0);
    post(&zoe, PREFIX "/customer/create", "{}", 200, "{\"email\": \"zoe@example.org\"}");
    stage_stop(&stage);
}
