/* Ends as outcomes: see outcome.h. */
#include "outcome.h"

#include <inttypes.h>
#include <proto/limits.h>
#include <proto/message.h>
#include <stdio.h>
#include <string.h>

static struct outcome outcome(const char *word, int64_t status)
{
    return (struct outcome){.word = word, .status = status};
}

void outcome_of_program(const struct program_end *end, int64_t timeout, struct outcome *ret)
{
    char how[80];

    if (end->error < 0) {
        *ret = outcome(HOOK_OUTCOME_FAILED, 0);
        snprintf(ret->message, sizeof ret->message, "it cannot be run: %s", strerror(-end->error));
        return;
    }
    *ret = outcome(HOOK_OUTCOME_FAILED, end->signal ? 128 + end->signal : end->exit_status);
    if (end->signal)
        snprintf(how, sizeof how, "signal %d ended it", end->signal);
    else
        snprintf(how, sizeof how, "its exit code was %d", end->exit_status);
    if (end->is_late)
        snprintf(ret->message, sizeof ret->message, "its %" PRId64 " ms were over, then %s",
                 timeout, how);
    else if (ret->status != 0)
        snprintf(ret->message, sizeof ret->message, "%s", how);
    else
        ret->word = HOOK_OUTCOME_DONE;
}

void outcome_of_http(const struct http_end *end, struct outcome *ret)
{
    *ret = outcome(HOOK_OUTCOME_FAILED, end->status);
    if (end->kind != HTTP_ANSWERED)
        outcome_failed(end->error ? end->error : "no answer", ret);
    else if (end->status >= 300 && end->status <= 399)
        snprintf(ret->message, sizeof ret->message,
                 "HTTP status %d: redirects are not followed, name the other place in [hooks]",
                 end->status);
    else if (end->status > 299)
        snprintf(ret->message, sizeof ret->message, "HTTP status %d", end->status);
    else
        ret->word = HOOK_OUTCOME_DONE;
}

/* Reasons may come from libraries, in any language and length. */
void outcome_failed(const char *reason, struct outcome *ret)
{
    size_t length;

    *ret = outcome(HOOK_OUTCOME_FAILED, 0);
    snprintf(ret->message, sizeof ret->message, "%s", reason);
    length = strlen(ret->message);
    while (length > 0 && !proto_text_valid(ret->message, length))
        ret->message[--length] = '\0';
}

void outcome_unconfigured(struct outcome *ret)
{
    *ret = outcome(HOOK_OUTCOME_UNCONFIGURED, 0);
    snprintf(ret->message, sizeof ret->message, "the configuration has no such hook");
}

void outcome_pack(const struct outcome *outcome, msgpack_packer *packer)
{
    pack_map(packer, 3);
    pack_kv_text(packer, "outcome", outcome->word);
    pack_kv_int(packer, "status", outcome->status);
    pack_kv_text(packer, "message", outcome->message[0] != '\0' ? outcome->message : NULL);
}
