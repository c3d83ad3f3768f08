/*
 * The table of faults, and the two ways to order them. JSON values are turned into the text that
 * the command line would have and parsed by the same code, so that both accept the same and say the
 * same.
 */
#include "faults.h"
#include "billing.h"
#include "text.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <util/macros.h>

const struct fault_info fault_table[FAULT_COUNT] = {
    [FAULT_LATENCY] = {"latency", FAULT_TYPE_NUMBER, NULL, 0,
                       "milliseconds before a request is looked at"},
    [FAULT_LATENCY_JITTER] = {"latency_jitter", FAULT_TYPE_NUMBER, NULL, 0,
                              "up to so many milliseconds more"},
    [FAULT_ERROR_BEFORE_COMMIT] = {"error_before_commit", FAULT_TYPE_PROBABILITY, NULL, 0,
                                   "500, and nothing was done"},
    [FAULT_ERROR_AFTER_COMMIT] = {"error_after_commit", FAULT_TYPE_PROBABILITY, NULL, 0,
                                  "done, then 500"},
    [FAULT_RESET_BEFORE] = {"reset_before", FAULT_TYPE_PROBABILITY, NULL, 0,
                            "connection dropped, and nothing was done"},
    [FAULT_RESET_AFTER] = {"reset_after", FAULT_TYPE_PROBABILITY, NULL, 0,
                           "done, then the connection dropped"},
    [FAULT_HANG] = {"hang", FAULT_TYPE_PROBABILITY, NULL, 0,
                    "no answer until the client gives up or the fault is cleared"},
    [FAULT_HANG_COMMITS] = {"hang_commits", FAULT_TYPE_SWITCH, NULL, 1,
                            "whether what hangs was done"},
    [FAULT_STUCK_LOCK] = {"stuck_lock", FAULT_TYPE_PROBABILITY, NULL, 0,
                          "500 and nothing done, but the key stays locked: 409 for ever"},
    [FAULT_KEY_IGNORED] = {"key_ignored", FAULT_TYPE_SWITCH, NULL, 0,
                           "Idempotency-Key is not looked at"},
    [FAULT_SLOW_READ_WRITE] = {"slow_read_write", FAULT_TYPE_NUMBER, NULL, 0,
                               "milliseconds between reading and writing a balance, unlocked"},
    [FAULT_ROW_WITHOUT_BALANCE] = {"row_without_balance", FAULT_TYPE_PROBABILITY, NULL, 0,
                                   "the transaction row is written, the balance is not"},
    [FAULT_BALANCE_WITHOUT_ROW] = {"balance_without_row", FAULT_TYPE_PROBABILITY, NULL, 0,
                                   "the balance is written, the transaction row is not"},
    [FAULT_LATE_COMMIT] = {"late_commit", FAULT_TYPE_NUMBER, NULL, 0,
                           "deduct, or POST of `only`: dropped at once, executed so many ms later"},
    [FAULT_INSUFFICIENT] = {"insufficient", FAULT_TYPE_SWITCH, NULL, 0, "every deduct is refused"},
    [FAULT_DOWN] = {"down", FAULT_TYPE_SWITCH, NULL, 0, "every connection is dropped"},
    [FAULT_HTML] = {"html", FAULT_TYPE_PROBABILITY, NULL, 0, "a proxy's HTML 502"},
    [FAULT_HTML_COMMITS] = {"html_commits", FAULT_TYPE_SWITCH, NULL, 0,
                            "whether what the 502 hides was done"},
    [FAULT_EMPTY] = {"empty", FAULT_TYPE_PROBABILITY, NULL, 0, "done, then 200 with an empty body"},
    [FAULT_GARBAGE] = {"garbage", FAULT_TYPE_PROBABILITY, NULL, 0,
                       "done, then 200 with half a JSON text"},
    [FAULT_RATE_LIMIT] = {"rate_limit", FAULT_TYPE_NUMBER, NULL, 0,
                          "requests a window for the whole account, 0 for none; then 429"},
    [FAULT_RATE_WINDOW] = {"rate_window", FAULT_TYPE_NUMBER, NULL, 60000,
                           "that window in milliseconds"},
    [FAULT_RETRY_AFTER] = {"retry_after", FAULT_TYPE_SWITCH, NULL, 0,
                           "429 carries Retry-After too"},
    [FAULT_UNAUTHORIZED] = {"unauthorized", FAULT_TYPE_SWITCH, NULL, 0, "401 for every key"},
    [FAULT_FORBIDDEN] = {"forbidden", FAULT_TYPE_SWITCH, NULL, 0, "403 for every key"},
    [FAULT_ENVELOPE] = {"envelope", FAULT_TYPE_CHOICE, "object|data", ENVELOPE_OBJECT,
                        "the object itself, or {\"data\": …}"},
    [FAULT_ERROR_FORM] = {"error_form", FAULT_TYPE_CHOICE, "string|object", ERROR_FORM_STRING,
                          "what \"error\" is"},
    [FAULT_BUSINESS_STATUS] = {"business_status", FAULT_TYPE_CHOICE, "500|400|404", 0,
                               "the status of insufficient credits and the like"},
    [FAULT_LIST_FORM] = {"list_form", FAULT_TYPE_CHOICE, "list|data|bare", LIST_FORM_LIST,
                         "with \"object\", without it, or a bare array"},
    [FAULT_TRANSACTION_FORM] = {"transaction_form", FAULT_TYPE_CHOICE, "short|balance",
                                TRANSACTION_FORM_SHORT,
                                "three figures, or the balance with \"transaction\""},
    [FAULT_MISSING_BALANCE] = {"missing_balance", FAULT_TYPE_CHOICE, "404|null",
                               MISSING_BALANCE_404, "the answer where there is no balance"},
    [FAULT_UNITS_FIELDS] = {"units_fields", FAULT_TYPE_SWITCH, NULL, 1,
                            "products carry unit, units_per_credit, total_credits"},
    [FAULT_NO_PRODUCT_ENDPOINT] = {"no_product_endpoint", FAULT_TYPE_SWITCH, NULL, 0,
                                   "GET /product is an HTML 404"},
    [FAULT_NO_ACCESS_ENDPOINT] = {"no_access_endpoint", FAULT_TYPE_SWITCH, NULL, 0,
                                  "GET /customers/{id}/access is an HTML 404"},
    [FAULT_EMAIL_FILTER] = {"email_filter", FAULT_TYPE_SWITCH, NULL, 1,
                            "GET /customers?email= filters; else everybody"},
    [FAULT_SUBSCRIPTION_FILTER] = {"subscription_filter", FAULT_TYPE_SWITCH, NULL, 1,
                                   "GET /subscriptions?customer_id= filters; else everybody's"},
    [FAULT_CUSTOMER_BODY] = {"customer_body", FAULT_TYPE_CHOICE, "any|array|object",
                             CUSTOMER_BODY_ANY, "the bodies that POST /customers takes"},
    [FAULT_CUSTOMER_ANSWER] = {"customer_answer", FAULT_TYPE_CHOICE, "same|list|object",
                               CUSTOMER_ANSWER_SAME,
                               "its answer: a list to an array, always one, or the one itself"},
    [FAULT_REFUND_STATUS] = {"refund_status", FAULT_TYPE_CHOICE, "pending|succeeded|failed",
                             REFUND_SUCCEEDED, "what becomes of the refund of a payment"},
    [FAULT_ONLY] = {"only", FAULT_TYPE_CHOICE,
                    "|deduct|refund|grant|balance|history|product|customer|subscription|payment"
                    "|refund_payment|access",
                    0, "faults with a probability strike this kind alone; empty: all"},
    [FAULT_ONLY_METHOD] = {"only_method", FAULT_TYPE_CHOICE, "|GET|POST|PUT", 0,
                           "and requests of this method alone; empty: all"},
    [FAULT_TIMES] = {"times", FAULT_TYPE_NUMBER, NULL, 0,
                     "after so many strikes none follows; 0: no end. Set anew, counts anew"},
};

