/* Outcomes and answer maps: see answer.h. */
#include "answer.h"
#include "fields.h"

#include <errno.h>
#include <proto/message.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

struct verdict {
    enum upstream_outcome outcome;
    char message[ANSWER_MESSAGE_MAX + 1]; /* empty: nil */
};

static const char *text_of(const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);

    return json_is_string(value) && json_string_length(value) > 0 ? json_string_value(value) : NULL;
}

void refusal_read(const json_t *root, struct refusal *ret_refusal)
{
    const json_t *error = json_object_get(root, "error");
    struct refusal refusal = {0};

    if (json_is_object(error)) {
        refusal.message = text_of(error, "message");
        refusal.code = text_of(error, "code");
        if (!refusal.code)
            refusal.code = text_of(error, "name");
    } else {
        refusal.message = text_of(root, "error");
    }
    refusal.is_recognised = refusal.message || refusal.code;
    *ret_refusal = refusal;
}

static bool says_insufficient(const struct refusal *refusal)
{
    static const char words[] = "insufficient credits";

    return refusal->message && strncasecmp(refusal->message, words, sizeof words - 1) == 0;
}

static bool says_no_balance(const struct refusal *refusal)
{
    return refusal->message && strcasestr(refusal->message, "balance not found");
}

/* The statuses that can only mean that the request was not carried out. Any other may come from
 * somebody in between who did not wait for the end (408, 460, 499), or from a lock, held or stuck
 * (409, 423): those say nothing about the outcome. */
static bool is_proof(int status)
{
    switch (status) {
    case 400:
    case 402:
    case 404:
    case 405:
    case 410:
    case 411:
    case 413:
    case 414:
    case 415:
    case 422:
        return true;
    }
    return false;
}

/* An error in words of StellarTools' is at least an answer; a redirect is none, whatever it says.
 */
static enum upstream_outcome unproven(int status, const struct refusal *refusal)
{
    bool answers = status >= 400 && status <= 599;

    return answers && refusal->is_recognised ? UPSTREAM_ERROR : UPSTREAM_FAILED;
}

enum upstream_outcome answer_classify(int status, const struct refusal *refusal)
{
    switch (status) {
    case 401:
        return UPSTREAM_UNAUTHORIZED;
    case 403:
        return UPSTREAM_FORBIDDEN;
    case 429:
        return UPSTREAM_RATE_LIMITED;
    }
    if (status >= 200 && status <= 299)
        return UPSTREAM_OK;
    /* The words below are StellarTools' own: it says them with a 500, too. */
    if (!is_proof(status) && (status < 500 || status > 599))
        return unproven(status, refusal);
    if (says_insufficient(refusal))
        return UPSTREAM_INSUFFICIENT;
    if (says_no_balance(refusal))
        return UPSTREAM_NO_BALANCE;
    if (status == 404)
        return refusal->is_recognised ? UPSTREAM_NOT_FOUND : UPSTREAM_NO_ENDPOINT;
    return status <= 499 && refusal->is_recognised ? UPSTREAM_REFUSED : unproven(status, refusal);
}

static void refusal_message(int status, const struct refusal *refusal, const char *api_key,
                            struct verdict *verdict)
{
    char text[4096];

    if (refusal->message && refusal->code)
        snprintf(text, sizeof text, "%s: %s", refusal->code, refusal->message);
    else if (refusal->is_recognised)
        snprintf(text, sizeof text, "%s", refusal->message ? refusal->message : refusal->code);
    else
        snprintf(text, sizeof text, "HTTP status %d without a JSON error", status);
    message_clean(text, api_key, verdict->message);
}

