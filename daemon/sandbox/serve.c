/*
 * One request, from arrival to answer. What can be refused without doing anything is refused first
 * (down, wrong path, key, rate limit, version); then the plan is drawn, the idempotency key is
 * asked, the endpoint runs if the plan says so, the key learns the answer, and last the plan's
 * ending is put in the answer's place.
 */
#include "sandbox.h"
#include "views.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <util/clock.h>
#include <util/macros.h>

static const char *const known_versions[] = {"2026-08-18"};

/* The thread's request with what was found out about it. */
struct exchange {
    struct call call;
    struct match match;
    struct plan plan;
    enum kind kind;
    struct balance *balance; /* of a write of credits, if there is one */
    bool writes;
};

static bool key_is_accepted(const struct sandbox *sandbox, const char *key)
{
    if (!key || faults_on(&sandbox->faults, FAULT_UNAUTHORIZED))
        return false;
    if (sandbox->api_key)
        return strcmp(key, sandbox->api_key) == 0;
    return strncmp(key, "sk_test_", strlen("sk_test_")) == 0;
}

static bool version_is_known(const char *version)
{
    for (size_t i = 0; version && i < ARRAY_SIZE(known_versions); i++) {
        if (strcmp(version, known_versions[i]) == 0)
            return true;
    }
    return !version;
}

static int reply_redirect(struct reply *reply, const struct request *request)
{
    const char *query = request->query;
    size_t length = strlen(request->path);

    while (length > 1 && request->path[length - 1] == '/')
        length--;
    reply->status = 308;
    if (asprintf(&reply->location, "%.*s%s%s", (int)length, request->path, query ? "?" : "",
                 query ? query : "") >= 0)
        return 0;
    reply->location = NULL;
    return -ENOMEM;
}

/* 1: go on. Otherwise the reply is made (0), or -ENOMEM. */
static int exchange_route(struct exchange *exchange)
{
    const struct request *request = exchange->call.request;
    struct reply *reply = exchange->call.reply;
    int r;

    r = route_match(endpoint_table, endpoint_table_length, request->method, request->path,
                    &exchange->match);
    switch (r) {
    case MATCH_FOUND:
        return 1;
    case MATCH_SLASH:
        return reply_redirect(reply, request);
    case MATCH_METHOD:
        reply->status = 405;
        return 0;
    case MATCH_UNKNOWN:
        return reply_html(reply, 404, "This page could not be found.");
    default:
        return r;
    }
}

/* The same. What is refused here was not done. */
static int exchange_admit(struct exchange *exchange)
{
    struct sandbox *sandbox = exchange->call.sandbox;
    const struct request *request = exchange->call.request;
    const struct faults *faults = &sandbox->faults;
    struct reply *reply = exchange->call.reply;

    if (!key_is_accepted(sandbox, request->api_key))
        return reply_error(reply, 401, request->api_key ? "Unauthorized" : "API Key required");
    if (faults_on(faults, FAULT_FORBIDDEN))
        return reply_error(reply, 403, "Forbidden");
    if (!rate_take(&sandbox->rate, faults_number(faults, FAULT_RATE_LIMIT),
                   faults_number(faults, FAULT_RATE_WINDOW), clock_wall_ms(), &reply->rate)) {
        reply->retry_after = faults_on(faults, FAULT_RETRY_AFTER);
        return reply_error(reply, 429, "Too many requests");
    }
    if (!version_is_known(request->version))
        return reply_error(reply, 400, "Unknown StellarTools-Version");
    return 1;
}

/* Which kind it is, and of a write of credits, which balance. */
static void exchange_classify(struct exchange *exchange)
{
    const json_t *body = exchange->call.request->json;
    const char *name = json_string_value(json_object_get(body, "type"));
    enum transaction_type type;

    exchange->kind = exchange->match.route->kind;
    if (exchange->kind != KIND_TRANSACTION)
        return;
    exchange->kind = KIND_OTHER;
    if (!name || !transaction_type_parse(name, &type))
        return;
    exchange->kind = type == TRANSACTION_DEDUCT   ? KIND_DEDUCT
                     : type == TRANSACTION_REFUND ? KIND_REFUND
                                                  : KIND_GRANT;
    if (json_is_true(json_object_get(body, "dry_run")))
        return;
    exchange->writes = true;
    exchange->balance = model_balance(&exchange->call.sandbox->model, exchange->match.parameters[0],
                                      exchange->match.parameters[1]);
}

static void connection_drop(const struct request *request)
{
    if (request->fd >= 0)
        shutdown(request->fd, SHUT_RDWR);
}

/* The endpoint runs, or does not, and the reply's body is made. */
static int exchange_execute(struct exchange *exchange)
{
    struct call *call = &exchange->call;
    int r = 0;

    if (exchange->plan.late_ms > 0) {
        connection_drop(call->request);
        sandbox_sleep(call->sandbox, exchange->plan.late_ms);
    }
    if (exchange->plan.commit)
        r = exchange->match.route->run(call);
    if (exchange->plan.ending == ENDING_ERROR)
        reply_error(call->reply, 500, "Internal Server Error");
    return r < 0 ? r : view_finish(call->reply, &call->sandbox->faults, exchange->match.old);
}

/* An answer is remembered, an exception is not: its lock is given free, or, with stuck_lock, never.
 */
static void exchange_settle_key(struct exchange *exchange, struct key *key)
{
    const struct call *call = &exchange->call;
    const struct reply *reply = call->reply;

    if (exchange->plan.keep_lock)
        return;
    if (!exchange->plan.commit || reply->status >= 500)
        keys_release(&call->sandbox->keys, call->request->key);
    else
        key_store(key, reply->status, reply->body ? reply->body : "", reply->length);
}

