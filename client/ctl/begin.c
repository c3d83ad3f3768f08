/* What many commands begin with: see ctl.h. */
#include "ctl.h"

int ctl_begin(struct ctl *ctl, struct creditd_who *ret_who)
{
    int r = ctl_who(ctl, ret_who);

    return r != 0 ? r : ctl_open(ctl);
}

int ctl_begin_purchase(struct ctl *ctl, struct creditd_who *ret_who, const char **ret_product,
                       int64_t *ret_amount)
{
    const char *product, *text;
    int r = ctl_who(ctl, ret_who);

    if (r != 0)
        return r;
    product = ctl_argument(ctl, OPTION_PRODUCT, "the product");
    if (!product)
        return EXIT_USAGE;
    text = ctl_argument(ctl, OPTION_AMOUNT, "the amount");
    if (!text)
        return EXIT_USAGE;
    r = ctl_number(ctl, "the amount", text, 1, ret_amount);
    if (r == 0)
        r = ctl_no_more(ctl);
    if (r == 0)
        *ret_product = product;
    return r != 0 ? r : ctl_open(ctl);
}

int ctl_metadata(const struct ctl *ctl, struct creditd_map **ret_map)
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

int ctl_once(const struct ctl *ctl, const char **ret_key, struct creditd_stamp *stamp,
             const struct creditd_stamp **ret_stamp)
{
    const char *key = ctl->options[OPTION_KEY], *text = ctl->options[OPTION_STAMP];

    if (text && key)
        return ctl_usage(ctl, "either --key or --stamp");
    if (text && creditd_stamp_from_text(text, stamp) < 0)
        return ctl_usage(ctl, "--stamp takes the 48 digits that creditctl printed");
    *ret_key = key;
    *ret_stamp = text ? stamp : NULL;
    return 0;
}
