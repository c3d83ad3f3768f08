/* The commands for credits. */
#include "ctl.h"
#include <inttypes.h>
#include <string.h>

static void row(struct table *table, const char *name, struct text value)
{
    table_add(table, name);
    table_add(table, value.bytes);
}

static void note_staleness(bool stale, int64_t synced_at)
{
    if (stale)
        printf("StellarTools was last heard: %s. This is what is known here.\n",
               human_age(synced_at).bytes);
}

int run_balance(struct ctl *ctl)
{
    struct creditd_balance_request request = {.fresh = ctl->options[OPTION_FRESH] != NULL};
    struct creditd_balance_result result;
    struct table table;
    int r = ctl_who(ctl, &request.who);

    if (r == 0 && !(request.product_id = ctl_argument(ctl, OPTION_PRODUCT, "the product")))
        r = EXIT_USAGE;
    if (r == 0)
        r = ctl_no_more(ctl);
    if (r == 0)
        r = ctl_open(ctl);
    if (r != 0)
        return r;
    if (creditd_balance(ctl->connection, &request, &result) != 0)
        return ctl_fail(ctl);
    if (ctl_print_json(ctl))
        return EXIT_DONE;
    printf("%s, %s\n", result.customer_id, result.product_id);
    table_init(&table, "<>");
    row(&table, "available", human_count(result.balance));
    row(&table, "upstream", human_count(result.upstream));
    row(&table, "pending", human_count(result.pending));
    row(&table, "held", human_count(result.held));
    row(&table, "consumed, ever", human_count(result.consumed));
    row(&table, "granted, ever", human_count(result.granted));
    row(&table, "units per credit", human_count(result.units_per_credit));
    row(&table, "synced", human_age(result.synced_at));
    table_print(&table, stdout);
    table_deinit(&table);
    note_staleness(result.stale, result.synced_at);
    return EXIT_DONE;
}

/* What check and consume have in common. */
static int parse_purchase(struct ctl *ctl, struct creditd_who *who, const char **product,
                          int64_t *amount)
{
    const char *text;
    int r = ctl_who(ctl, who);

    if (r != 0)
        return r;
    *product = ctl_argument(ctl, OPTION_PRODUCT, "the product");
    if (!*product)
        return EXIT_USAGE;
    text = ctl_argument(ctl, OPTION_AMOUNT, "the amount");
    if (!text)
        return EXIT_USAGE;
    r = ctl_number(ctl, "the amount", text, 1, amount);
    if (r == 0)
        r = ctl_no_more(ctl);
    return r != 0 ? r : ctl_open(ctl);
}

int run_check(struct ctl *ctl)
{
    struct creditd_check_request request = {.fresh = ctl->options[OPTION_FRESH] != NULL};
    struct creditd_check_result result;
    int r = parse_purchase(ctl, &request.who, &request.product_id, &request.raw_amount);

    if (r != 0)
        return r;
    if (creditd_check(ctl->connection, &request, &result) != 0)
        return ctl_fail(ctl);
    if (ctl_print_json(ctl))
        return EXIT_DONE;
    printf("%s: it takes %s credits, and %s are available\n",
           result.is_sufficient ? "sufficient" : "not sufficient",
           human_count(result.credits_required).bytes, human_count(result.balance).bytes);
    note_staleness(result.stale, result.synced_at);
    return EXIT_DONE;
}

static int parse_metadata(const struct ctl *ctl, struct creditd_map **ret_map)
{
    const char *text = ctl->options[OPTION_METADATA];
    struct creditd_map *map;
    json_t *object;

    *ret_map = NULL;
    if (!text)
        return 0;
    object = ctl_object(ctl, "--metadata", text);
    if (!object)
        return EXIT_USAGE;
    map = creditd_map_new();
    if (map)
        json_into_map(map, object);
    json_decref(object);
    *ret_map = map;
    return map ? 0 : ctl_usage(ctl, "no memory");
}

static int consume(struct ctl *ctl, const struct creditd_consume_request *request)
{
    struct creditd_consume_result result;
    int r = creditd_consume(ctl->connection, request, &result);

    if (r != 0)
        return ctl_fail(ctl);
    if (ctl_print_json(ctl))
        return EXIT_DONE;
    printf("%s %s credits, %s left (%s)\n", result.replayed ? "had already spent" : "spent",
           human_count(result.credits_deducted).bytes, human_count(result.balance).bytes,
           result.transaction_id);
    note_staleness(result.stale, result.synced_at);
    return EXIT_DONE;
}

int run_consume(struct ctl *ctl)
{
    struct creditd_consume_request request = {.idempotency_key = ctl->options[OPTION_KEY]};
    const char *text = ctl->options[OPTION_STAMP];
    struct creditd_stamp stamp;
    struct creditd_map *metadata;
    int r;

    if (text && request.idempotency_key)
        return ctl_usage(ctl, "either --key or --stamp");
    if (text && creditd_stamp_from_text(text, &stamp) < 0)
        return ctl_usage(ctl, "--stamp takes the 48 digits that creditctl printed");
    request.stamp = text ? &stamp : NULL;
    r = parse_metadata(ctl, &metadata);
    request.metadata = metadata;
    if (r == 0)
        r = parse_purchase(ctl, &request.who, &request.product_id, &request.raw_amount);
    if (r == 0)
        r = consume(ctl, &request);
    creditd_map_free(metadata);
    return r;
}

static void print_transactions(const struct creditd_transactions_result *result, int64_t offset)
{
    struct table table;

    if (result->count == 0) {
        puts("none");
        return;
    }
    table_init(&table, "<<>>><");
    table_add(&table, "time");
    table_add(&table, "transaction");
    table_add(&table, "credits");
    table_add(&table, "raw");
    table_add(&table, "left");
    table_add(&table, "state");
    for (size_t i = 0; i < result->count; i++) {
        const struct creditd_transaction *transaction = &result->data[i];

        table_add(&table, human_time(transaction->created_at).bytes);
        table_add(&table, transaction->id);
        table_add(&table, human_count(transaction->amount).bytes);
        table_add(&table, human_count(transaction->raw_amount).bytes);
        table_add(&table, human_count(transaction->balance_after).bytes);
        table_add(&table, transaction->push_state);
    }
    table_print(&table, stdout);
    table_deinit(&table);
    if (result->has_more)
        printf("There are more: --offset %" PRId64 "\n", offset + (int64_t)result->count);
}

int run_transactions(struct ctl *ctl)
{
    struct creditd_transactions_request request = {.source = ctl->options[OPTION_SOURCE]};
    struct creditd_transactions_result result;
    int r = ctl_who(ctl, &request.who);

    if (r == 0 && !(request.product_id = ctl_argument(ctl, OPTION_PRODUCT, "the product")))
        r = EXIT_USAGE;
    if (r == 0)
        r = ctl_no_more(ctl);
    if (r == 0)
        r = ctl_number(ctl, "--limit", ctl->options[OPTION_LIMIT], 1, &request.limit);
    if (r == 0)
        r = ctl_number(ctl, "--offset", ctl->options[OPTION_OFFSET], 0, &request.offset);
    if (r == 0)
        r = ctl_open(ctl);
    if (r != 0)
        return r;
    if (creditd_transactions(ctl->connection, &request, &result) != 0)
        return ctl_fail(ctl);
    if (!ctl_print_json(ctl))
        print_transactions(&result, request.offset);
    creditd_transactions_clear(&result);
    return EXIT_DONE;
}
