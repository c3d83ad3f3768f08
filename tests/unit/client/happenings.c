/* See happenings.h. */
#include "happenings.h"
#include <proto/events.h>
#include <stdio.h>

static const enum proto_event kinds[] = {
    PROTO_EVENT_CREDITS_LOW,      PROTO_EVENT_PUSH_PARKED,           PROTO_EVENT_CUSTOMER_LINKED,
    PROTO_EVENT_CUSTOMER_UPDATED, PROTO_EVENT_SUBSCRIPTION_CANCELED,
};

static enum proto_event kind_of(int64_t number)
{
    return kinds[(size_t)(number - 1) % (sizeof kinds / sizeof kinds[0])];
}

static void pack_names(msgpack_packer *p)
{
    pack_kv_text(p, "customer_id", "cus_1");
    pack_kv_text(p, "product_id", "prod_1");
}

static void pack_balance(msgpack_packer *p)
{
    pack_map(p, 5);
    pack_names(p);
    pack_kv_text(p, "object", "credit_balance");
    pack_kv_int(p, "balance", 1009);
    pack_kv_int(p, "threshold", 2000);
}

static void pack_push(msgpack_packer *p)
{
    pack_map(p, 8);
    pack_names(p);
    pack_kv_text(p, "object", "push");
    pack_kv_text(p, "id", "psh_1_1_1");
    pack_kv_text(p, "type", "deduct");
    pack_kv_int(p, "credits", 5);
    pack_kv_text(p, "state", "parked");
    pack_kv_text(p, "reason", "said \033[2J no");
}

static void pack_link(msgpack_packer *p)
{
    pack_map(p, 3);
    pack_kv_text(p, "object", "customer_link");
    pack_kv_text(p, "user_id", "u1");
    pack_kv_text(p, "customer_id", "cus_1");
}

static void pack_customer(msgpack_packer *p)
{
    pack_map(p, 3);
    pack_kv_text(p, "object", "customer");
    pack_kv_text(p, "id", "cus_1");
    pack_kv_text(p, "email", "new@example.com");
}

static void pack_subscription(msgpack_packer *p)
{
    pack_map(p, 5);
    pack_names(p);
    pack_kv_text(p, "object", "subscription");
    pack_kv_text(p, "id", "sub_1");
    pack_kv_text(p, "status", "canceled");
}

static void pack_event(msgpack_packer *p, int64_t number)
{
    static void (*const objects[])(msgpack_packer *) = {pack_balance, pack_push, pack_link,
                                                        pack_customer, pack_subscription};
    enum proto_event kind = kind_of(number);
    char id[64];

    snprintf(id, sizeof id, "evt_1_%lld", (long long)number);
    pack_map(p, 6);
    pack_kv_text(p, "id", id);
    pack_kv_text(p, "type", proto_event_type(kind));
    pack_kv_int(p, "created", 1700000000000);
    pack_kv_bool(p, "livemode", 0);
    pack_kv_int(p, "sequence", number);
    pack_key(p, "data");
    pack_map(p, 2);
    pack_key(p, "object");
    objects[(number - 1) % 5](p);
    pack_key(p, "previous_attributes");
    if (kind != PROTO_EVENT_CUSTOMER_UPDATED) {
        pack_nil(p);
        return;
    }
    pack_map(p, 2);
    pack_kv_text(p, "email", "old@example.com");
    pack_kv_nil(p, "name");
}

static bool is_wanted(const struct proto_params *params, int64_t number)
{
    return !(params->present & PROTO_BIT(TYPES)) ||
           (params->values[PROTO_PARAMETER_TYPES].number >> kind_of(number) & 1) != 0;
}

static void refuse_gap(const struct server *server, uint32_t msgid, msgpack_sbuffer *output)
{
    msgpack_packer p;

    msgpack_packer_init(&p, output, msgpack_sbuffer_write);
    pack_array(&p, 4);
    pack_int(&p, MESSAGE_RESPONSE);
    pack_int(&p, msgid);
    pack_map(&p, 3);
    pack_kv_text(&p, "code", "gap");
    pack_kv_text(&p, "message", "events that old are no longer kept");
    pack_key(&p, "data");
    pack_map(&p, 1);
    pack_kv_int(&p, "oldest", server->events_gone + 1);
    pack_nil(&p);
}

