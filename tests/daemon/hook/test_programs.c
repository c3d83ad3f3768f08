/* Programs: what they are given, how they end, and what is left of them. */
#include "rig.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
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

TestSuite(programs, .init = set_up, .fini = tear_down);

/* One hook, on_event, is that program; `more` are further lines. */
static void start_with(const char *text, const char *more)
{
    char path[HARNESS_PATH_MAX], lines[512];

    rig_program(&rig, "program", text, path);
    snprintf(lines, sizeof lines, "on_event = %s\n%s", path, more);
    rig_configure(&rig, lines);
    rig_start(&rig);
}

/* A copy, since whoever it runs as must reach it, and its name says where the report goes. */
static void start_witness(const char *name, const char *more)
{
    char path[HARNESS_PATH_MAX], lines[512], command[512];

    harness_path(&rig.directory, name, path);
    snprintf(command, sizeof command, "cp '%s' '%s'", WITNESS, path);
    cr_assert_eq(system(command), 0);
    snprintf(lines, sizeof lines, "on_credits_low = %s\n%s", path, more);
    rig_configure(&rig, lines);
    rig_start(&rig);
}

static void expect_line(const char *report, const char *line)
{
    char wanted[1024];

    snprintf(wanted, sizeof wanted, "\n%s\n", line);
    cr_expect_not_null(strstr(report, wanted), "no line %s in:%s", line, report);
}

static void expect_value(const char *report, const char *name, const char *value)
{
    char line[1024];

    snprintf(line, sizeof line, "env %s=%s", name, value);
    expect_line(report, line);
}

Test(programs, gets_the_event_and_nothing_of_ours)
{
    json_t *event = rig_event();
    char *json = json_dumps(event, JSON_COMPACT), *report, *line;
    const struct passwd *self = getpwuid(geteuid());
    size_t variables = 0;

    /* Something inherited, which no program may have. */
    cr_assert_eq(dup2(STDERR_FILENO, 17), 17);
    setenv("PATH", "/usr/bin:/bin", 1);
    start_witness("witness", "");
    rig_expect(rig_run(&rig, "on_credits_low", 3), "done", 0, NULL);
    report = rig_read(&rig, "witness.report");
    cr_expect(strncmp(report, "arguments 1\n", 12) == 0, "%s", report);
    expect_value(report, "PATH", "/usr/bin:/bin");
    expect_value(report, "LANG", "C.UTF-8");
    expect_value(report, "TZ", "UTC");
    expect_value(report, "HOME", self->pw_dir);
    expect_value(report, "USER", self->pw_name);
    expect_value(report, "LOGNAME", self->pw_name);
    expect_value(report, "CREDITD_HOOK", "on_credits_low");
    expect_value(report, "CREDITD_EVENT_ID", RIG_EVENT_ID);
    expect_value(report, "CREDITD_EVENT_TYPE", "credits.low");
    expect_value(report, "CREDITD_EVENT_SEQUENCE", "7");
    expect_value(report, "CREDITD_ATTEMPT", "3");
    for (const char *p = report; (p = strstr(p, "\nenv ")); p++)
        variables++;
    cr_expect_eq(variables, 11, "%s", report);
    expect_line(report, "fds 0 1 2");
    expect_line(report, "SigBlk:\t0000000000000000");
    expect_line(report, "SigIgn:\t0000000000000000");
    expect_line(report, "cwd /");
    expect_line(report, "leader yes");
    cr_assert(asprintf(&line, "input %s\nend", json) > 0);
    expect_line(report, line);
    rig_log(&rig, "on_credits_low " RIG_EVENT_ID ": the witness speaks");
    free(line);
    free(json);
    free(report);
    json_decref(event);
}

Test(programs, runs_as_the_configured_user)
{
    const struct passwd *nobody = getpwnam("nobody");
    char *report, ids[64];

    if (geteuid() != 0 || !nobody)
        cr_skip_test("only root can");
    snprintf(ids, sizeof ids, "ids %d %d 1", (int)nobody->pw_uid, (int)nobody->pw_gid);
    cr_assert_eq(chmod(rig.directory.path, 0777), 0);
    start_witness("witness", "user = nobody");
    rig_expect(rig_run(&rig, "on_credits_low", 1), "done", 0, NULL);
    report = rig_read(&rig, "witness.report");
    expect_line(report, ids);
    expect_line(report, "CapEff:\t0000000000000000");
    expect_line(report, "fds 0 1 2");
    expect_value(report, "USER", "nobody");
    expect_value(report, "HOME", nobody->pw_dir);
    free(report);
}

/* Unset, root is nobody's wish; whoever else it is, is told of. */
Test(programs, runs_as_nobody_in_particular)
{
    bool is_root = geteuid() == 0;

    if (getpwnam("creditd-hook-run"))
        cr_skip_test("there is a user for it");
    rig.is_user_unset = true;
    start_with("exit 0", "");
    rig_expect(rig_run(&rig, "on_event", 1), is_root ? "failed" : "done", 0,
               is_root ? "no program is run as root" : NULL);
    rig_log(&rig, is_root ? "no program is run as root" : "run as creditd-hook itself");
}

