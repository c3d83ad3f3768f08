/*
 * Objects of StellarTools, for people. Which members they have is StellarTools' business, so all
 * are shown, and those of inner objects under both names: metadata.plan.
 */
#include "ctl.h"
#include <inttypes.h>
#include <string.h>

#define TIME_MIN INT64_C(100000000000) /* ms; smaller numbers are no times of ours */

void ctl_note_staleness(bool stale, int64_t synced_at)
{
    if (stale)
        printf("StellarTools was last heard: %s. This is what is known here.\n",
               human_age(synced_at).bytes);
}

static bool is_time(const char *key, int64_t number)
{
    size_t length = strlen(key);

    return number >= TIME_MIN && length > 3 && strcmp(key + length - 3, "_at") == 0;
}

static struct cell cell_of_int(const char *key, int64_t number)
{
    struct cell cell;

    if (is_time(key, number))
        snprintf(cell.bytes, sizeof cell.bytes, "%s", human_time(number).bytes);
    else
        snprintf(cell.bytes, sizeof cell.bytes, "%" PRId64, number);
    return cell;
}

struct cell cell_of(const char *key, const struct creditd_value *value)
{
    struct cell cell = {0};

    switch (creditd_value_type(value)) {
    case CREDITD_TYPE_BOOL:
        snprintf(cell.bytes, sizeof cell.bytes, "%s",
                 creditd_value_bool(value, false) ? "yes" : "no");
        break;
    case CREDITD_TYPE_INT:
        return cell_of_int(key, creditd_value_int(value, 0));
    case CREDITD_TYPE_REAL:
        snprintf(cell.bytes, sizeof cell.bytes, "%.17g", creditd_value_real(value, 0));
        break;
    case CREDITD_TYPE_TEXT:
        creditd_value_copy_text(value, cell.bytes, sizeof cell.bytes);
        break;
    case CREDITD_TYPE_BYTES:
    case CREDITD_TYPE_ARRAY:
    case CREDITD_TYPE_MAP:
    case CREDITD_TYPE_NULL:
    default:
        break;
    }
    return cell;
}

static void add_members(struct table *table, const char *path, const struct creditd_value *value);

static void add_member(struct table *table, const char *path, const char *key,
                       const struct creditd_value *value)
{
    char name[256];

    /* Past its size a name is cut: it is for people. */
    if (snprintf(name, sizeof name, "%s%s%s", path, path[0] ? "." : "", key) < 0)
        return;
    if (creditd_value_count(value) > 0)
        add_members(table, name, value);
    else
        table_row(table, name, cell_of(key, value).bytes);
}

static void add_members(struct table *table, const char *path, const struct creditd_value *value)
{
    bool is_map = creditd_value_type(value) == CREDITD_TYPE_MAP;

    for (size_t i = 0; i < creditd_value_count(value); i++) {
        char key[128];

        if (is_map)
            creditd_value_copy_text(creditd_value_key_at(value, i), key, sizeof key);
        else
            snprintf(key, sizeof key, "%zu", i);
        /* These two are said below the table. */
        if (!path[0] && (strcmp(key, "stale") == 0 || strcmp(key, "synced_at") == 0))
            continue;
        add_member(table, path, key, creditd_value_at(value, i));
    }
}

void ctl_print_object(const struct creditd_object *object)
{
    struct table table;

    table_init(&table, "<<");
    add_members(&table, "", object->value);
    table_print(&table, stdout);
    table_deinit(&table);
    ctl_note_staleness(object->stale, object->synced_at);
}

int ctl_finish_object(const struct ctl *ctl, int status, struct creditd_object *object)
{
    if (status != 0)
        return ctl_fail(ctl);
    if (!ctl_print_json(ctl))
        ctl_print_object(object);
    creditd_object_clear(object);
    return EXIT_DONE;
}