static int reply_replay(struct reply *reply, const struct key *key)
{
    reply->status = key->status;
    reply->body = malloc(key->length + 1);
    if (!reply->body)
        return -ENOMEM;
    memcpy(reply->body, key->body, key->length + 1);
    reply->length = key->length;
    return 0;
}

static bool key_counts(const struct exchange *exchange)
{
    const struct request *request = exchange->call.request;

    return request->key && strcmp(request->method, "POST") == 0 && !exchange->match.old &&
           !faults_on(&exchange->call.sandbox->faults, FAULT_KEY_IGNORED);
}

static int exchange_run_keyed(struct exchange *exchange)
{
    struct call *call = &exchange->call;
    struct key *key;
    int r;

    r = keys_begin(&call->sandbox->keys, call->request->key, &key);
    if (r == KEY_ANSWERED)
        return reply_replay(call->reply, key);
    if (r == KEY_LOCKED) {
        reply_error(call->reply, 409, "Request in progress");
        return view_finish(call->reply, &call->sandbox->faults, exchange->match.old);
    }
    if (r < 0)
        return r;
    r = exchange_execute(exchange);
    if (r < 0)
        keys_release(&call->sandbox->keys, call->request->key);
    else
        exchange_settle_key(exchange, key);
    return r;
}

/* Until the client is gone, or nothing hangs any longer, or the program ends. */
static void exchange_hang(struct exchange *exchange)
{
    struct sandbox *sandbox = exchange->call.sandbox;
    struct pause pause;

    if (pause_begin(&sandbox->pauses, &pause) < 0)
        return;
    while (faults_on(&sandbox->faults, FAULT_HANG)) {
        int result;

        pthread_mutex_unlock(&sandbox->lock);
        result = pause_wait(&sandbox->pauses, &pause, exchange->call.request->fd, -1);
        pthread_mutex_lock(&sandbox->lock);
        if (result == PAUSE_CLIENT_GONE || result == PAUSE_STOPPED)
            break;
    }
    pause_end(&sandbox->pauses, &pause);
}

static int exchange_end(struct exchange *exchange)
{
    struct reply *reply = exchange->call.reply;

    switch (exchange->plan.ending) {
    case ENDING_ANSWER:
    case ENDING_ERROR:
        return 0;
    case ENDING_HANG:
        exchange_hang(exchange);
        reply->dropped = true;
        return 0;
    case ENDING_DROP:
        reply->dropped = true;
        return 0;
    case ENDING_HTML:
        return reply_html(reply, 502, "Bad Gateway");
    case ENDING_EMPTY:
        reply->status = 200;
        reply->length = 0;
        return 0;
    case ENDING_GARBAGE:
        reply->status = 200;
        reply->length /= 2;
        return 0;
    }
    return 0;
}

/* The plan is drawn on arrival, so that the order of arrival alone decides the draws. */
static int exchange_run(struct exchange *exchange)
{
    struct sandbox *sandbox = exchange->call.sandbox;
    bool keyed = key_counts(exchange);
    struct target target = {exchange->kind, exchange->call.request->method, keyed};
    int r;

    plan_draw(&exchange->plan, &sandbox->faults, &sandbox->prng, &target);
    if (exchange->plan.late_ms > 0)
        exchange->writes = false; /* for the client it is over at once */
    if (exchange->writes)
        counts_write_begin(&sandbox->counts, exchange->balance);
    sandbox_sleep(sandbox, exchange->plan.latency_ms);
    r = keyed ? exchange_run_keyed(exchange) : exchange_execute(exchange);
    if (exchange->writes)
        counts_write_end(&sandbox->counts, exchange->balance);
    return r < 0 ? r : exchange_end(exchange);
}

static int exchange_serve(struct exchange *exchange)
{
    struct call *call = &exchange->call;
    struct counts *counts = &call->sandbox->counts;
    int r;

    r = exchange_route(exchange);
    if (r > 0 && exchange->match.route->servers == ROUTE_CONTROL) {
        r = exchange->match.route->run(call);
        return r < 0 ? r : view_finish(call->reply, &(struct faults){0}, false);
    }
    counts->total++;
    if (r > 0) {
        exchange_classify(exchange);
        counts->by_endpoint[exchange->match.route - endpoint_table]++;
    }
    counts->by_kind[exchange->kind]++;
    if (faults_on(&call->sandbox->faults, FAULT_DOWN)) {
        call->sandbox->faults.fired[FAULT_DOWN]++;
        call->reply->dropped = true;
        r = 0;
    }
    if (r > 0 && !call->reply->dropped)
        r = exchange_admit(exchange);
    if (r > 0)
        r = exchange_run(exchange);
    else if (r == 0)
        r = view_finish(call->reply, &call->sandbox->faults, exchange->match.old);
    if (call->reply->dropped)
        counts->dropped++;
    else
        counts->by_status[call->reply->status]++;
    return r;
}

void sandbox_serve(struct sandbox *sandbox, const struct request *request, struct reply *reply)
{
    struct exchange exchange = {
        .call = {.sandbox = sandbox, .request = request, .reply = reply},
    };

    exchange.call.match = &exchange.match;
    exchange.call.plan = &exchange.plan;
    pthread_mutex_lock(&sandbox->lock);
    if (exchange_serve(&exchange) < 0) {
        reply_deinit(reply);
        reply->status = 500; /* out of memory: an answer without a body */
    }
    pthread_mutex_unlock(&sandbox->lock);
    match_deinit(&exchange.match);
}
