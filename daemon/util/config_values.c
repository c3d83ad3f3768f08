/*
 * The forms of values. Strict on purpose: "1 sec", "1.5s", "64K" and "yes" are told, not guessed
 * at, since a guess about a limit is found out when it matters.
 */
#include "config_values.h"
#include <ctype.h>
#include <errno.h>
#include <grp.h>
#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <util/macros.h>
#include <util/origin.h>

#define CREDITS_MAX ((INT64_C(1) << 53) - 1) /* what upstream's numbers hold exactly */

struct unit {
    const char *name;
    int64_t factor;
};

static const struct unit duration_units[] = {
    {"d", 86400000}, {"h", 3600000}, {"m", 60000}, {"s", 1000}, {"ms", 1},
};

static const struct unit size_units[] = {
    {"TiB", INT64_C(1) << 40},
    {"GiB", INT64_C(1) << 30},
    {"MiB", INT64_C(1) << 20},
    {"KiB", INT64_C(1) << 10},
    {"", 1},
};

/* Digits, and where they end. No sign, no space, no leading nothing. */
static int parse_digits(const char *text, int64_t *ret_value, const char **ret_end)
{
    int64_t value = 0;
    bool overflow = false;
    const char *p = text;

    for (; *p >= '0' && *p <= '9'; p++)
        overflow |= __builtin_mul_overflow(value, (int64_t)10, &value) ||
                    __builtin_add_overflow(value, (int64_t)(*p - '0'), &value);
    if (p == text)
        return -EINVAL;
    *ret_end = p;
    *ret_value = value;
    return overflow ? -ERANGE : 0;
}

static int parse_with_unit(const char *text, const struct unit *units, size_t count,
                           int64_t *ret_value)
{
    const char *end = NULL;
    int64_t value, product;
    int r = parse_digits(text, &value, &end);

    if (r == -EINVAL)
        return r;
    for (size_t i = 0; i < count; i++) {
        if (strcmp(end, units[i].name))
            continue;
        if (r < 0 || __builtin_mul_overflow(value, units[i].factor, &product))
            return -ERANGE;
        *ret_value = product;
        return 0;
    }
    return -EINVAL;
}

int config_parse_duration(const char *text, int64_t *ret_ms)
{
    if (!strcmp(text, "no limit")) {
        *ret_ms = -1;
        return 0;
    }
    return parse_with_unit(text, duration_units, ARRAY_SIZE(duration_units), ret_ms);
}

int config_parse_size(const char *text, int64_t *ret_bytes)
{
    return parse_with_unit(text, size_units, ARRAY_SIZE(size_units), ret_bytes);
}

int config_parse_integer(const char *text, int64_t *ret_value)
{
    const char *end = NULL;
    int64_t value;
    int r = parse_digits(text, &value, &end);

    if (r == -EINVAL || *end)
        return -EINVAL;
    if (!r)
        *ret_value = value;
    return r;
}

int config_parse_boolean(const char *text, bool *ret_value)
{
    if (strcmp(text, "true") && strcmp(text, "false"))
        return -EINVAL;
    *ret_value = !strcmp(text, "true");
    return 0;
}

int config_parse_durability(const char *text, enum config_durability *ret_value)
{
    if (!strcmp(text, "always"))
        *ret_value = CONFIG_DURABILITY_ALWAYS;
    else if (!strcmp(text, "interval"))
        *ret_value = CONFIG_DURABILITY_INTERVAL;
    else
        return -EINVAL;
    return 0;
}

/* Keeps them descending; one that is there twice is refused. */
static int thresholds_add(struct config_thresholds *thresholds, int64_t value)
{
    size_t at = 0;

    while (at < thresholds->count && thresholds->items[at] > value)
        at++;
    if (thresholds->count == CONFIG_THRESHOLDS_MAX ||
        (at < thresholds->count && thresholds->items[at] == value))
        return -EINVAL;
    memmove(&thresholds->items[at + 1], &thresholds->items[at],
            (thresholds->count - at) * sizeof(thresholds->items[0]));
    thresholds->items[at] = value;
    thresholds->count++;
    return 0;
}

int config_parse_thresholds(const char *text, struct config_thresholds *ret_thresholds)
{
    struct config_thresholds thresholds = {.count = 0};

    for (const char *p = text;; p++) {
        int64_t value;
        int r = parse_digits(p, &value, &p);

        if (r == 0 && value > CREDITS_MAX)
            r = -EINVAL;
        if (r == 0)
            r = thresholds_add(&thresholds, value);
        if (r < 0)
            return -EINVAL;
        if (!*p)
            break;
        if (*p != ',' && *p != ' ')
            return -EINVAL;
        while (p[1] == ' ')
            p++;
    }
    *ret_thresholds = thresholds;
    return 0;
}

bool config_is_path(const char *text)
{
    return text[0] == '/';
}

bool config_is_url(const char *text)
{
    static const char *const schemes[] = {"https://", "http://"};

    for (size_t i = 0; i < ARRAY_SIZE(schemes); i++) {
        size_t length = strlen(schemes[i]);

        if (!strncmp(text, schemes[i], length))
            return isalnum((unsigned char)text[length]) || text[length] == '[';
    }
    return false;
}

/* sun_path holds a NUL, too. */
static bool fits_socket(const char *text, size_t length)
{
    return config_is_path(text) && length < sizeof(((struct sockaddr_un *)NULL)->sun_path);
}

