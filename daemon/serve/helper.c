/* See helper.h. */
#include "helper.h"
#include "serve.h"
#include "writes.h"
#include <errno.h>
#include <proto/message.h>
#include <proto/upstream.h>
#include <stdlib.h>
#include <string.h>
#include <util/log.h>
#include <util/macros.h>

/* Beyond sync's own timeout; a helper that is later than that is wedged, and is cut off. */
#define PATIENCE_MS 10000
/* When the engine wants its turn at once but did not take it: the ledger refused a record. */
#define RETRY_MS 20

struct running {
    struct list link;
    struct helper *helper;
    struct exchange exchange;
    bool sent;
};

/* `result` is the answer's map; NULL: none came. */
static void running_done(struct running *running, const struct exchange_answer *answer,
                         const msgpack_object *result)
{
    struct helper *helper = running->helper;
    struct serve *serve = helper->serve;
    struct events *events = &serve->events;
    int r;

    write_created(serve, &running->exchange, answer); /* while the exchange is still known */
    events->cause = &running->exchange;
    troubles_tell_doubt(&running->exchange, answer);
    r = core_exchange_done(serve->core, running->exchange.id, answer, serve_now(serve));
    troubles_tell(&helper->troubles, serve->core, answer, events->said, events->said_length);
    events->cause = NULL;
    events->said = NULL;
    events->said_length = 0;
    if (r < 0)
        log_error("the end of an exchange with StellarTools: %s", strerror(-r));
    if (running->exchange.kind == EXCHANGE_ERRAND)
        errands_done(&serve->errands, running->exchange.errand, answer, result);
    list_remove(&running->link);
    helper->count--;
    free(running);
}

static void running_end(struct running *running, enum exchange_outcome outcome)
{
    struct exchange_answer answer;

    upstream_no_answer(outcome, &answer);
    running_done(running, &answer, NULL);
}

static void on_reply(const struct ipc_reply *reply, void *userdata)
{
    struct running *running = userdata;
    struct helper *helper = running->helper;
    struct exchange_answer answer;

    switch (reply->kind) {
    case IPC_REPLY_RESULT:
        upstream_read_answer(running->exchange.kind, running->exchange.intent_kind, reply->result,
                             &helper->scratch, &answer);
        (void)upstream_read_message(reply->result, &helper->serve->events.said,
                                    &helper->serve->events.said_length);
        running_done(running, &answer, reply->result);
        break;
    case IPC_REPLY_ERROR:
        log_warning("creditd-sync refused an exchange");
        running_end(running, EXCHANGE_UNANSWERED);
        break;
    case IPC_REPLY_TIMEOUT:
        log_warning("creditd-sync does not answer: cutting it off");
        running_end(running, EXCHANGE_UNANSWERED);
        helper_socket_cut_off(&helper->socket);
        break;
    case IPC_REPLY_GONE:
        running_end(running, EXCHANGE_UNANSWERED);
        break;
    }
}

struct pack_context {
    const struct errands *errands;
    const struct exchange *exchange;
    struct upstream_common common;
};

static void pack_exchange(msgpack_packer *packer, void *userdata)
{
    const struct pack_context *context = userdata;

    if (context->exchange->kind == EXCHANGE_ERRAND)
        errands_pack(context->errands, context->exchange->errand, packer, &context->common);
    else
        upstream_pack_params(packer, context->exchange, &context->common);
}

static void running_send(struct running *running)
{
    struct helper *helper = running->helper;
    const struct config *config = helper->serve->config;
    const struct errands *errands = &helper->serve->errands;
    struct core_text upstream = upstream_meant(helper->serve->core);
    struct pack_context context = {
        errands,
        &running->exchange,
        {config->stellartools.request_timeout, upstream.data, upstream.length},
    };
    const char *method = running->exchange.kind == EXCHANGE_ERRAND
                             ? errands_method(errands, running->exchange.errand)
                             : upstream_method(&running->exchange);
    int64_t patience =
        config->stellartools.connect_timeout + 2 * context.common.timeout + PATIENCE_MS;
    int r = -ENOTCONN;

    running->sent = true;
    if (method != NULL)
        r = helper_socket_request(&helper->socket, method, pack_exchange, &context,
                                  (uint64_t)patience, on_reply, running);
    if (r < 0) /* not one byte of it has left */
        running_end(running, EXCHANGE_NOT_SENT);
}

static int running_begin(struct helper *helper, const struct exchange *exchange)
{
    struct running *running = calloc(1, sizeof(*running));
    struct exchange_answer answer;

    if (running == NULL) {
        upstream_no_answer(EXCHANGE_NOT_SENT, &answer);
        (void)core_exchange_done(helper->serve->core, exchange->id, &answer,
                                 serve_now(helper->serve));
        if (exchange->kind == EXCHANGE_ERRAND)
            errands_done(&helper->serve->errands, exchange->errand, &answer, NULL);
        return -ENOMEM;
    }
    running->helper = helper;
    running->exchange = *exchange;
    list_append(&helper->exchanges, &running->link);
    helper->count++;
    if (exchange->after_sequence <= helper->serve->marks.durable)
        running_send(running);
    return 0;
}

