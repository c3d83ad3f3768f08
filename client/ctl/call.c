/* Any method. */
#include "ctl.h"
#include <proto/methods.h>
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

static bool knows(const struct proto_method_spec *spec, const char *name)
{
    for (int i = 0; i < PROTO_PARAMETER_COUNT_; i++)
        if ((spec->known & UINT64_C(1) << i) && strcmp(proto_parameter_name(i), name) == 0)
            return true;
    return false;
}

static void list_known(const struct proto_method_spec *spec, char *buffer, size_t size)
{
    size_t length = 0;

    snprintf(buffer, size, "none");
    for (int i = 0; i < PROTO_PARAMETER_COUNT_; i++)
        if ((spec->known & UINT64_C(1) << i) && length < size)
            length += (size_t)snprintf(buffer + length, size - length, "%s%s",
                                       length > 0 ? ", " : "", proto_parameter_name(i));
}

/* The daemon passes over what it does not know, as newer clients need; a misspelt idempotency_key
 * would then be none. Of methods that are not known here it may know anything. */
static int check_names(const struct ctl *ctl, const json_t *params)
{
    const struct proto_method_spec *spec;
    enum proto_method method;
    const char *name;
    json_t *value;
    char known[512];

    if (proto_method_find(ctl->arguments[0], strlen(ctl->arguments[0]), &method) < 0)
        return 0;
    spec = proto_method_spec(method);
    json_object_foreach((json_t *)params, name, value)
    {
        if (knows(spec, name))
            continue;
        list_known(spec, known, sizeof known);
        return ctl_usage(ctl, "%s takes no parameter %s; it takes %s", ctl->arguments[0], name,
                         known);
    }
    return 0;
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
