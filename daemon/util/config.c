/*
 * Reading the file. inih finds sections, keys and values; this adds what it does not have: the
 * number of the line, an end at the first mistake, and mistakes for what it passes over in silence
 * (a key given twice, a section that is unknown, a line that is too long for it).
 *
 * inih asks for one line and calls the handler before it asks for the next. The reader counts; so
 * the handler knows where it is.
 */
#include "config_paths.h"
#include "config_table.h"
#include "config_values.h"
#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <ini.h>
#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <util/macros.h>

#define PRODUCT_UNITS_MAX ((INT64_C(1) << 53) - 1)

struct config_reader {
    const char *path;
    FILE *file;
    struct config *config;
    int *seen; /* for each option, the line where it was set */
    int line;
    bool continued; /* the line begins with a space: inih takes it for more of the value above */
    int result;     /* the first mistake: a negative errno … */
    int error_line; /* … where, … */
    char *error;    /* … and the line to print */
};

struct config *config_free(struct config *config)
{
    if (!config)
        return NULL;
    for (size_t i = 0; i < config_option_count; i++)
        config_option_clear(config, &config_options[i]);
    for (size_t i = 0; i < config->products.count; i++)
        free(config->products.items[i].product_id);
    free(config->products.items);
    for (size_t i = 0; i < config->low_thresholds.count; i++)
        free(config->low_thresholds.items[i].product_id);
    free(config->low_thresholds.items);
    free(config);
    return NULL;
}

void config_cleanup(struct config **config)
{
    *config = config_free(*config);
}

static void reader_cleanup(struct config_reader *reader)
{
    config_free(reader->config);
    free(reader->seen);
    free(reader->error);
    if (reader->file)
        fclose(reader->file);
}

static int reader_fail(struct config_reader *reader, int result, const char *format, ...)
    PRINTF_LIKE(3, 4);

/* Notes the first mistake; what follows it is not read. Returns 0, as inih wants it. */
static int reader_fail(struct config_reader *reader, int result, const char *format, ...)
{
    CLEANUP(cleanup_free) char *text = NULL;
    va_list arguments;
    int length;

    if (reader->result < 0)
        return 0;
    reader->result = result;
    reader->error_line = reader->line;
    va_start(arguments, format);
    length = vasprintf(&text, format, arguments);
    va_end(arguments);
    if (length < 0) {
        text = NULL;
        return 0;
    }
    if (asprintf(&reader->error, "%s:%d: %s", reader->path, reader->line, text) < 0)
        reader->error = NULL;
    for (unsigned char *p = (unsigned char *)reader->error; p && *p; p++)
        if (*p < ' ')
            *p = '?'; /* one line is one line */
    return 0;
}

/* A section without a key never reaches the handler, and a misspelt one is a mistake all the same.
 */
static bool check_section(struct config_reader *reader, const char *line)
{
    const char *end = strchr(line, ']');
    CLEANUP(cleanup_free) char *name = NULL;

    if (line[0] != '[' || !end)
        return true;
    name = strndup(line + 1, (size_t)(end - line - 1));
    if (!name)
        reader_fail(reader, -ENOMEM, "out of memory");
    else if (!config_section_exists(name))
        reader_fail(reader, -EINVAL,
                    "there is no section [%s]; creditd.conf(5) lists sections and options", name);
    return reader->result == 0;
}

/* inih's fgets: at most `size` - 1 bytes and a NUL. */
static char *read_line(char *buffer, int size, void *stream)
{
    struct config_reader *reader = stream;
    CLEANUP(cleanup_free) char *line = NULL;
    size_t capacity = 0;
    ssize_t length;

    if (reader->result < 0)
        return NULL;
    length = getline(&line, &capacity, reader->file);
    if (length < 0) {
        if (ferror(reader->file))
            reader_fail(reader, -EIO, "cannot be read");
        return NULL;
    }
    reader->line++;
    reader->continued = isspace((unsigned char)line[0]);
    if (memchr(line, '\0', (size_t)length))
        reader_fail(reader, -EINVAL, "the line holds a NUL byte");
    else if (length >= size)
        reader_fail(reader, -EINVAL, "the line is longer than %d bytes", size - 1);
    if (reader->result < 0 || !check_section(reader, line))
        return NULL;
    memcpy(buffer, line, (size_t)length + 1);
    return buffer;
}

