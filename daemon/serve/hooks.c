/*
 * See hooks.h. A delivery is two waits: for its event's envelope (event_reader.h), then for
 * creditd-hook. Whatever fails on our own side is tried again a little later, so that nothing here
 * can spin.
 */
#include "hooks.h"
#include "serve.h"
#include <core/delivery.h>
#include <errno.h>
#include <inttypes.h>
#include <proto/events.h>
#include <proto/message.h>
#include <stdlib.h>
#include <string.h>
#include <util/log.h>
#include <util/macros.h>

/* Beyond what a program or a URL may take; a helper that is later than that is wedged. */
#define PATIENCE_MS 10000
#define RETRY_MS 1000
#define LOG_INTERVAL_MS 60000
/* Events from memory that a hook is shown in a turn; others want the loop, too. */
#define SHOW_MAX 2048u
#define RUNNING_MAX 200u /* a channel has so many requests, and more */

_Static_assert((unsigned)HOOK_COUNT_ <= CORE_HOOKS_MAX, "the ledger has room for the hooks");
#define X(name, text, meaning)                                                                     \
    _Static_assert((int)PROTO_EVENT_##name == (int)CORE_EVENT_##name, "events must correspond");
PROTO_EVENTS(X)
#undef X

/* A delivery under way. */
struct delivering {
    struct list link;
    struct hooks *hooks;
    struct event_read read;
    unsigned hook;
    uint64_t number;
    uint32_t attempt;
};

const char *hooks_name(unsigned hook)
{
    static const char *const names[] = {
#define X(name, option, filter) #option,
        HOOK_TABLE(X)
#undef X
    };

    return hook < ARRAY_SIZE(names) ? names[hook] : NULL;
}

static const char *target(const struct config *config, unsigned hook)
{
    const char *const targets[] = {
#define X(name, option, filter) config->hooks.option,
        HOOK_TABLE(X)
#undef X
    };

    return hook < ARRAY_SIZE(targets) ? targets[hook] : NULL;
}

bool hooks_is_configured(const struct hooks *hooks, unsigned hook)
{
    return target(hooks->serve->config, hook) != NULL;
}

bool hooks_are_configured(const struct config *config)
{
    for (unsigned hook = 0; hook < HOOK_COUNT_; hook++)
        if (target(config, hook) != NULL)
            return true;
    return false;
}

/* --- what fails here --- */

static void on_timer(uv_timer_t *timer)
{
    struct hooks *hooks = timer->data;

    hooks->stalled = false;
    (void)serve_now(hooks->serve); /* something to do: the end of the turn pumps */
}

static void stall(struct hooks *hooks)
{
    hooks->stalled = true;
    if (!uv_is_closing((uv_handle_t *)&hooks->timer))
        uv_timer_start(&hooks->timer, on_timer, RETRY_MS, 0);
}

/* There is more to do, after all else that waits for the loop. */
static void go_on(struct hooks *hooks)
{
    if (!hooks->stalled && !uv_is_closing((uv_handle_t *)&hooks->timer))
        uv_timer_start(&hooks->timer, on_timer, 0, 0);
}

/* --- ends --- */

/* What is parked is bounded: the oldest has made room. */
static void log_lost(struct hooks *hooks, unsigned hook)
{
    struct core_hook_summary summary;

    if (!core_hook_summary(hooks->serve->core, hook, &summary) || summary.lost == hooks->lost[hook])
        return;
    hooks->lost[hook] = summary.lost;
    log_warning("%s: %u events are parked: the oldest was dropped, and is never delivered",
                hooks_name(hook), CORE_PARKED_MAX);
}

/* What the engine keeps of it: one line, whatever the helper said. */
static void log_failure(const struct delivering *delivering)
{
    struct hooks *hooks = delivering->hooks;
    int64_t now = serve_now(hooks->serve), *logged = &hooks->failure_logged[delivering->hook];
    const char *name = hooks_name(delivering->hook);
    struct core_delivery delivery;

    if (!core_delivery_get(hooks->serve->core, delivering->hook, delivering->number, &delivery))
        return;
    if (delivery.state == CORE_DELIVERY_PARKED) {
        log_warning("%s: event %" PRIu64 " could not be delivered, and is parked: %s (%d)", name,
                    delivery.number, delivery.message, delivery.status);
        log_lost(hooks, delivery.hook);
        return;
    }
    if (now - *logged < LOG_INTERVAL_MS && *logged != 0)
        return; /* a program that always fails must not fill the log: hook.list has the rest */
    *logged = now;
    log_warning("%s: event %" PRIu64 ", attempt %u, has failed: %s (%d)", name, delivery.number,
                delivering->attempt, delivery.message, delivery.status);
}

static void deliver_end(struct delivering *delivering, enum core_delivery_end end, int status,
                        struct core_text message)
{
    struct hooks *hooks = delivering->hooks;
    struct serve *serve = hooks->serve;
    int r = core_delivery_done(serve->core, delivering->hook, delivering->number, end, status,
                               message, serve_now(serve));

    if (r < 0) /* the engine remembers it, and records it later */
        log_error("the end of a delivery: %s", strerror(-r));
    else if (end == CORE_DELIVERY_FAILURE)
        log_failure(delivering);
    list_remove(&delivering->link);
    hooks->count--;
    free(delivering);
}

static void deliver_failed(struct delivering *delivering, const char *why)
{
    deliver_end(delivering, CORE_DELIVERY_FAILURE, 0, (struct core_text){why, strlen(why)});
}

/* Nobody knows how far it got. If that happens again and again, it is what this event does. */
static void deliver_gone(struct delivering *delivering, const char *why)
{
    deliver_end(delivering, CORE_DELIVERY_GONE, 0, (struct core_text){why, strlen(why)});
}

static void deliver_untried(struct delivering *delivering)
{
    deliver_end(delivering, CORE_DELIVERY_UNTRIED, 0, (struct core_text){"", 0});
}

/* No try can ever succeed: the customer's next event must not wait for this one. */
static void deliver_lost(struct delivering *delivering)
{
    log_warning("%s: the record of event %" PRIu64 " is no longer kept: it is never delivered",
                hooks_name(delivering->hook), delivering->number);
    delivering->hooks->lost[delivering->hook]++;
    deliver_end(delivering, CORE_DELIVERY_LOST, 0, (struct core_text){"", 0});
}

/* --- creditd-hook --- */

static bool is_text(const char *text, size_t length, const char *expected)
{
    return length == strlen(expected) && memcmp(text, expected, length) == 0;
}

static void take_result(struct delivering *delivering, const msgpack_object *result)
{
    struct core_text outcome = {"", 0}, message = {"", 0};
    int64_t status = 0;

    if (map_get_text(result, "outcome", &outcome.data, &outcome.length) <= 0 ||
        map_get_int(result, "status", &status) < 0 ||
        map_get_text(result, "message", &message.data, &message.length) < 0 || status < INT32_MIN ||
        status > INT32_MAX)
        deliver_failed(delivering, "creditd-hook's answer cannot be read");
    else if (is_text(outcome.data, outcome.length, HOOK_OUTCOME_DONE))
        deliver_end(delivering, CORE_DELIVERY_OK, (int)status, message);
    else if (is_text(outcome.data, outcome.length, HOOK_OUTCOME_UNCONFIGURED))
        deliver_failed(delivering, "creditd-hook's configuration has no such hook");
    else
        deliver_end(delivering, CORE_DELIVERY_FAILURE, (int)status, message);
}

static void on_reply(const struct ipc_reply *reply, void *userdata)
{
    struct delivering *delivering = userdata;
    struct hooks *hooks = delivering->hooks;

    switch (reply->kind) {
    case IPC_REPLY_RESULT:
        take_result(delivering, reply->result);
        break;
    case IPC_REPLY_ERROR:
        deliver_failed(delivering, "creditd-hook refused it");
        break;
    case IPC_REPLY_TIMEOUT:
        log_warning("creditd-hook does not answer: cutting it off");
        deliver_failed(delivering, "creditd-hook did not answer");
        helper_socket_cut_off(&hooks->socket);
        break;
    case IPC_REPLY_GONE:
        deliver_gone(delivering, "creditd-hook ended while it was under way");
        break;
    }
}

struct run_params {
    const struct delivering *delivering;
    const struct event_told *told;
};

static void pack_run(msgpack_packer *packer, void *userdata)
{
    const struct run_params *params = userdata;

    pack_map(packer, 3);
    pack_kv_text(packer, "hook", hooks_name(params->delivering->hook));
    pack_kv_int(packer, "attempt", params->delivering->attempt);
    pack_key(packer, "event"); /* encoded already */
    if (msgpack_pack_str_body(packer, params->told->envelope, params->told->length) != 0)
        pack_break(packer);
}

static void deliver_send(struct delivering *delivering, const struct event_told *told)
{
    struct hooks *hooks = delivering->hooks;
    int64_t patience = hooks->serve->config->hooks.timeout + PATIENCE_MS;
    struct run_params params = {delivering, told};
    int r = helper_socket_request(&hooks->socket, HOOK_METHOD_RUN, pack_run, &params,
                                  (uint64_t)patience, on_reply, delivering);

    if (r == 0)
        return;
    if (r == -EMSGSIZE) {
        deliver_failed(delivering, "the event is too large for creditd-hook");
        return;
    }
    if (r != -ENOTCONN)
        stall(hooks);
    deliver_untried(delivering);
}

/* What we lack has nothing to do with the event. A disk may fail once, or for this event. */
static void read_failed(struct delivering *delivering, int error)
{
    struct hooks *hooks = delivering->hooks;

    if (error == -ECANCELED) {
        deliver_untried(delivering);
    } else if (error == -ENOMEM || error == -EMFILE || error == -ENFILE || error == -EAGAIN) {
        stall(hooks);
        deliver_untried(delivering);
    } else if (error == -EIO) {
        stall(hooks);
        deliver_gone(delivering, "the event could not be read");
    } else {
        deliver_failed(delivering, "the event could not be read");
    }
}

static void on_envelope(void *userdata, const struct event_page *page)
{
    struct delivering *delivering = userdata;

    if (page->result < 0)
        read_failed(delivering, page->result);
    else if (page->count == 0 || page->events[0].envelope == NULL)
        deliver_lost(delivering);
    else
        deliver_send(delivering, &page->events[0]);
}

/* --- the engine's turns --- */

/* Asked in every turn of the loop, mostly for nothing: so the memory is kept for the next time. */
static bool deliver_next(struct hooks *hooks)
{
    struct serve *serve = hooks->serve;
    struct delivering *delivering;
    struct core_delivery delivery;

    if (hooks->spare == NULL)
        hooks->spare = calloc(1, sizeof(*hooks->spare));
    if (hooks->spare == NULL) {
        stall(hooks);
        return false;
    }
    if (!core_next_delivery(serve->core, serve_now(serve), &delivery))
        return false;
    delivering = hooks->spare;
    hooks->spare = NULL;
    delivering->hooks = hooks;
    delivering->hook = delivery.hook;
    delivering->number = delivery.number;
    delivering->attempt = delivery.attempt;
    list_append(&hooks->running, &delivering->link);
    hooks->count++;
    event_read_init(&delivering->read);
    delivering->read.from = delivery.number;
    delivering->read.limit = 1;
    delivering->read.types = EVENT_TYPES_ALL;
    delivering->read.wait = true;
    delivering->read.function = on_envelope;
    delivering->read.userdata = delivering;
    event_reader_read(&serve->event_reader, &delivering->read);
    return true;
}

static void on_page(void *userdata, const struct event_page *page)
{
    struct hook_view *view = userdata;
    struct hooks *hooks = view->hooks;
    struct serve *serve = hooks->serve;
    int64_t now = serve_now(serve);
    int r = page->result;

    if (r == 0 && page->gone_through > 0)
        r = core_hook_skip(serve->core, view->hook, page->gone_through, now);
    for (size_t i = 0; r == 0 && i < page->count; i++)
        r = core_hook_show(serve->core, view->hook, &page->events[i].event, now);
    if (r < 0 && r != -ESTALE && r != -ECANCELED)
        stall(hooks);
}

static void read_page(struct hook_view *view, uint64_t from, uint64_t through)
{
    uint64_t count = through - from + 1;

    view->read.from = from;
    view->read.limit = count < EVENT_PAGE_MAX ? (size_t)count : EVENT_PAGE_MAX;
    view->read.types = 0; /* rows are enough */
    view->read.wait = true;
    view->read.function = on_page;
    view->read.userdata = view;
    event_reader_read(&view->hooks->serve->event_reader, &view->read);
}

/* The youngest events are in memory; what is older is read. */
static void show(struct hook_view *view)
{
    struct hooks *hooks = view->hooks;
    struct serve *serve = hooks->serve;
    int64_t now = serve_now(serve);
    uint64_t from, through, first, last;
    unsigned count = 0;
    int r = 0;

    while (r == 0 && count < SHOW_MAX && !event_read_is_under_way(&view->read) &&
           core_hook_wants(serve->core, view->hook, serve->marks.durable, &from, &through)) {
        struct core_event event;

        count++;
        switch (core_event_get(serve->core, from, &event)) {
        case CORE_OK:
            r = core_hook_show(serve->core, view->hook, &event, now);
            break;
        case CORE_LOAD:
            read_page(view, from, through);
            break;
        default: /* gone */
            core_event_range(serve->core, &first, &last);
            r = core_hook_skip(serve->core, view->hook, first - 1, now);
        }
    }
    if (count == SHOW_MAX)
        go_on(hooks);
    if (r < 0)
        stall(hooks);
}

void hooks_pass(struct hooks *hooks, uint64_t durable)
{
    uint64_t through = core_event_through(hooks->serve->core, durable);

    if (through == hooks->through)
        return;
    hooks->through = through;
    (void)serve_now(hooks->serve); /* something to do: the end of the turn pumps */
}

void hooks_pump(struct hooks *hooks)
{
    if (serve_is_stopping(hooks->serve) || hooks->stalled)
        return;
    if (hooks->policies_due)
        hooks_configure(hooks);
    /* Taking makes room for what is to be shown, and what was shown can be taken. */
    for (unsigned round = 0; round < 2; round++) {
        for (unsigned i = 0; i < HOOK_COUNT_; i++)
            show(&hooks->views[i]);
        while (helper_socket_is_open(&hooks->socket) && hooks->count < RUNNING_MAX &&
               deliver_next(hooks))
            ;
    }
}

/* --- configuration --- */

void hooks_configure(struct hooks *hooks)
{
    static const char *const filters[] = {
#define X(name, option, filter) filter,
        HOOK_TABLE(X)
#undef X
    };
    struct serve *serve = hooks->serve;
    const struct config *config = serve->config;
    struct core_hook_policy policy = {
        .concurrency = (unsigned)config->hooks.concurrency,
        .delay_min = config->hooks.retry_delay,
        .delay_max = config->hooks.retry_delay_max,
        .park_after = config->hooks.park_after,
    };

    hooks->policies_due = false;
    for (unsigned i = 0; i < HOOK_COUNT_; i++) {
        int r;

        policy.types =
            hooks_is_configured(hooks, i) ? proto_event_filter(filters[i], strlen(filters[i])) : 0;
        r = core_hook_set_policy(serve->core, i, &policy, serve_now(serve));
        if (r == 0)
            continue;
        log_error("%s: %s", hooks_name(i), strerror(-r));
        hooks->policies_due = true;
        stall(hooks);
    }
}

void hooks_reload(struct hooks *hooks)
{
    hooks_configure(hooks);
    helper_socket_notify(&hooks->socket, HOOK_NOTIFY_RELOAD);
    if (helper_socket_is_closed(&hooks->socket) && hooks_are_configured(hooks->serve->config))
        log_warning("there is no socket for creditd-hook: hooks run when creditd-serve is started "
                    "again");
}

/* --- begin and end --- */

static void on_come(void *userdata)
{
    const struct hooks *hooks = userdata;

    (void)serve_now(hooks->serve); /* the end of the turn pumps */
}

static void on_gone(void *userdata)
{
    (void)userdata; /* all requests have been called back */
}

int hooks_init(struct hooks *hooks, struct serve *serve, int fd)
{
    static const struct helper_role role = {
        .program = "creditd-hook",
        .hello = HOOK_NOTIFY_HELLO,
        .on_come = on_come,
        .on_gone = on_gone,
    };
    int r;

    memset(hooks, 0, sizeof(*hooks));
    hooks->serve = serve;
    list_init(&hooks->running);
    for (unsigned i = 0; i < HOOK_COUNT_; i++) {
        hooks->views[i] = (struct hook_view){.hooks = hooks, .hook = i};
        event_read_init(&hooks->views[i].read);
    }
    hooks->timer.data = hooks;
    r = uv_timer_init(&serve->loop, &hooks->timer);
    if (r == 0)
        r = helper_socket_init(&hooks->socket, serve, &role, hooks, fd);
    if (r == 0)
        hooks_configure(hooks);
    return r;
}

void hooks_close(struct hooks *hooks)
{
    if (!uv_is_closing((uv_handle_t *)&hooks->timer))
        uv_close((uv_handle_t *)&hooks->timer, NULL);
    helper_socket_close(&hooks->socket);
    free(hooks->spare);
    hooks->spare = NULL;
}

bool hooks_is_closed(const struct hooks *hooks)
{
    return helper_socket_is_closed(&hooks->socket) && hooks->count == 0;
}
