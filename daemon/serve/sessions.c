/* See sessions.h. */
#include "sessions.h"
#include "serve.h"
#include <errno.h>
#include <openssl/evp.h>
#include <proto/message.h>
#include <proto/upstream.h>
#include <stdlib.h>
#include <string.h>
#include <util/macros.h>

#define SENT_MAX 64u     /* at sync at a time: exchanges must have room as well */
#define CHECKS_MAX 4096u /* credentials that wait for their verdict */
#define CHECKS_PER_USER 1024u
#define TRIES_MAX 2u /* a helper may die with a request; asking again does no harm */
#define PATIENCE_MS 10000

struct session_check {
    struct sessions *sessions;
    struct list link; /* while queued */
    uint8_t key[SESSION_HASH_SIZE];
    uint32_t uid;
    int64_t deadline;
    unsigned tries;
    bool is_bytes;
    size_t length;
    char credential[];
};

static struct hash128 check_key(const uint8_t key[SESSION_HASH_SIZE])
{
    struct hash128 hash;

    memcpy(&hash, key, sizeof(hash));
    return hash;
}

int sessions_init(struct sessions *sessions, struct serve *serve)
{
    memset(sessions, 0, sizeof(*sessions));
    sessions->serve = serve;
    verdicts_init(&sessions->verdicts);
    map_init(&sessions->checks);
    list_init(&sessions->queued);
    sessions->timer.data = sessions;
    return uv_timer_init(&serve->loop, &sessions->timer);
}

void sessions_close(struct sessions *sessions)
{
    uv_close((uv_handle_t *)&sessions->timer, NULL);
}

static void check_free(struct session_check *check)
{
    map_remove(&check->sessions->checks, check_key(check->key));
    list_remove(&check->link);
    explicit_bzero(check, sizeof(*check) + check->length);
    free(check);
}

void sessions_deinit(struct sessions *sessions)
{
    const struct map_entry *entry;

    for (size_t position = 0; (entry = map_next(&sessions->checks, &position)) != NULL;
         position = 0)
        check_free((struct session_check *)(uintptr_t)entry->value);
    map_deinit(&sessions->checks);
    verdicts_deinit(&sessions->verdicts);
}

void sessions_clear(struct sessions *sessions)
{
    verdicts_clear(&sessions->verdicts);
}

/* --- ends --- */

/* Gives the verdict (taken over) to all who wait for it. */
static void check_end(struct session_check *check, struct verdict *verdict)
{
    struct waiting *waiting = &check->sessions->serve->waiting;
    struct hash128 key = check_key(check->key);
    struct list *waits = waiting_find(waiting, key);

    (void)serve_now(check->sessions->serve); /* something to do: the end of the turn */
    if (waits != NULL && verdict != NULL)
        for (struct list *link = waits->next; link != waits; link = link->next) {
            struct parked *parked = CONTAINER_OF(link, struct parked, of_target);

            verdict_unref(parked->verdict);
            parked->verdict = verdict_ref(verdict);
        }
    verdict_unref(verdict);
    check_free(check);
    waiting_wake(waiting, key);
}

static void check_failed(struct session_check *check, const char *message)
{
    check_end(check, verdict_unavailable(message));
}

static void check_answered(struct session_check *check, const msgpack_object *result)
{
    struct sessions *sessions = check->sessions;
    struct serve *serve = sessions->serve;
    struct session_answer answer;

    session_read_answer(result, &answer);
    check_end(check, verdicts_add(&sessions->verdicts, check->key, check->uid, &answer,
                                  serve->config->better_auth.session_ttl, serve_now(serve)));
}

/* --- under way --- */

static void on_reply(const struct ipc_reply *reply, void *userdata)
{
    struct session_check *check = userdata;
    struct sessions *sessions = check->sessions;

    sessions->sent--;
    if (reply->kind == IPC_REPLY_RESULT)
        check_answered(check, reply->result);
    else if (reply->kind == IPC_REPLY_GONE && check->tries < TRIES_MAX)
        list_append(sessions->queued.next, &check->link); /* the oldest first */
    else
        check_failed(check, "creditd-sync did not answer");
    sessions_pump(sessions);
}

static void pack_check(msgpack_packer *packer, void *context)
{
    const struct session_check *check = context;
    size_t length = check->length;

    pack_map(packer, 2);
    pack_key(packer, "session");
    if (check->is_bytes) {
        msgpack_pack_bin(packer, length);
        msgpack_pack_bin_body(packer, check->credential, length);
    } else {
        pack_text_n(packer, check->credential, length);
    }
    pack_kv_int(packer, "timeout", check->sessions->serve->config->stellartools.request_timeout);
}

static int check_send(struct session_check *check)
{
    struct sessions *sessions = check->sessions;
    int64_t timeout = sessions->serve->config->stellartools.request_timeout;
    int r = helper_request(&sessions->serve->helper, AUTH_METHOD_SESSION, pack_check, check,
                           (uint64_t)(2 * timeout + PATIENCE_MS), on_reply, check);

    if (r < 0)
        return r;
    check->tries++;
    sessions->sent++;
    list_remove(&check->link);
    return 0;
}

