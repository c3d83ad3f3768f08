/* The process itself: its key, its signals, its ends. */
#include "rig.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <util/macros.h>

#define NULL_TEXT "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nnull"

static bool holds(const char *text, size_t length, const char *word)
{
    return memmem(text, length, word, strlen(word)) != NULL;
}

/* Files of /proc hold NUL bytes. */
static bool proc_holds(pid_t pid, const char *name, const char *word)
{
    char path[64], text[65536];
    size_t length;
    FILE *file;

    snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, name);
    file = fopen(path, "re");
    cr_assert_not_null(file, "%s", path);
    length = fread(text, 1, sizeof text, file);
    fclose(file);
    cr_assert(length > 0, "%s", path);
    return holds(text, length, word);
}

Test(process, the_key_is_to_be_seen_nowhere)
{
    const char *const environment[] = {"STELLAR_TOOLS_API_KEY=" RIG_KEY, "CREDITD_LOG_LEVEL=debug",
                                       "SSLKEYLOGFILE=/nonexistent/keys", NULL};
    const struct upstream_step steps[] = {
        {ACT_REPLY, NULL_TEXT}, {ACT_RESET, NULL}, {ACT_REPLY_CLOSE, "garbage\r\n"}};
    struct rig rig;
    char *log;

    rig_init_with(&rig, steps, ARRAY_SIZE(steps), NULL, "", environment);
    for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
        json_t *answer = rig_deduct(&rig, 0);
        char *text = json_dumps(answer, 0);

        cr_expect_null(strstr(text, RIG_KEY));
        cr_expect_not_null(strstr(upstream_request(rig.upstream, i), RIG_KEY));
        free(text);
        json_decref(answer);
    }
    cr_expect(proc_holds(rig.process.pid, "environ", "CREDITD_LOG_LEVEL=debug"));
    cr_expect(!proc_holds(rig.process.pid, "environ", RIG_KEY));
    cr_expect(!proc_holds(rig.process.pid, "cmdline", RIG_KEY));
    cr_expect(
        proc_holds(rig.process.pid, "limits", "Max core file size        0                    0 "));
    log = harness_process_log(&rig.process);
    cr_expect_null(strstr(log, RIG_KEY), "%s", log);
    free(log);
    rig_deinit(&rig);
}

Test(process, without_a_key_serving_goes_on)
{
    const struct upstream_step steps[] = {{ACT_REPLY, NULL_TEXT}};
    struct rig rig;
    json_t *answer;

    unsetenv("STELLAR_TOOLS_API_KEY");
    rig_init_with(&rig, steps, 1, NULL, "", NULL);
    answer = rig_deduct(&rig, 0);
    rig_expect(answer,
               "{\"outcome\":\"unauthorized\",\"http_status\":0,\"message\":\"no API key is "
               "configured\",\"server_time\":0}",
               "no key");
    json_decref(answer);
    cr_expect_eq(upstream_count(rig.upstream), 0);
    rig_deinit(&rig);
}

static bool request_holds(struct rig *rig, const char *word)
{
    return strstr(upstream_request(rig->upstream, upstream_count(rig->upstream) - 1), word) != NULL;
}

Test(process, P7_a_reload_brings_a_new_key)
{
    const struct upstream_step steps[] = {{ACT_REPLY, NULL_TEXT}};
    struct rig rig;

    rig_init(&rig, steps, 1, NULL);
    json_decref(rig_balance(&rig, 0));
    cr_expect(request_holds(&rig, "x-api-key: " RIG_KEY "\r\n"));
    harness_write_file(rig.key_path, "sk_live_second\n");
    json_decref(rig_balance(&rig, 0));
    cr_expect(request_holds(&rig, "x-api-key: " RIG_KEY "\r\n"));
    harness_notify(&rig.serve, "sync.reload");
    json_decref(rig_balance(&rig, 0));
    cr_expect(request_holds(&rig, "x-api-key: sk_live_second\r\n"));
    /* A signal comes when it comes. */
    harness_write_file(rig.key_path, "sk_live_third\n");
    cr_assert_eq(kill(rig.process.pid, SIGHUP), 0);
    do
        json_decref(rig_balance(&rig, 0));
    while (request_holds(&rig, "sk_live_second") && upstream_count(rig.upstream) < 1000);
    cr_expect(request_holds(&rig, "x-api-key: sk_live_third\r\n"));
    rig_deinit(&rig);
}

