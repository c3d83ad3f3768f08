/* creditctl monitor and events, and the example, against a small daemon that has events. */
#include "program.h"
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

static void setup(void)
{
    program_start();
    program_server.events = 5;
}

TestSuite(ctl_events, .init = setup, .fini = program_stop);

static int count_lines(const char *text)
{
    int count = 0;

    for (; *text; text++)
        count += *text == '\n';
    return count;
}

Test(ctl_events, the_kept_ones_are_shown_a_page_at_a_time)
{
    cr_assert_eq(ctl("$P events"), 0, "%s", err);
    has(out, "event  time                 type                   customer  product  what\n");
    has(out,
        "    1  2023-11-14 22:13:20  credits.low            cus_1     prod_1   1,009 available,"
        " threshold 2,000\n");
    has(out, "    2  2023-11-14 22:13:20  push.parked            cus_1     prod_1   psh_1_1_1,"
             " deduct of 5, parked: said ?[2J no\n");
    has(out, "customer.linked        cus_1     -        user u1\n");
    has(out, "customer.updated       cus_1     -        cus_1, changed: email, name\n");
    has(out, "subscription.canceled  cus_1     prod_1   sub_1, canceled\n");
    cr_assert_eq(ctl("$P events --after 1 --limit 2"), 0);
    cr_assert_eq(count_lines(out), 4, "%s", out);
    has(out, "There are more: --after 3\n");
    cr_assert_eq(ctl("$P events --types push.*,credits.low --json"), 0, "%s", err);
    has(out, "\"type\":\"credits.low\"");
    has(out, "\"type\":\"push.parked\"");
    cr_assert_null(strstr(out, "customer.linked"));
    json_decref(parse(out));
    cr_assert_eq(ctl("$P events --types push.*,credits.lo"), 2);
    has(err, "there is no event type credits.lo;");
    cr_assert_eq(ctl("$P events --types push.*,"), 2);
    program_server.events = 0;
    cr_assert_eq(ctl("$P events"), 0);
    cr_assert_str_eq(out, "none\n");
}

Test(ctl_events, monitor_prints_a_line_each_and_ends_with_its_reader)
{
    cr_assert_eq(ctl("{ $P monitor --after 0; echo $? >&2; } | head -5"), 0);
    cr_assert_eq(count_lines(out), 5);
    has(out, "2023-11-14 22:13:20  1  credits.low             cus_1  prod_1  1,009 available,"
             " threshold 2,000\n");
    cr_assert_str_eq(err, "0\n");
}

/* Ends it by a signal, when so many lines have come. */
static int interrupted(const char *signal, const char *arguments, int lines)
{
    char line[1024];

    snprintf(line, sizeof line,
             "f=%s/fifo; mkfifo $f; $P %s >$f & p=$!; "
             "{ for i in $(seq %d); do read -r l; echo \"$l\"; done; kill -%s $p; cat; } <$f; "
             "rm $f; wait $p",
             program_server.directory, arguments, lines, signal);
    return ctl(line);
}

Test(ctl_events, a_signal_ends_it_well)
{
    cr_assert_eq(interrupted("INT", "monitor --after 0", 5), 0, "%s", err);
    cr_assert_eq(count_lines(out), 5);
    cr_assert_eq(interrupted("TERM", "monitor --after 3 --json", 2), 0, "%s", err);
    cr_assert_eq(count_lines(out), 2);
    out[strcspn(out, "\n")] = '\0';
    json_decref(parse(out));
    has(out, "\"sequence\":4");
    cr_assert_str_empty(err);
}

Test(ctl_events, being_cut_off_loses_and_repeats_nothing)
{
    program_server.cuts = 2;
    cr_assert_eq(interrupted("INT", "monitor --after 0 --json", 5), 0, "%s", err);
    cr_assert_eq(count_lines(out), 5, "%s", out);
    for (int i = 1; i <= 5; i++) {
        char part[32];

        snprintf(part, sizeof part, "\"sequence\":%d,", i);
        has(out, part);
    }
    has(err, "{\"stream\":\"cut\",\"message\":\"the stream was cut off (the daemon closed it)");
    has(err, "goes on after event 4");
}

Test(ctl_events, a_gap_is_told)
{
    program_server.events_gone = 3;
    cr_assert_eq(interrupted("INT", "monitor --after 1", 2), 0, "%s", err);
    has(out, "  4  customer.updated");
    cr_assert_str_eq(err, "creditctl: the events up to 3 are no longer kept\n");
    cr_assert_eq(interrupted("INT", "monitor --after 0", 2), 0);
    cr_assert_str_empty(err, "from the oldest there is no gap");
}

