/*
 * creditctl: one table of commands, one of options. A command is a row that says which options it
 * takes; parsing, --help and the usage line follow from that.
 */
#pragma once

#include <creditd.h>
#include <jansson.h>
#include <json_value.h>
#include <stdint.h>
#include <stdio.h>

enum exit_code {
    EXIT_DONE = 0,
    EXIT_REFUSED = 1,   /* the daemon said no, not in time, or is lost */
    EXIT_USAGE = 2,     /* the command line is wrong */
    EXIT_NO_DAEMON = 3, /* nobody listens */
};

/* enumerator, name, what it takes (NULL: nothing), help */
#define CTL_OPTIONS(X)                                                                             \
    X(SOCKET, "socket", "PATH", "the daemon's socket")                                             \
    X(JSON, "json", NULL, "one JSON document, for programs")                                       \
    X(TIMEOUT, "timeout", "SECONDS", "how long to wait for an answer (10)")                        \
    X(WAIT, "wait", NULL, "wait for the daemon if it is not there")                                \
    X(HELP, "help", NULL, "this text")                                                             \
    X(VERSION, "version", NULL, "the version of this program")                                     \
    X(CUSTOMER, "customer", "ID", "whose credits: a StellarTools customer")                        \
    X(USER, "user", "ID", "whose credits: a user of the app")                                      \
    X(SESSION_FILE, "session-file", "FILE", "whose credits: a Better Auth session (- for input)")  \
    X(PRODUCT, "product", "ID", "the product, in place of the argument")                           \
    X(AMOUNT, "amount", "N", "the raw amount, in place of the argument")                           \
    X(FRESH, "fresh", NULL, "ask StellarTools first")                                              \
    X(KEY, "key", "KEY", "an idempotency key: with the same key it is done once")                  \
    X(STAMP, "stamp", "STAMP", "ask again with the stamp of a call without an answer")             \
    X(METADATA, "metadata", "JSON", "an object that is kept with it")                              \
    X(LIMIT, "limit", "N", "at most so many")                                                      \
    X(OFFSET, "offset", "N", "without so many of the newest")                                      \
    X(SOURCE, "source", "WORD", "upstream: ask StellarTools")                                      \
    X(STATE, "state", "WORD", "only those in that state, like parked")                             \
    X(REASON, "reason", "TEXT", "why, for the record")                                             \
    X(TTL, "ttl", "TIME", "for how long: 90s, 30m, 24h (10m)")                                     \
    X(EMAIL, "email", "ADDRESS", "the customer's email address")                                   \
    X(NAME, "name", "TEXT", "the customer's name")                                                 \
    X(PHONE, "phone", "TEXT", "the customer's telephone number")                                   \
    X(IMAGE, "image", "URL", "the customer's picture")                                             \
    X(CANCEL, "cancel-at-period-end", "yes|no", "whether it ends with its period")                 \
    X(TRIAL_DAYS, "trial-days", "N", "days without payment")                                       \
    X(SECRETS, "secrets", NULL, "show sessions, which are hidden otherwise")                       \
    X(TYPES, "types", "TYPE,...", "only those: credits.low, subscription.*")                       \
    X(AFTER, "after", "N", "from the event after number N on; 0: from the oldest")                 \
    X(SUBSCRIBER, "subscriber", "NAME", "the daemon keeps the place under that name")

enum ctl_option {
#define X(name, word, takes, help) OPTION_##name,
    CTL_OPTIONS(X)
#undef X
        OPTION_COUNT_
};

#define BIT(name) (1u << OPTION_##name)
#define COMMON_OPTIONS                                                                             \
    (BIT(SOCKET) | BIT(JSON) | BIT(TIMEOUT) | BIT(WAIT) | BIT(HELP) | BIT(VERSION))
#define WHO_OPTIONS (BIT(CUSTOMER) | BIT(USER) | BIT(SESSION_FILE))
#define WHO_USAGE "(--customer ID | --user ID | --session-file FILE)"
#define ARGUMENTS_MAX 2

struct ctl {
    const struct command *command;
    const char *options[OPTION_COUNT_]; /* NULL: not given; "" for those that take nothing */
    const char *arguments[ARGUMENTS_MAX];
    int argument_count, used_arguments;
    struct creditd *connection;
    char session[CREDITD_SESSION_MAX + 4]; /* and what ends its line */
};

struct command {
    const char *name; /* of one word or two */
    const char *arguments;
    int least, most; /* arguments */
    unsigned options;
    const char *help;
    int (*run)(struct ctl *ctl);
};