void sessions_pump(struct sessions *sessions)
{
    while (!list_is_empty(&sessions->queued) && sessions->sent < SENT_MAX) {
        struct session_check *check =
            CONTAINER_OF(sessions->queued.next, struct session_check, link);
        int r = check_send(check);

        if (r == -ENOTCONN || r == -EBUSY)
            return; /* with the next helper, or the next answer */
        if (r < 0)
            check_failed(check, "creditd-sync could not be asked");
    }
}

static void timer_update(struct sessions *sessions);

/* What nobody could be asked about in time. */
static void on_timer(uv_timer_t *timer)
{
    struct sessions *sessions = timer->data;
    int64_t now = serve_now(sessions->serve);

    while (!list_is_empty(&sessions->queued)) {
        struct session_check *check =
            CONTAINER_OF(sessions->queued.next, struct session_check, link);

        if (check->deadline > now)
            break;
        check_failed(check, "creditd-sync is not there");
    }
    timer_update(sessions);
}

static void timer_update(struct sessions *sessions)
{
    const struct session_check *first;
    int64_t delay;

    if (list_is_empty(&sessions->queued) || uv_is_active((uv_handle_t *)&sessions->timer))
        return;
    first = CONTAINER_OF(sessions->queued.next, struct session_check, link);
    delay = first->deadline - serve_now(sessions->serve);
    uv_timer_start(&sessions->timer, on_timer, delay > 0 ? (uint64_t)delay : 0, 0);
}

/* --- asking --- */

/* The kind counts as well: what is good as one kind of credential is not to be so as another. */
static int hash_credential(const struct proto_value *session, bool is_bytes,
                           uint8_t ret_key[SESSION_HASH_SIZE])
{
    static const char *const kinds[] = {"session text", "session bytes"};
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    const char *kind = kinds[is_bytes];
    int good = context != NULL && EVP_DigestInit_ex(context, EVP_sha256(), NULL) &&
               EVP_DigestUpdate(context, kind, strlen(kind) + 1) &&
               EVP_DigestUpdate(context, session->text, session->length) &&
               EVP_DigestFinal_ex(context, ret_key, NULL);

    EVP_MD_CTX_free(context);
    return good ? 0 : -ENOMEM;
}

static size_t count_checks(const struct sessions *sessions, uint32_t uid)
{
    const struct map_entry *entry;
    size_t position = 0, count = 0;

    while ((entry = map_next(&sessions->checks, &position)) != NULL)
        count += ((const struct session_check *)(uintptr_t)entry->value)->uid == uid;
    return count;
}

static int check_new(struct sessions *sessions, const struct request *request,
                     const struct proto_value *session, bool is_bytes,
                     const uint8_t key[SESSION_HASH_SIZE])
{
    struct serve *serve = sessions->serve;
    struct session_check *check;
    int r;

    if (sessions->checks.count >= CHECKS_MAX ||
        count_checks(sessions, request->connection->peer.uid) >= CHECKS_PER_USER)
        return -EDQUOT;
    check = calloc(1, sizeof(*check) + session->length);
    if (check == NULL)
        return -ENOMEM;
    check->sessions = sessions;
    check->uid = request->connection->peer.uid;
    check->deadline = serve_now(serve) + serve->config->credits.cold_timeout;
    check->is_bytes = is_bytes;
    check->length = session->length;
    list_init(&check->link);
    memcpy(check->key, key, sizeof(check->key));
    memcpy(check->credential, session->text, session->length);
    r = map_put(&sessions->checks, check_key(key), (uint64_t)(uintptr_t)check);
    if (r < 0) {
        check_free(check);
        return r;
    }
    list_append(&sessions->queued, &check->link); /* sent at the end of the turn */
    timer_update(sessions);
    return 0;
}

static int ask(struct sessions *sessions, struct request *request,
               const struct proto_value *session, bool is_bytes)
{
    struct serve *serve = sessions->serve;
    uint8_t key[SESSION_HASH_SIZE];
    struct verdict *verdict;
    int r = hash_credential(session, is_bytes, key);

    if (r < 0)
        return r;
    verdict = verdicts_find(&sessions->verdicts, key, serve_now(serve));
    if (verdict != NULL) {
        request->verdict = verdict;
        return REQUEST_ANSWERED;
    }
    request->wait_key = check_key(key);
    if (map_get(&sessions->checks, request->wait_key) == NULL)
        r = check_new(sessions, request, session, is_bytes, key);
    return r < 0 ? r : REQUEST_WAIT;
}

int sessions_verify(struct sessions *sessions, struct request *request)
{
    const struct proto_value *session = &request->params.values[PROTO_PARAMETER_SESSION];

    request->wait_late = (struct refusal){.error = PROTO_ERROR_SESSION_UNAVAILABLE,
                                          .text = "the session could not be checked in time"};
    if (request->parked == NULL)
        return ask(sessions, request, session, session->object->type == MSGPACK_OBJECT_BIN);
    request->verdict = request->parked->verdict;
    if (request->verdict != NULL)
        return REQUEST_ANSWERED;
    return request_is_late(request) ? REQUEST_WAIT : -ENOMEM;
}
