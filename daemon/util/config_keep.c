/*
 * What a reload does not change. Some options are used up by the start: memory is laid out by them,
 * sockets are bound, files are open. They stay as they are, so that struct config always says what
 * is in force, and are named, so that nobody waits for them.
 */
#include "config_table.h"
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <util/config.h>
#include <util/macros.h>

static bool is_text(const struct config_option *option)
{
    return option->type < CONFIG_DURATION;
}

/* Lists would have to be compared item by item; none of them counts from the start. */
static size_t field_size(const struct config_option *option)
{
    assert(option->type != CONFIG_THRESHOLDS && option->type != CONFIG_ACCESS);
    if (is_text(option))
        return sizeof(char *);
    if (option->type == CONFIG_BOOLEAN)
        return sizeof(bool);
    return option->type == CONFIG_DURABILITY ? sizeof(enum config_durability) : sizeof(int64_t);
}

static bool is_same(const struct config *a, const struct config *b,
                    const struct config_option *option)
{
    const void *one = (const char *)a + option->offset, *other = (const char *)b + option->offset;
    const char *text, *other_text;

    if (!is_text(option))
        return !memcmp(one, other, field_size(option));
    memcpy(&text, one, sizeof(text));
    memcpy(&other_text, other, sizeof(other_text));
    return text && other_text ? !strcmp(text, other_text) : text == other_text;
}

static void swap(struct config *a, struct config *b, const struct config_option *option)
{
    char *one = (char *)a + option->offset, *other = (char *)b + option->offset;
    char kept[sizeof(int64_t)];
    size_t size = field_size(option);

    memcpy(kept, one, size);
    memcpy(one, other, size);
    memcpy(other, kept, size);
}

static bool is_kept(const struct config_option *option, const char *const *sections)
{
    for (; option->when == CONFIG_START && *sections; sections++)
        if (!strcmp(option->section, *sections))
            return true;
    return false;
}

static int add_name(char **names, const struct config_option *option)
{
    char *longer;

    if (asprintf(&longer, "%s%s[%s] %s", *names ? *names : "", *names ? ", " : "", option->section,
                 option->key) < 0)
        return -ENOMEM;
    free(*names);
    *names = longer;
    return 0;
}

int config_keep(struct config *config, struct config *running, const char *const *sections,
                char **ret_names)
{
    CLEANUP(cleanup_free) char *names = NULL;

    for (size_t i = 0; i < config_option_count; i++)
        if (is_kept(&config_options[i], sections) &&
            !is_same(config, running, &config_options[i]) &&
            add_name(&names, &config_options[i]) < 0)
            return -ENOMEM;
    for (size_t i = 0; i < config_option_count; i++)
        if (is_kept(&config_options[i], sections))
            swap(config, running, &config_options[i]);
    *ret_names = TAKE_PTR(names);
    return 0;
}
