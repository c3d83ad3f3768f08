/* The commands for operators: ping, status, push, refresh, metrics. */
#include "ctl.h"
#include <inttypes.h>
#include <string.h>

int run_ping(struct ctl *ctl)
{
    struct creditd_ping_result result;
    int r = ctl_open(ctl);

    if (r != 0)
        return r;
    if (creditd_ping(ctl->connection, &result) != 0)
        return ctl_fail(ctl);
    if (!ctl_print_json(ctl))
        printf("creditd %s answers at %s\n", result.version, creditd_path(ctl->connection));
    return EXIT_DONE;
}

/* What the daemon does not know is -1. */
static struct text known(int64_t number)
{
    return number < 0 ? (struct text){.bytes = "?"} : human_count(number);
}

static void print_upstream(const struct creditd_status_result *status)
{
    const char *state = status->upstream.reachable ? "reachable" : "NOT reachable";

    printf("upstream     %s, last heard %s", status->upstream.asked ? state : "not asked yet",
           human_age(status->upstream.last_success).bytes);
    if (status->upstream.requests_remaining >= 0)
        printf(", %s", known(status->upstream.requests_remaining).bytes);
    if (status->upstream.requests_remaining >= 0 && status->upstream.requests_limit >= 0)
        printf(" of %s", known(status->upstream.requests_limit).bytes);
    puts(status->upstream.requests_remaining >= 0 ? " requests left" : "");
    if (!status->upstream.helper)
        puts("             creditd-sync is NOT connected");
    if (status->upstream.paused[0])
        printf("             nothing is pushed: %s\n", status->upstream.paused);
}

static void print_ledger(const struct creditd_status_result *status)
{
    printf("pending      %s credits in %s balances", known(status->pending.credits).bytes,
           known(status->pending.balances).bytes);
    if (status->pending.oldest_age > 0)
        printf(", the oldest for %s", human_duration(status->pending.oldest_age).bytes);
    printf("\npushes       %s open, %s in doubt, %s parked\n", known(status->pushes.open).bytes,
           known(status->pushes.doubt).bytes, known(status->pushes.parked).bytes);
    if (status->pushes.parked > 0)
        puts("             creditctl push list shows why");
    printf("ledger       sequence %s, durable to %s, stored to %s\n",
           known(status->ledger.sequence).bytes, known(status->ledger.durable_sequence).bytes,
           known(status->ledger.stored_sequence).bytes);
    printf("             durability %s\n",
           status->ledger.durability[0] ? status->ledger.durability : "?");
    if (strcmp(status->ledger.space, "reserve") == 0)
        puts("             THE DISK IS FULL: nothing more is deducted until there is room");
}

/* Of the whole answer: this is for people, and in no struct. */
static void print_mismatch(struct ctl *ctl)
{
    const struct creditd_value *result = creditd_reply_result(creditd_last(ctl->connection));
    const struct creditd_value *mismatch =
        creditd_value_get(creditd_value_get(result, "upstream"), "mismatch");
    size_t ours, other;
    const char *ledger = creditd_value_text(creditd_value_get(mismatch, "ledger"), &ours);
    const char *helper = creditd_value_text(creditd_value_get(mismatch, "helper"), &other);

    if (ledger && helper)
        printf("             NOT USED: this ledger belongs to \"%.*s\",\n"
               "             but creditd-sync is set to \"%.*s\":\n"
               "             creditctl(1), upstream accept, says what to do\n",
               (int)ours, ledger, (int)other, helper);
}

/* The latest event, and hooks where there is something to be done about them. */
static void print_events(struct ctl *ctl)
{
    const struct creditd_value *result = creditd_reply_result(creditd_last(ctl->connection)),
                               *events = creditd_value_get(result, "events"),
                               *hooks = creditd_value_get(result, "hooks");
    int64_t last = creditd_value_int(creditd_value_get(events, "last"), -1),
            subscribers = creditd_value_int(creditd_value_get(events, "subscribers"), -1),
            failed = creditd_value_int(creditd_value_get(hooks, "failed"), 0),
            parked = creditd_value_int(creditd_value_get(hooks, "parked"), 0);

    if (last >= 0)
        printf("events       %s so far, %s %s\n", human_count(last).bytes, known(subscribers).bytes,
               subscribers == 1 ? "subscriber" : "subscribers");
    if (failed > 0 || parked > 0)
        printf("hooks        %s failed, %s parked: creditctl hooks shows them\n",
               human_count(failed).bytes, human_count(parked).bytes);
}

/* Creates, where there is something to be known about them. */
static void print_intents(struct ctl *ctl)
{
    const struct creditd_value *result = creditd_reply_result(creditd_last(ctl->connection)),
                               *intents = creditd_value_get(result, "intents");
    int64_t open = creditd_value_int(creditd_value_get(intents, "open"), 0),
            doubt = creditd_value_int(creditd_value_get(intents, "doubt"), 0),
            parked = creditd_value_int(creditd_value_get(intents, "parked"), 0);

    if (open + doubt + parked > 0)
        printf("creates      %s open, %s in doubt, %s parked: creditctl push list shows them\n",
               human_count(open).bytes, human_count(doubt).bytes, human_count(parked).bytes);
}

int run_status(struct ctl *ctl)
{
    struct creditd_status_result status;
    int r = ctl_open(ctl);

    if (r != 0)
        return r;
    if (creditd_status(ctl->connection, &status) != 0)
        return ctl_fail(ctl);
    if (ctl_print_json(ctl))
        return EXIT_DONE;
    printf("creditd      %s, %s, up for %s\n", status.version, status.health,
           human_duration(status.uptime).bytes);
    print_upstream(&status);
    print_mismatch(ctl);
    print_ledger(&status);
    print_intents(ctl);
    print_events(ctl);
    printf("balances     %s in memory\n", known(status.resident).bytes);
    printf("connections  %s; %s requests, %s refused\n", known(status.connections).bytes,
           known(status.requests.total).bytes, known(status.requests.refused).bytes);
    return EXIT_DONE;
}

