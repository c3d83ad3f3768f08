/* The blocking API, fork and libuv, over a real socket. */
#include "server.h"
#include <creditd_uv.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static struct server server;
static struct creditd *c;

static void setup(void)
{
    server_start(&server, 100);
    cr_assert_eq(creditd_open(&c, server.path, 0), 0);
}

static void teardown(void)
{
    c = creditd_close(c);
    server_stop(&server);
}

TestSuite(blocking, .init = setup, .fini = teardown);

static struct creditd_consume_request buy(int64_t amount)
{
    return (struct creditd_consume_request){
        .who = {.customer_id = "cus_1"}, .product_id = "prod_1", .raw_amount = amount};
}

Test(blocking, a_consume_gives_its_result)
{
    struct creditd_consume_request request = buy(5);
    struct creditd_consume_result result;

    cr_assert_eq(creditd_consume(c, &request, &result), 0);
    cr_assert_str_eq(result.customer_id, "cus_1");
    cr_assert_str_eq(result.transaction_id, "tx_1_1");
    cr_assert_eq(result.balance, 95);
    cr_assert_eq(result.credits_deducted, 5);
    cr_assert(result.stale);
    cr_assert_not(result.replayed);
    cr_assert_eq(creditd_reply_status(creditd_last(c)), 0);
    cr_assert_not_null(creditd_reply_stamp(creditd_last(c)));
}

Test(blocking, a_refusal_gives_its_code_message_and_data)
{
    struct creditd_consume_request request = buy(500);
    struct creditd_consume_result result = {.balance = -7};
    const struct creditd_reply *reply = creditd_last(c);

    cr_assert_eq(creditd_consume(c, &request, &result), CREDITD_INSUFFICIENT_CREDITS);
    cr_assert_eq(result.balance, -7, "written on failure");
    cr_assert_str_eq(creditd_reply_code(reply), "insufficient_credits");
    cr_assert_str_eq(creditd_reply_message(reply), "12 credits are needed");
    cr_assert_eq(creditd_value_int(creditd_value_get(creditd_reply_data(reply), "available"), -1),
                 100);
    cr_assert_null(creditd_reply_result(reply));
    cr_assert_not(creditd_reply_in_doubt(reply));
}

Test(blocking, wrong_arguments_are_named_and_not_sent)
{
    struct creditd_consume_request request = buy(0);
    struct creditd_consume_result result;

    cr_assert_eq(creditd_consume(c, &request, &result), -EINVAL);
    cr_assert_not_null(strstr(creditd_reply_message(creditd_last(c)), "raw_amount"));
    request = buy(1);
    request.product_id = "../etc";
    cr_assert_eq(creditd_consume(c, &request, &result), -EINVAL);
    cr_assert_not_null(strstr(creditd_reply_message(creditd_last(c)), "product_id"));
    request = buy(1);
    request.who.user_id = "two";
    cr_assert_eq(creditd_consume(c, &request, &result), -EINVAL);
    cr_assert_eq(server_balance(&server), 100);
    cr_assert_eq(creditd_fd(c), -1);
}

Test(blocking, K1_a_lost_connection_spends_once)
{
    struct creditd_consume_request request = buy(5);
    struct creditd_consume_result result;

    server.hang_ups = 3;
    cr_assert_eq(creditd_consume(c, &request, &result), 0);
    cr_assert(result.replayed);
    cr_assert_eq(server_balance(&server), 95);
}

Test(blocking, K3_a_stamp_is_good_in_another_process)
{
    struct creditd_consume_request request = buy(5);
    struct creditd_consume_result result;
    char text[CREDITD_STAMP_TEXT_SIZE];
    struct creditd_stamp stamp;
    int status;
    pid_t child;

    server.mute = 1;
    request.timeout = 20;
    cr_assert_eq(creditd_consume(c, &request, &result), -ETIMEDOUT);
    cr_assert(creditd_reply_in_doubt(creditd_last(c)));
    creditd_stamp_to_text(creditd_reply_stamp(creditd_last(c)), text);
    child = fork();
    if (child == 0) {
        request.timeout = 0;
        request.stamp = &stamp;
        status = creditd_stamp_from_text(text, &stamp);
        if (status == 0)
            status = creditd_consume(c, &request, &result);
        creditd_close(c);
        _exit(status == 0 && result.replayed ? 0 : 1);
    }
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert_eq(status, 0);
    cr_assert_eq(server_balance(&server), 95);
}

