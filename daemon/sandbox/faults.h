/*
 * The faults that can be ordered: one table, from which the command line, the control endpoint,
 * --help and the check of the man page are all served. A new fault is a row in faults.c and a name
 * here.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum fault {
    FAULT_LATENCY,
    FAULT_LATENCY_JITTER,
    FAULT_ERROR_BEFORE_COMMIT,
    FAULT_ERROR_AFTER_COMMIT,
    FAULT_RESET_BEFORE,
    FAULT_RESET_AFTER,
    FAULT_HANG,
    FAULT_HANG_COMMITS,
    FAULT_STUCK_LOCK,
    FAULT_KEY_IGNORED,
    FAULT_SLOW_READ_WRITE,
    FAULT_ROW_WITHOUT_BALANCE,
    FAULT_BALANCE_WITHOUT_ROW,
    FAULT_LATE_COMMIT,
    FAULT_INSUFFICIENT,
    FAULT_DOWN,
    FAULT_HTML,
    FAULT_HTML_COMMITS,
    FAULT_EMPTY,
    FAULT_GARBAGE,
    FAULT_RATE_LIMIT,
    FAULT_RATE_WINDOW,
    FAULT_RETRY_AFTER,
    FAULT_UNAUTHORIZED,
    FAULT_FORBIDDEN,
    FAULT_ENVELOPE,
    FAULT_ERROR_FORM,
    FAULT_BUSINESS_STATUS,
    FAULT_LIST_FORM,
    FAULT_TRANSACTION_FORM,
    FAULT_MISSING_BALANCE,
    FAULT_UNITS_FIELDS,
    FAULT_NO_PRODUCT_ENDPOINT,
    FAULT_NO_ACCESS_ENDPOINT,
    FAULT_EMAIL_FILTER,
    FAULT_SUBSCRIPTION_FILTER,
    FAULT_CUSTOMER_BODY,
    FAULT_CUSTOMER_ANSWER,
    FAULT_REFUND_STATUS,
    FAULT_ONLY,
    FAULT_ONLY_METHOD,
    FAULT_TIMES,
    FAULT_COUNT,
};

enum fault_type {
    FAULT_TYPE_PROBABILITY, /* 0 to 1 */
    FAULT_TYPE_NUMBER,      /* a whole number, milliseconds or a count */
    FAULT_TYPE_SWITCH,      /* true or false */
    FAULT_TYPE_CHOICE,      /* one of a few words; kept as its place in the list */
};

struct fault_info {
    const char *name;
    enum fault_type type;
    const char *choices; /* of FAULT_TYPE_CHOICE, separated by '|'; the first may be empty */
    double initial;
    const char *help;
};

/* In the order of the choices that the table gives. */
enum { ENVELOPE_OBJECT, ENVELOPE_DATA };
enum { ERROR_FORM_STRING, ERROR_FORM_OBJECT };
enum { LIST_FORM_LIST, LIST_FORM_DATA, LIST_FORM_BARE };
enum { TRANSACTION_FORM_SHORT, TRANSACTION_FORM_BALANCE };
enum { MISSING_BALANCE_404, MISSING_BALANCE_NULL };
enum { CUSTOMER_BODY_ANY, CUSTOMER_BODY_ARRAY, CUSTOMER_BODY_OBJECT };
enum { CUSTOMER_ANSWER_SAME, CUSTOMER_ANSWER_LIST, CUSTOMER_ANSWER_OBJECT };

struct faults {
    double values[FAULT_COUNT];
    uint64_t fired[FAULT_COUNT]; /* how often each struck, since the start */
    uint64_t fired_of_times;     /* how many struck since `times` was last ordered */
};

extern const struct fault_info fault_table[FAULT_COUNT];

void faults_init(struct faults *faults);
bool faults_on(const struct faults *faults, enum fault fault);
int64_t faults_number(const struct faults *faults, enum fault fault);
unsigned faults_business_status(const struct faults *faults);
/* "NAME=VALUE" as on the command line. -EINVAL, with a line in *ret_error that the caller frees. */
int faults_order_text(struct faults *faults, const char *text, char **ret_error);
/* An object of names and values, merged: all of it or, on an error, nothing. {"reset": true} clears
 * first. */
int faults_order_json(struct faults *faults, const json_t *orders, char **ret_error);
/* All values by name; a new reference, or NULL when out of memory. */
json_t *faults_to_json(const struct faults *faults);
json_t *faults_fired_to_json(const struct faults *faults);
void faults_print_help(FILE *stream);
