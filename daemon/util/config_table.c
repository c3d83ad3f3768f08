/*
 * The options, and how the text of one becomes a field of struct config.
 */
#include "config_table.h"
#include "config_values.h"
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <util/macros.h>

#define MS_SECOND INT64_C(1000)
#define MS_MINUTE (60 * MS_SECOND)
#define MS_HOUR (60 * MS_MINUTE)
#define MS_DAY (24 * MS_HOUR)
#define KIB INT64_C(1024)
#define MIB (1024 * KIB)
#define GIB (1024 * MIB)
#define TIB (1024 * GIB)
#define SAFE_INTEGER ((INT64_C(1) << 53) - 1) /* what upstream's numbers hold exactly */

#define ROW(section, key, when, type, ...)                                                         \
    {                                                                                              \
#section, #key, type, CONFIG_##when, offsetof(struct config, section.key), __VA_ARGS__     \
    }
#define TEXT(section, key, when, type, initial)                                                    \
    ROW(section, key, when, type, initial, 0, 0, NULL, 0)
#define NUMBER(section, key, when, type, initial, minimum, maximum)                                \
    ROW(section, key, when, type, initial, minimum, maximum, NULL, 0)
#define NUMBER_OR(section, key, when, type, initial, minimum, maximum, ...)                        \
    ROW(section, key, when, type, initial, minimum, maximum, __VA_ARGS__)
/* The word that stands in place of a number, and its value. */
#define NO_LIMIT "no limit", -1

