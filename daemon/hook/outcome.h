/* How a delivery ended, as serve is told. Pure. */
#pragma once

#include "program.h"

#include <msgpack.h>
#include <proto/hook.h>
#include <stdint.h>
#include <web/http.h>

struct outcome {
    const char *word; /* HOOK_OUTCOME_… */
    int64_t status;
    char message[HOOK_MESSAGE_MAX + 1]; /* empty: nil */
};

/* `timeout` in ms. */
void outcome_of_program(const struct program_end *end, int64_t timeout, struct outcome *ret);
void outcome_of_http(const struct http_end *end, struct outcome *ret);
/* What never began: `reason` says why. */
void outcome_failed(const char *reason, struct outcome *ret);
void outcome_unconfigured(struct outcome *ret);
void outcome_pack(const struct outcome *outcome, msgpack_packer *packer);