static const char *const type_names[] = {
    [FAULT_TYPE_PROBABILITY] = "a number from 0 to 1",
    [FAULT_TYPE_NUMBER] = "a whole number, 0 or more",
    [FAULT_TYPE_SWITCH] = "true or false",
};

void faults_init(struct faults *faults)
{
    memset(faults, 0, sizeof(*faults));
    for (size_t i = 0; i < FAULT_COUNT; i++)
        faults->values[i] = fault_table[i].initial;
}

bool faults_on(const struct faults *faults, enum fault fault)
{
    return faults->values[fault] > 0;
}

int64_t faults_number(const struct faults *faults, enum fault fault)
{
    return (int64_t)faults->values[fault];
}

unsigned faults_business_status(const struct faults *faults)
{
    static const unsigned statuses[] = {500, 400, 404};

    return statuses[faults_number(faults, FAULT_BUSINESS_STATUS)];
}

static int number_parse(const char *text, double maximum, bool whole, double *ret_value)
{
    char *end = NULL;
    double value;

    if (*text == '\0')
        return -EINVAL;
    errno = 0;
    value = strtod(text, &end);
    if (errno != 0 || *end != '\0' || !(value >= 0 && value <= maximum))
        return -EINVAL;
    if (whole && value != floor(value))
        return -EINVAL;
    *ret_value = value;
    return 0;
}