static void expect_for(struct rig *rig, const char *upstream, const char *expected)
{
    json_t *answer = harness_call(&rig->serve, "upstream.balance", "{s:s, s:s, s:s}", "customer_id",
                                  "cus_1", "product_id", "prod_1", "upstream", upstream);

    rig_expect(answer, expected, upstream);
    json_decref(answer);
}

/* What was meant for one upstream is not sent to another, though serve has not heard of it yet. */
Test(process, a_reload_does_not_turn_requests_elsewhere)
{
    const struct upstream_step steps[] = {{ACT_REPLY, NULL_TEXT}};
    char live[128], test[128];
    struct rig rig;

    rig_init(&rig, steps, 1, NULL);
    snprintf(live, sizeof live, "%s live", upstream_url(rig.upstream));
    snprintf(test, sizeof test, "%s test", upstream_url(rig.upstream));
    expect_for(&rig, live, "{\"outcome\":\"not_sent\"}");
    expect_for(&rig, test, "{\"outcome\":\"no_balance\"}");
    cr_expect_eq(upstream_count(rig.upstream), 1);
    harness_write_file(rig.key_path, "sk_live_second\n");
    harness_notify(&rig.serve, "sync.reload");
    expect_for(&rig, test, "{\"outcome\":\"not_sent\"}");
    cr_expect_eq(upstream_count(rig.upstream), 1);
    expect_for(&rig, live, "{\"outcome\":\"no_balance\"}");
    rig_deinit(&rig);
}

Test(process, a_bad_reload_changes_nothing)
{
    const struct upstream_step steps[] = {{ACT_REPLY, NULL_TEXT}};
    struct rig rig;
    char *log;

    rig_init(&rig, steps, 1, NULL);
    harness_write_file(rig.config_path, "[stellartools]\nbase_url = http://example.com\n");
    harness_notify(&rig.serve, "sync.reload");
    json_decref(rig_balance(&rig, 0));
    cr_expect(request_holds(&rig, RIG_KEY));
    log = harness_process_log(&rig.process);
    cr_expect_not_null(strstr(log, "base_url"), "%s", log);
    cr_expect_not_null(strstr(log, "going on with what was read before"), "%s", log);
    free(log);
    rig_deinit(&rig);
}

Test(process, the_api_version_is_sent_where_it_is_configured)
{
    const char *const environment[] = {"STELLAR_TOOLS_API_KEY=sk_1", NULL};
    const struct upstream_step steps[] = {{ACT_REPLY, NULL_TEXT}};
    struct rig rig;

    rig_init_with(&rig, steps, 1, NULL, "api_version = 2026-08-18", environment);
    json_decref(rig_balance(&rig, 0));
    cr_expect(request_holds(&rig, "\r\nStellarTools-Version: 2026-08-18\r\n"));
    rig_deinit(&rig);
}