static void print_pushes(const struct creditd_push_list_result *result)
{
    struct table table;

    if (result->count == 0) {
        puts("none");
        return;
    }
    table_init(&table, "<<<<<>><<");
    table_heads(&table, "push", "state", "customer or user", "product or payment", "type",
                "credits", "attempt", "begun", "reason", NULL);
    for (size_t i = 0; i < result->count; i++) {
        const struct creditd_push *push = &result->data[i];

        table_add(&table, push->push_id);
        table_add(&table, push->state);
        table_add(&table, push->customer_id[0] != '\0' ? push->customer_id : push->user_id);
        table_add(&table, push->payment_id[0] != '\0' ? push->payment_id : push->product_id);
        table_add(&table, push->type);
        table_add(&table, human_count(push->credits).bytes);
        table_add(&table, human_count(push->attempt).bytes);
        table_add(&table, human_age(push->begun_at).bytes);
        table_add(&table, push->reason);
    }
    table_print(&table, stdout);
    table_deinit(&table);
    if (result->has_more)
        puts("There are more: --limit shows them");
}

int run_push_list(struct ctl *ctl)
{
    struct creditd_push_list_request request = {.state = ctl->options[OPTION_STATE]};
    struct creditd_push_list_result result;
    int r = ctl_number(ctl, "--limit", ctl->options[OPTION_LIMIT], 1, &request.limit);

    if (r == 0)
        r = ctl_open(ctl);
    if (r != 0)
        return r;
    if (creditd_push_list(ctl->connection, &request, &result) != 0)
        return ctl_fail(ctl);
    if (!ctl_print_json(ctl))
        print_pushes(&result);
    creditd_push_list_clear(&result);
    return EXIT_DONE;
}

typedef int (*push_function)(struct creditd *connection, const struct creditd_push_request *request,
                             struct creditd_push_result *ret_result);

static int change_push(struct ctl *ctl, push_function change)
{
    struct creditd_push_request request = {.push_id = ctl->arguments[0],
                                           .reason = ctl->options[OPTION_REASON],
                                           .refund_id = ctl->arguments[1]};
    struct creditd_push_result result;
    int r = ctl_open(ctl);

    if (r != 0)
        return r;
    if (change(ctl->connection, &request, &result) != 0)
        return ctl_fail(ctl);
    if (!ctl_print_json(ctl))
        printf("%s: %s\n", result.push_id, result.state);
    return EXIT_DONE;
}

int run_push_retry(struct ctl *ctl)
{
    return change_push(ctl, creditd_push_retry);
}

int run_push_drop(struct ctl *ctl)
{
    return change_push(ctl, creditd_push_drop);
}

int run_push_settle(struct ctl *ctl)
{
    return change_push(ctl, creditd_push_settle);
}

int run_upstream_accept(struct ctl *ctl)
{
    const struct creditd_call_options options = {.repeat = CREDITD_REPEAT_SAFE};
    struct creditd_map *params;
    int r = ctl_open(ctl);

    if (r != 0)
        return r;
    params = creditd_map_new();
    if (!params)
        return ctl_usage(ctl, "no memory");
    creditd_map_text(params, "upstream", ctl->arguments[0]);
    r = creditd_call(ctl->connection, "upstream.accept", params, &options);
    creditd_map_free(params);
    if (r != 0)
        return ctl_fail(ctl);
    if (!ctl_print_json(ctl))
        printf("this ledger belongs to \"%s\"\n", ctl->arguments[0]);
    return EXIT_DONE;
}

int run_refresh(struct ctl *ctl)
{
    const struct creditd_call_options options = {.repeat = CREDITD_REPEAT_SAFE};
    const char *product = ctl->options[OPTION_PRODUCT];
    struct creditd_map *params;
    int64_t count;
    int r;

    if (!product && ctl->argument_count > 0)
        product = ctl_argument(ctl, OPTION_PRODUCT, "the product");
    r = ctl_no_more(ctl);
    if (r == 0)
        r = ctl_open(ctl);
    if (r != 0)
        return r;
    params = creditd_map_new();
    if (!params)
        return ctl_usage(ctl, "no memory");
    if (ctl->options[OPTION_CUSTOMER])
        creditd_map_text(params, "customer_id", ctl->options[OPTION_CUSTOMER]);
    if (product)
        creditd_map_text(params, "product_id", product);
    r = creditd_call(ctl->connection, "cache.refresh", params, &options);
    creditd_map_free(params);
    if (r != 0)
        return ctl_fail(ctl);
    count = creditd_value_int(
        creditd_value_get(creditd_reply_result(creditd_last(ctl->connection)), "balances"), 0);
    if (!ctl_print_json(ctl))
        printf("%" PRId64 " %s will be read from StellarTools\n", count,
               count == 1 ? "balance" : "balances");
    return EXIT_DONE;
}

int run_metrics(struct ctl *ctl)
{
    const struct creditd_call_options options = {.repeat = CREDITD_REPEAT_SAFE};
    const struct creditd_value *result;
    size_t length;
    const char *text;
    int r = ctl_open(ctl);

    if (r != 0)
        return r;
    if (creditd_call(ctl->connection, "metrics", NULL, &options) != 0)
        return ctl_fail(ctl);
    if (ctl_print_json(ctl))
        return EXIT_DONE;
    result = creditd_reply_result(creditd_last(ctl->connection));
    text = creditd_value_text(creditd_value_get(result, "text"), &length);
    if (text)
        fwrite(text, 1, length, stdout);
    return EXIT_DONE;
}
