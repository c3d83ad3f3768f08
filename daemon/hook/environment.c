/* Variables of a program: see environment.h. */
#include "environment.h"
#include "settings.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <util/macros.h>

#define VARIABLES_MAX 16
#define DEFAULT_PATH "/usr/local/bin:/usr/bin:/bin"

/* `value` NULL: it is left out. */
static int add(char **environment, size_t *count, const char *name, const char *value)
{
    if (!value)
        return 0;
    if (asprintf(&environment[*count], "%s=%s", name, value) < 0) {
        environment[*count] = NULL;
        return -ENOMEM;
    }
    (*count)++;
    return 0;
}

static int add_number(char **environment, size_t *count, const char *name, int64_t value)
{
    char text[24];

    snprintf(text, sizeof text, "%" PRId64, value);
    return add(environment, count, name, text);
}

int environment_make(const struct request *request, const struct identity *identity,
                     char ***ret_environment)
{
    CLEANUP(environment_cleanup)
    char **environment = calloc(VARIABLES_MAX + 1, sizeof *environment);
    const char *path = getenv("PATH");
    size_t count = 0;

    if (!environment || add(environment, &count, "PATH", path ? path : DEFAULT_PATH) < 0 ||
        add(environment, &count, "LANG", getenv("LANG")) < 0 ||
        add(environment, &count, "TZ", getenv("TZ")) < 0 ||
        add(environment, &count, "HOME", identity->home) < 0 ||
        add(environment, &count, "USER", identity->name) < 0 ||
        add(environment, &count, "LOGNAME", identity->name) < 0 ||
        add(environment, &count, "CREDITD_HOOK", hook_name(request->hook)) < 0 ||
        add(environment, &count, "CREDITD_EVENT_ID", request->id) < 0 ||
        add(environment, &count, "CREDITD_EVENT_TYPE", request->type) < 0 ||
        add_number(environment, &count, "CREDITD_EVENT_SEQUENCE", request->sequence) < 0 ||
        add_number(environment, &count, "CREDITD_ATTEMPT", request->attempt) < 0)
        return -ENOMEM;
    *ret_environment = TAKE_PTR(environment);
    return 0;
}

char **environment_free(char **environment)
{
    for (size_t i = 0; environment && environment[i]; i++)
        free(environment[i]);
    free(environment);
    return NULL;
}

void environment_cleanup(char ***environment)
{
    *environment = environment_free(*environment);
}
