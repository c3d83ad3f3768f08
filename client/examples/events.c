/*
 * Tells whose credits run low, each time at least once, whatever is restarted in between: the
 * daemon keeps this subscriber's place, and an event is acknowledged when its hook has returned 0.
 *
 *     events SUBSCRIBER [COUNT]        ends after so many
 */
#include <creditd.h>
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

struct watch {
    long left; /* 0: without end */
    bool is_over;
};

static int on_credits_low(struct creditd *connection, const struct creditd_event *event, void *data)
{
    struct watch *watch = data;
    int64_t balance = creditd_value_int(creditd_value_get(event->object, "balance"), 0);

    (void)connection;
    printf("%s has %" PRId64 " credits of %s left\n", event->customer_id, balance,
           event->product_id);
    if (fflush(stdout) != 0)
        return -1; /* it comes again */
    if (watch->left > 0 && --watch->left == 0)
        watch->is_over = true;
    return 0;
}

static void on_stream(struct creditd *connection, const struct creditd_stream *stream, void *data)
{
    struct watch *watch = data;

    (void)connection;
    if (stream->change == CREDITD_STREAM_GAP)
        fprintf(stderr, "events up to %" PRId64 " were missed\n", stream->last);
    if (stream->change == CREDITD_STREAM_ENDED) {
        fprintf(stderr, "%s\n", stream->message);
        watch->is_over = true;
    }
}

static int wait_for(struct creditd *connection)
{
    int r = creditd_wait(connection, -1);

    return r == -EINTR ? 0 : r;
}

int main(int argc, char **argv)
{
    struct creditd *connection;
    struct watch watch = {0};
    int r;

    if (argc < 2 || argc > 3) {
        fprintf(stderr, "usage: %s SUBSCRIBER [COUNT]\n", argv[0]);
        return 2;
    }
    struct creditd_subscribe_request request = {
        .subscriber = argv[1],
        .hooks = {.on_credits_low = on_credits_low, .on_stream = on_stream},
        .data = &watch,
    };

    watch.left = argc == 3 ? strtol(argv[2], NULL, 10) : 0;
    if (creditd_open(&connection, NULL, 0) < 0)
        return 1;
    r = creditd_subscribe(connection, &request);
    while (r == 0 && !watch.is_over)
        r = wait_for(connection);
    /* The last acknowledgement is still on its way. */
    creditd_unsubscribe(connection);
    while (r == 0 && creditd_pending(connection) > 0)
        r = wait_for(connection);
    creditd_close(connection);
    return r == 0 ? 0 : 1;
}
