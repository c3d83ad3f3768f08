/*
 * hook.list, hook.retry and hook.drop: for operators.
 */
#include "connection.h"
#include "methods.h"
#include "serve.h"
#include "words.h"
#include <core/delivery.h>
#include <errno.h>
#include <proto/events.h>
#include <proto/message.h>
#include <string.h>

#define LIST_DEFAULT 100
#define LIST_MAX 1000

static bool is_given(const struct request *request, enum proto_parameter parameter)
{
    return (request->params.present & UINT64_C(1) << parameter) != 0;
}

static bool is_word(const struct proto_value *value, const char *word)
{
    return strlen(word) == value->length && memcmp(word, value->text, value->length) == 0;
}

/* False: refused. */
static bool given_hook(struct request *request, unsigned *ret_hook)
{
    const struct proto_value *value = &request->params.values[PROTO_PARAMETER_HOOK];
    const char *name;

    for (unsigned hook = 0; (name = hooks_name(hook)) != NULL; hook++) {
        if (!is_word(value, name))
            continue;
        *ret_hook = hook;
        return true;
    }
    request_refuse(request, PROTO_ERROR_INVALID_PARAMETER, "there is no hook of that name",
                   "parameter", "hook");
    return false;
}

static const char *state_word(unsigned state)
{
    static const char *const words[] = {
        [CORE_DELIVERY_WAITING] = "waiting", [CORE_DELIVERY_RUNNING] = "running",
        [CORE_DELIVERY_FAILED] = "failed",   [CORE_DELIVERY_PARKED] = "parked",
        [CORE_DELIVERY_BEHIND] = "behind",
    };

    return state <= CORE_DELIVERY_BEHIND ? words[state] : NULL;
}

/* 0: all. False: refused. */
static bool given_state(struct request *request, unsigned *ret_state)
{
    *ret_state = 0;
    if (!is_given(request, PROTO_PARAMETER_STATE))
        return true;
    for (unsigned state = CORE_DELIVERY_WAITING; state <= CORE_DELIVERY_BEHIND; state++)
        if (is_word(&request->params.values[PROTO_PARAMETER_STATE], state_word(state)))
            *ret_state = state;
    if (*ret_state == 0)
        request_refuse(request, PROTO_ERROR_INVALID_PARAMETER,
                       "state must be waiting, running, failed, parked or behind", "parameter",
                       "state");
    return *ret_state != 0;
}

/* --- hook.list --- */

struct listing {
    unsigned first, end; /* hooks */
    unsigned state;      /* 0: all */
    size_t limit, count;
    bool more;
};

static void pack_hook(msgpack_packer *packer, const struct serve *serve, unsigned hook)
{
    struct core_hook_summary summary;

    if (!core_hook_summary(serve->core, hook, &summary))
        memset(&summary, 0, sizeof(summary));
    pack_map(packer, 11);
    pack_kv_text(packer, "hook", hooks_name(hook));
    pack_kv_bool(packer, "configured", hooks_is_configured(&serve->hooks, hook));
    pack_kv_int(packer, "sequence", (int64_t)summary.number);
    pack_kv_int(packer, "waiting", (int64_t)summary.waiting);
    pack_kv_int(packer, "running", (int64_t)summary.running);
    pack_kv_int(packer, "failed", (int64_t)summary.failed);
    pack_kv_int(packer, "parked", (int64_t)summary.parked);
    pack_kv_int(packer, "behind", (int64_t)summary.behind);
    pack_kv_int(packer, "delivered", (int64_t)summary.delivered);
    pack_kv_int(packer, "failures", (int64_t)summary.failures);
    if (summary.oldest != 0)
        pack_kv_int(packer, "oldest", summary.oldest);
    else
        pack_kv_nil(packer, "oldest");
}

static void pack_time(msgpack_packer *packer, const char *key, int64_t time)
{
    if (time != 0)
        pack_kv_int(packer, key, time);
    else
        pack_kv_nil(packer, key);
}

static void pack_delivery(msgpack_packer *packer, const struct core_delivery *delivery)
{
    bool failed = delivery->first_failed_at != 0;
    char id[WORDS_TRANSACTION_ID_SIZE];

    bool is_one = delivery->state != CORE_DELIVERY_BEHIND;

    words_id("evt", delivery->epoch, delivery->number, id);
    pack_map(packer, 11);
    pack_kv_text(packer, "hook", hooks_name(delivery->hook));
    pack_kv_int(packer, "sequence", (int64_t)delivery->number);
    pack_kv_text(packer, "event_id", is_one ? id : NULL);
    pack_kv_text(packer, "type", is_one ? proto_event_type(delivery->type) : NULL);
    pack_key(packer, "customer_id");
    if (delivery->customer.length > 0)
        pack_text_n(packer, delivery->customer.data, delivery->customer.length);
    else
        pack_nil(packer);
    pack_kv_text(packer, "state", state_word(delivery->state));
    pack_kv_int(packer, "attempt", delivery->attempt);
    pack_time(packer, "first_failed_at", delivery->first_failed_at);
    pack_time(packer, "next_attempt_at",
              delivery->state == CORE_DELIVERY_FAILED ? delivery->due_at : 0);
    if (failed)
        pack_kv_int(packer, "status", delivery->status);
    else
        pack_kv_nil(packer, "status");
    pack_kv_text(packer, "message", failed ? delivery->message : NULL);
}

static void pack_deliveries(msgpack_packer *packer, const struct serve *serve,
                            struct listing *listing)
{
    struct core_delivery delivery;

