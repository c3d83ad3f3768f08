/*
 * ping and status. Status is for operators and for those who watch: what it shows of the ledger is
 * what is durable, or waits until it is, as everything does.
 */
#include "connection.h"
#include "methods.h"
#include "serve.h"
#include <core/delivery.h>
#include <core/link.h>
#include <proto/hook.h>
#include <proto/message.h>

int method_ping(struct request *request)
{
    msgpack_packer *packer = request_result(request, 2);

    pack_kv_bool(packer, "pong", true);
    pack_kv_text(packer, "version", CREDITD_VERSION);
    request_reply(request, 0);
    return REQUEST_ANSWERED;
}

/* Creates that are under way, in doubt, or wait for the operator. */
struct open_intents {
    int64_t open, doubt, parked;
};

static struct open_intents count_intents(const struct core *core)
{
    struct open_intents count = {0, 0, 0};
    struct core_intent intent;
    size_t position = 0;

    while (core_next_intent(core, &position, &intent)) {
        count.open += intent.state == CORE_INTENT_SENDING;
        count.doubt += intent.state == CORE_INTENT_DOUBT;
        count.parked += intent.state == CORE_INTENT_PARKED;
    }
    return count;
}

static void pack_intents(msgpack_packer *packer, const struct open_intents *count)
{
    pack_key(packer, "intents");
    pack_map(packer, 3);
    pack_kv_int(packer, "open", count->open);
    pack_kv_int(packer, "doubt", count->doubt);
    pack_kv_int(packer, "parked", count->parked);
}

static const char *health(const struct serve *serve, const struct core_summary *summary,
                          const struct open_intents *intents)
{
    if (serve_is_stopping(serve))
        return "stopping";
    if (serve->marks.space != STORE_SPACE_OK || summary->paused ||
        (summary->asked && !summary->reachable) || serve->helper.socket.channel == NULL ||
        serve->helper.upstream.state == UPSTREAM_OTHER || summary->pushes_parked > 0 ||
        intents->parked > 0)
        return "degraded";
    return "ok";
}

/* What may not be known: nil. */
static void pack_kv_known(msgpack_packer *packer, const char *key, int64_t value, bool known)
{
    if (known)
        pack_kv_int(packer, key, value);
    else
        pack_kv_nil(packer, key);
}

/* The ledger belongs to one upstream, and creditd-sync is set to another one. */
static void pack_mismatch(msgpack_packer *packer, const struct serve *serve)
{
    struct core_text ledger = core_upstream(serve->core);

    pack_key(packer, "mismatch");
    if (serve->helper.upstream.state != UPSTREAM_OTHER) {
        pack_nil(packer);
        return;
    }
    pack_map(packer, 2);
    pack_key(packer, "ledger");
    pack_text_n(packer, ledger.data, ledger.length);
    pack_kv_text(packer, "helper", serve->helper.upstream.told);
}

static void pack_upstream(msgpack_packer *packer, const struct serve *serve,
                          const struct core_summary *summary)
{
    pack_key(packer, "upstream");
    pack_map(packer, 7);
    if (serve->helper.upstream.state == UPSTREAM_OTHER)
        pack_kv_bool(packer, "reachable", false);
    else if (summary->asked)
        pack_kv_bool(packer, "reachable",
                     summary->reachable && serve->helper.socket.channel != NULL);
    else
        pack_kv_nil(packer, "reachable");
    pack_kv_text(packer, "paused", summary->paused ? "unauthorized" : NULL);
    pack_kv_known(packer, "last_success", summary->last_success, summary->last_success > 0);
    pack_kv_known(packer, "requests_remaining", summary->requests_remaining,
                  summary->requests_remaining >= 0);
    pack_kv_known(packer, "requests_limit", summary->requests_limit, summary->requests_limit >= 0);
    pack_kv_bool(packer, "helper", serve->helper.socket.channel != NULL);
    pack_mismatch(packer, serve);
}

