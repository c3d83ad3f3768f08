/*
 * A real Better Auth (server.mjs) for tests: installed once into the build directory with npm,
 * started for a test, spoken to as a browser would.
 *
 * Where node or npm is missing, or npm cannot reach its registry, better_auth_start() says so, and
 * the test is to be skipped with that message.
 */
#pragma once

#include "harness.h"

#include <stdbool.h>
#include <sys/types.h>

#define BETTER_AUTH_COOKIE_MAX 8192

struct better_auth {
    pid_t pid;
    int input; /* its standard input: it ends with it */
    char url[64];
};

/* What a sign-up or a sign-in gave. */
struct better_auth_session {
    char cookie[BETTER_AUTH_COOKIE_MAX]; /* a Cookie header: session_token, and the cookie cache */
    char signed_token[256];              /* TOKEN.SIGNATURE */
    char token[128];
    char user_id[129];
};

/* `strategy`: of the cookie cache, "compact", "jwt" or "jwe"; NULL: none. NULL, or why not. */
const char *better_auth_start(struct better_auth *app, const char *secret, const char *strategy);
/* Another program in place of server.mjs, a file with imports of better-auth, which says where it
 * listens as that one does; its environment as for a process of the harness. */
const char *better_auth_start_program(struct better_auth *app, const char *path,
                                      const char *const *environment);
void better_auth_stop(struct better_auth *app);

void better_auth_sign_up(const struct better_auth *app, const char *email, const char *name,
                         struct better_auth_session *ret_session);
void better_auth_sign_in(const struct better_auth *app, const char *email,
                         struct better_auth_session *ret_session);
void better_auth_sign_out(const struct better_auth *app, const struct better_auth_session *session);
