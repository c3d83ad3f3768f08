/* creditd-sync and creditd-sandbox, both real: the one asks the other. */
#pragma once

#include "rig.h"
#include "sandbox_client.h"

struct pair {
    struct sandbox_process sandbox;
    struct rig rig;
};

/* `path` is put behind the sandbox's URL. */
void pair_init(struct pair *pair, const char *path);
void pair_deinit(struct pair *pair);