bool config_is_socket(const char *text)
{
    return fits_socket(text, strlen(text));
}

bool config_is_socket_directory(const char *text)
{
    return fits_socket(text, strlen(text) + strlen("/creditd.sock"));
}

static bool is_address(const char *text, size_t length)
{
    static const char *const hosts[] = {"127.0.0.1:", "[::1]:"};
    const char *end = NULL;
    int64_t port;

    for (size_t i = 0; i < ARRAY_SIZE(hosts); i++)
        if (!strncmp(text, hosts[i], strlen(hosts[i])))
            return !parse_digits(text + strlen(hosts[i]), &port, &end) && end == text + length &&
                   port <= 65535;
    return fits_socket(text, length);
}

bool config_is_listen(const char *text)
{
    size_t count = 0;

    for (size_t length; *text; text += length) {
        text += strspn(text, " ");
        length = strcspn(text, " ");
        if (!is_address(text, length) || ++count > CONFIG_LISTEN_MAX)
            return false;
    }
    return true;
}

bool config_is_prefix(const char *text)
{
    size_t length = strlen(text);

    return text[0] == '/' && (length == 1 || text[length - 1] != '/');
}

bool config_is_program_or_url(const char *text)
{
    return config_is_path(text) || config_is_url(text);
}

bool config_is_id(const char *text)
{
    size_t length = strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                 "0123456789_-.");

    return length >= 1 && length <= 128 && !text[length] && strcmp(text, ".") && strcmp(text, "..");
}

bool config_is_word(const char *text)
{
    for (; *text; text++)
        if (*text < 0x21 || *text > 0x7e)
            return false;
    return true;
}

bool config_is_cookie_prefix(const char *text)
{
    size_t length = strlen(text);

    return length >= 1 && length <= 128 && config_is_word(text) &&
           !strpbrk(text, "()<>@,;:\\\"/[]?={}");
}

bool config_is_origins(const char *text)
{
    size_t length;

    return !origin_first_wrong(text, &length);
}

bool config_is_user(const char *text)
{
    return getpwnam(text) != NULL;
}

const char *config_base_url_problem(const char *text)
{
    return config_url_problem(text, true);
}

const char *config_program_problem(const char *text)
{
    return config_is_path(text) ? NULL : config_url_problem(text, false);
}

/* An id in digits is taken as it is, whether or not anybody bears it: containers often have no
 * names. -EINVAL where it is no number; 2^32 - 1 is "no id" to the kernel. */
static int parse_id(const char *text, uint32_t *ret_id)
{
    int64_t number;
    int r = config_parse_integer(text, &number);

    if (r == -EINVAL)
        return r;
    if (r < 0 || number >= UINT32_MAX)
        return -ENOENT;
    *ret_id = (uint32_t)number;
    return 0;
}

int config_find_group(const char *name, uint32_t *ret_gid)
{
    const struct group *group;
    int r = parse_id(name, ret_gid);

    if (r != -EINVAL)
        return r;
    group = getgrnam(name);
    if (!group)
        return -ENOENT;
    *ret_gid = group->gr_gid;
    return 0;
}

static int find_user(const char *name, uint32_t *ret_uid)
{
    const struct passwd *user;
    int r = parse_id(name, ret_uid);

    if (r != -EINVAL)
        return r;
    user = getpwnam(name);
    if (!user)
        return -ENOENT;
    *ret_uid = user->pw_uid;
    return 0;
}

bool config_is_group(const char *text)
{
    uint32_t gid;

    return config_find_group(text, &gid) == 0;
}

static int resolve_principal(const char *word, struct config_principal *ret_principal)
{
    struct config_principal principal = {.is_group = word[0] == '@'};
    int r = principal.is_group ? config_find_group(word + 1, &principal.id)
                               : find_user(word, &principal.id);

    if (r == 0)
        *ret_principal = principal;
    return r;
}

int config_access_append(struct config_access *access, const char *text, char **ret_word)
{
    static const char separators[] = " \t,";

    while (*(text += strspn(text, separators))) {
        size_t length = strcspn(text, separators);
        CLEANUP(cleanup_free) char *word = strndup(text, length);
        struct config_principal *grown;
        int r;

        grown = reallocarray(access->principals, access->count + 1, sizeof(*grown));
        if (grown)
            access->principals = grown;
        if (!word || !grown)
            return -ENOMEM;
        r = resolve_principal(word, &grown[access->count]);
        if (r < 0) {
            *ret_word = TAKE_PTR(word);
            return r;
        }
        access->count++;
        text += length;
    }
    return 0;
}

/* With the largest unit that leaves a whole number. */
static void format_with_unit(int64_t value, const struct unit *units, size_t count, char *buffer,
                             size_t size)
{
    size_t i = 0;

    while (i + 1 < count && (value < units[i].factor || value % units[i].factor))
        i++;
    snprintf(buffer, size, "%" PRId64 "%s", value / units[i].factor, units[i].name);
}

void config_format_duration(int64_t ms, char *buffer, size_t size)
{
    if (!ms)
        snprintf(buffer, size, "0s");
    else
        format_with_unit(ms, duration_units, ARRAY_SIZE(duration_units), buffer, size);
}

void config_format_size(int64_t bytes, char *buffer, size_t size)
{
    format_with_unit(bytes, size_units, ARRAY_SIZE(size_units), buffer, size);
}
