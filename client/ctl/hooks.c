/* The commands for hooks: how far each one is, what it could not deliver yet, and what to do about
 * that. */
#include "ctl.h"
#include <inttypes.h>
#include <stdio.h>

static void add_cell(struct table *table, const struct creditd_value *row, const char *key)
{
    table_add(table, cell_of(key, creditd_value_get(row, key)).bytes);
}

/* A time that is past. */
static void add_age(struct table *table, const struct creditd_value *row, const char *key)
{
    int64_t ms = creditd_value_int(creditd_value_get(row, key), 0);

    table_add(table, ms > 0 ? human_age(ms).bytes : "");
}

static void print_hooks(const struct creditd_value *hooks)
{
    static const char *const keys[] = {"hook",   "configured", "sequence",  "running",
                                       "failed", "waiting",    "delivered", "parked"};
    struct table table;

    table_init(&table, "<<>>>>>><");
    table_heads(&table, "hook", "configured", "up to event", "running", "failed", "behind one",
                "delivered", "parked", "oldest", NULL);
    for (size_t i = 0; i < creditd_value_count(hooks); i++) {
        const struct creditd_value *hook = creditd_value_at(hooks, i);

        for (size_t k = 0; k < sizeof keys / sizeof keys[0]; k++)
            add_cell(&table, hook, keys[k]);
        add_age(&table, hook, "oldest");
    }
    table_print(&table, stdout);
    table_deinit(&table);
}

static void print_deliveries(const struct creditd_value *deliveries)
{
    static const char *const keys[] = {"sequence", "hook",    "type",   "customer_id",
                                       "state",    "attempt", "status", "message"};
    struct table table;

    table_init(&table, "><<<<>><<");
    table_heads(&table, "event", "hook", "type", "customer", "state", "attempt", "status", "why",
                "next try", NULL);
    for (size_t i = 0; i < creditd_value_count(deliveries); i++) {
        const struct creditd_value *delivery = creditd_value_at(deliveries, i);

        for (size_t k = 0; k < sizeof keys / sizeof keys[0]; k++)
            add_cell(&table, delivery, keys[k]);
        add_cell(&table, delivery, "next_attempt_at");
    }
    table_print(&table, stdout);
    table_deinit(&table);
}

static void print_list(const struct creditd_value *result)
{
    const struct creditd_value *deliveries = creditd_value_get(result, "data");

    print_hooks(creditd_value_get(result, "hooks"));
    if (creditd_value_count(deliveries) == 0)
        return;
    putchar('\n');
    print_deliveries(deliveries);
    if (creditd_value_bool(creditd_value_get(result, "has_more"), false))
        puts("There are more: --limit shows them");
}

/* `params` is freed. */
static int call(struct ctl *ctl, const char *method, struct creditd_map *params,
                enum creditd_repeat repeat)
{
    const struct creditd_call_options options = {.repeat = repeat};
    int r = ctl_open(ctl);

    if (r == 0 && creditd_call(ctl->connection, method, params, &options) != 0)
        r = ctl_fail(ctl);
    creditd_map_free(params);
    return r;
}

int run_hooks(struct ctl *ctl)
{
    struct creditd_map *params = creditd_map_new();
    int64_t limit;
    int r = ctl_number(ctl, "--limit", ctl->options[OPTION_LIMIT], 1, &limit);

    if (!params || r != 0) {
        creditd_map_free(params);
        return r != 0 ? r : ctl_usage(ctl, "no memory");
    }
    if (ctl->argument_count > 0)
        creditd_map_text(params, "hook", ctl->arguments[0]);
    if (ctl->options[OPTION_STATE])
        creditd_map_text(params, "state", ctl->options[OPTION_STATE]);
    if (limit > 0)
        creditd_map_int(params, "limit", limit);
    r = call(ctl, "hook.list", params, CREDITD_REPEAT_SAFE);
    if (r == 0 && !ctl_print_json(ctl))
        print_list(creditd_reply_result(creditd_last(ctl->connection)));
    return r;
}

/* Never sent twice: an operator looks before asking again. */
static int order(struct ctl *ctl, const char *method)
{
    struct creditd_map *params;
    const struct creditd_value *result;
    const char *text = ctl->argument_count > 1 ? ctl->arguments[1] : NULL;
    int64_t sequence;
    int r = ctl_number(ctl, "the event's number", text, 1, &sequence);

    if (r != 0)
        return r;
    params = creditd_map_new();
    if (!params)
        return ctl_usage(ctl, "no memory");
    creditd_map_text(params, "hook", ctl->arguments[0]);
    if (text)
        creditd_map_int(params, "sequence", sequence);
    r = call(ctl, method, params, CREDITD_REPEAT_NEVER);
    if (r != 0 || ctl_print_json(ctl))
        return r;
    result = creditd_reply_result(creditd_last(ctl->connection));
    if (text)
        printf("%s, event %" PRId64 ": %s\n", ctl->arguments[0], sequence,
               cell_of("state", creditd_value_get(result, "state")).bytes);
    else
        printf("%s: %s\n", ctl->arguments[0],
               cell_of("state", creditd_value_get(result, "state")).bytes);
    return EXIT_DONE;
}

int run_hooks_retry(struct ctl *ctl)
{
    return order(ctl, "hook.retry");
}

int run_hooks_drop(struct ctl *ctl)
{
    return order(ctl, "hook.drop");
}