static int subscribe(struct server *server, const struct proto_params *params, uint32_t msgid,
                     msgpack_sbuffer *output)
{
    int64_t after = server->place, through = server->events;
    msgpack_packer p;

    if (params->present & PROTO_BIT(AFTER))
        after = params->values[PROTO_PARAMETER_AFTER].number;
    if (after < server->events_gone) {
        refuse_gap(server, msgid, output);
        return 0;
    }
    message_pack_result(output, msgid);
    msgpack_packer_init(&p, output, msgpack_sbuffer_write);
    pack_map(&p, 2);
    pack_kv_int(&p, "after", after);
    pack_kv_int(&p, "last", server->events);
    if (server->cuts > 0)
        through = after + 2 < through ? after + 2 : through;
    for (int64_t i = after + 1; i <= through; i++) {
        if (!is_wanted(params, i))
            continue;
        message_pack_notification(output, PROTO_NOTIFY_EVENT);
        pack_event(&p, i);
    }
    return server->cuts > 0 && server->cuts-- > 0 ? -1 : 0;
}

static void list(struct server *server, const struct proto_params *params, msgpack_packer *p)
{
    int64_t after = params->values[PROTO_PARAMETER_AFTER].number, last = server->events;
    uint32_t count = 0;

    if (params->present & PROTO_BIT(LIMIT))
        last = after + params->values[PROTO_PARAMETER_LIMIT].number;
    for (int64_t i = after + 1; i <= last; i++)
        count += is_wanted(params, i);
    pack_map(p, 3);
    pack_key(p, "data");
    pack_array(p, count);
    for (int64_t i = after + 1; i <= last; i++)
        if (is_wanted(params, i))
            pack_event(p, i);
    pack_kv_bool(p, "has_more", last < server->events);
    pack_kv_int(p, "after", last);
}

static void pack_hook(msgpack_packer *p)
{
    pack_map(p, 10);
    pack_kv_text(p, "hook", "on_event");
    pack_kv_bool(p, "configured", 1);
    pack_kv_int(p, "sequence", 12);
    pack_kv_int(p, "waiting", 2);
    pack_kv_int(p, "running", 1);
    pack_kv_int(p, "failed", 3);
    pack_kv_int(p, "parked", 4);
    pack_kv_int(p, "delivered", 1234);
    pack_kv_int(p, "failures", 5);
    pack_kv_nil(p, "oldest");
}

static void pack_delivery(msgpack_packer *p)
{
    pack_map(p, 9);
    pack_kv_text(p, "hook", "on_event");
    pack_kv_int(p, "sequence", 7);
    pack_kv_text(p, "type", "credits.low");
    pack_kv_text(p, "customer_id", "cus_1");
    pack_kv_text(p, "state", "parked");
    pack_kv_int(p, "attempt", 9);
    pack_kv_nil(p, "next_attempt_at");
    pack_kv_int(p, "status", 1);
    pack_kv_text(p, "message", "exited with 1");
}

/* Without an event it is for all of the hook. */
static void answer_hooks(enum proto_method method, const struct proto_params *params,
                         msgpack_packer *p)
{
    bool has_event = (params->present & PROTO_BIT(SEQUENCE)) != 0;

    if (method == PROTO_METHOD_HOOK_LIST) {
        pack_map(p, 3);
        pack_key(p, "hooks");
        pack_array(p, 1);
        pack_hook(p);
        pack_key(p, "data");
        pack_array(p, 1);
        pack_delivery(p);
        pack_kv_bool(p, "has_more", 1);
        return;
    }
    pack_map(p, 3);
    pack_kv_text(p, "hook", "on_event");
    pack_kv_int(p, "sequence", has_event ? params->values[PROTO_PARAMETER_SEQUENCE].number : -1);
    pack_kv_text(p, "state", method == PROTO_METHOD_HOOK_DROP ? "dropped" : "retried");
}

static bool is_for_hooks(enum proto_method method)
{
    return method == PROTO_METHOD_HOOK_LIST || method == PROTO_METHOD_HOOK_RETRY ||
           method == PROTO_METHOD_HOOK_DROP;
}

int answer_events(struct server *server, enum proto_method method, const struct message *message,
                  const struct proto_params *params, msgpack_sbuffer *output)
{
    msgpack_packer p;

    if (method == PROTO_METHOD_EVENT_SUBSCRIBE)
        return subscribe(server, params, message->msgid, output);
    if (method != PROTO_METHOD_EVENT_ACK && method != PROTO_METHOD_EVENT_UNSUBSCRIBE &&
        method != PROTO_METHOD_EVENT_LIST && !is_for_hooks(method))
        return 1;
    message_pack_result(output, message->msgid);
    msgpack_packer_init(&p, output, msgpack_sbuffer_write);
    if (method == PROTO_METHOD_EVENT_LIST) {
        list(server, params, &p);
        return 0;
    }
    if (is_for_hooks(method)) {
        answer_hooks(method, params, &p);
        return 0;
    }
    if (method == PROTO_METHOD_EVENT_ACK &&
        params->values[PROTO_PARAMETER_SEQUENCE].number > server->place)
        server->place = params->values[PROTO_PARAMETER_SEQUENCE].number;
    pack_map(&p, 1);
    pack_kv_int(&p, "sequence", server->place);
    return 0;
}
