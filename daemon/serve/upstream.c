/* See upstream.h. */
#include "upstream.h"
#include "serve.h"
#include <errno.h>
#include <proto/limits.h>
#include <proto/message.h>
#include <proto/upstream.h>
#include <string.h>
#include <util/log.h>

_Static_assert(CORE_UPSTREAM_MAX == UPSTREAM_NAME_MAX, "what is told can be kept");

/* Of no upstream: a helper that has got a key since then is set to another one. */
static const struct core_text nowhere = {"nowhere", 7};

struct core_text upstream_meant(const struct core *core)
{
    struct core_text upstream = core_upstream(core);

    return upstream.length > 0 ? upstream : nowhere;
}

void upstream_forget(struct upstream *upstream)
{
    *upstream = (struct upstream){.state = UPSTREAM_UNHEARD};
}

static bool is_ledgers(const struct core *core, const char *text)
{
    struct core_text upstream = core_upstream(core);

    return strlen(text) == upstream.length && memcmp(text, upstream.data, upstream.length) == 0;
}

/* 0; -EBADMSG: it does not say. */
static int read_told(const msgpack_object *hello, struct upstream *upstream)
{
    const char *text;
    size_t length;
    int r, livemode = 0;

    upstream_forget(upstream);
    if (map_find(hello, "upstream") == NULL || map_get_bool(hello, "livemode", &livemode) < 0)
        return -EBADMSG;
    r = map_get_text(hello, "upstream", &text, &length);
    if (r < 0 ||
        (r == 1 && (length == 0 || length > CORE_UPSTREAM_MAX || !proto_text_valid(text, length))))
        return -EBADMSG;
    upstream->livemode = livemode != 0;
    if (r == 1)
        memcpy(upstream->told, text, length);
    return 0;
}

/* The first that an unmarked ledger is told is its own. 0 or -errno of the ledger. */
static int adopt(struct serve *serve, const char *told)
{
    uint64_t sequence;
    int r;

    if (core_upstream(serve->core).length > 0)
        return 0;
    r = core_set_upstream(serve->core, (struct core_text){told, strlen(told)}, UINT32_MAX,
                          serve_now(serve), &sequence);
    if (r == 0)
        log_notice("this ledger belongs to \"%s\" from now on", told);
    return r;
}

static int use(struct helper *helper)
{
    struct serve *serve = helper->serve;
    struct upstream *upstream = &helper->upstream;
    int r = 0;

    if (upstream->told[0] != '\0') /* events say which kind of key they came about under */
        r = core_set_livemode(serve->core, upstream->livemode, serve_now(serve));
    upstream->state = r < 0 ? UPSTREAM_UNHEARD : UPSTREAM_OURS;
    return r;
}

static void log_other(const struct serve *serve, const char *told)
{
    struct core_text ours = core_upstream(serve->core);

    log_error("this ledger belongs to \"%.*s\", but creditd-sync is set to \"%s\": nothing is "
              "sent there or read from there. Give one of them what belongs to the other "
              "([stellartools] base_url and the key, or the state directory); where both are the "
              "same StellarTools: creditctl upstream accept '%s'",
              (int)ours.length, ours.data, told, told);
}

static int judge(struct helper *helper, const msgpack_object *hello)
{
    struct serve *serve = helper->serve;
    struct upstream *upstream = &helper->upstream;
    int r = read_told(hello, upstream);

    if (r < 0) {
        log_error("creditd-sync does not say which upstream it is set to, so it is not used: is it "
                  "of another version?");
        return 0;
    }
    if (upstream->told[0] != '\0')
        r = adopt(serve, upstream->told);
    if (r < 0)
        return r;
    if (upstream->told[0] != '\0' && !is_ledgers(serve->core, upstream->told)) {
        upstream->state = UPSTREAM_OTHER;
        log_other(serve, upstream->told);
        return 0;
    }
    return use(helper);
}

void upstream_heard(struct helper *helper, const msgpack_object *hello)
{
    enum upstream_state before = helper->upstream.state;
    int r = judge(helper, hello);

    if (r < 0) {
        /* It begins anew, and is heard again. */
        log_error("recording which upstream creditd-sync is set to: %s", strerror(-r));
        upstream_forget(&helper->upstream);
        helper_socket_cut_off(&helper->socket);
    }
    if (helper->upstream.state != UPSTREAM_OURS)
        helper_set_aside(helper);
    else if (before != UPSTREAM_OURS)
        helper_use(helper);
}

int upstream_accept(struct helper *helper, uint32_t uid, uint64_t *ret_sequence)
{
    struct serve *serve = helper->serve;
    const char *told = helper->upstream.told;
    int r;

    if (is_ledgers(serve->core, told)) {
        *ret_sequence = 0;
        return 0;
    }
    r = core_set_upstream(serve->core, (struct core_text){told, strlen(told)}, uid,
                          serve_now(serve), ret_sequence);
    if (r < 0)
        return r;
    log_notice("user %u says that this ledger belongs to \"%s\" from now on", uid, told);
    r = use(helper);
    if (r == 0)
        helper_use(helper);
    return r;
}