/* Reads a 2xx into `member`. */
static int verdict_read(const struct exchange_kind *kind, const struct exchange_args *args,
                        const json_t *root, msgpack_sbuffer *member, struct verdict *verdict)
{
    const char *reason = "not JSON";
    int r = root ? kind->read(args, root, member, &reason) : READ_UNREADABLE;

    if (r < 0)
        return r;
    if (r == READ_NULL) {
        verdict->outcome = kind->null_outcome;
        reason = "null";
    } else if (r == READ_UNREADABLE) {
        verdict->outcome = UPSTREAM_FAILED;
    }
    if (verdict->outcome == UPSTREAM_FAILED)
        snprintf(verdict->message, sizeof verdict->message, "an unreadable answer: %s", reason);
    return 0;
}

static int verdict_answered(const struct exchange_kind *kind, const struct exchange_args *args,
                            const struct http_end *end, const char *api_key,
                            msgpack_sbuffer *member, struct verdict *verdict)
{
    json_t *root = fields_parse(end->body ? end->body : "", end->body_length);
    struct refusal refusal;
    int r = 0;

    refusal_read(root, &refusal);
    verdict->outcome = answer_classify(end->status, &refusal);
    if (verdict->outcome == UPSTREAM_OK)
        r = verdict_read(kind, args, root, member, verdict);
    else
        refusal_message(end->status, &refusal, api_key, verdict);
    json_decref(root);
    return r;
}

static void pack_known(msgpack_packer *packer, const char *key, int64_t value)
{
    if (value >= 0)
        pack_kv_int(packer, key, value);
    else
        pack_kv_nil(packer, key);
}

/* `member` is the name and the packed map of what was read, or NULL. */
static int map_pack(msgpack_sbuffer *answer, const struct verdict *verdict, int status,
                    const struct head *head, const char *name, const msgpack_sbuffer *member)
{
    msgpack_packer packer;
    struct rate rate;

    head_rate(head, &rate);
    msgpack_packer_init(&packer, answer, msgpack_sbuffer_write);
    msgpack_pack_map(&packer, member ? 6 : 5);
    pack_kv_text(&packer, "outcome", upstream_outcome_word(verdict->outcome));
    pack_kv_int(&packer, "http_status", status);
    pack_kv_text(&packer, "message", verdict->message[0] != '\0' ? verdict->message : NULL);
    pack_key(&packer, "rate");
    msgpack_pack_map(&packer, 4);
    pack_known(&packer, "limit", rate.limit);
    pack_known(&packer, "remaining", rate.remaining);
    pack_known(&packer, "reset_in", rate.reset_in);
    pack_known(&packer, "retry_after", rate.retry_after);
    pack_kv_int(&packer, "server_time", head_server_time(head));
    if (!member)
        return 0;
    pack_key(&packer, name);
    return msgpack_sbuffer_write(answer, member->data, member->size) == 0 ? 0 : -ENOMEM;
}

int answer_pack(const struct exchange_kind *kind, const struct exchange_args *args,
                const struct http_end *end, const char *api_key, msgpack_sbuffer *answer)
{
    static const enum upstream_outcome outcomes[] = {
        [HTTP_NOT_SENT] = UPSTREAM_NOT_SENT,
        [HTTP_UNANSWERED] = UPSTREAM_UNANSWERED,
        [HTTP_GARBLED] = UPSTREAM_FAILED,
    };
    struct verdict verdict = {0};
    msgpack_sbuffer member;
    int r = 0;

    msgpack_sbuffer_init(&member);
    if (end->kind == HTTP_ANSWERED) {
        r = verdict_answered(kind, args, end, api_key, &member, &verdict);
    } else {
        verdict.outcome = outcomes[end->kind];
        message_clean(end->error ? end->error : "no answer", api_key, verdict.message);
    }
    if (r == 0)
        r = map_pack(answer, &verdict, end->status, &end->head, kind->member,
                     verdict.outcome == UPSTREAM_OK ? &member : NULL);
    msgpack_sbuffer_destroy(&member);
    return r;
}

int answer_pack_plain(enum upstream_outcome outcome, const char *message, msgpack_sbuffer *answer)
{
    struct verdict verdict = {.outcome = outcome};
    struct head head = {0};

    message_clean(message, NULL, verdict.message);
    return map_pack(answer, &verdict, 0, &head, NULL, NULL);
}