/* clang-format off */
const struct config_option config_options[] = {
    TEXT(stellartools, base_url, NOW, CONFIG_URL, "https://api.stellartools.dev"),
    TEXT(stellartools, api_key_file, NOW, CONFIG_SECRET_PATH, NULL),
    TEXT(stellartools, api_version, NOW, CONFIG_WORD, NULL),
    TEXT(stellartools, webhook_secret_file, NOW, CONFIG_SECRET_PATH, NULL),
    NUMBER(stellartools, connect_timeout, NOW, CONFIG_DURATION, "5s", 10, 5 * MS_MINUTE),
    NUMBER(stellartools, request_timeout, NOW, CONFIG_DURATION, "30s", 10, 10 * MS_MINUTE),

    TEXT(better_auth, url, NOW, CONFIG_URL, NULL),
    TEXT(better_auth, secret_file, NOW, CONFIG_SECRET_PATH, NULL),
    TEXT(better_auth, cookie_prefix, NOW, CONFIG_COOKIE_PREFIX, "better-auth"),
    NUMBER(better_auth, session_ttl, NOW, CONFIG_DURATION, "60s", 0, MS_DAY),
    TEXT(better_auth, trust_customer_id, NOW, CONFIG_BOOLEAN, "false"),

    TEXT(billing, create_customer_on_signup, NOW, CONFIG_BOOLEAN, "false"),
    TEXT(billing, credit_low_threshold, NOW, CONFIG_THRESHOLDS, "10"),
    TEXT(billing, link_unverified_email, NOW, CONFIG_BOOLEAN, "false"),

    NUMBER(credits, push_interval, NOW, CONFIG_DURATION, "1s", 0, MS_DAY),
    NUMBER(credits, refresh_interval, NOW, CONFIG_DURATION, "60s", 100, MS_DAY),
    NUMBER(credits, in_doubt_delay, NOW, CONFIG_DURATION, "2m", 0, MS_DAY),
    NUMBER_OR(credits, max_offline_spend, NOW, CONFIG_INTEGER, "no limit", 0, SAFE_INTEGER,
              NO_LIMIT),
    NUMBER_OR(credits, max_offline_time, NOW, CONFIG_DURATION, "no limit", 0, 3650 * MS_DAY,
              NO_LIMIT),
    NUMBER_OR(credits, requests_per_minute, NOW, CONFIG_INTEGER, "learned", 1, 1000000, "learned",
              0),
    NUMBER(credits, cold_timeout, NOW, CONFIG_DURATION, "5s", 0, 10 * MS_MINUTE),

    TEXT(ledger, durability, START, CONFIG_DURABILITY, "always"),
    NUMBER(ledger, interval, START, CONFIG_DURATION, "1s", 10, MS_MINUTE),
    NUMBER_OR(ledger, retention, START, CONFIG_DURATION, "90d", 0, 36500 * MS_DAY, NO_LIMIT),
    NUMBER_OR(ledger, retention_size, START, CONFIG_SIZE, "16GiB", MIB, 1024 * TIB, NO_LIMIT),
    NUMBER(ledger, segment_size, START, CONFIG_SIZE, "64MiB", 512 * KIB, 4 * GIB),
              /* twice a record */
    NUMBER(ledger, checkpoint_interval, START, CONFIG_DURATION, "30s", 10, MS_HOUR),
    NUMBER(ledger, map_size, START, CONFIG_SIZE, "64GiB", MIB, 64 * TIB),

    TEXT(access, read, NOW, CONFIG_ACCESS, NULL),
    TEXT(access, consume, NOW, CONFIG_ACCESS, NULL),
    TEXT(access, refund, NOW, CONFIG_ACCESS, NULL),
    TEXT(access, admin, NOW, CONFIG_ACCESS, NULL),

    TEXT(hooks, on_customer_created, NOW, CONFIG_PROGRAM, NULL),
    TEXT(hooks, on_subscription_created, NOW, CONFIG_PROGRAM, NULL),
    TEXT(hooks, on_subscription_canceled, NOW, CONFIG_PROGRAM, NULL),
    TEXT(hooks, on_credits_low, NOW, CONFIG_PROGRAM, NULL),
    TEXT(hooks, on_event, NOW, CONFIG_PROGRAM, NULL),
    TEXT(hooks, user, NOW, CONFIG_USER, NULL),
    TEXT(hooks, secret_file, NOW, CONFIG_SECRET_PATH, NULL),
    NUMBER(hooks, timeout, NOW, CONFIG_DURATION, "30s", 10, MS_HOUR),
    NUMBER(hooks, retry_delay, NOW, CONFIG_DURATION, "1s", 1, MS_HOUR),
    NUMBER(hooks, retry_delay_max, NOW, CONFIG_DURATION, "10m", 1, MS_DAY),
    NUMBER_OR(hooks, park_after, NOW, CONFIG_DURATION, "24h", 0, 365 * MS_DAY, "never", -1),
    NUMBER(hooks, concurrency, NOW, CONFIG_INTEGER, "4", 1, 64),

    TEXT(http, listen, START, CONFIG_LISTEN, NULL),
    TEXT(http, local, START, CONFIG_SOCKET, NULL),
    TEXT(http, group, START, CONFIG_GROUP, NULL),
    TEXT(http, prefix, NOW, CONFIG_PREFIX, "/api/auth/stellar"),
    TEXT(http, trusted_origins, NOW, CONFIG_ORIGINS, NULL),
    NUMBER(http, body_size, NOW, CONFIG_SIZE, "64KiB", KIB, 512 * KIB),
    NUMBER(http, connections, START, CONFIG_INTEGER, "1000", 1, 65536),
    NUMBER(http, timeout, START, CONFIG_DURATION, "60s", 10, MS_HOUR),

    NUMBER(limits, message_size, CONNECT, CONFIG_SIZE, "128KiB", 4 * KIB, 64 * MIB),
    NUMBER(limits, in_flight, NOW, CONFIG_INTEGER, "1024", 1, 65536),
    NUMBER(limits, connections, NOW, CONFIG_INTEGER, "10000", 1, 1000000),
    NUMBER(limits, connections_per_user, NOW, CONFIG_INTEGER, "1000", 1, 1000000),
    NUMBER_OR(limits, idle_time, CONNECT, CONFIG_DURATION, "no limit", 100, 365 * MS_DAY, NO_LIMIT),
    NUMBER(limits, write_queue, CONNECT, CONFIG_SIZE, "1MiB", 64 * KIB, GIB),
    NUMBER(limits, dedupe_keys_per_user, NOW, CONFIG_INTEGER, "1000000", 1, 1000000000),
    NUMBER(limits, dedupe_clients_per_user, NOW, CONFIG_INTEGER, "1000000", 1, 10000000),
    NUMBER(limits, dedupe_stamps_per_user, NOW, CONFIG_INTEGER, "4000000", 1, 1000000000),
    NUMBER(limits, upstream_turns_per_user, NOW, CONFIG_INTEGER, "60", 1, 1000000),
    NUMBER(limits, upstream_turns_per_customer, NOW, CONFIG_INTEGER, "20", 1, 1000000),
    NUMBER(limits, event_lag, NOW, CONFIG_INTEGER, "10000", 1, 1000000000),

    TEXT(paths, socket, START, CONFIG_SOCKET, NULL),
    TEXT(paths, state_directory, START, CONFIG_PATH, NULL),
    TEXT(paths, runtime_directory, START, CONFIG_SOCKET_DIRECTORY, NULL),
    TEXT(paths, sync_socket, START, CONFIG_SOCKET, NULL),
    TEXT(paths, hook_socket, START, CONFIG_SOCKET, NULL),
};
/* clang-format on */
const size_t config_option_count = ARRAY_SIZE(config_options);