/* Ends them as well, though they are another's. */
Test(programs, ends_those_of_the_configured_user)
{
    int fifo;

    if (geteuid() != 0 || !getpwnam("nobody"))
        cr_skip_test("only root can");
    cr_assert_eq(chmod(rig.directory.path, 0777), 0);
    fifo = rig_fifo(&rig, "program.fifo");
    cr_assert_eq(fchmod(fifo, 0666), 0);
    start_with("exec 9>\"$0.fifo\"\nsleep 1000 & wait", "user = nobody\ntimeout = 2s");
    rig_expect(rig_run(&rig, "on_event", 1), "failed", 128 + SIGTERM, "2000 ms were over");
    rig_fifo_end(fifo);
    close(fifo);
}

Test(programs, every_way_to_end)
{
    static const struct {
        const char *text;
        const char *outcome;
        int status;
        const char *message;
    } table[] = {
        {"exit 0", "done", 0, NULL},
        {"cat >/dev/null", "done", 0, NULL},
        {"exit 3", "failed", 3, "exit code was 3"},
        {"exit 127", "failed", 127, "exit code was 127"},
        {"kill -KILL $$", "failed", 128 + SIGKILL, "signal 9"},
        {"kill -SEGV $$", "failed", 128 + SIGSEGV, "signal 11"},
        {"kill -PIPE $$", "failed", 128 + SIGPIPE, "signal 13"},
        /* closes all that it has */
        {"exec <&- >&- 2>&-; exit 0", "done", 0, NULL},
        {"echo out; echo err >&2; exit 1", "failed", 1, "exit code was 1"},
        /* reads half a line and goes */
        {"head -c 10 >/dev/null; exit 0", "done", 0, NULL},
    };

    start_with("exit 9", "");
    for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
        char path[HARNESS_PATH_MAX];

        rig_program(&rig, "program", table[i].text, path);
        rig_expect(rig_run(&rig, "on_event", 1), table[i].outcome, table[i].status,
                   table[i].message);
    }
    rig_log(&rig, "on_event " RIG_EVENT_ID ": err");
    rig_log(&rig, "on_event " RIG_EVENT_ID ", attempt 1: its exit code was 3");
}

Test(programs, that_cannot_be_run)
{
    char path[HARNESS_PATH_MAX];

    start_with("exit 0", "");
    harness_path(&rig.directory, "program", path);
    cr_assert_eq(chmod(path, 0644), 0);
    rig_expect(rig_run(&rig, "on_event", 1), "failed", 0, "cannot be run: Permission denied");
    cr_assert_eq(unlink(path), 0);
    rig_expect(rig_run(&rig, "on_event", 2), "failed", 0, "cannot be run: No such file");
    harness_write_file(path, "#!/nonexistent/interpreter\n");
    cr_assert_eq(chmod(path, 0755), 0);
    rig_expect(rig_run(&rig, "on_event", 3), "failed", 0, "cannot be run: No such file");
}

Test(programs, a_hanging_one_is_ended)
{
    int fifo = rig_fifo(&rig, "program.fifo");

    start_with("exec 9>\"$0.fifo\"\nsleep 1000 & wait", "timeout = 2s");
    rig_expect(rig_run(&rig, "on_event", 1), "failed", 128 + SIGTERM,
               "its 2000 ms were over, then signal 15 ended it");
    rig_fifo_end(fifo); /* and the one that it had started */
    close(fifo);
}

/* Its own and its child's SIGTERM is ignored. */
Test(programs, one_that_ignores_the_end_is_killed)
{
    int fifo = rig_fifo(&rig, "program.fifo");

    start_with("trap '' TERM\nexec 9>\"$0.fifo\"\nsleep 1000 & wait\nsleep 1000", "timeout = 2s");
    rig_expect(rig_run(&rig, "on_event", 1), "failed", 128 + SIGKILL,
               "its 2000 ms were over, then signal 9 ended it");
    rig_fifo_end(fifo);
    close(fifo);
}

/* What came too late was not done, whatever it says. */
Test(programs, one_that_ends_well_at_sigterm_has_failed)
{
    start_with("trap 'exit 0' TERM\nsleep 1000 & wait", "timeout = 2s");
    rig_expect(rig_run(&rig, "on_event", 1), "failed", 0, "its 2000 ms were over");
}

Test(programs, one_that_has_left_its_group_is_ended)
{
    start_witness("mover", "timeout = 2s");
    rig_expect(rig_run(&rig, "on_credits_low", 1), "failed", 128 + SIGTERM, "2000 ms were over");
}

/* It keeps the pipe open and would write to it for ever: the program's end is what counts. */
Test(programs, what_it_leaves_in_its_group_is_killed)
{
    int fifo = rig_fifo(&rig, "program.fifo");

    start_with("exec 9>\"$0.fifo\"\nyes grandchild &\nsleep 1000 &\nexit 0", "timeout = 1h");
    rig_expect(rig_run(&rig, "on_event", 1), "done", 0, NULL);
    rig_fifo_end(fifo);
    close(fifo);
}