static int switch_parse(const char *text, double *ret_value)
{
    static const char *const words[][2] = {
        {"true", "false"}, {"1", "0"}, {"on", "off"}, {"yes", "no"}};

    for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
        if (strcmp(text, words[i][0]) == 0 || strcmp(text, words[i][1]) == 0) {
            *ret_value = strcmp(text, words[i][0]) == 0;
            return 0;
        }
    }
    return -EINVAL;
}

/* The words of a list: *position goes from word to word, NULL after the last. Returns the word's
 * length. */
static size_t choice_next(const char **position, const char **ret_word)
{
    size_t length = strcspn(*position, "|");

    *ret_word = *position;
    *position = (*position)[length] == '|' ? *position + length + 1 : NULL;
    return length;
}

static int choice_parse(const char *choices, const char *text, double *ret_value)
{
    const char *position = choices;

    for (unsigned i = 0; position; i++) {
        const char *word;
        size_t length = choice_next(&position, &word);

        if (strlen(text) == length && strncmp(text, word, length) == 0) {
            *ret_value = i;
            return 0;
        }
    }
    return -EINVAL;
}

static int value_parse(const struct fault_info *info, const char *text, double *ret_value)
{
    switch (info->type) {
    case FAULT_TYPE_PROBABILITY:
        return number_parse(text, 1, false, ret_value);
    case FAULT_TYPE_NUMBER:
        return number_parse(text, INT32_MAX, true, ret_value);
    case FAULT_TYPE_SWITCH:
        return switch_parse(text, ret_value);
    case FAULT_TYPE_CHOICE:
        return choice_parse(info->choices, text, ret_value);
    }
    return -EINVAL;
}

static int fault_order(struct faults *faults, const char *name, size_t name_length,
                       const char *text, char **ret_error)
{
    for (size_t i = 0; i < FAULT_COUNT; i++) {
        const struct fault_info *info = &fault_table[i];

        if (strlen(info->name) != name_length || strncmp(info->name, name, name_length) != 0)
            continue;
        if (value_parse(info, text, &faults->values[i]) < 0)
            return text_refuse(ret_error, "%s=%s is not allowed; write %s", info->name, text,
                               info->choices ? info->choices : type_names[info->type]);
        if (i == FAULT_TIMES)
            faults->fired_of_times = 0;
        return 0;
    }
    return text_refuse(ret_error, "there is no fault named %s; --help lists them", name);
}