    for (unsigned hook = listing->first; hook < listing->end; hook++)
        for (size_t position = 0;
             !listing->more && core_each_delivery(serve->core, hook, &position, &delivery);) {
            if (listing->state != 0 && delivery.state != listing->state)
                continue;
            listing->more = listing->count == listing->limit;
            if (listing->more)
                break;
            listing->count++;
            pack_delivery(packer, &delivery);
        }
}

/* The deliveries are packed aside, since their number comes first on the wire. */
static void answer_list(struct request *request, struct listing *listing)
{
    msgpack_packer aside, *packer;
    msgpack_sbuffer rows;

    msgpack_sbuffer_init(&rows);
    msgpack_packer_init(&aside, &rows, msgpack_sbuffer_write);
    pack_deliveries(&aside, request->serve, listing);
    if (pack_failed(&aside)) {
        request_refuse_status(request, -ENOMEM);
    } else {
        packer = request_result(request, 3);
        pack_key(packer, "hooks");
        pack_array(packer, listing->end - listing->first);
        for (unsigned hook = listing->first; hook < listing->end; hook++)
            pack_hook(packer, request->serve, hook);
        pack_key(packer, "data");
        pack_array(packer, listing->count);
        if (rows.size > 0 && msgpack_pack_str_body(packer, rows.data, rows.size) != 0)
            pack_break(packer);
        pack_kv_bool(packer, "has_more", listing->more);
        request_tells_all(request);
        request_reply(request, 0);
    }
    msgpack_sbuffer_destroy(&rows);
}

int method_hook_list(struct request *request)
{
    struct listing listing = {.end = HOOK_COUNT_, .limit = LIST_DEFAULT};
    int64_t limit = LIST_DEFAULT;

    if (is_given(request, PROTO_PARAMETER_HOOK)) {
        if (!given_hook(request, &listing.first))
            return REQUEST_ANSWERED;
        listing.end = listing.first + 1;
    }
    if (!given_state(request, &listing.state))
        return REQUEST_ANSWERED;
    if (is_given(request, PROTO_PARAMETER_LIMIT))
        limit = request->params.values[PROTO_PARAMETER_LIMIT].number;
    if (limit < 1 || limit > LIST_MAX) {
        request_refuse(request, PROTO_ERROR_INVALID_PARAMETER, "limit must be from 1 to 1000",
                       "parameter", "limit");
        return REQUEST_ANSWERED;
    }
    listing.limit = (size_t)limit;
    answer_list(request, &listing);
    return REQUEST_ANSWERED;
}

/* --- hook.retry, hook.drop --- */

/* 0: none was given. False: refused. */
static bool given_sequence(struct request *request, uint64_t *ret_number)
{
    *ret_number = 0;
    if (!is_given(request, PROTO_PARAMETER_SEQUENCE))
        return true;
    *ret_number = (uint64_t)request->params.values[PROTO_PARAMETER_SEQUENCE].number;
    if (*ret_number == 0)
        request_refuse(request, PROTO_ERROR_INVALID_PARAMETER,
                       "sequence must be that of an event: they begin with 1", "parameter",
                       "sequence");
    return *ret_number != 0;
}

static void answer_order(struct request *request, unsigned hook, uint64_t number, int status,
                         const char *state, const char *nothing, uint64_t sequence)
{
    msgpack_packer *packer;

    if (status == CORE_NOT_FOUND) {
        request_tells_all(request);
        request_refuse(request, PROTO_ERROR_NOT_FOUND,
                       number == 0 ? nothing : "that hook has no event of that sequence to deliver",
                       NULL, NULL);
    } else if (status == CORE_MAY_HAVE_RUN) {
        request_refuse(request, PROTO_ERROR_CONFLICT, "that event is being delivered right now",
                       NULL, NULL);
    } else if (status != CORE_OK) {
        request_refuse_status(request, status);
    } else {
        packer = request_result(request, 3);
        pack_kv_text(packer, "hook", hooks_name(hook));
        if (number != 0)
            pack_kv_int(packer, "sequence", (int64_t)number);
        else
            pack_kv_nil(packer, "sequence");
        pack_kv_text(packer, "state", state);
        request_reply(request, sequence);
    }
}

typedef int (*order_function)(struct core *core, unsigned hook, uint64_t number, uint32_t uid,
                              int64_t now, uint64_t *ret_sequence);

/* All of a hook's may be very many: some now, and more of them when those are on the disk. */
static int order(struct request *request, order_function give, const char *state,
                 const char *nothing)
{
    uint64_t number, sequence = 0;
    unsigned hook;
    int r;

    if (!given_hook(request, &hook) || !given_sequence(request, &number))
        return REQUEST_ANSWERED;
    r = give(request->serve->core, hook, number, request->connection->peer.uid,
             serve_now(request->serve), &sequence);
    if (r == CORE_LOAD || r == -EAGAIN)
        return REQUEST_ROOM;
    if (r == CORE_NOT_FOUND && number == 0 && request->parked != NULL)
        r = CORE_OK; /* what there was has been seen to, or has gone its way meanwhile */
    answer_order(request, hook, number, r, state, nothing, sequence);
    return REQUEST_ANSWERED;
}

int method_hook_retry(struct request *request)
{
    return order(request, core_delivery_retry, "retried",
                 "nothing of that hook has failed or is parked");
}

int method_hook_drop(struct request *request)
{
    return order(request, core_delivery_drop, "dropped", "nothing of that hook is parked");
}
