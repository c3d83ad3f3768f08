/*
 * A real creditd-serve over inherited sockets, with a real ledger in a temporary directory, and a
 * stand-in for creditd-sync that plays StellarTools from memory.
 */
#pragma once

#include "harness.h"
#include <pthread.h>
#include <stdatomic.h>

#define FAKE_BALANCES 64
#define FAKE_ROWS 512

struct fake_balance {
    char customer[64], product[64];
    int64_t balance, consumed;
};

struct fake_row {
    char id[32], push_id[80], customer[64], type[16], reason[64];
    int64_t credits;
};

/* What the stand-in does with requests; all may be changed while it runs. */
struct fake_sync {
    struct harness_connection connection;
    pthread_t thread;
    bool running;
    const char *upstream; /* what it says that it is set to, "": has no key; NULL: "fake test" */
    bool mute;            /* does not say */
    atomic_bool stop;
    atomic_bool is_cut_off;    /* serve has ended the connection */
    atomic_bool silent;        /* takes requests and answers none */
    atomic_bool unreachable;   /* answers not_sent */
    atomic_bool refuse_pushes; /* answers refused */
    atomic_int units;          /* units_per_credit */
    atomic_int grant;          /* what a customer has at first; "cus_none…" has no balance */
    atomic_bool revoked;       /* no session is valid any more */
    atomic_int valid_for;      /* of sessions, ms */
    atomic_int page_size;      /* of lists */
    atomic_int lose_creates;   /* so many creates more are made, and not answered */
    atomic_bool forge_creates; /* something else comes first that names the intent as well */
    /* Requests so far: */
    atomic_int webhooks;
    atomic_int creates, updates, customer_reads, searches, lists, payments, accesses;
    atomic_int sessions;                                       /* credentials asked for so far */
    atomic_int products, balances, pushes, histories, reloads; /* requests so far */
    pthread_mutex_t lock;                                      /* of what follows */
    struct fake_balance known[FAKE_BALANCES];
    size_t known_count;
    struct fake_row rows[FAKE_ROWS];
    size_t row_count;
    int64_t last_timeout;
    char meant_for[64];                          /* the last request for upstream */
    json_t *customers, *subscriptions, *refunds; /* arrays */
};

struct fixture {
    struct harness_directory directory;
    char config[HARNESS_PATH_MAX], state[HARNESS_PATH_MAX];
    char client_path[HARNESS_PATH_MAX], sync_path[HARNESS_PATH_MAX], hook_path[HARNESS_PATH_MAX];
    int client_fd, sync_fd, hook_fd;
    struct harness_process serve;
    struct fake_sync sync;
    struct harness_connection client;
};

/* Only directory, sockets and configuration (`extra` is appended; may be NULL). */
void fixture_init(struct fixture *fixture, const char *extra);
/* The same files with another `extra`, which serve and the stand-in know when this returns. */
void fixture_reload(struct fixture *fixture, const char *extra);
void fixture_start_serve(struct fixture *fixture);
/* The whole: serve is ready, the stand-in is there, `client` is connected. */
void fixture_start(struct fixture *fixture, const char *extra);
/* Ends serve, which must end well, and the rest. Does nothing the second time. */
void fixture_deinit(struct fixture *fixture);
/* A test with the whole started before and ended after it: in the test, since Criterion does not
 * count what fails in a suite's .fini, which is there only for when the test itself fails. */
#define FIXTURE_TEST(suite, name, fixture, extra)                                                  \
    static void suite##_##name(void);                                                              \
    Test(suite, name)                                                                              \
    {                                                                                              \
        fixture_start(fixture, extra);                                                             \
        suite##_##name();                                                                          \
        fixture_deinit(fixture);                                                                   \
    }                                                                                              \
    static void suite##_##name(void)

void fixture_connect(struct fixture *fixture, struct harness_connection *connection);
/* Ends serve by that signal and the stand-in with it, and starts both again. */
void fixture_restart(struct fixture *fixture, int signal);
/* Without a creditd-sync, and serve has seen it. */
void fixture_go_offline(struct fixture *fixture);
/* A real creditd-sync in place of the stand-in, with a key: it connects to the socket by its path,
 * as under systemd. */
void fixture_start_sync(const struct fixture *fixture, struct harness_process *process);
/* Lets LD_PRELOAD stand before a sanitizer's library, which is fine. */
void fixture_allow_preload(void);

void fake_sync_start(struct fake_sync *sync, const char *path);
void fake_sync_stop(struct fake_sync *sync);
/* Another hello, as after a reload. */
void fake_sync_say(struct fake_sync *sync, const char *upstream);
/* The same of a stand-in that a test plays itself. */
void fake_sync_hello(struct harness_connection *connection, const char *upstream);
/* An answer's map without what belongs to OK. */
json_t *fake_answer(const char *outcome, int status);
/* --- fake_objects.c --- */
json_t *fake_objects_answer(struct fake_sync *sync, const char *method, const json_t *params);
json_t *fake_webhook_answer(struct fake_sync *sync, const json_t *params);
void fake_objects_init(struct fake_sync *sync);
void fake_objects_deinit(struct fake_sync *sync);
void fake_add_customer(struct fake_sync *sync, const char *id, const char *email);
void fake_add_subscription(struct fake_sync *sync, const char *id, const char *customer);

/* Credits that all customers have been debited. */
int64_t fake_sync_consumed(struct fake_sync *sync);
/* Waits until serve has ended its connection, since another one has taken over. */
void fake_sync_wait_cut_off(struct fake_sync *sync);
/* Waits until that counter of the stand-in is at least `value`. */
void fake_sync_wait(atomic_int *counter, int value);

/* Waits until the status says so: `path` is "pending.credits" or the like. */
void fixture_wait_status(struct fixture *fixture, const char *path, int64_t value);

/* An error's map: has that code, a text, and (unless key is NULL) that member of data. Takes it. */
void fixture_check_error(json_t *error, const char *code, const char *key, const char *value);
