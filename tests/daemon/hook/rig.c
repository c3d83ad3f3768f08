/* See rig.h. */
#include "rig.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

void rig_init(struct rig *rig)
{
    *rig = (struct rig){0};
    harness_directory_init(&rig->directory);
    harness_path(&rig->directory, "creditd.conf", rig->config_path);
    rig_configure(rig, "");
}

void rig_program(struct rig *rig, const char *name, const char *text, char *ret_path)
{
    char *script = NULL;

    harness_path(&rig->directory, name, ret_path);
    cr_assert(asprintf(&script, "#!/bin/sh\n%s\n", text) > 0);
    harness_write_file(ret_path, script);
    cr_assert_eq(chmod(ret_path, 0755), 0);
    free(script);
}

void rig_configure(struct rig *rig, const char *hooks)
{
    char *text = NULL, *user = harness_hooks_user();
    bool has_user = rig->is_user_unset || strstr(hooks, "user = ") != NULL;

    cr_assert(asprintf(&text, "[hooks]\n%s%s\n", has_user ? "" : user, hooks) > 0);
    harness_write_file(rig->config_path, text);
    free(text);
    free(user);
}

static void start(struct rig *rig, const char *const *arguments, const char *home)
{
    const char *const environment[] = {"CREDITD_TEST_SECRET=1", "LANG=C.UTF-8", "TZ=UTC", home,
                                       NULL};

    harness_helper_start(&rig->process,
                         &(struct harness_start){.program = "creditd-hook",
                                                 .arguments = arguments,
                                                 .environment = environment,
                                                 .directory = &rig->directory},
                         "hook.hello", &rig->serve);
}

void rig_start(struct rig *rig)
{
    start(rig, (const char *[]){"--config", rig->config_path, NULL}, NULL);
}

void rig_start_without_configuration(struct rig *rig)
{
    char home[HARNESS_PATH_MAX + 32], below[HARNESS_PATH_MAX];

    cr_assert_eq(unlink(rig->config_path), 0);
    harness_path(&rig->directory, "creditd", below);
    cr_assert_eq(mkdir(below, 0755), 0);
    harness_path(&rig->directory, "creditd/creditd.conf", rig->config_path);
    snprintf(home, sizeof home, "XDG_CONFIG_HOME=%.*s", (int)(strrchr(below, '/') - below), below);
    start(rig, (const char *[]){NULL}, home);
}

void rig_deinit(struct rig *rig)
{
    if (rig->process.pid > 0) {
        char *log;
        int status;

        harness_connection_deinit(&rig->serve);
        log = harness_process_log(&rig->process);
        status = harness_process_wait(&rig->process);
        cr_expect(WIFEXITED(status) && WEXITSTATUS(status) == 0, "status %d: %s", status, log);
        free(log);
    }
    harness_directory_deinit(&rig->directory);
}

json_t *rig_event(void)
{
    json_t *event =
        json_pack("{s:s, s:s, s:I, s:b, s:i, s:{s:{s:s, s:s, s:i}, s:n}}", "id", RIG_EVENT_ID,
                  "type", "credits.low", "created", (json_int_t)1795443617000, "livemode", 0,
                  "sequence", 7, "data", "object", "customer_id", "cus_1", "name",
                  "Zo\xc3\xab \"\n\\", "balance", -3, "previous_attributes");

    cr_assert_not_null(event);
    return event;
}

uint32_t rig_send(struct rig *rig, const char *hook, int attempt)
{
    return harness_send(&rig->serve, "hook.run", "{s:s, s:o, s:i}", "hook", hook, "event",
                        rig_event(), "attempt", attempt);
}

json_t *rig_run(struct rig *rig, const char *hook, int attempt)
{
    return harness_call(&rig->serve, "hook.run", "{s:s, s:o, s:i}", "hook", hook, "event",
                        rig_event(), "attempt", attempt);
}

void rig_expect(json_t *answer, const char *outcome, int status, const char *message)
{
    char *text = json_dumps(answer, JSON_COMPACT);

    cr_expect_str_eq(harness_text(answer, "outcome"), outcome, "%s", text);
    cr_expect_eq(harness_int(answer, "status"), status, "%s", text);
    if (message)
        cr_expect_not_null(strstr(harness_text(answer, "message"), message), "%s", text);
    else
        cr_expect(json_is_null(json_object_get(answer, "message")), "%s", text);
    free(text);
    json_decref(answer);
}

char *rig_read(struct rig *rig, const char *name)
{
    char path[HARNESS_PATH_MAX], *text;

    harness_path(&rig->directory, name, path);
    text = harness_read_file(path);
    cr_assert_not_null(text, "%s", name);
    return text;
}

int rig_fifo(struct rig *rig, const char *name)
{
    char path[HARNESS_PATH_MAX];
    int fd;

    harness_path(&rig->directory, name, path);
    cr_assert_eq(mkfifo(path, 0600), 0);
    fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    cr_assert_geq(fd, 0);
    return fd;
}

static ssize_t fifo_read(int fd, char *byte)
{
    struct pollfd polled = {.fd = fd, .events = POLLIN};

    cr_assert_eq(poll(&polled, 1, HARNESS_TIMEOUT_MS), 1);
    return read(fd, byte, 1);
}

void rig_fifo_line(int fd)
{
    char byte = 0;

    while (byte != '\n')
        cr_assert_eq(fifo_read(fd, &byte), 1);
}

void rig_fifo_end(int fd)
{
    char byte;
    ssize_t n;

    do
        n = fifo_read(fd, &byte);
    while (n > 0);
    cr_assert_eq(n, 0);
}

void rig_log(struct rig *rig, const char *text)
{
    struct pollfd polled = {.fd = inotify_init1(IN_CLOEXEC), .events = POLLIN};
    char *log, events[4096];

    cr_assert_geq(inotify_add_watch(polled.fd, rig->process.log_path, IN_MODIFY), 0);
    while (!strstr(log = harness_process_log(&rig->process), text)) {
        cr_assert_eq(poll(&polled, 1, HARNESS_TIMEOUT_MS), 1, "\"%s\" is not in: %s", text, log);
        cr_assert_gt(read(polled.fd, events, sizeof events), 0);
        free(log);
    }
    free(log);
    close(polled.fd);
}
