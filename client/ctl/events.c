/* Events for people: `events` shows the ones that are kept, a page at a time; monitor.c shows those
 * that come. */
#include "ctl.h"
#include <inttypes.h>
#include <proto/events.h>
#include <stdarg.h>
#include <string.h>

int ctl_types(const struct ctl *ctl, struct ctl_types *ret_types)
{
    const char *text = ctl->options[OPTION_TYPES];
    size_t count = 0;

    ret_types->types = NULL;
    if (!text)
        return 0;
    if (strlen(text) >= sizeof ret_types->text)
        return ctl_usage(ctl, "--types is too long");
    memcpy(ret_types->text, text, strlen(text) + 1);
    for (char *rest = ret_types->text, *type; (type = strsep(&rest, ","));) {
        if (count == CTL_TYPES_MAX || !type[0])
            return ctl_usage(ctl, "--types takes up to %d types: credits.low,subscription.*",
                             CTL_TYPES_MAX);
        if (proto_event_filter(type, strlen(type)) == 0)
            return ctl_usage(ctl, "--types: there is no event type %s", type);
        ret_types->list[count++] = type;
    }
    ret_types->list[count] = NULL;
    ret_types->types = ret_types->list;
    return 0;
}

static void add(struct cell *cell, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* What is too long is cut. */
static void add(struct cell *cell, const char *format, ...)
{
    size_t length = strlen(cell->bytes);
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(cell->bytes + length, sizeof cell->bytes - length, format, arguments);
    va_end(arguments);
}

static void add_member(struct cell *cell, const char *before, const struct creditd_value *object,
                       const char *key)
{
    struct cell member = cell_of(key, creditd_value_get(object, key));

    if (member.bytes[0])
        add(cell, "%s%.120s", before, member.bytes);
}

static void describe_balance(struct cell *cell, const struct creditd_value *object)
{
    int64_t threshold = creditd_value_int(creditd_value_get(object, "threshold"), -1);

    add(cell, "%s available",
        human_count(creditd_value_int(creditd_value_get(object, "balance"), 0)).bytes);
    if (threshold >= 0)
        add(cell, ", threshold %s", human_count(threshold).bytes);
}

static void describe_push(struct cell *cell, const struct creditd_value *object)
{
    add_member(cell, "", object, "id");
    add_member(cell, ", ", object, "type");
    add_member(cell, " of ", object, "credits");
    add_member(cell, ", ", object, "state");
    add_member(cell, ": ", object, "reason");
}

/* StellarTools' own: its id, its status, and what has changed. */
static void describe_object(struct cell *cell, const struct creditd_event *event)
{
    add_member(cell, "", event->object, "id");
    add_member(cell, ", ", event->object, "status");
    for (size_t i = 0; i < creditd_value_count(event->previous); i++) {
        char key[64];

        creditd_value_copy_text(creditd_value_key_at(event->previous, i), key, sizeof key);
        add(cell, "%s%s", i > 0 ? ", " : ", changed: ", key);
    }
}

struct cell ctl_describe(const struct creditd_event *event)
{
    const struct creditd_value *kind = creditd_value_get(event->object, "object");
    struct cell cell = {0};

    if (creditd_value_is_text(kind, "credit_balance")) {
        describe_balance(&cell, event->object);
    } else if (creditd_value_is_text(kind, "push")) {
        describe_push(&cell, event->object);
    } else if (creditd_value_is_text(kind, "customer_link")) {
        add_member(&cell, "user ", event->object, "user_id");
        add_member(&cell, ", before: ", event->previous, "customer_id");
    } else {
        describe_object(&cell, event);
    }
    ctl_hide_controls(cell.bytes);
    return cell;
}

static void print_events(const struct creditd_list *list)
{
    struct table table;

    table_init(&table, "><<<<<");
    table_heads(&table, "event", "time", "type", "customer", "product", "what", NULL);
    for (size_t i = 0; i < list->count; i++) {
        struct creditd_event event;
        struct text number = {0};

        if (creditd_event_open(creditd_value_at(list->data, i), &event) < 0)
            continue; /* of a later version */
        snprintf(number.bytes, sizeof number.bytes, "%" PRId64, event.sequence);
        table_add(&table, number.bytes);
        table_add(&table, human_time(event.created).bytes);
        table_add(&table, event.type);
        table_add(&table, event.customer_id);
        table_add(&table, event.product_id);
        table_add(&table, ctl_describe(&event).bytes);
    }
    if (list->count > 0)
        table_print(&table, stdout);
    else
        puts("none");
    table_deinit(&table);
}

int run_events(struct ctl *ctl)
{
    struct creditd_event_list_request request = {.timeout = 0};
    const struct creditd_value *result;
    struct creditd_list list;
    struct ctl_types types;
    int r = ctl_types(ctl, &types);

    if (r == 0)
        r = ctl_number(ctl, "--after", ctl->options[OPTION_AFTER], 0, &request.after);
    if (r == 0)
        r = ctl_number(ctl, "--limit", ctl->options[OPTION_LIMIT], 1, &request.limit);
    if (r == 0)
        r = ctl_open(ctl);
    if (r != 0)
        return r;
    request.types = types.types;
    if (creditd_event_list(ctl->connection, &request, &list) != 0)
        return ctl_fail(ctl);
    result = creditd_reply_result(creditd_last(ctl->connection));
    if (!ctl_print_json(ctl)) {
        print_events(&list);
        if (list.has_more)
            printf("There are more: --after %" PRId64 "\n",
                   creditd_value_int(creditd_value_get(result, "after"), 0));
    }
    creditd_list_clear(&list);
    return EXIT_DONE;
}

int run_events_forget(struct ctl *ctl)
{
    const struct creditd_call_options options = {.repeat = CREDITD_REPEAT_NEVER};
    struct creditd_map *params;
    int r = ctl_open(ctl);

    if (r != 0)
        return r;
    params = creditd_map_new();
    if (!params)
        return ctl_usage(ctl, "no memory");
    creditd_map_text(params, "subscriber", ctl->arguments[0]);
    r = creditd_call(ctl->connection, "event.unsubscribe", params, &options);
    creditd_map_free(params);
    if (r != 0)
        return ctl_fail(ctl);
    if (!ctl_print_json(ctl))
        printf(
            "%s: forgotten, at event %" PRId64 "\n", ctl->arguments[0],
            creditd_value_int(
                creditd_value_get(creditd_reply_result(creditd_last(ctl->connection)), "sequence"),
                0));
    return EXIT_DONE;
}
