#include "metadata.h"

#include <errno.h>
#include <stdlib.h>

const char *metadata_check(const json_t *metadata)
{
    const char *name;
    json_t *value;

    if (!metadata || json_is_null(metadata))
        return NULL;
    if (!json_is_object(metadata))
        return "metadata: expected an object";
    json_object_foreach((json_t *)metadata, name, value)
    {
        if (!json_is_string(value))
            return "metadata: expected strings";
    }
    return NULL;
}

int metadata_merge(char **text, const json_t *metadata)
{
    json_t *merged;
    char *merged_text = NULL;

    if (!json_is_object(metadata))
        return 0;
    merged = *text ? json_loads(*text, 0, NULL) : json_object();
    if (merged && json_object_update(merged, (json_t *)metadata) == 0)
        merged_text = json_dumps(merged, JSON_COMPACT);
    json_decref(merged);
    if (!merged_text)
        return -ENOMEM;
    free(*text);
    *text = merged_text;
    return 0;
}
