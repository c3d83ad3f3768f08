/*
 * The example client/examples/better-auth as a whole, on this machine: its app under Node, nginx in
 * front with its configuration, creditd-http, creditd-serve and creditd-sync with its
 * configuration, and creditd-sandbox as StellarTools. Where the example's files name places and
 * names of a real machine, those of a temporary directory stand here, and nothing else is changed.
 */
#pragma once

#include "better_auth.h"
#include "browser.h"
#include "fixture.h"
#include "sandbox_client.h"

#define STAGE_ORIGIN "https://app.example.com"

struct stage {
    struct fixture fixture; /* its serve, and the directory */
    struct sandbox_process sandbox;
    struct harness_process sync, http, nginx;
    struct better_auth app;
    char http_socket[HARNESS_PATH_MAX], local_socket[HARNESS_PATH_MAX];
    char nginx_socket[HARNESS_PATH_MAX];
    char certificate[HARNESS_PATH_MAX];
    struct browser browser;
};

/* A file of the example as it is; the caller frees it. */
char *stage_read_example(const char *name);
/* NULL, or what is missing on this machine. */
const char *stage_start(struct stage *stage);
void stage_start_http(struct stage *stage);
void stage_stop_http(struct stage *stage);
/* Ends all, each of which must end well. */
void stage_stop(struct stage *stage);
/* For a suite's .fini: kills what is left. */
void stage_deinit(struct stage *stage);
