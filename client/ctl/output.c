/* What is printed: results, errors with what to do about them, numbers and times for people. */
#include "ctl.h"
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

int ctl_open(struct ctl *ctl)
{
    int64_t seconds;
    int r = ctl_number(ctl, "--timeout", ctl->options[OPTION_TIMEOUT], 1, &seconds);

    if (r != 0)
        return r;
    r = creditd_open(&ctl->connection, ctl->options[OPTION_SOCKET],
                     ctl->options[OPTION_WAIT] ? 0 : CREDITD_NO_WAIT);
    if (r < 0)
        return ctl_usage(ctl, "--socket: %s", strerror(-r));
    if (seconds > 0)
        creditd_set_timeout(ctl->connection,
                            seconds > 4000000 ? CREDITD_FOREVER : (uint32_t)seconds * 1000);
    return 0;
}

int ctl_print_document(const json_t *document, bool is_compact)
{
    size_t flags = JSON_ENCODE_ANY | (is_compact ? JSON_COMPACT : JSON_INDENT(2));

    if (!document || json_dumpf(document, stdout, flags) < 0) {
        fputs("creditctl: the result cannot be printed\n", stderr);
        return EXIT_REFUSED;
    }
    putchar('\n');
    return EXIT_DONE;
}

bool ctl_print_json(const struct ctl *ctl)
{
    json_t *result;

    if (!ctl->options[OPTION_JSON])
        return false;
    result = json_from_value(creditd_reply_result(creditd_last(ctl->connection)));
    ctl_print_document(result, true);
    json_decref(result);
    return true;
}

static const char *advice(int status)
{
    switch (status) {
    case -ENOTCONN:
        return "is it running? creditd starts it, systemctl status creditd.socket shows it, "
               "--socket names another";
    case -ETIMEDOUT:
        return "creditctl status shows what it is busy with; --timeout waits longer";
    case CREDITD_PERMISSION_DENIED:
        return "[access] in the configuration says which users and groups may";
    case CREDITD_UNKNOWN_METHOD:
        return "the daemon is another version: creditctl ping shows which";
    case CREDITD_UPSTREAM_UNAVAILABLE:
        return "creditctl status shows whether StellarTools is reachable";
    case CREDITD_PRODUCT_PARKED:
        return "creditctl push list shows what was seen, and [products] sets its units_per_credit";
    case CREDITD_UNAUTHENTICATED:
        return "the user must sign in again";
    case CREDITD_SESSION_UNAVAILABLE:
        return "the application could not be asked; [better_auth] in the configuration says where "
               "it is";
    default:
        return NULL;
    }
}

static void print_error_json(const struct creditd_reply *reply, const char *stamp)
{
    json_t *error =
        json_pack("{s:s, s:s, s:o, s:b}", "code", creditd_reply_code(reply), "message",
                  creditd_reply_message(reply), "data", json_from_value(creditd_reply_data(reply)),
                  "in_doubt", creditd_reply_in_doubt(reply));

    if (stamp)
        json_object_set_new(error, "stamp", json_string(stamp));
    if (error)
        json_dumpf(error, stderr, JSON_COMPACT);
    fputc('\n', stderr);
    json_decref(error);
}

static void print_available(const struct creditd_reply *reply)
{
    int64_t available =
        creditd_value_int(creditd_value_get(creditd_reply_data(reply), "available"), INT64_MIN);

    if (available != INT64_MIN)
        fprintf(stderr, ": there are %s", human_count(available).bytes);
}

static void print_error(const struct creditd_reply *reply, const char *stamp)
{
    const char *what_to_do = advice(creditd_reply_status(reply));

    fprintf(stderr, "creditctl: %s", creditd_reply_message(reply));
    if (creditd_reply_status(reply) == CREDITD_INSUFFICIENT_CREDITS)
        print_available(reply);
    if (creditd_reply_status(reply) > 0)
        fprintf(stderr, " (%s)", creditd_reply_code(reply));
    fputc('\n', stderr);
    if (what_to_do)
        fprintf(stderr, "  %s\n", what_to_do);
    if (stamp)
        fprintf(stderr, "  it may have been done: ask again with --stamp %s\n", stamp);
    else if (creditd_reply_in_doubt(reply))
        fputs("  it may have been done: look before you ask again\n", stderr);
}

