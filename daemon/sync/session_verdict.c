/* See session_verdict.h. */
#include "session_verdict.h"
#include "fields.h"
#include "session_cache.h"

#include <errno.h>
#include <proto/message.h>
#include <stdio.h>
#include <string.h>

void session_verdict_plain(enum session_verdict_kind kind, const char *message,
                           struct session_verdict *ret_verdict)
{
    struct session_verdict verdict = {.kind = kind};

    message_clean(message, NULL, verdict.message);
    *ret_verdict = verdict;
}

static int64_t smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static bool is_signed_rightly(const struct credential *credential, const char *secret)
{
    const struct span token = {credential->token, strlen(credential->token)};
    const struct span signature = {credential->signature, strlen(credential->signature)};

    return signature_is_base64(secret, &token, 1, signature);
}

void session_judge(const struct credential *credential, const char *secret, bool fresh, int64_t now,
                   int64_t ttl, struct session_verdict *ret_verdict)
{
    struct session_verdict verdict = {.kind = SESSION_ASK};
    int64_t age;

    if (secret && credential->signature && !is_signed_rightly(credential, secret)) {
        session_verdict_plain(SESSION_INVALID, "its signature is wrong", ret_verdict);
        return;
    }
    if (secret && credential->signature && credential->cache && !fresh &&
        session_cache_read(credential->cache, credential->token, secret, now, ttl, &verdict.word,
                           &age)) {
        verdict.kind = SESSION_VALID;
        verdict.is_offline = true;
        verdict.valid_for = smaller(ttl - age, verdict.word.expires_at - now);
    }
    *ret_verdict = verdict;
}

/* A 200: null, or the session. */
static void judge_body(const struct credential *credential, const json_t *root, int64_t now,
                       int64_t ttl, struct session_verdict *verdict)
{
    const char *wrong;

    if (json_is_null(root)) {
        session_verdict_plain(SESSION_INVALID, "the app knows no such session", verdict);
        return;
    }
    wrong = root ? session_word_read(root, credential->token, false, &verdict->word) : "not JSON";
    if (wrong) {
        verdict->kind = SESSION_UNAVAILABLE;
        snprintf(verdict->message, sizeof verdict->message,
                 "the app's answer cannot be read: %s; is [better_auth] url right?", wrong);
    } else if (verdict->word.expires_at <= now) {
        session_verdict_plain(SESSION_INVALID, "the session has expired", verdict);
    } else {
        verdict->kind = SESSION_VALID;
        verdict->valid_for = smaller(ttl, verdict->word.expires_at - now);
    }
}

void session_judge_answer(const struct credential *credential, const struct http_end *end,
                          int64_t now, int64_t ttl, struct session_verdict *ret_verdict)
{
    struct session_verdict verdict = {.kind = SESSION_UNAVAILABLE};
    json_t *root;

    if (end->kind != HTTP_ANSWERED) {
        /* What came back may quote what was sent. */
        message_clean(end->error ? end->error : "no answer", credential->token, verdict.message);
    } else if (end->status != 200) {
        snprintf(verdict.message, sizeof verdict.message,
                 "the app answered with HTTP status %d; is [better_auth] url right?", end->status);
    } else {
        root = fields_parse(end->body ? end->body : "", end->body_length);
        judge_body(credential, root, now, ttl, &verdict);
        json_decref(root);
    }
    verdict.http_status = end->status;
    *ret_verdict = verdict;
}

/* --- the answer map --- */

static void text_or_nil(msgpack_packer *packer, const char *key, const char *text)
{
    pack_kv_text(packer, key, text[0] != '\0' ? text : NULL);
}

static void hash_pack(msgpack_packer *packer, const char *token)
{
    uint8_t hash[TOKEN_HASH_SIZE];

    pack_key(packer, "token_hash");
    if (!token) {
        pack_nil(packer);
        return;
    }
    token_hash(token, hash);
    if (msgpack_pack_bin(packer, sizeof hash) < 0 ||
        msgpack_pack_bin_body(packer, hash, sizeof hash) < 0)
        pack_break(packer);
}

static void word_pack(msgpack_packer *packer, const struct session_verdict *verdict)
{
    const struct session_word *word = &verdict->word;

    pack_kv_bool(packer, "offline", verdict->is_offline);
    pack_kv_int(packer, "valid_for", verdict->valid_for);
    pack_kv_int(packer, "expires_at", word->expires_at);
    pack_key(packer, "user");
    pack_map(packer, 6);
    pack_kv_text(packer, "id", word->user_id);
    text_or_nil(packer, "email", word->email);
    pack_kv_bool(packer, "email_verified", word->email_verified);
    text_or_nil(packer, "name", word->name);
    text_or_nil(packer, "image", word->image);
    text_or_nil(packer, "stellartools_customer_id", word->customer_id);
}

int session_verdict_pack(const struct session_verdict *verdict, const char *token,
                         msgpack_sbuffer *answer)
{
    static const char *const words[] = {
        [SESSION_VALID] = "valid",
        [SESSION_INVALID] = "invalid",
        [SESSION_UNAVAILABLE] = "unavailable",
        [SESSION_ASK] = "unavailable",
    };
    msgpack_packer packer;

    msgpack_packer_init(&packer, answer, msgpack_sbuffer_write);
    pack_map(&packer, verdict->kind == SESSION_VALID ? 8 : 4);
    pack_kv_text(&packer, "verdict", words[verdict->kind]);
    text_or_nil(&packer, "message", verdict->message);
    pack_kv_int(&packer, "http_status", verdict->http_status);
    hash_pack(&packer, token);
    if (verdict->kind == SESSION_VALID)
        word_pack(&packer, verdict);
    return pack_failed(&packer) ? -ENOMEM : 0;
}
