/* Any method. */
#include "ctl.h"
#include <string.h>

static int call(struct ctl *ctl, const json_t *params, const struct creditd_stamp *stamp)
{
    const char *method = ctl->arguments[0];
    struct creditd_call_options options = {.repeat = json_call_repeat(method, params),
                                           .stamp = stamp};
    struct creditd_map *map = creditd_map_new();
    json_t *result;
    int r;

    if (!map)
        return ctl_usage(ctl, "no memory");
    json_into_map(map, params);
    r = creditd_call(ctl->connection, method, map, &options);
    creditd_map_free(map);
    if (r != 0)
        return ctl_fail(ctl);
    result = json_from_value(creditd_reply_result(creditd_last(ctl->connection)));
    r = ctl_print_document(result, ctl->options[OPTION_JSON] != NULL);
    json_decref(result);
    return r;
}

static int check_names(const struct ctl *ctl, const json_t *params)
{
    char known[JSON_NAMES_MAX];
    const char *name = json_unknown_name(ctl->arguments[0], params, known);

    return name ? ctl_usage(ctl, "%s takes no parameter %s; it takes %s", ctl->arguments[0], name,
                            known)
                : 0;
}

int run_call(struct ctl *ctl)
{
    const char *text = ctl->options[OPTION_STAMP];
    struct creditd_stamp stamp;
    json_t *params;
    int r;

    if (text && creditd_stamp_from_text(text, &stamp) < 0)
        return ctl_usage(ctl, "--stamp takes the 48 digits that creditctl printed");
    params = ctl_object(ctl, "the parameters", ctl->argument_count > 1 ? ctl->arguments[1] : "{}");
    if (!params)
        return EXIT_USAGE;
    if (text && json_call_repeat(ctl->arguments[0], params) != CREDITD_REPEAT_STAMPED)
        r = ctl_usage(ctl, "%s takes no stamp", ctl->arguments[0]);
    else
        r = check_names(ctl, params);
    if (r == 0)
        r = ctl_open(ctl);
    if (r == 0)
        r = call(ctl, params, text ? &stamp : NULL);
    json_decref(params);
    return r;
}