Test(process, the_environment_says_where_upstream_is_and_no_proxy_is_asked_on_loopback)
{
    struct upstream_step step = {ACT_REPLY, NULL_TEXT};
    struct upstream_server *server = upstream_new(&step, 1), *proxy = upstream_new(&step, 1);
    char url[80], proxies[3][80];
    const char *const environment[] = {
        url, proxies[0], proxies[1], proxies[2], "STELLAR_TOOLS_API_KEY=sk_1", NULL};
    struct rig rig;
    json_t *answer;

    snprintf(url, sizeof url, "CREDITD_BASE_URL=%s", upstream_url(server));
    snprintf(proxies[0], sizeof *proxies, "http_proxy=%s", upstream_url(proxy));
    snprintf(proxies[1], sizeof *proxies, "ALL_PROXY=%s", upstream_url(proxy));
    snprintf(proxies[2], sizeof *proxies, "all_proxy=%s", upstream_url(proxy));
    rig_init_with(&rig, NULL, 0, "https://upstream.invalid", "", environment);
    answer = rig_balance(&rig, 0);
    rig_expect(answer, "{\"outcome\":\"no_balance\"}", "CREDITD_BASE_URL");
    json_decref(answer);
    cr_expect_eq(upstream_count(server), 1);
    cr_expect_eq(upstream_count(proxy), 0);
    rig_deinit(&rig);
    upstream_free(server);
    upstream_free(proxy);
}

Test(process, a_proxy_sees_no_key_and_what_it_refuses_was_not_sent)
{
    struct upstream_step step = {ACT_REPLY_CLOSE,
                                 "HTTP/1.1 403 No\r\nContent-Length: 0\r\nRetry-After: 9\r\n\r\n"};
    struct upstream_server *proxy = upstream_new(&step, 1);
    char variable[80];
    const char *const environment[] = {variable, "no_proxy=", "NO_PROXY=", NULL};
    struct rig rig;
    json_t *answer;

    snprintf(variable, sizeof variable, "https_proxy=%s", upstream_url(proxy));
    rig_init_with(&rig, NULL, 0, "https://upstream.invalid", NULL, environment);
    answer = rig_deduct(&rig, 0);
    rig_expect(answer, "{\"outcome\":\"not_sent\",\"http_status\":0}", "CONNECT refused");
    json_decref(answer);
    cr_assert_eq(upstream_count(proxy), 1);
    cr_expect_eq(strncmp(upstream_request(proxy, 0), "CONNECT upstream.invalid:443 ", 29), 0);
    cr_expect_null(strstr(upstream_request(proxy, 0), RIG_KEY));
    rig_deinit(&rig);
    upstream_free(proxy);
}

Test(process, it_ends_at_once_on_sigterm)
{
    const struct upstream_step steps[] = {{ACT_HANG, NULL}};
    struct rig rig;
    int status;

    rig_init(&rig, steps, 1, NULL);
    harness_send(&rig.serve, "upstream.balance", "{s:s, s:s}", "customer_id", "cus_1", "product_id",
                 "prod_1");
    upstream_wait(rig.upstream, 1);
    status = harness_process_stop(&rig.process, SIGTERM);
    cr_expect(WIFEXITED(status) && WEXITSTATUS(status) == 0, "status %d", status);
    rig_deinit(&rig);
}

Test(process, it_ends_with_its_connection_whatever_is_under_way)
{
    const struct upstream_step steps[] = {{ACT_HANG, NULL}};
    struct rig rig;

    rig_init(&rig, steps, 1, NULL);
    for (int i = 0; i < 20; i++)
        harness_send(&rig.serve, "upstream.balance", "{s:s, s:s}", "customer_id", "cus_1",
                     "product_id", "prod_1");
    upstream_wait(rig.upstream, 16);
    rig_deinit(&rig); /* expects the exit code 0 */
}