/* The daemon said yes, in a shape that is not known here. */
static int fail_to_read(const struct ctl *ctl)
{
    static const char text[] =
        "the daemon's answer is not what belongs there; is it another version?";

    if (ctl->options[OPTION_JSON])
        fprintf(stderr, "{\"code\":\"%s\",\"message\":\"%s\",\"data\":null}\n",
                creditd_code_word(-EPROTO), text);
    else
        fprintf(stderr, "creditctl: %s\n", text);
    return EXIT_REFUSED;
}

int ctl_fail(const struct ctl *ctl)
{
    const struct creditd_reply *reply = creditd_last(ctl->connection);
    int status = creditd_reply_status(reply);
    char stamp[CREDITD_STAMP_TEXT_SIZE] = "";

    if (status == 0)
        return fail_to_read(ctl);
    if (creditd_reply_in_doubt(reply) && creditd_reply_stamp(reply))
        creditd_stamp_to_text(creditd_reply_stamp(reply), stamp);
    if (ctl->options[OPTION_JSON])
        print_error_json(reply, stamp[0] ? stamp : NULL);
    else
        print_error(reply, stamp[0] ? stamp : NULL);
    if (status == -EINVAL || status == -EMSGSIZE)
        return EXIT_USAGE;
    return status == -ENOTCONN ? EXIT_NO_DAEMON : EXIT_REFUSED;
}

struct text human_count(int64_t number)
{
    struct text text = {0};
    char digits[24];
    size_t length, out = 0;

    snprintf(digits, sizeof digits, "%" PRId64, number);
    length = strlen(digits);
    for (size_t i = 0; i < length; i++) {
        size_t left = length - i;

        if (i > 0 && left % 3 == 0 && digits[i - 1] != '-')
            text.bytes[out++] = ',';
        text.bytes[out++] = digits[i];
    }
    return text;
}

struct text human_duration(int64_t ms)
{
    struct text text = {0};
    int64_t s = ms / 1000;
    long long seconds = s;

    if (ms < 0)
        snprintf(text.bytes, sizeof text.bytes, "-");
    else if (ms < 1000)
        snprintf(text.bytes, sizeof text.bytes, "%lld ms", (long long)ms);
    else if (s < 60)
        snprintf(text.bytes, sizeof text.bytes, "%lld.%lld s", seconds, (long long)(ms / 100 % 10));
    else if (s < 3600)
        snprintf(text.bytes, sizeof text.bytes, "%lld min %lld s", seconds / 60, seconds % 60);
    else if (s < 86400)
        snprintf(text.bytes, sizeof text.bytes, "%lld h %lld min", seconds / 3600,
                 seconds / 60 % 60);
    else
        snprintf(text.bytes, sizeof text.bytes, "%lld d %lld h", seconds / 86400,
                 seconds / 3600 % 24);
    return text;
}

struct text human_time(int64_t ms)
{
    struct text text = {.bytes = "never"};
    time_t seconds = (time_t)(ms / 1000);
    struct tm tm;

    if (ms > 0 && localtime_r(&seconds, &tm))
        strftime(text.bytes, sizeof text.bytes, "%Y-%m-%d %H:%M:%S", &tm);
    return text;
}

struct text human_age(int64_t ms)
{
    struct timespec now = {0};
    struct text text = {.bytes = "never"}, age;
    int64_t passed;

    if (ms <= 0)
        return text;
    clock_gettime(CLOCK_REALTIME, &now);
    passed = (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000 - ms;
    age = human_duration(passed < 0 ? 0 : passed);
    snprintf(text.bytes, sizeof text.bytes, "%.50s ago", age.bytes);
    return text;
}
