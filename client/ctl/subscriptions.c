/* The commands for subscriptions. */
#include "ctl.h"
#include <string.h>

static int parse_choice(const struct ctl *ctl, enum creditd_choice *ret_choice)
{
    const char *text = ctl->options[OPTION_CANCEL];

    *ret_choice = CREDITD_UNCHANGED;
    if (!text)
        return 0;
    if (strcmp(text, "yes") != 0 && strcmp(text, "no") != 0)
        return ctl_usage(ctl, "--cancel-at-period-end must be yes or no, not %s", text);
    *ret_choice = text[0] == 'y' ? CREDITD_YES : CREDITD_NO;
    return 0;
}

int run_subscription_create(struct ctl *ctl)
{
    struct creditd_subscription_create_request request = {
        .product_id = ctl->arguments[0], .idempotency_key = ctl->options[OPTION_KEY]};
    struct creditd_map *metadata = NULL;
    struct creditd_object subscription;
    int r = parse_choice(ctl, &request.cancel_at_period_end);

    if (r == 0)
        r = ctl_number(ctl, "--trial-days", ctl->options[OPTION_TRIAL_DAYS], 1,
                       &request.trial_days);
    if (r == 0)
        r = ctl_metadata(ctl, &metadata);
    request.metadata = metadata;
    if (r == 0)
        r = ctl_begin(ctl, &request.who);
    if (r == 0)
        r = ctl_finish_object(ctl,
                              creditd_subscription_create(ctl->connection, &request, &subscription),
                              &subscription);
    creditd_map_free(metadata);
    return r;
}

int run_subscription_update(struct ctl *ctl)
{
    struct creditd_subscription_update_request request = {
        .subscription_id = ctl->arguments[0], .product_id = ctl->options[OPTION_PRODUCT]};
    struct creditd_map *metadata = NULL;
    struct creditd_object subscription;
    int r = parse_choice(ctl, &request.cancel_at_period_end);

    if (r == 0)
        r = ctl_metadata(ctl, &metadata);
    request.metadata = metadata;
    if (r == 0 && !request.product_id && !metadata && !request.cancel_at_period_end)
        r = ctl_usage(ctl, "nothing is to be changed");
    if (r == 0)
        r = ctl_begin(ctl, &request.who);
    if (r == 0)
        r = ctl_finish_object(ctl,
                              creditd_subscription_update(ctl->connection, &request, &subscription),
                              &subscription);
    creditd_map_free(metadata);
    return r;
}

static void add_cell(struct table *table, const struct creditd_value *object, const char *key)
{
    table_add(table, cell_of(key, creditd_value_get(object, key)).bytes);
}

static void print_list(const struct creditd_list *list)
{
    struct table table;

    table_init(&table, "<<<<<");
    table_heads(&table, "subscription", "status", "product", "period ends", "cancels then", NULL);
    for (size_t i = 0; i < list->count; i++) {
        const struct creditd_value *subscription = creditd_value_at(list->data, i);

        add_cell(&table, subscription, "id");
        add_cell(&table, subscription, "status");
        add_cell(&table, subscription, "product_id");
        add_cell(&table, subscription, "current_period_end");
        add_cell(&table, subscription, "cancel_at_period_end");
    }
    if (list->count > 0)
        table_print(&table, stdout);
    else
        puts("none");
    table_deinit(&table);
    if (list->has_more)
        puts("There are more.");
    ctl_note_staleness(list->stale, list->synced_at);
}

int run_subscription_list(struct ctl *ctl)
{
    struct creditd_subscription_list_request request = {.fresh =
                                                            ctl->options[OPTION_FRESH] != NULL};
    struct creditd_list list;
    int r = ctl_begin(ctl, &request.who);

    if (r != 0)
        return r;
    if (creditd_subscription_list(ctl->connection, &request, &list) != 0)
        return ctl_fail(ctl);
    if (!ctl_print_json(ctl))
        print_list(&list);
    creditd_list_clear(&list);
    return EXIT_DONE;
}

typedef int (*subscription_function)(struct creditd *connection,
                                     const struct creditd_subscription_request *request,
                                     struct creditd_object *ret_subscription);

static int run_one(struct ctl *ctl, subscription_function function)
{
    struct creditd_subscription_request request = {.subscription_id = ctl->arguments[0],
                                                   .fresh = ctl->options[OPTION_FRESH] != NULL};
    struct creditd_object subscription;
    int r = ctl_begin(ctl, &request.who);

    if (r != 0)
        return r;
    r = function(ctl->connection, &request, &subscription);
    return ctl_finish_object(ctl, r, &subscription);
}

int run_subscription_retrieve(struct ctl *ctl)
{
    return run_one(ctl, creditd_subscription_retrieve);
}

int run_subscription_cancel(struct ctl *ctl)
{
    return run_one(ctl, creditd_subscription_cancel);
}

int run_subscription_pause(struct ctl *ctl)
{
    return run_one(ctl, creditd_subscription_pause);
}

int run_subscription_resume(struct ctl *ctl)
{
    return run_one(ctl, creditd_subscription_resume);
}