Test(process, the_watchdog_is_fed)
{
    const char *const environment[] = {"WATCHDOG_USEC=20000", "STELLAR_TOOLS_API_KEY=sk_1", NULL};
    const struct upstream_step steps[] = {{ACT_REPLY, NULL_TEXT}};
    const struct timeval limit = {.tv_sec = 30};
    char message[64] = "";
    struct rig rig;
    ssize_t length;

    rig_init_with(&rig, steps, 1, NULL, "", environment);
    setsockopt(rig.process.notify_fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    length = recv(rig.process.notify_fd, message, sizeof message - 1, 0);
    cr_expect(length > 0);
    cr_expect_str_eq(message, "WATCHDOG=1");
    rig_deinit(&rig);
}

Test(process, it_connects_by_itself_where_nothing_was_passed)
{
    struct harness_directory directory;
    struct harness_process process;
    struct harness_connection serve;
    struct harness_message hello;
    char socket_path[HARNESS_PATH_MAX], config_path[HARNESS_PATH_MAX], text[256];
    const char *arguments[] = {"--config", config_path, NULL};
    int listener, status;

    harness_directory_init(&directory);
    harness_path(&directory, "sync.sock", socket_path);
    harness_path(&directory, "creditd.conf", config_path);
    snprintf(text, sizeof text, "[paths]\nsync_socket = %s\n", socket_path);
    harness_write_file(config_path, text);
    listener = harness_listen(socket_path);
    harness_process_start(&process, &(struct harness_start){.program = "creditd-sync",
                                                            .arguments = arguments,
                                                            .directory = &directory});
    harness_process_wait_ready(&process);
    harness_connection_init(&serve, accept(listener, NULL, NULL));
    cr_assert(harness_receive(&serve, &hello));
    cr_expect_str_eq(hello.method, "sync.hello");
    harness_message_deinit(&hello);
    harness_connection_deinit(&serve);
    status = harness_process_wait(&process);
    cr_expect(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    close(listener);
    unlink(socket_path);
    harness_directory_deinit(&directory);
}

/* Runs it to its end; the log is the caller's. */
static int run(const char *configuration, const char *const *environment, char **ret_log)
{
    struct harness_directory directory;
    struct harness_process process;
    char config_path[HARNESS_PATH_MAX];
    const char *arguments[] = {"--config", config_path, NULL};
    char log_path[256];
    int status;

    harness_directory_init(&directory);
    harness_path(&directory, "creditd.conf", config_path);
    harness_write_file(config_path, configuration);
    harness_process_start(&process, &(struct harness_start){.program = "creditd-sync",
                                                            .arguments = arguments,
                                                            .environment = environment,
                                                            .directory = &directory});
    snprintf(log_path, sizeof log_path, "%s", process.log_path);
    status = harness_process_wait(&process);
    *ret_log = harness_read_file(log_path);
    harness_directory_deinit(&directory);
    cr_assert(WIFEXITED(status));
    return WEXITSTATUS(status);
}

Test(process, bad_configuration_is_one_line_and_the_exit_code_2)
{
    static const struct {
        const char *configuration;
        const char *environment[2];
        const char *words[2];
    } table[] = {
        {"[stellartools]\nbase_url = http://example.com\n", {NULL}, {"creditd.conf", "base_url"}},
        {"[stellartools]\nbase_urll = x\n", {NULL}, {"creditd.conf:2", "base_urll"}},
        {"[stellartools]\nconnect_timeout = 5 s\n", {NULL}, {"creditd.conf:2", "500ms"}},
        {"", {"CREDITD_BASE_URL=http://10.0.0.1", NULL}, {"CREDITD_BASE_URL", "plain http"}},
        {"", {"CREDITD_BASE_URL=nonsense://x", NULL}, {"CREDITD_BASE_URL", "URL"}},
    };

    for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
        char *log = NULL;

        cr_expect_eq(run(table[i].configuration, table[i].environment, &log), 2, "row %zu", i);
        cr_assert_not_null(log);
        cr_expect_eq(strchr(log, '\n'), log + strlen(log) - 1, "row %zu: %s", i, log);
        for (size_t j = 0; j < 2; j++)
            cr_expect_not_null(strstr(log, table[i].words[j]), "row %zu: %s", i, log);
        free(log);
    }
}

Test(process, without_serve_it_says_so)
{
    char *log = NULL;

    cr_expect_eq(run("[paths]\nsync_socket = /nonexistent/sync.sock\n", NULL, &log), 1);
    cr_expect_not_null(strstr(log, "/nonexistent/sync.sock"), "%s", log);
    cr_expect_not_null(strstr(log, "is creditd-serve running?"), "%s", log);
    free(log);
}
