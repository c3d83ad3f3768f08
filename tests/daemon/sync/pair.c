/* See pair.h. */
#include "pair.h"

#include <stdio.h>

void pair_init(struct pair *pair, const char *path)
{
    const char *const arguments[] = {"--api-key", RIG_KEY, NULL};
    char url[80];

    sandbox_process_start(&pair->sandbox, arguments);
    snprintf(url, sizeof url, "%s%s", pair->sandbox.url, path);
    rig_init(&pair->rig, NULL, 0, url);
}

void pair_deinit(struct pair *pair)
{
    rig_deinit(&pair->rig);
    sandbox_process_stop(&pair->sandbox);
}