Test(blocking, K2_parent_and_child_go_on_after_fork)
{
    struct creditd_consume_request request = buy(1);
    struct creditd_consume_result result;
    int status;
    pid_t child;

    cr_assert_eq(creditd_consume(c, &request, &result), 0);
    child = fork();
    for (int i = 0; i < 20; i++)
        if (creditd_consume(c, &request, &result) != 0 || result.replayed)
            _exit(1);
    if (child == 0)
        _exit(0);
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert_eq(status, 0);
    cr_assert_eq(server_balance(&server), 59);
}

Test(blocking, every_typed_call_reads_its_result)
{
    struct creditd_who who = {.user_id = "u"};
    struct creditd_check_request check = {.who = who, .product_id = "p", .raw_amount = 5};
    struct creditd_balance_request balance = {.who = who, .product_id = "p", .fresh = true};
    struct creditd_transactions_request transactions = {.who = who, .product_id = "p", .limit = 3};
    struct creditd_push_list_request list = {.state = "parked"};
    struct creditd_push_request push = {.push_id = "psh_1_1_1"};
    struct creditd_check_result checked;
    struct creditd_balance_result balanced;
    struct creditd_transactions_result transacted;
    struct creditd_push_list_result listed;
    struct creditd_push_result pushed;
    struct creditd_status_result status;
    struct creditd_ping_result ping;
    size_t length;

    cr_assert_eq(creditd_check(c, &check, &checked), 0);
    cr_assert(checked.is_sufficient);
    cr_assert_eq(creditd_balance(c, &balance, &balanced), 0);
    cr_assert_eq(balanced.upstream, 103);
    cr_assert_eq(balanced.granted, 107);
    cr_assert_eq(creditd_transactions(c, &transactions, &transacted), 0);
    cr_assert_eq(creditd_push_list(c, &list, &listed), 0);
    cr_assert_eq(creditd_push_retry(c, &push, &pushed), 0);
    cr_assert_str_eq(pushed.state, "sending");
    cr_assert_eq(creditd_push_drop(c, &push, &pushed), 0);
    cr_assert_str_eq(pushed.state, "dropped");
    cr_assert_eq(creditd_push_settle(c, &push, &pushed), -EINVAL, "as which refund?");
    push.refund_id = "rf_1";
    cr_assert_eq(creditd_push_settle(c, &push, &pushed), 0);
    cr_assert_str_eq(pushed.state, "settled");
    cr_assert_eq(creditd_status(c, &status), 0);
    cr_assert_eq(status.pending.credits, 1234567);
    cr_assert_eq(status.upstream.last_success, -1);
    cr_assert_str_eq(status.upstream.paused, "unauthorized");
    cr_assert_eq(status.requests.total, -1);
    cr_assert_eq(creditd_ping(c, &ping), 0);
    cr_assert_str_eq(ping.version, "9.9");
    /* Lists outlive the calls that came after them. */
    cr_assert_eq(transacted.count, 2);
    cr_assert(transacted.has_more);
    cr_assert(transacted.has_gap);
    cr_assert_eq(transacted.data[1].raw_amount, -1);
    cr_assert_str_eq(transacted.data[1].reason, "gift");
    cr_assert_null(transacted.data[1].metadata);
    cr_assert_eq(transacted.data[0].amount, 1234);
    cr_assert_arr_eq(
        creditd_value_text(creditd_value_get(transacted.data[0].metadata, "model"), &length),
        "large", 5);
    cr_assert_eq(listed.count, 1);
    cr_assert_str_eq(listed.data[0].reason, "upstream says 3");
    cr_assert_eq(listed.data[0].rows_seen, -1);
    cr_assert_str_eq(listed.data[0].payment_id, "pay_1");
    cr_assert_str_eq(listed.data[0].user_id, "");
    creditd_transactions_clear(&transacted);
    creditd_push_list_clear(&listed);
}

