/*
 * metrics: figures in Prometheus' text format, for whoever may connect. What is not known yet is
 * left out rather than told as 0.
 */
#include "connection.h"
#include "methods.h"
#include "serve.h"
#include <core/delivery.h>
#include <core/link.h>
#include <inttypes.h>
#include <proto/hook.h>
#include <proto/message.h>
#include <stdarg.h>
#include <stdio.h>
#include <util/macros.h>

#define CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"
#define LINE_MAX_LENGTH 512

static void PRINTF_LIKE(2, 3) add(msgpack_sbuffer *text, const char *format, ...)
{
    char line[LINE_MAX_LENGTH];
    va_list arguments;
    int length;

    va_start(arguments, format);
    length = vsnprintf(line, sizeof(line), format, arguments);
    va_end(arguments);
    /* Without memory the answer is cut short, and the scrape after it is whole again. */
    if (length > 0 && (size_t)length < sizeof(line))
        (void)msgpack_sbuffer_write(text, line, (size_t)length);
}

static void begin(msgpack_sbuffer *text, const char *name, const char *type, const char *help)
{
    add(text, "# HELP creditd_%s %s\n# TYPE creditd_%s %s\n", name, help, name, type);
}

static void add_one(msgpack_sbuffer *text, const char *name, const char *type, const char *help,
                    int64_t value)
{
    begin(text, name, type, help);
    add(text, "creditd_%s %" PRId64 "\n", name, value);
}

static void add_gauge(msgpack_sbuffer *text, const char *name, const char *help, int64_t value)
{
    add_one(text, name, "gauge", help, value);
}

static void add_counter(msgpack_sbuffer *text, const char *name, const char *help, uint64_t value)
{
    add_one(text, name, "counter", help, (int64_t)value);
}

/* Durations and times are seconds there. */
static void add_seconds(msgpack_sbuffer *text, const char *name, const char *help, int64_t ms)
{
    begin(text, name, "gauge", help);
    add(text, "creditd_%s %" PRId64 ".%03" PRId64 "\n", name, ms / 1000, ms % 1000);
}

static void add_process(msgpack_sbuffer *text, const struct serve *serve)
{
    begin(text, "info", "gauge", "Constant 1; the version is in the label.");
    add(text, "creditd_info{version=\"%s\"} 1\n", CREDITD_VERSION);
    add_gauge(text, "up", "1 while it serves, 0 while it is stopping.", !serve_is_stopping(serve));
    add_seconds(text, "uptime_seconds", "Since the start.", clock_boot_ms() - serve->started_boot);
    add_gauge(text, "connections", "Clients that are connected.", (int64_t)serve->connection_count);
    add_counter(text, "requests_total", "Requests of clients.", serve->requests_total);
    add_counter(text, "requests_refused_total", "Requests that were answered with an error.",
                serve->requests_refused);
    add_counter(text, "objects_unkept_total",
                "Objects of StellarTools' that came in and were too large to be kept.",
                serve->objects_unkept);
    add_gauge(text, "session_verdicts", "Sessions whose verdict is remembered.",
              (int64_t)serve->sessions.verdicts.count);
}

static void add_credits(msgpack_sbuffer *text, const struct core_summary *summary, int64_t now)
{
    bool pending = summary->oldest_pending > 0 && summary->oldest_pending < now;

    add_gauge(text, "balances_resident", "Balances in memory.", summary->resident);
    add_gauge(text, "pending_credits", "Credits deducted here that StellarTools has not confirmed.",
              summary->pending_credits);
    add_gauge(text, "pending_balances", "Balances with such credits.", summary->pending_balances);
    add_seconds(text, "pending_oldest_age_seconds", "How long the oldest of them has waited.",
                pending ? now - summary->oldest_pending : 0);
    begin(text, "pushes", "gauge", "Pushes that are not done.");
    add(text, "creditd_pushes{state=\"open\"} %" PRId64 "\n", summary->pushes_open);
    add(text, "creditd_pushes{state=\"doubt\"} %" PRId64 "\n", summary->pushes_doubt);
    add(text, "creditd_pushes{state=\"parked\"} %" PRId64 "\n", summary->pushes_parked);
}

static void add_intents(msgpack_sbuffer *text, const struct core *core)
{
    static const struct {
        enum core_intent_state state;
        const char *word;
    } states[] = {{CORE_INTENT_SENDING, "open"},
                  {CORE_INTENT_DOUBT, "doubt"},
                  {CORE_INTENT_PARKED, "parked"}};
    int64_t counts[ARRAY_SIZE(states)] = {0};
    struct core_intent intent;
    size_t position = 0;

    while (core_next_intent(core, &position, &intent))
        for (size_t i = 0; i < ARRAY_SIZE(states); i++)
            counts[i] += intent.state == states[i].state;
    begin(text, "creates", "gauge", "Creates of customers, subscriptions and refunds, not done.");
    for (size_t i = 0; i < ARRAY_SIZE(states); i++)
        add(text, "creditd_creates{state=\"%s\"} %" PRId64 "\n", states[i].word, counts[i]);
}