/* options.c */
void ctl_help(const struct command *command, FILE *file);
/* Those that the command takes; NULL: those that all take. */
void ctl_help_options(const struct command *command, FILE *file);
/* 0, or an exit code + 1 (help: done). */
int ctl_parse(struct ctl *ctl, int argc, char **argv);
/* Says what is wrong, and how to get help; EXIT_USAGE. */
int ctl_usage(const struct ctl *ctl, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* An integer from 0 (1: `least`) on; 0 where the option is not given. EXIT_USAGE on failure. */
int ctl_number(const struct ctl *ctl, const char *name, const char *text, int64_t least,
               int64_t *ret_number);
int ctl_who(struct ctl *ctl, struct creditd_who *ret_who);
/* The option where it is given, else the next argument; NULL and a message if there is neither. */
const char *ctl_argument(struct ctl *ctl, enum ctl_option option, const char *name);
/* EXIT_USAGE where an argument is left. */
int ctl_no_more(const struct ctl *ctl);
/* "90s" and so on, in ms; 0 where there is no text. EXIT_USAGE on failure. */
int ctl_duration(const struct ctl *ctl, const char *name, const char *text, int64_t *ret_ms);
/* An object from an argument; "-" is standard input. NULL after a message. */
json_t *ctl_object(const struct ctl *ctl, const char *name, const char *text);

/* begin.c: what many commands begin with; 0, or an exit code after a message. */
/* Whose, and the connection. */
int ctl_begin(struct ctl *ctl, struct creditd_who *ret_who);
/* Whose, the product, the raw amount, and the connection. */
int ctl_begin_purchase(struct ctl *ctl, struct creditd_who *ret_who, const char **ret_product,
                       int64_t *ret_amount);
/* --metadata; NULL where it is not given. To be freed. */
int ctl_metadata(const struct ctl *ctl, struct creditd_map **ret_map);
/* --key or --stamp, into what a request takes; `stamp` is the stamp's place. */
int ctl_once(const struct ctl *ctl, const char **ret_key, struct creditd_stamp *stamp,
             const struct creditd_stamp **ret_stamp);

/* output.c */
int ctl_open(struct ctl *ctl);
/* Prints the result of the last call as JSON, if that is wanted; else false. */
bool ctl_print_json(const struct ctl *ctl);
/* Prints why the last call failed, and says what to do; the exit code. */
int ctl_fail(const struct ctl *ctl);
int ctl_print_document(const json_t *document, bool is_compact);
/* For people. */
struct text {
    char bytes[64];
};
struct text human_count(int64_t number); /* 1,234,567 */
struct text human_duration(int64_t ms);  /* 4.2 s, 3 h 12 min */
struct text human_time(int64_t ms);      /* 2025-06-01 12:30:00 */
struct text human_age(int64_t ms);       /* 3.1 s ago */

/* table.c: aligned columns; '>' in `align` for numbers. Rows are `columns` texts each. */
struct table {
    size_t columns, rows, size;
    const char *align;
    char **cells;
    bool is_broken; /* no memory */
};
void table_init(struct table *table, const char *align);
void table_deinit(struct table *table);
void table_add(struct table *table, const char *text);
void table_print(const struct table *table, FILE *file);

void table_row(struct table *table, const char *name, const char *value);
/* Texts until NULL. */
void table_heads(struct table *table, ...) __attribute__((sentinel));

/* What comes from elsewhere must not move the terminal's cursor. */
void ctl_hide_controls(char *text);

/* object.c */
void ctl_note_staleness(bool stale, int64_t synced_at);
/* All members, one a line. */
void ctl_print_object(const struct creditd_object *object);
/* How a member is shown; its text lives in `text`. */
struct cell {
    char bytes[256];
};
struct cell cell_of(const char *key, const struct creditd_value *value);
/* Prints what a call has come to: as JSON, as an object, or why it failed. Clears the object. */
int ctl_finish_object(const struct ctl *ctl, int status, struct creditd_object *object);

/* events.c */
#define CTL_TYPES_MAX 32
struct ctl_types {
    char text[2048];
    const char *list[CTL_TYPES_MAX + 1];
    const char *const *types; /* the list, or NULL: not given */
};
/* --types. EXIT_USAGE on failure. */
int ctl_types(const struct ctl *ctl, struct ctl_types *ret_types);
/* What an event says beside its type and whose it is, in a few words. */
struct cell ctl_describe(const struct creditd_event *event);

int run_ping(struct ctl *ctl);
int run_status(struct ctl *ctl);
int run_balance(struct ctl *ctl);
int run_check(struct ctl *ctl);
int run_consume(struct ctl *ctl);
int run_transactions(struct ctl *ctl);
int run_reserve(struct ctl *ctl);
int run_extend(struct ctl *ctl);
int run_settle(struct ctl *ctl);
int run_release(struct ctl *ctl);
int run_grant(struct ctl *ctl);
int run_refund_credits(struct ctl *ctl);
int run_refund_payment(struct ctl *ctl);
int run_access(struct ctl *ctl);
int run_customer_create(struct ctl *ctl);
int run_customer_retrieve(struct ctl *ctl);
int run_customer_update(struct ctl *ctl);
int run_customer_link(struct ctl *ctl);
int run_customer_unlink(struct ctl *ctl);
int run_user_created(struct ctl *ctl);
int run_subscription_create(struct ctl *ctl);
int run_subscription_list(struct ctl *ctl);
int run_subscription_retrieve(struct ctl *ctl);
int run_subscription_update(struct ctl *ctl);
int run_subscription_cancel(struct ctl *ctl);
int run_subscription_pause(struct ctl *ctl);
int run_subscription_resume(struct ctl *ctl);
int run_backup(struct ctl *ctl);
int run_verify(struct ctl *ctl);
int run_push_list(struct ctl *ctl);
int run_push_retry(struct ctl *ctl);
int run_push_drop(struct ctl *ctl);
int run_upstream_accept(struct ctl *ctl);
int run_push_settle(struct ctl *ctl);
int run_monitor(struct ctl *ctl);
int run_events(struct ctl *ctl);
int run_events_forget(struct ctl *ctl);
int run_hooks(struct ctl *ctl);
int run_hooks_retry(struct ctl *ctl);
int run_hooks_drop(struct ctl *ctl);
int run_refresh(struct ctl *ctl);
int run_metrics(struct ctl *ctl);
int run_call(struct ctl *ctl);
int run_decode(struct ctl *ctl);