/* A daemon that it starts, in a session of its own, is none of ours, and not waited for. */
Test(programs, what_has_left_its_group_is_not_waited_for)
{
    char *pid;

    start_with("setsid sh -c 'echo $$ >\"$1.new\"; mv \"$1.new\" \"$1\"; exec sleep 1000' x "
               "\"$0.pid\" &\n"
               "while [ ! -e \"$0.pid\" ]; do :; done\nexit 0",
               "timeout = 1h");
    rig_expect(rig_run(&rig, "on_event", 1), "done", 0, NULL);
    pid = rig_read(&rig, "program.pid");
    cr_expect_eq(kill((pid_t)strtol(pid, NULL, 10), SIGKILL), 0);
    free(pid);
}

Test(programs, a_large_event_that_nobody_reads)
{
    char *large = malloc(600001);
    json_t *event = rig_event();

    memset(large, 'x', 600000);
    large[600000] = '\0';
    json_object_set_new(event, "more", json_string(large));
    start_with("exit 0", "");
    rig_expect(harness_call(&rig.serve, "hook.run", "{s:s, s:O, s:i}", "hook", "on_event", "event",
                            event, "attempt", 1),
               "done", 0, NULL);
    /* And somebody who reads it whole: a byte more than the JSON. */
    {
        char path[HARNESS_PATH_MAX], *count, *json = json_dumps(event, JSON_COMPACT);

        rig_program(&rig, "program", "wc -c >\"$0.count\"", path);
        rig_expect(harness_call(&rig.serve, "hook.run", "{s:s, s:O, s:i}", "hook", "on_event",
                                "event", event, "attempt", 1),
                   "done", 0, NULL);
        count = rig_read(&rig, "program.count");
        cr_expect_eq(strtoul(count, NULL, 10), strlen(json) + 1);
        free(count);
        free(json);
    }
    json_decref(event);
    free(large);
}

/* Its output is read to the end, and little of it kept. */
Test(programs, one_that_writes_a_lot)
{
    char *log;

    start_with("head -c 20000000 /dev/zero | tr '\\0' x\nprintf '\\033[31mred\\n' >&2", "");
    rig_expect(rig_run(&rig, "on_event", 1), "done", 0, NULL);
    rig_log(&rig, " bytes more");
    log = harness_process_log(&rig.process);
    cr_expect_lt(strlen(log), 64 * 1024);
    cr_expect_null(strchr(log, '\033'));
    free(log);
}

Test(programs, many_at_once_end_when_they_do)
{
    enum { COUNT = 40 };
    uint32_t ids[COUNT];
    int gate = rig_fifo(&rig, "program.fifo");
    unsigned done = 0;

    /* Each says that it is there, and the odd ones go on until they are ended. */
    start_with("echo >\"$0.fifo\"\n[ $((CREDITD_ATTEMPT % 2)) = 0 ] && exit 0\n"
               "sleep 1000",
               "timeout = 1h");
    for (int i = 0; i < COUNT; i++)
        ids[i] = rig_send(&rig, "on_event", i + 1);
    for (int i = 0; i < COUNT / 2; i++) {
        struct harness_message message;

        cr_assert(harness_receive(&rig.serve, &message));
        cr_expect_str_eq(harness_text(message.result, "outcome"), "done");
        for (int k = 1; k < COUNT; k += 2)
            done += ids[k] == message.msgid;
        harness_message_deinit(&message);
    }
    cr_expect_eq(done, COUNT / 2);
    close(gate);
}

/* serve has gone: its events will be delivered again, so nothing may go on by itself. */
Test(programs, the_end_of_serve_ends_them)
{
    int fifo = rig_fifo(&rig, "program.fifo");
    char *text;

    start_with("trap 'echo ended >\"$0.trapped\"; exit 0' TERM\nexec 9>\"$0.fifo\"\n"
               "sleep 1000 &\necho >&9\nwait",
               "timeout = 1h");
    rig_send(&rig, "on_event", 1);
    rig_fifo_line(fifo);
    harness_connection_deinit(&rig.serve);
    rig_fifo_end(fifo);
    text = rig_read(&rig, "program.trapped");
    cr_expect_str_eq(text, "ended\n");
    free(text);
    close(fifo);
}

/* What cannot be told to end ends too. */
Test(programs, sigkill_of_ours_ends_them)
{
    int fifo = rig_fifo(&rig, "program.fifo");

    start_with("trap '' TERM\nexec 9>\"$0.fifo\"\necho >&9\nexec sleep 1000", "timeout = 1h");
    rig_send(&rig, "on_event", 1);
    rig_fifo_line(fifo);
    harness_process_stop(&rig.process, SIGKILL);
    harness_connection_deinit(&rig.serve);
    rig_fifo_end(fifo);
    close(fifo);
}
