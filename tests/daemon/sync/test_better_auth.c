/* creditd-sync and a real Better Auth: signed up, signed in, signed out. */
#include "better_auth.h"
#include "rig.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <util/macros.h>

#define SECRET "a secret of the app, 32 characters or more"

struct stage {
    struct better_auth app;
    struct rig rig;
    struct harness_directory directory;
};

/* Skips the test where there is no Better Auth. `secret`: that of sync; NULL: none. */
static void stage_init(struct stage *stage, const char *strategy, const char *secret)
{
    const char *missing = better_auth_start(&stage->app, SECRET, strategy);
    char configuration[400], path[HARNESS_PATH_MAX], line[HARNESS_PATH_MAX + 20] = "";

    if (missing)
        cr_skip_test("%s", missing);
    harness_directory_init(&stage->directory);
    harness_path(&stage->directory, "secret", path);
    if (secret) {
        harness_write_file(path, secret);
        snprintf(line, sizeof line, "secret_file = %s", path);
    }
    snprintf(configuration, sizeof configuration, "[better_auth]\nurl = %s\n%s", stage->app.url,
             line);
    rig_init_with(&stage->rig, NULL, 0, "http://127.0.0.1:9", configuration, NULL);
}

static void stage_deinit(struct stage *stage)
{
    rig_deinit(&stage->rig);
    better_auth_stop(&stage->app);
    harness_directory_deinit(&stage->directory);
}

static json_t *ask(struct stage *stage, const char *session, bool fresh)
{
    return harness_call(&stage->rig.serve, "auth.session", "{s:s, s:b, s:i}", "session", session,
                        "fresh", fresh, "timeout", 20000);
}

static void expect(struct stage *stage, const char *session, bool fresh, const char *expected)
{
    json_t *answer = ask(stage, session, fresh);

    rig_expect(answer, expected, session);
    json_decref(answer);
}

static void expect_user(struct stage *stage, const char *session, bool fresh, bool offline,
                        const char *user_id)
{
    json_t *answer = ask(stage, session, fresh);
    const json_t *user = json_object_get(answer, "user");

    rig_expect(answer, "{\"verdict\":\"valid\",\"message\":null}", session);
    cr_assert_not_null(user);
    cr_expect_eq(harness_bool(answer, "offline"), offline, "%s", session);
    cr_expect_str_eq(harness_text(user, "id"), user_id);
    cr_expect_str_eq(harness_text(user, "email"), "zoe@example.org");
    cr_expect_str_eq(harness_text(user, "name"), "Zo\xc3\xab \"Z\"");
    cr_expect(!harness_bool(user, "email_verified"));
    cr_expect(harness_int(answer, "valid_for") > 0 && harness_int(answer, "valid_for") <= 60000);
    json_decref(answer);
}

/* Every form of a session, before and after its end, and that of somebody who stays. */
static void live(const char *strategy, const char *secret, bool offline)
{
    struct better_auth_session first, second;
    struct stage stage;

    stage_init(&stage, strategy, secret);
    better_auth_sign_up(&stage.app, "zoe@example.org", "Zo\xc3\xab \"Z\"", &first);
    better_auth_sign_in(&stage.app, "zoe@example.org", &second);
    cr_expect_str_eq(first.user_id, second.user_id);
    cr_expect_str_neq(first.token, second.token);
    expect_user(&stage, first.cookie, false, offline, first.user_id);
    expect_user(&stage, first.cookie, true, false, first.user_id);
    expect_user(&stage, first.signed_token, false, false, first.user_id);
    expect_user(&stage, first.token, false, false, first.user_id);
    better_auth_sign_out(&stage.app, &first);
    /* The cookie cache is as fresh as it says; the app knows better, and is asked for its word. */
    expect(&stage, first.cookie, false,
           offline ? "{\"verdict\":\"valid\",\"offline\":true}" : "{\"verdict\":\"invalid\"}");
    expect(&stage, first.cookie, true, "{\"verdict\":\"invalid\",\"http_status\":200}");
    expect(&stage, first.signed_token, false, "{\"verdict\":\"invalid\"}");
    expect(&stage, first.token, false, "{\"verdict\":\"invalid\"}");
    expect_user(&stage, second.cookie, true, false, second.user_id);
    stage_deinit(&stage);
}

Test(better_auth, without_a_secret_the_app_is_asked)
{
    live(NULL, NULL, false);
    live("compact", NULL, false);
}

Test(better_auth, with_one_the_cookie_cache_answers)
{
    live("compact", SECRET, true);
    live("jwt", SECRET, true);
}

Test(better_auth, what_is_encrypted_is_asked_for)
{
    live("jwe", SECRET, false);
}

Test(better_auth, a_wrong_signature_is_refused_offline)
{
    struct better_auth_session session;
    struct stage stage;

    stage_init(&stage, "compact", "another secret");
    better_auth_sign_up(&stage.app, "zoe@example.org", "Zoe", &session);
    better_auth_stop(&stage.app);
    expect(&stage, session.cookie, false, "{\"verdict\":\"invalid\",\"http_status\":0}");
    expect(&stage, session.signed_token, false, "{\"verdict\":\"invalid\",\"http_status\":0}");
    stage_deinit(&stage);
}

Test(better_auth, an_app_that_is_away_refuses_nobody)
{
    struct better_auth_session session;
    struct stage stage;

    stage_init(&stage, "compact", SECRET);
    better_auth_sign_up(&stage.app, "zoe@example.org", "Zo\xc3\xab \"Z\"", &session);
    better_auth_stop(&stage.app);
    expect_user(&stage, session.cookie, false, true, session.user_id);
    expect(&stage, session.cookie, true, "{\"verdict\":\"unavailable\",\"http_status\":0}");
    expect(&stage, session.signed_token, false, "{\"verdict\":\"unavailable\"}");
    stage_deinit(&stage);
}
