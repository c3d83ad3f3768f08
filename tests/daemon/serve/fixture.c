/* See fixture.h. */
#include "fixture.h"
#include <criterion/criterion.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void write_config(struct fixture *fixture, const char *extra)
{
    char text[4096];

    snprintf(text, sizeof(text),
             "[paths]\nstate_directory = %s\n[ledger]\nsegment_size = 1MiB\nmap_size = 64MiB\n%s",
             fixture->state, extra != NULL ? extra : "[credits]\npush_interval = 50ms\n");
    harness_write_file(fixture->config, text);
}

void fixture_reload(struct fixture *fixture, const char *extra)
{
    int reloads = fixture->sync.reloads;

    fixture_wait_status(fixture, "upstream.helper", 1);
    write_config(fixture, extra);
    cr_assert_eq(kill(fixture->serve.pid, SIGHUP), 0);
    fake_sync_wait(&fixture->sync.reloads, reloads + 1);
}

void fixture_init(struct fixture *fixture, const char *extra)
{
    memset(fixture, 0, sizeof(*fixture));
    fixture->client_fd = fixture->sync_fd = fixture->hook_fd = -1;
    fixture->client.fd = fixture->sync.connection.fd = -1;
    harness_directory_init(&fixture->directory);
    harness_path(&fixture->directory, "creditd.conf", fixture->config);
    harness_path(&fixture->directory, "state", fixture->state);
    harness_path(&fixture->directory, "client.sock", fixture->client_path);
    harness_path(&fixture->directory, "sync.sock", fixture->sync_path);
    harness_path(&fixture->directory, "hook.sock", fixture->hook_path);
    write_config(fixture, extra);
    fixture->client_fd = harness_listen(fixture->client_path);
    fixture->sync_fd = harness_listen(fixture->sync_path);
    fixture->hook_fd = harness_listen(fixture->hook_path);
}

void fixture_start_serve(struct fixture *fixture)
{
    const char *arguments[] = {"--config", fixture->config, NULL};
    const struct harness_start start = {
        .program = "creditd-serve",
        .arguments = arguments,
        .fds = {{"client", fixture->client_fd},
                {"sync", fixture->sync_fd},
                {"hook", fixture->hook_fd}},
        .fd_count = 3,
        .directory = &fixture->directory,
    };

    harness_process_start(&fixture->serve, &start);
    harness_process_wait_ready(&fixture->serve);
}

void fixture_start(struct fixture *fixture, const char *extra)
{
    fixture_init(fixture, extra);
    fixture_start_serve(fixture);
    fake_sync_start(&fixture->sync, fixture->sync_path);
    fixture_connect(fixture, &fixture->client);
}

void fixture_connect(struct fixture *fixture, struct harness_connection *connection)
{
    harness_connect(connection, fixture->client_path);
}

void fixture_restart(struct fixture *fixture, int signal)
{
    harness_connection_deinit(&fixture->client);
    cr_assert_eq(harness_process_stop(&fixture->serve, signal), signal == SIGKILL ? SIGKILL : 0);
    fake_sync_stop(&fixture->sync);
    fixture_start_serve(fixture);
    fake_sync_start(&fixture->sync, fixture->sync_path);
    fixture_connect(fixture, &fixture->client);
}

void fixture_go_offline(struct fixture *fixture)
{
    fake_sync_stop(&fixture->sync);
    fixture_wait_status(fixture, "upstream.helper", 0);
}

void fixture_start_sync(const struct fixture *fixture, struct harness_process *process)
{
    const char *arguments[] = {"--config", fixture->config, NULL};
    const char *environment[] = {"STELLAR_TOOLS_API_KEY=sk_test_1", NULL};
    const struct harness_start start = {
        .program = "creditd-sync",
        .arguments = arguments,
        .environment = environment,
        .directory = &fixture->directory,
    };

    harness_process_start(process, &start);
    harness_process_wait_ready(process);
}

void fixture_allow_preload(void)
{
    const char *options = getenv("ASAN_OPTIONS");
    char text[512];

    snprintf(text, sizeof(text), "%s%sverify_asan_link_order=0", options != NULL ? options : "",
             options != NULL ? ":" : "");
    setenv("ASAN_OPTIONS", text, 1);
}

static void stop_serve(struct fixture *fixture)
{
    char *path = strdup(fixture->serve.log_path), *log;
    int status = harness_process_stop(&fixture->serve, SIGTERM);

    log = harness_read_file(path);
    cr_assert_eq(status, 0, "creditd-serve ended with status %x: %s", (unsigned)status, log);
    free(log);
    free(path);
}

void fixture_deinit(struct fixture *fixture)
{
    if (fixture->directory.path[0] == '\0')
        return;
    harness_connection_deinit(&fixture->client);
    if (fixture->serve.pid > 0)
        stop_serve(fixture);
    fake_sync_stop(&fixture->sync);
    fake_objects_deinit(&fixture->sync);
    close(fixture->client_fd);
    close(fixture->sync_fd);
    close(fixture->hook_fd);
    harness_directory_deinit(&fixture->directory);
}

void fixture_wait_status(struct fixture *fixture, const char *path, int64_t value)
{
    int64_t seen = -1;

    for (int waited = 0; waited < HARNESS_TIMEOUT_MS; waited += 10) {
        json_t *status = harness_call(&fixture->client, "status", "{}"), *member = status;
        char copy[64], *save = NULL;

        snprintf(copy, sizeof(copy), "%s", path);
        for (char *key = strtok_r(copy, ".", &save); key != NULL; key = strtok_r(NULL, ".", &save))
            member = json_object_get(member, key);
        seen = json_is_boolean(member) ? json_is_true(member) : json_integer_value(member);
        json_decref(status);
        if (seen == value)
            return;
        poll(NULL, 0, 10); /* status has no way to wait */
    }
    cr_assert_fail("%s is %lld, not %lld:%s", path, (long long)seen, (long long)value,
                   harness_logs());
}

void fixture_check_error(json_t *error, const char *code, const char *key, const char *value)
{
    cr_assert_str_eq(harness_text(error, "code"), code, "%s", json_dumps(error, 0));
    cr_assert_gt(strlen(harness_text(error, "message")), 0);
    if (key != NULL)
        cr_assert_str_eq(harness_text(json_object_get(error, "data"), key), value, "%s",
                         json_dumps(error, 0));
    json_decref(error);
}
