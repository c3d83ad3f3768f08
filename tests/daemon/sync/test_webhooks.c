/*
 * webhook.verify on the real executable: where the secret comes from, and what a reload changes.
 */
#include "rig.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <util/clock.h>
#include <web/signature.h>

#define BODY                                                                                       \
    "{\"id\":\"wh_evt_1\",\"type\":\"customer.updated\",\"data\":{\"object\":{\"id\":\"c\"}}}"

static void expect(struct rig *rig, const char *secret, const char *verdict)
{
    char signature[SIGNATURE_TEXT_SIZE];
    json_t *answer;

    cr_assert_eq(signature_make(secret, BODY, strlen(BODY), clock_wall_ms() / 1000, signature), 0);
    answer = harness_call(&rig->serve, "webhook.verify", "{s:s, s:s}", "body", BODY, "signature",
                          signature);
    cr_expect_str_eq(harness_text(answer, "verdict"), verdict, "%s: %s", secret,
                     json_dumps(answer, 0));
    if (strcmp(verdict, "valid") == 0)
        cr_expect_str_eq(harness_text(answer, "type"), "customer.updated");
    json_decref(answer);
}

Test(webhooks, the_secret_is_a_file_that_is_read_anew)
{
    const char *const environment[] = {"STELLAR_TOOLS_API_KEY=sk_test_1", NULL};
    struct harness_directory directory;
    char path[HARNESS_PATH_MAX], text[HARNESS_PATH_MAX + 32], *log;
    struct rig rig;

    harness_directory_init(&directory);
    harness_path(&directory, "secret", path);
    snprintf(text, sizeof text, "webhook_secret_file = %s", path);
    rig_init_with(&rig, NULL, 0, "http://127.0.0.1:9", text, environment);
    expect(&rig, "whsec_1", "unavailable");
    harness_write_file(path, "whsec_1\n");
    harness_notify(&rig.serve, "sync.reload");
    expect(&rig, "whsec_1", "valid");
    expect(&rig, "whsec_2", "invalid");
    harness_write_file(path, "whsec_2\n");
    harness_notify(&rig.serve, "sync.reload");
    expect(&rig, "whsec_2", "valid");
    expect(&rig, "whsec_1", "invalid");
    log = harness_process_log(&rig.process);
    cr_expect_null(strstr(log, "whsec_"), "%s", log);
    free(log);
    rig_deinit(&rig);
    harness_directory_deinit(&directory);
}

Test(webhooks, the_secret_is_a_credential)
{
    struct harness_directory directory;
    char path[HARNESS_PATH_MAX], variable[HARNESS_PATH_MAX + 32];
    const char *const environment[] = {variable, NULL};
    struct rig rig;

    harness_directory_init(&directory);
    harness_path(&directory, "webhook_secret", path);
    harness_write_file(path, "whsec_1\n");
    snprintf(variable, sizeof variable, "CREDENTIALS_DIRECTORY=%s", directory.path);
    rig_init_with(&rig, NULL, 0, "http://127.0.0.1:9", "", environment);
    expect(&rig, "whsec_1", "valid");
    rig_deinit(&rig);
    harness_directory_deinit(&directory);
}

Test(webhooks, a_hello_tells_which_kind_of_key_it_is)
{
    struct harness_message message;
    struct rig rig;

    rig_init(&rig, NULL, 0, "http://127.0.0.1:9");
    harness_write_file(rig.key_path, "sk_live_1\n");
    harness_notify(&rig.serve, "sync.reload");
    cr_assert(harness_receive(&rig.serve, &message));
    cr_expect_str_eq(message.method, "sync.hello");
    cr_expect(harness_bool(message.params, "livemode"));
    harness_message_deinit(&message);
    harness_write_file(rig.key_path, RIG_KEY "\n");
    harness_notify(&rig.serve, "sync.reload");
    cr_assert(harness_receive(&rig.serve, &message));
    cr_expect_not(harness_bool(message.params, "livemode"));
    harness_message_deinit(&message);
    rig_deinit(&rig);
}