Test(blocking, metadata_and_any_method)
{
    struct creditd_consume_request request = buy(1);
    struct creditd_consume_result result;
    struct creditd_map *map = creditd_map_new();

    creditd_map_text(map, "model", "large");
    creditd_map_begin_array(map, "list");
    for (int i = 0; i < 20; i++)
        creditd_map_int(map, NULL, i);
    creditd_map_end(map);
    request.metadata = map;
    cr_assert_eq(creditd_consume(c, &request, &result), 0);
    cr_assert_eq(creditd_call(c, "ping", map, NULL), 0);
    cr_assert(creditd_value_bool(creditd_value_get(creditd_reply_result(creditd_last(c)), "pong"),
                                 false));
    cr_assert_eq(creditd_call(c, "no.such", NULL, NULL), CREDITD_UNKNOWN_METHOD);
    creditd_map_free(map);
}

static void count_reply(struct creditd *connection, const struct creditd_reply *reply, void *data)
{
    (void)connection;
    cr_assert_eq(creditd_reply_status(reply), 0);
    ++*(int *)data;
}

Test(blocking, a_loop_of_ones_own)
{
    struct creditd_consume_request request = buy(1);
    int replies = 0;

    for (int i = 0; i < 50; i++)
        cr_assert_eq(creditd_consume_async(c, &request, count_reply, &replies), 0);
    while (creditd_pending(c) > 0)
        cr_assert_eq(creditd_wait(c, -1), 0);
    cr_assert_eq(replies, 50);
    cr_assert_eq(server_balance(&server), 50);
}

Test(blocking, the_libuv_loop_goes_on_over_lost_connections_and_ends_empty)
{
    struct creditd_consume_request request = buy(1);
    struct creditd_uv *adapter;
    uv_loop_t loop;
    int replies = 0;

    cr_assert_eq(uv_loop_init(&loop), 0);
    cr_assert_eq(creditd_uv_attach(&adapter, &loop, c), 0);
    for (int round = 1; round <= 3; round++) {
        /* A connection that has answered is opened again at once, with the same descriptor. */
        pthread_mutex_lock(&server.lock);
        server.hang_ups = round == 2 ? 2 : 0;
        pthread_mutex_unlock(&server.lock);
        for (int i = 0; i < 10; i++)
            cr_assert_eq(creditd_consume_async(c, &request, count_reply, &replies), 0);
        cr_assert_eq(uv_run(&loop, UV_RUN_DEFAULT), 0);
        cr_assert_eq(replies, 10 * round, "the loop ended before the calls");
    }
    cr_assert_eq(server_balance(&server), 70);
    cr_assert_geq(server.connections, 3);
    creditd_uv_close(adapter);
    c = NULL;
    uv_run(&loop, UV_RUN_DEFAULT);
    cr_assert_eq(uv_loop_close(&loop), 0);
}

static void close_uv(struct creditd *connection, const struct creditd_reply *reply, void *data)
{
    (void)connection;
    (void)reply;
    creditd_uv_close(data);
}

Test(blocking, the_libuv_adapter_may_be_closed_by_a_callback)
{
    struct creditd_uv *adapter;
    uv_loop_t loop;

    cr_assert_eq(uv_loop_init(&loop), 0);
    cr_assert_eq(creditd_uv_attach(&adapter, &loop, c), 0);
    cr_assert_eq(creditd_ping_async(c, close_uv, adapter), 0);
    cr_assert_eq(uv_run(&loop, UV_RUN_DEFAULT), 0);
    c = NULL;
    cr_assert_eq(uv_loop_close(&loop), 0);
}

Test(paths, the_environment_names_the_socket)
{
    setenv("CREDITD_SOCKET", "/somewhere/else", 1);
    cr_assert_eq(creditd_open(&c, NULL, 0), 0);
    cr_assert_str_eq(creditd_path(c), "/somewhere/else");
    creditd_close(c);
    unsetenv("CREDITD_SOCKET");
    setenv("XDG_RUNTIME_DIR", "/nowhere", 1);
    cr_assert_eq(creditd_open(&c, NULL, 0), 0);
    cr_assert_str_eq(creditd_path(c), "/run/creditd/creditd.sock");
    creditd_close(c);
    cr_assert_eq(creditd_open(&c, "/nowhere", 8), -EINVAL);
}