int helper_request(struct helper *helper, const char *method, ipc_pack_function pack, void *context,
                   uint64_t timeout_ms, ipc_reply_function callback, void *userdata)
{
    /* Sessions are the app's; webhooks come from upstream. */
    if (helper->upstream.state != UPSTREAM_OURS && strcmp(method, AUTH_METHOD_SESSION) != 0)
        return -ENOTCONN;
    return helper_socket_request(&helper->socket, method, pack, context, timeout_ms, callback,
                                 userdata);
}

void helper_pass(struct helper *helper, uint64_t durable)
{
    struct list *link = helper->exchanges.next;

    while (link != &helper->exchanges) {
        struct running *running = CONTAINER_OF(link, struct running, link);

        link = link->next;
        if (!running->sent && running->exchange.after_sequence <= durable)
            running_send(running);
    }
}

/* --- the engine's turns --- */

static void on_timer(uv_timer_t *timer)
{
    struct helper *helper = timer->data;

    (void)serve_now(helper->serve); /* something to do: the end of the turn pumps */
}

static void timer_update(struct helper *helper, int64_t now)
{
    int64_t wakeup = core_wakeup(helper->serve->core);

    if (wakeup == INT64_MAX) {
        uv_timer_stop(&helper->timer);
        return;
    }
    if (wakeup <= now)
        wakeup = now + RETRY_MS;
    if (wakeup == helper->wakeup && uv_is_active((uv_handle_t *)&helper->timer))
        return;
    helper->wakeup = wakeup;
    uv_timer_start(&helper->timer, on_timer, (uint64_t)(wakeup - now), 0);
}

void helper_pump(struct helper *helper)
{
    struct serve *serve = helper->serve;
    int64_t now = serve_now(serve);
    struct exchange exchange;
    int r = 0;

    if (serve_is_stopping(serve))
        return;
    while (r == 0 && helper_socket_is_open(&helper->socket)) {
        r = core_next_exchange(serve->core, now, &exchange);
        if (r == 0)
            r = running_begin(helper, &exchange);
    }
    if (core_wakeup(serve->core) <= now)
        (void)core_tick(serve->core, now); /* what the ledger refuses is done next time */
    timer_update(helper, now);
}

/* --- helpers come and go --- */

/* Sessions can be checked; all else waits for its hello. */
static void on_come(void *userdata)
{
    struct helper *helper = userdata;

    waiting_wake(&helper->serve->waiting, waiting_helper_key());
}

static void on_hello(const msgpack_object *params, void *userdata)
{
    upstream_heard(userdata, params);
}

void helper_use(struct helper *helper)
{
    core_set_helper(helper->serve->core, true, serve_now(helper->serve));
    waiting_wake(&helper->serve->waiting, waiting_helper_key());
}

/* What has left was meant for the upstream that it was set to before, and is still answered. */
void helper_set_aside(struct helper *helper)
{
    struct list *link = helper->exchanges.next;

    core_set_helper(helper->serve->core, false, serve_now(helper->serve));
    while (link != &helper->exchanges) {
        struct running *running = CONTAINER_OF(link, struct running, link);

        link = link->next;
        if (!running->sent)
            running_end(running, EXCHANGE_NOT_SENT);
    }
}

static void on_gone(void *userdata)
{
    struct helper *helper = userdata;

    /* What was handed over has been called back as gone; the rest never left. */
    while (!list_is_empty(&helper->exchanges))
        running_end(CONTAINER_OF(helper->exchanges.next, struct running, link), EXCHANGE_NOT_SENT);
    upstream_forget(&helper->upstream);
    core_set_helper(helper->serve->core, false, serve_now(helper->serve));
}

int helper_init(struct helper *helper, struct serve *serve, int fd)
{
    static const struct helper_role role = {
        .program = "creditd-sync",
        .hello = UPSTREAM_NOTIFY_HELLO,
        .on_hello = on_hello,
        .on_come = on_come,
        .on_gone = on_gone,
    };
    int r;

    memset(helper, 0, sizeof(*helper));
    helper->serve = serve;
    list_init(&helper->exchanges);
    upstream_scratch_init(&helper->scratch);
    helper->timer.data = helper;
    r = uv_timer_init(&serve->loop, &helper->timer);
    return r < 0 ? r : helper_socket_init(&helper->socket, serve, &role, helper, fd);
}

void helper_reload(struct helper *helper)
{
    troubles_reload(&helper->troubles);
    helper_socket_notify(&helper->socket, UPSTREAM_NOTIFY_RELOAD);
}

void helper_deinit(struct helper *helper)
{
    upstream_scratch_deinit(&helper->scratch);
}

void helper_close(struct helper *helper)
{
    if (!uv_is_closing((uv_handle_t *)&helper->timer))
        uv_close((uv_handle_t *)&helper->timer, NULL);
    helper_socket_close(&helper->socket);
}

bool helper_is_closed(const struct helper *helper)
{
    return helper_socket_is_closed(&helper->socket);
}