/* What a value of each type is called, and how one is written. */
static const struct {
    const char *noun, *examples;
    /* Of the types that are kept as text: whether it has the form … */
    bool (*accepts)(const char *text);
    /* … and why one that has it is refused: completes "the value …", which is not repeated. */
    const char *(*problem)(const char *text);
} config_types[] = {
    [CONFIG_WORD] = {"a text of printable ASCII without blanks", "2026-08-18, or leave it out",
                     config_is_word, NULL},
    [CONFIG_COOKIE_PREFIX] = {"the beginning of a cookie's name", "better-auth",
                              config_is_cookie_prefix, NULL},
    [CONFIG_USER] = {"the name of a user of this machine", "one that there is, or leave it out",
                     config_is_user, NULL},
    [CONFIG_ORIGINS] = {"an origin, or several", "https://app.example http://localhost:3000",
                        config_is_origins, NULL},
    [CONFIG_PATH] = {"an absolute path", "/a/path", config_is_path, NULL},
    [CONFIG_SOCKET] = {"an absolute path of at most 107 bytes", "/a/path", config_is_socket, NULL},
    [CONFIG_SOCKET_DIRECTORY] = {"an absolute path of at most 94 bytes", "/a/path",
                                 config_is_socket_directory, NULL},
    [CONFIG_SECRET_PATH] = {"an absolute path", "the path of a file that holds it", config_is_path,
                            NULL},
    [CONFIG_URL] = {"a URL", "https://host or http://host:port", config_is_url,
                    config_base_url_problem},
    [CONFIG_PROGRAM] = {"a program or a URL", "/path/of/program or https://host/path",
                        config_is_program_or_url, config_program_problem},
    [CONFIG_LISTEN] = {"an address to listen on, or several", "/path/of/socket 127.0.0.1:PORT",
                       config_is_listen, NULL},
    [CONFIG_PREFIX] = {"a path without a slash at its end", "/api/auth/stellar", config_is_prefix,
                       NULL},
    [CONFIG_GROUP] = {"a group of this machine", "its name or gid", config_is_group, NULL},
    [CONFIG_DURATION] = {"a duration", "500ms, 60s, 2m, 24h or 90d", NULL, NULL},
    [CONFIG_SIZE] = {"a size", "4096, 64KiB, 1MiB or 2GiB", NULL, NULL},
    [CONFIG_INTEGER] = {"a whole number", "digits only", NULL, NULL},
    [CONFIG_BOOLEAN] = {"a truth value", "true or false", NULL, NULL},
    [CONFIG_DURABILITY] = {"a durability", "always or interval", NULL, NULL},
    [CONFIG_THRESHOLDS] = {"a number of credits, or up to 8", "10, or 500, 100, 10", NULL, NULL},
    [CONFIG_ACCESS] = {"a user or a group", "user names, uids, @groups or @gids", NULL, NULL},
};

const struct config_option *config_option_find(const char *section, const char *key)
{
    for (size_t i = 0; i < config_option_count; i++)
        if (!strcmp(config_options[i].section, section) && !strcmp(config_options[i].key, key))
            return &config_options[i];
    return NULL;
}

bool config_section_exists(const char *section)
{
    for (size_t i = 0; i < config_option_count; i++)
        if (!strcmp(config_options[i].section, section))
            return true;
    return !strcmp(section, "products") || !strcmp(section, "low_thresholds");
}

static void *config_field(struct config *config, const struct config_option *option)
{
    return (char *)config + option->offset;
}

static char *describe_form(const struct config_option *option, const char *text)
{
    const char *noun = config_types[option->type].noun;
    const char *examples = config_types[option->type].examples;
    char *problem = NULL;
    int r;

    if (option->type == CONFIG_SECRET_PATH)
        r = asprintf(&problem, "the value is not %s; write %s", noun, examples);
    else if (option->word)
        r = asprintf(&problem, "\"%s\" is not %s; write %s, or \"%s\"", text, noun, examples,
                     option->word);
    else
        r = asprintf(&problem, "\"%s\" is not %s; write %s", text, noun, examples);
    return r < 0 ? NULL : problem;
}