static void pack_pending(msgpack_packer *packer, const struct core_summary *summary, int64_t now)
{
    pack_key(packer, "pending");
    pack_map(packer, 3);
    pack_kv_int(packer, "credits", summary->pending_credits);
    pack_kv_int(packer, "balances", summary->pending_balances);
    pack_kv_int(packer, "oldest_age",
                summary->oldest_pending > 0 && summary->oldest_pending < now
                    ? now - summary->oldest_pending
                    : 0);
    pack_key(packer, "pushes");
    pack_map(packer, 3);
    pack_kv_int(packer, "open", summary->pushes_open);
    pack_kv_int(packer, "doubt", summary->pushes_doubt);
    pack_kv_int(packer, "parked", summary->pushes_parked);
}

static void pack_ledger(msgpack_packer *packer, const struct serve *serve,
                        const struct store_watermarks *marks)
{
    bool interval = serve->config->ledger.durability == CONFIG_DURABILITY_INTERVAL;

    pack_key(packer, "ledger");
    pack_map(packer, 5);
    pack_kv_int(packer, "sequence", (int64_t)marks->appended);
    pack_kv_int(packer, "durable_sequence", (int64_t)marks->durable);
    pack_kv_int(packer, "stored_sequence", (int64_t)marks->stored);
    pack_kv_text(packer, "durability", interval ? "interval" : "always");
    pack_kv_text(packer, "space", marks->space == STORE_SPACE_OK ? "ok" : "reserve");
}

static void pack_events(msgpack_packer *packer, const struct serve *serve)
{
    struct core_hook_summary hook;
    uint64_t first, last, failed = 0, parked = 0;

    core_event_range(serve->core, &first, &last);
    for (unsigned i = 0; i < HOOK_COUNT_; i++)
        if (core_hook_summary(serve->core, i, &hook)) {
            failed += hook.failed;
            parked += hook.parked;
        }
    pack_key(packer, "events");
    pack_map(packer, 4);
    pack_kv_int(packer, "first", (int64_t)event_keeping_first(&serve->event_keeping));
    pack_kv_int(packer, "last", (int64_t)last);
    pack_kv_int(packer, "lost", (int64_t)serve->event_keeping.lost);
    pack_kv_int(packer, "subscribers", (int64_t)serve->subscribers.count);
    pack_key(packer, "hooks");
    pack_map(packer, 2);
    pack_kv_int(packer, "failed", (int64_t)failed);
    pack_kv_int(packer, "parked", (int64_t)parked);
}

/* Taken once a turn, unless something was recorded since: pipelining makes it no dearer. */
const struct core_summary *serve_summary(struct serve *serve)
{
    struct store_watermarks marks;

    store_get_watermarks(serve->store, &marks);
    if (serve->summary_turn != serve->gate.turn + 1 || serve->summary_sequence != marks.appended) {
        core_get_summary(serve->core, &serve->summary);
        serve->summary_turn = serve->gate.turn + 1; /* 0: never */
        serve->summary_sequence = marks.appended;
    }
    return &serve->summary;
}

int method_status(struct request *request)
{
    struct serve *serve = request->serve;
    const struct core_summary *summary = serve_summary(serve);
    struct open_intents intents;
    struct store_watermarks marks;
    msgpack_packer *packer;
    int64_t now = serve_now(serve);

    store_get_watermarks(serve->store, &marks);
    intents = count_intents(serve->core);
    packer = request_result(request, 13);
    pack_kv_text(packer, "version", CREDITD_VERSION);
    pack_kv_text(packer, "health", health(serve, summary, &intents));
    pack_kv_int(packer, "uptime", clock_boot_ms() - serve->started_boot);
    pack_upstream(packer, serve, summary);
    pack_pending(packer, summary, now);
    pack_intents(packer, &intents);
    pack_ledger(packer, serve, &marks);
    pack_events(packer, serve);
    pack_key(packer, "balances");
    pack_map(packer, 1);
    pack_kv_int(packer, "resident", summary->resident);
    pack_kv_int(packer, "connections", (int64_t)serve->connection_count);
    pack_key(packer, "requests");
    pack_map(packer, 2);
    pack_kv_int(packer, "total", (int64_t)serve->requests_total);
    pack_kv_int(packer, "refused", (int64_t)serve->requests_refused);
    request_reply(request, marks.appended);
    return REQUEST_ANSWERED;
}
