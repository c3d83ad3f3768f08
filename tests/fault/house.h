/*
 * The whole house: creditd with its roles over a creditd-sandbox, applications that spend, and a
 * judge who compares what they were told with what StellarTools holds. All of it asserts
 * (Criterion) on what must not fail.
 *
 * CREDITD_FAULT_SCALE is a percentage by which the sizes of tests are scaled (sanitized builds are
 * slow), CREDITD_FAULT_SEED what random choices begin with; both are told on standard error.
 */
#pragma once

#include "harness.h"
#include "sandbox_client.h"
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>
#include <util/macros.h>

#define HOUSE_PRODUCT "prod_tokens"

struct house {
    struct harness_directory directory;
    struct sandbox_process sandbox;
    struct harness_process creditd;
    char config[HARNESS_PATH_MAX], state[HARNESS_PATH_MAX], socket[HARNESS_PATH_MAX];
    char key[HARNESS_PATH_MAX];
};

/* The sandbox has cus_0 to cus_(customers - 1) with that balance of HOUSE_PRODUCT. `settings` goes
 * on in the section [credits] and may begin others. creditd is ready when it returns. */
void house_start(struct house *house, int customers, long long balance, const char *settings);
/* Ends what runs. Takes a zeroed house. */
void house_deinit(struct house *house);
/* creditd alone, over the state that is there. */
void house_start_creditd(struct house *house);
/* SIGTERM: it must exit with 0. */
void house_stop_creditd(struct house *house);
void house_configure(struct house *house, const char *settings);

/* The process of that role ("creditd-serve"), which is not `other`: waits until there is one. */
pid_t house_role(const struct house *house, const char *role, pid_t other);

/* "pending.credits" and the like of a new status. */
int64_t house_status(const struct house *house, const char *path);
bool house_status_true(const struct house *house, const char *path);
/* Waits until it is that. Fails with the whole status. */
void house_wait_status(const struct house *house, const char *path, int64_t value);
void house_wait_true(const struct house *house, const char *path, bool value);
/* Waits until nothing is pending and no push open, in doubt or parked; answers how many ms it
 * took. */
int64_t house_converge(const struct house *house);
/* A member of credits.balance. */
int64_t house_balance(const struct house *house, const char *customer, const char *member);

struct judgement {
    long long rows, credits, requests;
};

/* Reads the dump: every deduction carries a push id, no push id stands on two rows, and the rows
 * add up to what the balances have lost. */
struct judgement house_judge(const struct house *house);

/* --- applications --- */

struct spender {
    pid_t pid;
    FILE *output;
    /* What it counted: set by spender_wait(). */
    long long acknowledged, credits, replayed, longest_ms, took_ms;
};

/* See spender.c for what they mean. */
void spender_start(struct spender *spender, const struct house *house, const char *customer,
                   long count, int window, int amounts);
void spender_stop(struct spender *spender); /* it ends after the answers that it waits for */
/* It must have ended without an error. */
void spender_wait(struct spender *spender);

/* --- other programs --- */

struct outcome {
    int status;            /* the exit status, or minus the signal */
    char *output, *errors; /* what it wrote */
};

/* Runs a program to its end; `environment` (may be NULL) as for harness_start. */
void outcome_init(struct outcome *ret_outcome, const struct harness_directory *directory,
                  const char *program, const char *const *arguments,
                  const char *const *environment);
void outcome_deinit(struct outcome *outcome);

/* --- numbers --- */

/* A line for people, on standard error; see main.c. */
void tell(const char *format, ...) PRINTF_LIKE(1, 2);

/* That many at full scale; at least `least`. */
int scaled(int full, int least);
uint64_t random_seed(void); /* and tells it */
uint32_t random_next(uint64_t *state);
/* From 0 to limit - 1. */
int random_below(uint64_t *state, int limit);
void pause_ms(int ms);
int64_t now_ms(void);
