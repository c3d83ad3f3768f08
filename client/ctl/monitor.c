/*
 * Events as they come, a line each, until a signal or the reader of the output ends it. Each line
 * is out before the next event is looked at, and before its event is acknowledged for a subscriber.
 * The daemon may come and go: only at the beginning must it be there.
 *
 * Signals come through a descriptor, and are waited for together with the connection: one that
 * arrives between two steps is not missed.
 */
#include "ctl.h"
#include <errno.h>
#include <inttypes.h>
#include <json_value.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

struct monitor {
    struct ctl *ctl;
    int signals;
    bool was_cut;
};

/* About the stream, beside it: on standard error. */
static void note(const struct monitor *monitor, const char *word, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void note(const struct monitor *monitor, const char *word, const char *format, ...)
{
    char text[512];
    va_list arguments;
    json_t *document;

    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (!monitor->ctl->options[OPTION_JSON]) {
        fprintf(stderr, "creditctl: %s\n", text);
        return;
    }
    document = json_pack("{s:s, s:s}", "stream", word, "message", text);
    if (document)
        json_dumpf(document, stderr, JSON_COMPACT);
    fputc('\n', stderr);
    json_decref(document);
}

static void on_stream(struct creditd *connection, const struct creditd_stream *stream, void *data)
{
    struct monitor *monitor = data;

    (void)connection;
    switch (stream->change) {
    case CREDITD_STREAM_BEGUN:
        if (monitor->was_cut)
            note(monitor, "begun", "the daemon is there again: goes on after event %" PRId64,
                 stream->after);
        monitor->was_cut = false;
        break;
    case CREDITD_STREAM_CUT:
        note(monitor, "cut", "the stream was cut off (%s); waits for the daemon", stream->message);
        monitor->was_cut = true;
        break;
    case CREDITD_STREAM_GAP:
        if (stream->last < stream->after)
            note(monitor, "gap", "there are no events after %" PRId64 " yet", stream->last);
        else
            note(monitor, "gap", "the events up to %" PRId64 " are no longer kept", stream->last);
        break;
    case CREDITD_STREAM_ENDED: /* creditd_event_next says it */
    default:
        break;
    }
}

static int print_line(const struct creditd_event *event)
{
    return printf("%s  %" PRId64 "  %-22s  %s  %s  %s\n", human_time(event->created).bytes,
                  event->sequence, event->type, event->customer_id[0] ? event->customer_id : "-",
                  event->product_id[0] ? event->product_id : "-", ctl_describe(event).bytes);
}

/* Whether it has left this process. */
static bool print_event(const struct ctl *ctl, const struct creditd_event *event)
{
    bool is_done = true;

    if (ctl->options[OPTION_JSON]) {
        json_t *document = json_from_value(event->value);

        is_done = ctl_print_document(document, true) == EXIT_DONE;
        json_decref(document);
    } else {
        is_done = print_line(event) > 0;
    }
    return fflush(stdout) == 0 && is_done;
}

/* All that there are now. 0; -ECANCELED: nobody reads the output; else how the stream ended. */
static int print_events(const struct monitor *monitor, int64_t *last)
{
    struct creditd *connection = monitor->ctl->connection;
    struct creditd_event event;
    int r;

    while ((r = creditd_event_next(connection, &event, 0)) == 0 || r == CREDITD_GAP) {
        if (r == 0 && !print_event(monitor->ctl, &event))
            return -ECANCELED;
        if (r == 0)
            *last = event.sequence;
    }
    return r == -ETIMEDOUT || r == -EINTR ? 0 : r;
}

/* False: a signal has come, or nobody reads the output any more. */
static bool wait_for_more(const struct monitor *monitor)
{
    struct creditd *connection = monitor->ctl->connection;
    struct pollfd polls[] = {
        {.fd = monitor->signals, .events = POLLIN},
        {.fd = STDOUT_FILENO},
        {.fd = creditd_fd(connection), .events = creditd_wanted(connection)},
    };

    poll(polls, sizeof polls / sizeof polls[0], creditd_timeout(connection));
    return polls[0].revents == 0 && !(polls[1].revents & (POLLERR | POLLHUP));
}

/* What was printed is done with: the next run of this subscriber begins behind it. */
static void keep_place(struct ctl *ctl, int64_t last)
{
    struct creditd_event_ack_request request = {
        .subscriber = ctl->options[OPTION_SUBSCRIBER], .sequence = last, .timeout = 1000};
    struct creditd_event_ack_result result;

    if (request.subscriber && last > 0 &&
        creditd_event_ack(ctl->connection, &request, &result) != 0)
        fprintf(stderr, "creditctl: the place was not kept: %s\n",
                creditd_reply_message(creditd_last(ctl->connection)));
}

static int monitor_events(struct monitor *monitor, struct creditd_subscribe_request *request)
{
    struct ctl *ctl = monitor->ctl;
    int64_t last = 0;
    int r;

    request->hooks.on_stream = on_stream;
    request->data = monitor;
    if (creditd_subscribe(ctl->connection, request) < 0)
        return ctl_usage(ctl, "--subscriber must be an id, not %s", request->subscriber);
    do
        r = print_events(monitor, &last);
    while (r == 0 && wait_for_more(monitor));
    if (r != 0 && r != -ECANCELED)
        return ctl_fail(ctl);
    creditd_unsubscribe(ctl->connection);
    keep_place(ctl, last);
    return EXIT_DONE;
}

/* The daemon must be there now, and may go later: a connection that does not wait asks, another
 * one, to the same socket, goes on. */
static int open_connection(struct ctl *ctl)
{
    struct creditd_ping_result result;
    struct creditd *asking;
    int r = ctl_open(ctl);

    if (r != 0 || ctl->options[OPTION_WAIT])
        return r;
    if (creditd_ping(ctl->connection, &result) != 0)
        return ctl_fail(ctl);
    asking = ctl->connection;
    r = creditd_open(&ctl->connection, creditd_path(asking), 0);
    if (r < 0)
        ctl->connection = NULL;
    creditd_close(asking);
    return r < 0 ? ctl_usage(ctl, "%s", strerror(-r)) : 0;
}

static int catch_signals(void)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigprocmask(SIG_BLOCK, &set, NULL);
    return signalfd(-1, &set, SFD_CLOEXEC);
}

int run_monitor(struct ctl *ctl)
{
    struct creditd_subscribe_request request = {.subscriber = ctl->options[OPTION_SUBSCRIBER]};
    struct monitor monitor = {.ctl = ctl};
    struct ctl_types types;
    int r = ctl_types(ctl, &types);

    if (r == 0)
        r = ctl_number(ctl, "--after", ctl->options[OPTION_AFTER], 0, &request.after);
    if (r == 0)
        r = open_connection(ctl);
    if (r != 0)
        return r;
    request.types = types.types;
    if (ctl->options[OPTION_AFTER])
        request.from = request.after > 0 ? CREDITD_FROM_AFTER : CREDITD_FROM_OLDEST;
    monitor.signals = catch_signals();
    if (monitor.signals < 0)
        return ctl_usage(ctl, "signals: %s", strerror(errno));
    r = monitor_events(&monitor, &request);
    close(monitor.signals);
    return r;
}