Test(ctl_events, what_a_subscriber_was_shown_is_acknowledged)
{
    cr_assert_eq(interrupted("INT", "monitor --subscriber desk", 5), 0, "%s", err);
    cr_assert_eq(program_server.place, 5);
    program_server.events = 7;
    cr_assert_eq(interrupted("INT", "monitor --subscriber desk", 2), 0, "%s", err);
    has(out, "  6  credits.low");
    cr_assert_eq(program_server.place, 7);
}

Test(ctl_events, what_cannot_be_monitored)
{
    cr_assert_eq(ctl("$P monitor --socket /nowhere/s"), 3);
    has(err, "no daemon listens at /nowhere/s");
    cr_assert_eq(ctl("$P monitor --types 'hook.*'"), 2);
    has(err, "there is no event type hook.*;");
    cr_assert_eq(ctl("$P monitor --subscriber 'a b'"), 2);
    cr_assert_eq(ctl("$P monitor --after x"), 2);
    cr_assert_eq(ctl("$P monitor now"), 2);
}

Test(ctl_events, a_subscriber_is_forgotten)
{
    program_server.place = 4;
    cr_assert_eq(ctl("$P events forget app"), 0, "%s", err);
    cr_assert_str_eq(out, "app: forgotten, at event 4\n");
    cr_assert_eq(program_server.last.values[PROTO_PARAMETER_SUBSCRIBER].length, 3);
    cr_assert_eq(ctl("$P events forget"), 2);
    cr_assert_eq(program_server.asked[PROTO_METHOD_EVENT_UNSUBSCRIBE], 1);
}

Test(ctl_events, hooks_and_what_they_could_not_deliver)
{
    cr_assert_eq(ctl("$P hooks"), 0, "%s", err);
    has(out, "hook      configured  up to event  running  failed  behind one  delivered  parked  "
             "oldest\n"
             "on_event  yes                  12        1       3           2       1234       4  "
             "-\n\n");
    has(out, "    7  on_event  credits.low  cus_1     parked        9       1  exited with 1  -\n");
    has(out, "There are more: --limit shows them\n");
    cr_assert_eq(ctl("$P hooks on_event --state parked --limit 3 --json"), 0, "%s", err);
    json_decref(parse(out));
    cr_assert(program_server.last.present & PROTO_BIT(HOOK));
    cr_assert(program_server.last.present & PROTO_BIT(STATE));
    cr_assert_eq(program_server.last.values[PROTO_PARAMETER_LIMIT].number, 3);
    cr_assert_eq(ctl("$P hooks retry on_event"), 0, "%s", err);
    cr_assert_str_eq(out, "on_event: retried\n");
    cr_assert_not(program_server.last.present & PROTO_BIT(SEQUENCE));
    cr_assert_eq(ctl("$P hooks retry on_event 7"), 0, "%s", err);
    cr_assert_str_eq(out, "on_event, event 7: retried\n");
    cr_assert_eq(ctl("$P hooks drop on_event 7"), 0, "%s", err);
    cr_assert_str_eq(out, "on_event, event 7: dropped\n");
    cr_assert_eq(ctl("$P hooks drop on_event"), 0, "%s", err);
    cr_assert_str_eq(out, "on_event: dropped\n");
    cr_assert_not(program_server.last.present & PROTO_BIT(SEQUENCE));
    cr_assert_eq(ctl("$P hooks drop on_event 0"), 2);
    cr_assert_eq(ctl("$P hooks drop"), 2);
    cr_assert_eq(program_server.asked[PROTO_METHOD_HOOK_DROP], 2);
}

Test(ctl_events, the_example_runs)
{
    program_server.events = 11;
    program_server.cuts = 1;
    cr_assert_eq(run(EXAMPLE_EVENTS, "$P shop 3"), 0, "%s", err);
    cr_assert_str_eq(out, "cus_1 has 1009 credits of prod_1 left\n"
                          "cus_1 has 1009 credits of prod_1 left\n"
                          "cus_1 has 1009 credits of prod_1 left\n");
    cr_assert_eq(program_server.place, 11);
}

Test(ctl_events, captured_events_are_decoded)
{
    cr_assert_eq(ctl("printf '\\223\\2\\245event\\221\\202\\242id\\245evt_1\\250sequence\\1' |"
                     "$P decode"),
                 0, "%s", err);
    cr_assert_str_eq(out, "[2,\"event\",[{\"id\":\"evt_1\",\"sequence\":1}]]\n");
    /* A message is shown when it is there, not only at the end. */
    cr_assert_eq(ctl("f=$(mktemp -u); mkfifo $f; $P decode <$f | { read -r l; echo \"$l\"; cat; } &"
                     "{ printf '\\300'; printf '\\301'; } >$f; rm $f; wait"),
                 0);
    cr_assert_str_eq(out, "null\n");
}
