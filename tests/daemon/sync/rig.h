/*
 * creditd-sync as serve sees it: the real executable at the other end of a socket pair, and a
 * scripted upstream behind it.
 */
#pragma once

#include "harness.h"
#include "upstream_server.h"

#define RIG_KEY "sk_test_0123456789abcdefghijklmnop"

struct rig {
    struct harness_directory directory;
    struct upstream_server *upstream;
    struct harness_process process;
    struct harness_connection serve; /* our end */
    char key_path[HARNESS_PATH_MAX], config_path[HARNESS_PATH_MAX];
};

/* With the key in a file. `steps` may be NULL: then `url` says where upstream is. */
void rig_init(struct rig *rig, const struct upstream_step *steps, size_t count, const char *url);
/* The same, with lines of the test's own after the base_url (NULL: the key's file), and environment
 * (may be NULL). */
void rig_init_with(struct rig *rig, const struct upstream_step *steps, size_t count,
                   const char *url, const char *configuration, const char *const *environment);
/* Ends it by closing the connection, and expects the exit code 0. */
void rig_deinit(struct rig *rig);

/* One exchange; the answer map is the caller's. `timeout` in ms, 0: none given. */
json_t *rig_balance(struct rig *rig, int timeout);
json_t *rig_deduct(struct rig *rig, int timeout);
/* Whether each member of `expected` (JSON text) equals that of the answer; says what differs. */
void rig_expect(const json_t *answer, const char *expected, const char *what);