static int handle_product(struct config_reader *reader, const char *id, const char *value)
{
    struct config *config = reader->config;
    struct config_product product = {0}, *grown;

    if (!config_is_id(id))
        return reader_fail(
            reader, -EINVAL,
            "[products] \"%s\" is not an id; allowed are 1 to 128 of A-Z a-z 0-9 _ - .", id);
    for (size_t i = 0; i < config->products.count; i++)
        if (!strcmp(config->products.items[i].product_id, id))
            return reader_fail(reader, -EINVAL, "[products] %s: is given twice", id);
    if (config_parse_integer(value, &product.units_per_credit) < 0 ||
        product.units_per_credit < 1 || product.units_per_credit > PRODUCT_UNITS_MAX)
        return reader_fail(
            reader, -EINVAL,
            "[products] %s: \"%s\" is not a number of units per credit; allowed is 1 to %" PRId64,
            id, value, PRODUCT_UNITS_MAX);
    product.product_id = strdup(id);
    grown = reallocarray(config->products.items, config->products.count + 1, sizeof(*grown));
    if (grown)
        config->products.items = grown;
    if (!grown || !product.product_id) {
        free(product.product_id);
        return reader_fail(reader, -ENOMEM, "out of memory");
    }
    grown[config->products.count++] = product;
    return 1;
}

static int handle_thresholds(struct config_reader *reader, const char *id, const char *value)
{
    struct config *config = reader->config;
    struct config_product_thresholds item = {0}, *grown;

    if (!config_is_id(id))
        return reader_fail(
            reader, -EINVAL,
            "[low_thresholds] \"%s\" is not an id; allowed are 1 to 128 of A-Z a-z 0-9 _ - .", id);
    for (size_t i = 0; i < config->low_thresholds.count; i++)
        if (!strcmp(config->low_thresholds.items[i].product_id, id))
            return reader_fail(reader, -EINVAL, "[low_thresholds] %s: is given twice", id);
    if (config_parse_thresholds(value, &item.thresholds) < 0)
        return reader_fail(reader, -EINVAL,
                           "[low_thresholds] %s: \"%s\" is not a number of credits, or up to 8; "
                           "write 10, or 500, 100, 10",
                           id, value);
    item.product_id = strdup(id);
    grown = reallocarray(config->low_thresholds.items, config->low_thresholds.count + 1,
                         sizeof(*grown));
    if (grown)
        config->low_thresholds.items = grown;
    if (!grown || !item.product_id) {
        free(item.product_id);
        return reader_fail(reader, -ENOMEM, "out of memory");
    }
    grown[config->low_thresholds.count++] = item;
    return 1;
}

static int handle_option(struct config_reader *reader, const struct config_option *option,
                         const char *value)
{
    size_t index = (size_t)(option - config_options);
    CLEANUP(cleanup_free) char *problem = NULL;
    int r;

    if (reader->seen[index] && !(reader->continued && option->type == CONFIG_ACCESS))
        return reader_fail(reader, -EINVAL, "[%s] %s: %s; line %d has set it already",
                           option->section, option->key,
                           reader->continued
                               ? "only [access] lists go on in a line that begins with a space"
                               : "is given twice",
                           reader->seen[index]);
    reader->seen[index] = reader->line;
    r = config_option_set(reader->config, option, value, &problem);
    if (r < 0)
        return reader_fail(reader, r, "[%s] %s: %s", option->section, option->key,
                           r == -EINVAL ? problem : strerror(-r));
    return 1;
}