static void make_parents(char *path)
{
    for (char *end = strchr(path + 1, '/'); end; end = strchr(end + 1, '/')) {
        *end = '\0';
        cr_assert(mkdir(path, 0755) == 0 || errno == EEXIST);
        *end = '/';
    }
}

static void remove_parents(const char *top, char *path)
{
    cr_assert_eq(unlink(path), 0);
    for (char *end; (end = strrchr(path, '/')) && (size_t)(end - path) >= strlen(top);) {
        *end = '\0';
        cr_assert_eq(rmdir(path), 0);
    }
}

/* It is looked for until one listens: who starts the daemon and an app together gets that one. */
Test(paths, a_daemon_that_comes_later_is_found)
{
    char top[] = "/tmp/creditd-test-XXXXXX", path[96];
    struct creditd_ping_result result;

    cr_assert_not_null(mkdtemp(top));
    snprintf(path, sizeof path, "%s/creditd/creditd.sock", top);
    make_parents(path);
    unsetenv("CREDITD_SOCKET");
    setenv("XDG_RUNTIME_DIR", top, 1);
    cr_assert_eq(creditd_open(&c, NULL, CREDITD_NO_WAIT), 0);
    cr_assert_str_eq(creditd_path(c), "/run/creditd/creditd.sock");
    server_start(&server, 1);
    cr_assert_eq(symlink(server.path, path), 0);
    cr_assert_eq(creditd_ping(c, &result), 0);
    cr_assert_str_eq(creditd_path(c), path);
    creditd_close(c);
    server_stop(&server);
    remove_parents(top, path);
}

/* A daemon that was started without a session is below the home directory. */
Test(paths, people_have_one_at_home)
{
    char top[] = "/tmp/creditd-test-XXXXXX", path[96];

    cr_assert_not_null(mkdtemp(top));
    cr_assert_eq(chmod(top, 0755), 0);
    snprintf(path, sizeof path, "%s/.local/state/creditd/run/creditd.sock", top);
    make_parents(path);
    cr_assert_eq(symlink("/", path), 0);
    unsetenv("CREDITD_SOCKET");
    unsetenv("XDG_RUNTIME_DIR");
    setenv("HOME", top, 1);
    if (geteuid() < 1000) {
        cr_assert_eq(creditd_open(&c, NULL, 0), 0);
        cr_assert_str_eq(creditd_path(c), "/run/creditd/creditd.sock", "services have none");
        creditd_close(c);
        if (seteuid(1000) < 0)
            cr_skip("this user cannot become another");
    }
    cr_assert_eq(creditd_open(&c, NULL, 0), 0);
    cr_assert_str_eq(creditd_path(c), path);
    creditd_close(c);
    cr_assert_eq(seteuid(getuid()), 0);
    remove_parents(top, path);
}

struct watched {
    struct creditd_uv *adapter;
    int64_t last;
};

static int on_event_uv(struct creditd *connection, const struct creditd_event *event, void *data)
{
    struct watched *watched = data;

    (void)connection;
    cr_assert_eq(event->sequence, watched->last + 1);
    watched->last = event->sequence;
    if (event->sequence == 9)
        creditd_uv_close(watched->adapter);
    return 0;
}

/* Nothing but the subscription keeps the loop, also while it is cut off. */
Test(blocking, the_libuv_loop_goes_on_for_events_alone)
{
    struct watched watched = {0};
    struct creditd_subscribe_request request = {
        .from = CREDITD_FROM_OLDEST, .hooks = {.on_event = on_event_uv}, .data = &watched};
    uv_loop_t loop;

    server.events = 9;
    server.cuts = 3;
    cr_assert_eq(uv_loop_init(&loop), 0);
    cr_assert_eq(creditd_uv_attach(&watched.adapter, &loop, c), 0);
    cr_assert_eq(creditd_subscribe(c, &request), 0);
    cr_assert_eq(uv_run(&loop, UV_RUN_DEFAULT), 0);
    cr_assert_eq(watched.last, 9);
    c = NULL;
    cr_assert_eq(uv_loop_close(&loop), 0);
}