static void format_number(const struct config_option *option, int64_t value, char *buffer,
                          size_t size)
{
    if (option->type == CONFIG_DURATION)
        config_format_duration(value, buffer, size);
    else if (option->type == CONFIG_SIZE)
        config_format_size(value, buffer, size);
    else
        snprintf(buffer, size, "%" PRId64, value);
}

static char *describe_range(const struct config_option *option, const char *text)
{
    char minimum[32], maximum[32], *problem = NULL;
    int r;

    format_number(option, option->minimum, minimum, sizeof(minimum));
    format_number(option, option->maximum, maximum, sizeof(maximum));
    if (option->word)
        r = asprintf(&problem, "\"%s\" is out of range; allowed is %s to %s, or \"%s\"", text,
                     minimum, maximum, option->word);
    else
        r = asprintf(&problem, "\"%s\" is out of range; allowed is %s to %s", text, minimum,
                     maximum);
    return r < 0 ? NULL : problem;
}

/* -EINVAL and -ERANGE are told apart here and become two texts above. */
static int parse_number(const struct config_option *option, const char *text, int64_t *ret_value)
{
    int64_t value;
    int r;

    if (option->word && !strcmp(text, option->word)) {
        *ret_value = option->word_value;
        return 0;
    }
    if (option->type == CONFIG_DURATION)
        r = config_parse_duration(text, &value);
    else if (option->type == CONFIG_SIZE)
        r = config_parse_size(text, &value);
    else
        r = config_parse_integer(text, &value);
    if (r < 0)
        return r;
    if (value < 0)
        return -EINVAL; /* "no limit", where it is not allowed */
    if (value < option->minimum || value > option->maximum)
        return -ERANGE;
    *ret_value = value;
    return 0;
}

static int set_text(const struct config_option *option, const char *text, char **field,
                    char **ret_problem)
{
    const char *(*problem)(const char *) = config_types[option->type].problem;
    const char *wrong;
    char *copy;

    if (!*text || !config_types[option->type].accepts(text))
        return -EINVAL;
    wrong = problem ? problem(text) : NULL;
    if (wrong)
        return asprintf(ret_problem, "the value %s", wrong) < 0 ? -ENOMEM : -EINVAL;
    copy = strdup(text);
    if (!copy)
        return -ENOMEM;
    free(*field);
    *field = copy;
    return 0;
}

static int set_access(struct config_access *field, const char *text, char **ret_problem)
{
    CLEANUP(cleanup_free) char *word = NULL;
    int r = config_access_append(field, text, &word);

    if (r != -ENOENT)
        return r;
    if (asprintf(ret_problem, "there is no %s \"%s\" on this machine; write %s",
                 word[0] == '@' ? "group" : "user", word + (word[0] == '@'),
                 config_types[CONFIG_ACCESS].examples) < 0)
        return -ENOMEM;
    return -EINVAL;
}

int config_option_set(struct config *config, const struct config_option *option, const char *text,
                      char **ret_problem)
{
    void *field = config_field(config, option);
    char *problem = NULL;
    int r;

    switch (option->type) {
    case CONFIG_ACCESS:
        return set_access(field, text, ret_problem);
    case CONFIG_DURATION:
    case CONFIG_SIZE:
    case CONFIG_INTEGER:
        r = parse_number(option, text, field);
        break;
    case CONFIG_BOOLEAN:
        r = config_parse_boolean(text, field);
        break;
    case CONFIG_DURABILITY:
        r = config_parse_durability(text, field);
        break;
    case CONFIG_THRESHOLDS:
        r = config_parse_thresholds(text, field);
        break;
    default:
        r = set_text(option, text, field, &problem);
    }
    if (r != -EINVAL && r != -ERANGE)
        return r;
    if (!problem)
        problem = r == -ERANGE ? describe_range(option, text) : describe_form(option, text);
    if (!problem)
        return -ENOMEM;
    *ret_problem = problem;
    return -EINVAL;
}

void config_option_clear(struct config *config, const struct config_option *option)
{
    struct config_access *access;
    char **text;

    switch (option->type) {
    case CONFIG_DURATION:
    case CONFIG_SIZE:
    case CONFIG_INTEGER:
    case CONFIG_BOOLEAN:
    case CONFIG_DURABILITY:
    case CONFIG_THRESHOLDS:
        return;
    case CONFIG_ACCESS:
        access = config_field(config, option);
        free(access->principals);
        *access = (struct config_access){0};
        return;
    default:
        text = config_field(config, option);
        free(*text);
        *text = NULL;
    }
}
