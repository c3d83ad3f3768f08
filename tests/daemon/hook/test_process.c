/* The process itself: what it is asked, its configuration, its ends. */
#include "rig.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <util/macros.h>

static struct rig rig;

static void set_up(void)
{
    rig_init(&rig);
}

static void tear_down(void)
{
    rig_deinit(&rig);
}

TestSuite(process, .init = set_up, .fini = tear_down);

Test(process, what_serve_asks_wrongly_is_refused)
{
    static const struct {
        const char *params, *culprit;
    } table[] = {
        {"{\"attempt\":1,\"event\":{}}", "hook"},
        {"{\"hook\":\"/bin/sh\",\"attempt\":1,\"event\":{}}", "hook"},
        {"{\"hook\":\"on_event \",\"attempt\":1,\"event\":{}}", "hook"},
        {"{\"hook\":\"user\",\"attempt\":1,\"event\":{}}", "hook"},
        {"{\"hook\":\"on_event\",\"event\":{}}", "attempt"},
        {"{\"hook\":\"on_event\",\"attempt\":0,\"event\":{}}", "attempt"},
        {"{\"hook\":\"on_event\",\"attempt\":1}", "event"},
        {"{\"hook\":\"on_event\",\"attempt\":1,\"event\":[]}", "event"},
        {"{\"hook\":\"on_event\",\"attempt\":1,\"event\":{\"id\":\"e\",\"type\":\"t\"}}", "event"},
        {"{\"hook\":\"on_event\",\"attempt\":1,\"event\":{\"id\":\"a\\nb\",\"type\":\"t\","
         "\"sequence\":1}}",
         "event"},
        {"{\"hook\":\"on_event\",\"attempt\":1,\"event\":{\"id\":\"a\",\"type\":\"t\\r\\nX: y\","
         "\"sequence\":1}}",
         "event"},
        {"{\"hook\":\"on_event\",\"attempt\":1,\"event\":{\"id\":\"a\",\"type\":\"t\","
         "\"sequence\":1,\"x\":\"bin:00\"}}",
         "event"},
    };

    rig_start(&rig);
    for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
        json_t *params = json_loads(table[i].params, 0, NULL);
        json_t *error = harness_call_error(&rig.serve, "hook.run", "o", params);

        cr_expect_str_eq(harness_text(error, "code"), "invalid_parameter", "%s", table[i].params);
        cr_expect_not_null(strstr(harness_text(error, "message"), table[i].culprit), "%s",
                           table[i].params);
        json_decref(error);
    }
    {
        json_t *error = harness_call_error(&rig.serve, "hook.other", "{}");

        cr_expect_str_eq(harness_text(error, "code"), "unknown_method");
        json_decref(error);
    }
}

static void configure_program(const char *text)
{
    char path[HARNESS_PATH_MAX], lines[256];

    rig_program(&rig, "program", text, path);
    snprintf(lines, sizeof lines, "on_event = %s", path);
    rig_configure(&rig, lines);
}

Test(process, the_first_hook_comes_with_a_reload)
{
    rig_start(&rig);
    rig_expect(rig_run(&rig, "on_event", 1), "unconfigured", 0, "no such hook");
    configure_program("exit 0");
    rig_expect(rig_run(&rig, "on_event", 2), "unconfigured", 0, "no such hook");
    harness_notify(&rig.serve, "hook.reload");
    rig_expect(rig_run(&rig, "on_event", 3), "done", 0, NULL);
    rig_expect(rig_run(&rig, "on_credits_low", 1), "unconfigured", 0, "no such hook");
    rig_configure(&rig, "");
    cr_assert_eq(kill(rig.process.pid, SIGHUP), 0);
    rig_log(&rig, "read anew");
}

Test(process, the_first_configuration_comes_with_a_reload)
{
    if (access("/etc/creditd/creditd.conf", F_OK) == 0)
        cr_skip("this machine has a system-wide configuration");
    rig_start_without_configuration(&rig);
    configure_program("exit 0");
    harness_notify(&rig.serve, "hook.reload");
    rig_expect(rig_run(&rig, "on_event", 1), "done", 0, NULL);
}