static void add_upstream(msgpack_sbuffer *text, const struct serve *serve,
                         const struct core_summary *summary)
{
    add_gauge(text, "helper_up", "1 while creditd-sync is there.",
              helper_socket_is_open(&serve->helper.socket));
    if (summary->asked)
        add_gauge(text, "upstream_reachable", "1 where StellarTools has answered lately.",
                  summary->reachable);
    add_gauge(text, "upstream_paused", "1 while the API key is refused and nothing is pushed.",
              summary->paused);
    if (summary->requests_remaining >= 0)
        add_gauge(text, "upstream_requests_remaining", "As StellarTools said with its last answer.",
                  summary->requests_remaining);
    if (summary->last_success > 0)
        add_seconds(text, "upstream_last_success_timestamp_seconds", "Of the last good answer.",
                    summary->last_success);
}

static void add_ledger(msgpack_sbuffer *text, const struct store_watermarks *marks)
{
    add_gauge(text, "ledger_sequence", "The last record.", (int64_t)marks->appended);
    add_gauge(text, "ledger_durable_sequence", "The last record that is synced.",
              (int64_t)marks->durable);
    add_gauge(text, "ledger_stored_sequence", "The last record that is in the store.",
              (int64_t)marks->stored);
    add_gauge(text, "ledger_space_ok", "0 while the disk is full and deductions are refused.",
              marks->space == STORE_SPACE_OK);
}

static void add_subscribers(msgpack_sbuffer *text, const struct core *core, uint64_t last)
{
    struct core_subscriber subscriber;
    size_t position = 0;

    begin(text, "subscriber_lag", "gauge", "Events that a subscriber has not acknowledged.");
    while (core_next_subscriber(core, &position, &subscriber)) {
        uint64_t lag = last > subscriber.number ? last - subscriber.number : 0;

        add(text, "creditd_subscriber_lag{uid=\"%u\",subscriber=\"%.*s\"} %" PRIu64 "\n",
            subscriber.uid, (int)subscriber.name.length, subscriber.name.data, lag);
    }
}

static void add_events(msgpack_sbuffer *text, const struct serve *serve)
{
    uint64_t last = serve->event_reader.through;

    add_gauge(text, "events_first", "The oldest event that is kept.",
              (int64_t)event_keeping_first(&serve->event_keeping));
    add_gauge(text, "events_last", "The latest event.", (int64_t)last);
    add_counter(text, "events_lost_total",
                "Events that went, for lack of room, before a hook or subscriber had them.",
                serve->event_keeping.lost);
    add_gauge(text, "subscriptions", "Connections that are told events.",
              (int64_t)serve->subscribers.count);
    add_counter(text, "events_sent_total", "Events told to subscribers.", serve->subscribers.told);
    add_counter(text, "subscriptions_cut_off_total", "Subscribers that read too slowly.",
                serve->subscribers.cut_off);
    add_subscribers(text, serve->core, last);
}

static const char *const hook_names[] = {
#define X(name, option, filter) [HOOK_##name] = #option,
    HOOK_TABLE(X)
#undef X
};

static void add_hooks(msgpack_sbuffer *text, const struct core *core)
{
    struct core_hook_summary hooks[ARRAY_SIZE(hook_names)];
    bool known[ARRAY_SIZE(hook_names)];

    for (unsigned i = 0; i < ARRAY_SIZE(hook_names); i++)
        known[i] = core_hook_summary(core, i, &hooks[i]);
    begin(text, "hook_deliveries", "gauge", "Events that a hook has not got.");
    for (unsigned i = 0; i < ARRAY_SIZE(hook_names); i++) {
        const struct {
            const char *state;
            uint64_t count;
        } states[] = {{"waiting", hooks[i].waiting},
                      {"failed", hooks[i].failed},
                      {"parked", hooks[i].parked},
                      {"running", hooks[i].running}};

        for (size_t k = 0; known[i] && k < ARRAY_SIZE(states); k++)
            add(text, "creditd_hook_deliveries{hook=\"%s\",state=\"%s\"} %" PRIu64 "\n",
                hook_names[i], states[k].state, states[k].count);
    }
    begin(text, "hook_delivered_total", "counter", "Events that a hook has got, since the start.");
    for (unsigned i = 0; i < ARRAY_SIZE(hook_names); i++)
        if (known[i])
            add(text, "creditd_hook_delivered_total{hook=\"%s\"} %" PRIu64 "\n", hook_names[i],
                hooks[i].delivered);
    begin(text, "hook_failures_total", "counter", "Tries that failed, since the start.");
    for (unsigned i = 0; i < ARRAY_SIZE(hook_names); i++)
        if (known[i])
            add(text, "creditd_hook_failures_total{hook=\"%s\"} %" PRIu64 "\n", hook_names[i],
                hooks[i].failures);
}

int method_metrics(struct request *request)
{
    struct serve *serve = request->serve;
    const struct core_summary *summary = serve_summary(serve);
    struct store_watermarks marks;
    msgpack_sbuffer text;
    msgpack_packer *packer;

    store_get_watermarks(serve->store, &marks);
    msgpack_sbuffer_init(&text);
    add_process(&text, serve);
    add_credits(&text, summary, serve_now(serve));
    add_intents(&text, serve->core);
    add_upstream(&text, serve, summary);
    add_ledger(&text, &marks);
    add_events(&text, serve);
    add_hooks(&text, serve->core);
    packer = request_result(request, 2);
    pack_kv_text(packer, "content_type", CONTENT_TYPE);
    pack_key(packer, "text");
    pack_text_n(packer, text.data, text.size);
    msgpack_sbuffer_destroy(&text);
    request_reply(request, marks.appended);
    return REQUEST_ANSWERED;
}
