/* See clock.h. */
#include "clock.h"
#include "policy.h"
#include <core/record.h>
#include <core/rows.h>
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <store/store.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <util/clock.h>
#include <util/config.h>
#include <util/log.h>
#include <util/macros.h>

#define DAY_MS (INT64_C(24) * 60 * 60 * 1000)

struct moment {
    char text[32];
};

static struct moment moment(int64_t ms)
{
    struct moment moment = {"?"};
    time_t seconds = ms / 1000;
    struct tm tm;

    if (gmtime_r(&seconds, &tm) != NULL)
        (void)strftime(moment.text, sizeof(moment.text), "%Y-%m-%d %H:%M:%S UTC", &tm);
    return moment;
}

int clock_check(const struct store *store, int64_t wall_ms)
{
    int64_t last = store_last_time(store), days = (wall_ms - last) / DAY_MS;
    struct moment now = moment(wall_ms), then = moment(last);

    switch (ledger_clock_judge(last, wall_ms)) {
    case LEDGER_CLOCK_FINE:
        break;
    case LEDGER_CLOCK_BEHIND:
        log_warning("the clock says %s, but the ledger's last record is of %s: the ledger's time "
                    "goes on from there, for it never goes back",
                    now.text, then.text);
        break;
    case LEDGER_CLOCK_AHEAD:
        log_warning("the clock says %s, %" PRId64 " days after the ledger's last record (%s): what "
                    "was held or kept for a time until then is over now",
                    now.text, days, then.text);
        break;
    case LEDGER_CLOCK_FAR_AHEAD:
        log_error("the clock says %s, %" PRId64 " days after the ledger's last record (%s): if it "
                  "is wrong, set it right; if it is right, run creditd-serve --accept-clock once, "
                  "see creditd-serve(8)",
                  now.text, days, then.text);
        return -ERANGE;
    }
    return 0;
}

static int skip(void *userdata, const struct record *record, uint64_t place)
{
    (void)userdata;
    (void)record;
    (void)place;
    return 0;
}

static void nothing(void *userdata)
{
    (void)userdata;
}

/* A record of now, which says what came before: from then on the ledger's time is this one. */
static int append_now(struct store *store, int64_t last, int64_t now)
{
    struct record_image image = {
        TABLE_META, CORE_META_CLOCK, strlen(CORE_META_CLOCK), &last, sizeof(last),
    };
    struct record_header header = {
        .time = now,
        .uid = getuid(),
        .pid = (uint32_t)getpid(),
        .type = RECORD_SETTING,
        .epoch = store_epoch(store),
    };
    uint64_t place;
    uint8_t *buffer;
    int r = store_append(store, record_size(&image, 1, 0), true, &buffer, &header.sequence, &place);

    if (r == 0)
        record_encode(buffer, &header, &image, 1, NULL, 0);
    return r;
}

int clock_accept(const struct config *config)
{
    CLEANUP(cleanup_free) char *error = NULL;
    struct store_options options;
    struct store *store = NULL;
    int64_t last, now = clock_wall_ms();
    bool is_far;
    int r, closed;

    policy_store_options(config, &options);
    options.directory = config->paths.state_directory;
    options.on_progress = nothing;
    r = store_open(&options, NULL, skip, NULL, &store, &error);
    if (r < 0) {
        log_error("%s", error != NULL ? error : strerror(-r));
        return 1;
    }
    last = store_last_time(store);
    is_far = ledger_clock_judge(last, now) == LEDGER_CLOCK_FAR_AHEAD;
    if (is_far)
        r = append_now(store, last, now);
    closed = store_close(store, true);
    if (r < 0 || closed < 0) {
        log_error("%s: the time cannot be recorded: %s", options.directory,
                  strerror(r < 0 ? -r : -closed));
        return 1;
    }
    if (is_far)
        printf("the ledger's last record was of %s; it goes on from %s\n", moment(last).text,
               moment(now).text);
    else
        printf("the clock is not that far ahead of the ledger: there is nothing to accept\n");
    return fflush(stdout) == 0 ? 0 : 1;
}
