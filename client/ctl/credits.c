/* The commands for credits. */
#include "ctl.h"
#include <inttypes.h>

/* A mistyped id looks like an empty account. */
static void note_unknown(const struct creditd_balance_result *result)
{
    if (result->granted == 0 && result->consumed == 0 && result->upstream == 0)
        printf("StellarTools knows no balance of %s for %s. Are the ids right?\n",
               result->customer_id, result->product_id);
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
    table_row(&table, "available", human_count(result.balance).bytes);
    table_row(&table, "upstream", human_count(result.upstream).bytes);
    table_row(&table, "pending", human_count(result.pending).bytes);
    table_row(&table, "held", human_count(result.held).bytes);
    table_row(&table, "consumed, ever", human_count(result.consumed).bytes);
    table_row(&table, "granted, ever", human_count(result.granted).bytes);
    table_row(&table, "units per credit", human_count(result.units_per_credit).bytes);
    table_row(&table, "synced", human_age(result.synced_at).bytes);
    table_print(&table, stdout);
    table_deinit(&table);
    note_unknown(&result);
    ctl_note_staleness(result.stale, result.synced_at);
    return EXIT_DONE;
}

int run_check(struct ctl *ctl)
{
    struct creditd_check_request request = {.fresh = ctl->options[OPTION_FRESH] != NULL};
    struct creditd_check_result result;
    int r = ctl_begin_purchase(ctl, &request.who, &request.product_id, &request.raw_amount);

    if (r != 0)
        return r;
    if (creditd_check(ctl->connection, &request, &result) != 0)
        return ctl_fail(ctl);
    if (ctl_print_json(ctl))
        return EXIT_DONE;
    printf("%s: it takes %s credits, and %s are available\n",
           result.is_sufficient ? "sufficient" : "not sufficient",
           human_count(result.credits_required).bytes, human_count(result.balance).bytes);
    ctl_note_staleness(result.stale, result.synced_at);
    return EXIT_DONE;
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
    ctl_note_staleness(result.stale, result.synced_at);
    return EXIT_DONE;
}

int run_consume(struct ctl *ctl)
{
    struct creditd_consume_request request = {.timeout = 0};
    struct creditd_stamp stamp;
    struct creditd_map *metadata = NULL;
    int r = ctl_once(ctl, &request.idempotency_key, &stamp, &request.stamp);

    if (r == 0)
        r = ctl_metadata(ctl, &metadata);
    request.metadata = metadata;
    if (r == 0)
        r = ctl_begin_purchase(ctl, &request.who, &request.product_id, &request.raw_amount);
    if (r == 0)
        r = consume(ctl, &request);
    creditd_map_free(metadata);
    return r;
}

static void print_transactions(const struct creditd_transactions_result *result, int64_t offset)
{
    struct table table;

    table_init(&table, "<<<>>><");
    table_heads(&table, "time", "transaction", "type", "credits", "raw", "left", "state", NULL);
    for (size_t i = 0; i < result->count; i++) {
        const struct creditd_transaction *transaction = &result->data[i];

        table_add(&table, human_time(transaction->created_at).bytes);
        table_add(&table, transaction->id);
        table_add(&table, transaction->type);
        table_add(&table, human_count(transaction->amount).bytes);
        table_add(&table,
                  transaction->raw_amount < 0 ? "" : human_count(transaction->raw_amount).bytes);
        table_add(&table, human_count(transaction->balance_after).bytes);
        table_add(&table, transaction->push_state);
    }
    if (result->count > 0)
        table_print(&table, stdout);
    else
        puts("none");
    table_deinit(&table);
    if (result->has_gap)
        puts("There were older ones; they are no longer kept.");
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