int faults_order_text(struct faults *faults, const char *text, char **ret_error)
{
    const char *equals = strchr(text, '=');
    CLEANUP(cleanup_free) char *name = NULL;

    if (!equals)
        return text_refuse(ret_error, "%s is not a fault; write NAME=VALUE", text);
    name = strndup(text, (size_t)(equals - text));
    if (!name)
        return -ENOMEM;
    return fault_order(faults, name, strlen(name), equals + 1, ret_error);
}

static int fault_order_json(struct faults *faults, const char *name, const json_t *value,
                            char **ret_error)
{
    CLEANUP(cleanup_free) char *text = NULL;

    text = json_is_string(value) ? strdup(json_string_value(value))
                                 : json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
    if (!text)
        return -ENOMEM;
    return fault_order(faults, name, strlen(name), text, ret_error);
}

static void faults_clear(struct faults *faults)
{
    for (size_t i = 0; i < FAULT_COUNT; i++)
        faults->values[i] = fault_table[i].initial;
    faults->fired_of_times = 0;
}

int faults_order_json(struct faults *faults, const json_t *orders, char **ret_error)
{
    struct faults ordered = *faults;
    const char *name;
    json_t *value;
    int r;

    if (!json_is_object(orders))
        return text_refuse(ret_error, "faults are ordered with a JSON object");
    if (json_is_true(json_object_get(orders, "reset")))
        faults_clear(&ordered);
    json_object_foreach((json_t *)orders, name, value)
    {
        if (strcmp(name, "reset") == 0)
            continue;
        r = fault_order_json(&ordered, name, value, ret_error);
        if (r < 0)
            return r;
    }
    *faults = ordered;
    return 0;
}

static json_t *choice_to_json(const struct fault_info *info, double value)
{
    const char *position = info->choices, *word = "";
    size_t length = 0;

    for (unsigned i = 0; position && i <= (unsigned)value; i++)
        length = choice_next(&position, &word);
    return json_stringn(word, length);
}

static json_t *value_to_json(const struct fault_info *info, double value)
{
    switch (info->type) {
    case FAULT_TYPE_PROBABILITY:
        return json_real(value);
    case FAULT_TYPE_NUMBER:
        return json_integer((json_int_t)value);
    case FAULT_TYPE_SWITCH:
        return json_boolean(value > 0);
    case FAULT_TYPE_CHOICE:
        return choice_to_json(info, value);
    }
    return NULL;
}

json_t *faults_to_json(const struct faults *faults)
{
    json_t *object = json_object();

    for (size_t i = 0; i < FAULT_COUNT; i++) {
        const struct fault_info *info = &fault_table[i];

        if (json_object_set_new(object, info->name, value_to_json(info, faults->values[i])) < 0) {
            json_decref(object);
            return NULL;
        }
    }
    return object;
}

json_t *faults_fired_to_json(const struct faults *faults)
{
    json_t *object = json_object();

    for (size_t i = 0; i < FAULT_COUNT; i++) {
        if (faults->fired[i] == 0)
            continue;
        if (json_object_set_new(object, fault_table[i].name,
                                json_integer((json_int_t)faults->fired[i])) < 0) {
            json_decref(object);
            return NULL;
        }
    }
    return object;
}

void faults_print_help(FILE *stream)
{
    static const char *const letters[] = {[FAULT_TYPE_PROBABILITY] = "P",
                                          [FAULT_TYPE_NUMBER] = "N",
                                          [FAULT_TYPE_SWITCH] = "true|false"};

    for (size_t i = 0; i < FAULT_COUNT; i++) {
        const struct fault_info *info = &fault_table[i];

        fprintf(stream, "  %s=%s\n      %s\n", info->name,
                info->choices ? info->choices : letters[info->type], info->help);
    }
}