Test(process, a_bad_reload_changes_nothing)
{
    configure_program("exit 0");
    rig_start(&rig);
    rig_configure(&rig, "on_event = http://example.com/");
    harness_notify(&rig.serve, "hook.reload");
    rig_expect(rig_run(&rig, "on_event", 1), "done", 0, NULL);
    rig_log(&rig, "[hooks] on_event: the value is plain http to another machine");
    rig_log(&rig, "going on with what was read before");
}

/* What is under way ends as it began. */
Test(process, a_reload_leaves_what_is_under_way)
{
    int fifo = rig_fifo(&rig, "program.fifo");
    struct harness_message message;
    uint32_t id;

    configure_program("echo >\"$0.fifo\"; while [ ! -e \"$0.go\" ]; do :; done; exit 4");
    rig_start(&rig);
    id = rig_send(&rig, "on_event", 1);
    rig_fifo_line(fifo);
    rig_configure(&rig, "");
    harness_notify(&rig.serve, "hook.reload");
    rig_expect(rig_run(&rig, "on_credits_low", 1), "unconfigured", 0, "no such hook");
    {
        char path[HARNESS_PATH_MAX];

        harness_path(&rig.directory, "program.go", path);
        harness_write_file(path, "");
    }
    cr_assert(harness_receive(&rig.serve, &message));
    cr_expect_eq(message.msgid, id);
    rig_expect(json_incref(message.result), "failed", 4, "exit code was 4");
    harness_message_deinit(&message);
    close(fifo);
}

Test(process, sigterm_ends_it_in_order)
{
    int status;

    rig_start(&rig);
    status = harness_process_stop(&rig.process, SIGTERM);
    cr_expect(WIFEXITED(status) && WEXITSTATUS(status) == 0, "%d", status);
    harness_connection_deinit(&rig.serve);
}

Test(process, a_mistake_in_the_configuration_is_told_at_the_start)
{
    static const struct {
        const char *lines, *said;
    } table[] = {
        {"user = no-such-user-here",
         "[hooks] user: \"no-such-user-here\" is not the name of a user"},
        {"on_event = http://example.com/", "[hooks] on_event: the value is plain http"},
        {"on_event = https://a:b@example.com/", "[hooks] on_event: the value has a user"},
        {"on_event = program", "on_event"},
        {"on_evnt = /bin/true", "on_evnt"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
        const char *arguments[] = {"--config", rig.config_path, NULL};
        struct harness_process process;
        char *path, *log;
        int status;

        rig_configure(&rig, table[i].lines);
        harness_process_start(&process, &(struct harness_start){.program = "creditd-hook",
                                                                .arguments = arguments,
                                                                .directory = &rig.directory});
        path = strdup(process.log_path);
        status = harness_process_wait(&process);
        log = harness_read_file(path);
        cr_expect(WIFEXITED(status) && WEXITSTATUS(status) == 2, "%s", table[i].lines);
        cr_expect_not_null(strstr(log, table[i].said), "%s", log);
        free(path);
        free(log);
    }
}

/* As systemd starts it: where its socket is, the configuration says. */
Test(process, connects_by_itself)
{
    const char *arguments[] = {"--config", rig.config_path, NULL};
    char socket_path[HARNESS_PATH_MAX], text[256];
    struct harness_process process;
    struct harness_connection serve;
    struct harness_message hello;
    int listener, fd, status;

    harness_path(&rig.directory, "hook.sock", socket_path);
    listener = harness_listen(socket_path);
    snprintf(text, sizeof text, "[paths]\nhook_socket = %s\n", socket_path);
    harness_write_file(rig.config_path, text);
    harness_process_start(&process, &(struct harness_start){.program = "creditd-hook",
                                                            .arguments = arguments,
                                                            .directory = &rig.directory});
    fd = accept(listener, NULL, NULL);
    cr_assert_geq(fd, 0);
    harness_connection_init(&serve, fd);
    cr_assert(harness_receive(&serve, &hello));
    cr_expect_str_eq(hello.method, "hook.hello");
    harness_message_deinit(&hello);
    harness_connection_deinit(&serve);
    status = harness_process_wait(&process);
    cr_expect(WIFEXITED(status) && WEXITSTATUS(status) == 0, "%d", status);
    close(listener);
}
