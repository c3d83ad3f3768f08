/*
 * The one table of all options: it drives names, types, defaults, ranges and the texts of errors.
 * Private to config*.c.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <util/config.h>

/* Those that are kept as text come first. */
enum config_type {
    CONFIG_WORD,
    CONFIG_COOKIE_PREFIX,
    CONFIG_USER,
    CONFIG_ORIGINS,
    CONFIG_PATH,
    CONFIG_SOCKET,
    CONFIG_SOCKET_DIRECTORY,
    CONFIG_SECRET_PATH, /* its errors do not repeat the value: it may be the secret itself,
                           misplaced */
    CONFIG_URL,
    CONFIG_PROGRAM,
    CONFIG_LISTEN,
    CONFIG_PREFIX,
    CONFIG_GROUP,
    CONFIG_DURATION,
    CONFIG_SIZE,
    CONFIG_INTEGER,
    CONFIG_BOOLEAN,
    CONFIG_DURABILITY,
    CONFIG_THRESHOLDS,
    CONFIG_ACCESS,
};

/* From when on a reload's value counts: at once, for connections that come then, or for a process
 * that starts then. */
enum config_when { CONFIG_NOW, CONFIG_CONNECT, CONFIG_START };

struct config_option {
    const char *section, *key;
    enum config_type type;
    enum config_when when;
    size_t offset;            /* in struct config */
    const char *initial;      /* the default, as one would write it; NULL: unset */
    int64_t minimum, maximum; /* of durations, sizes and integers */
    const char *word;   /* a word that is taken in place of a number, such as "no limit" … */
    int64_t word_value; /* … and what it means */
};

extern const struct config_option config_options[];
extern const size_t config_option_count;

/* NULL where there is none. */
const struct config_option *config_option_find(const char *section, const char *key);
bool config_section_exists(const char *section);
/* Sets the option's field in `config`. 0, -ENOMEM, or -EINVAL with *ret_problem: what is wrong with
 * the value and what is allowed (the caller frees it). */
int config_option_set(struct config *config, const struct config_option *option, const char *text,
                      char **ret_problem);
/* Frees what the option's field owns. */
void config_option_clear(struct config *config, const struct config_option *option);