/* Called by inih for each value; 0 tells it that the line is wrong. */
static int handle_value(void *user, const char *section, const char *key, const char *value)
{
    struct config_reader *reader = user;
    const struct config_option *option;

    if (reader->result < 0)
        return 0;
    if (!*section)
        return reader_fail(reader, -EINVAL, "%s: stands before any [section]", key);
    if (!strcmp(section, "products"))
        return handle_product(reader, key, value);
    if (!strcmp(section, "low_thresholds"))
        return handle_thresholds(reader, key, value);
    option = config_option_find(section, key);
    if (!option)
        /* The value is not repeated: it may be a secret under a name that does not exist. */
        return reader_fail(reader, -EINVAL,
                           "[%s] %s: there is no such option; creditd.conf(5) lists them", section,
                           key);
    return handle_option(reader, option, value);
}

static void read_file(struct config_reader *reader)
{
    int r = ini_parse_stream(read_line, reader, handle_value, reader);

    /* A line that inih cannot read comes back only as its number; the handler may have failed
     * later. */
    if (r > 0 && (!reader->result || r < reader->error_line)) {
        reader->result = 0;
        free(TAKE_PTR(reader->error));
        reader->line = r;
        reader_fail(
            reader, -EINVAL,
            "is neither a [section] nor an option; write key = value, and # before remarks");
    } else if (r < 0) {
        reader_fail(reader, -ENOMEM, "out of memory");
    }
}

static int set_defaults(struct config *config)
{
    for (size_t i = 0; i < config_option_count; i++) {
        CLEANUP(cleanup_free) char *problem = NULL;
        int r;

        if (!config_options[i].initial)
            continue;
        r = config_option_set(config, &config_options[i], config_options[i].initial, &problem);
        assert(r != -EINVAL);
        if (r < 0)
            return r;
    }
    return 0;
}

static int config_open(const char *path, FILE **ret_file)
{
    FILE *file = fopen(path, "re");

    if (!file)
        return -errno;
    *ret_file = file;
    return 0;
}

static int config_fill(struct config_reader *reader)
{
    int r;

    reader->config = calloc(1, sizeof(*reader->config));
    reader->seen = calloc(config_option_count, sizeof(*reader->seen));
    if (!reader->config || !reader->seen)
        return -ENOMEM;
    r = set_defaults(reader->config);
    if (r < 0)
        return r;
    if (reader->path) {
        r = config_open(reader->path, &reader->file);
        if (r < 0) {
            if (asprintf(&reader->error, "%s: cannot be read: %s", reader->path, strerror(-r)) < 0)
                reader->error = NULL;
            return r;
        }
        read_file(reader);
    }
    if (reader->result < 0)
        return reader->result;
    return config_default_paths(reader->config);
}

int config_load(const char *path, struct config **ret_config, char **ret_error)
{
    CLEANUP(reader_cleanup) struct config_reader reader = {.path = path};
    int r = config_fill(&reader);

    if (r < 0) {
        if (!reader.error)
            reader.error = strdup(r == -ENOMEM ? "out of memory" : strerror(-r));
        if (ret_error)
            *ret_error = TAKE_PTR(reader.error);
        return r;
    }
    *ret_config = TAKE_PTR(reader.config);
    return 0;
}

int config_load_found(const char *given, char **ret_path, struct config **ret_config,
                      char **ret_error)
{
    CLEANUP(cleanup_free) char *path = given ? strdup(given) : config_default_path();
    int r = given && !path ? -ENOMEM : config_load(path, ret_config, ret_error);

    if (ret_path)
        *ret_path = TAKE_PTR(path);
    return r;
}

int config_list_options(FILE *stream)
{
    const char *last = "";

    for (size_t i = 0; i < config_option_count; i++) {
        const struct config_option *option = &config_options[i];

        /* Products have keys of the operator's choosing, and stand where the documentation has
         * them. */
        if (strcmp(option->section, last) && !strcmp(option->section, "access"))
            fputs("[products] PRODUCT_ID =\n[low_thresholds] PRODUCT_ID =\n", stream);
        last = option->section;
        fprintf(stream, "[%s] %s =%s%s\n", option->section, option->key, option->initial ? " " : "",
                option->initial ? option->initial : "");
    }
    return ferror(stream) ? -EIO : 0;
}
