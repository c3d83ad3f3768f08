/* See rig.h. */
#include "rig.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void start(struct rig *rig, const char *const *environment)
{
    const char *arguments[] = {"--config", rig->config_path, NULL};

    harness_helper_start(&rig->process,
                         &(struct harness_start){.program = "creditd-sync",
                                                 .arguments = arguments,
                                                 .environment = environment,
                                                 .directory = &rig->directory},
                         "sync.hello", &rig->serve);
}

void rig_init_with(struct rig *rig, const struct upstream_step *steps, size_t count,
                   const char *url, const char *configuration, const char *const *environment)
{
    char text[1024];

    *rig = (struct rig){0};
    harness_directory_init(&rig->directory);
    harness_path(&rig->directory, "api_key", rig->key_path);
    harness_path(&rig->directory, "creditd.conf", rig->config_path);
    if (steps)
        rig->upstream = upstream_new(steps, count);
    snprintf(text, sizeof text, "[stellartools]\nbase_url = %s\n%s%s\n",
             steps ? upstream_url(rig->upstream) : url,
             configuration ? configuration : "api_key_file = ", configuration ? "" : rig->key_path);
    if (!configuration)
        harness_write_file(rig->key_path, RIG_KEY "\n");
    harness_write_file(rig->config_path, text);
    start(rig, environment);
}

void rig_init(struct rig *rig, const struct upstream_step *steps, size_t count, const char *url)
{
    rig_init_with(rig, steps, count, url, NULL, NULL);
}

void rig_deinit(struct rig *rig)
{
    int status;

    harness_connection_deinit(&rig->serve);
    if (rig->process.pid > 0) {
        char *log = harness_process_log(&rig->process);

        status = harness_process_wait(&rig->process);
        cr_expect(WIFEXITED(status) && WEXITSTATUS(status) == 0, "status %d: %s", status, log);
        free(log);
    }
    rig->upstream = upstream_free(rig->upstream);
    harness_directory_deinit(&rig->directory);
}

json_t *rig_balance(struct rig *rig, int timeout)
{
    if (timeout == 0)
        return harness_call(&rig->serve, "upstream.balance", "{s:s, s:s}", "customer_id", "cus_1",
                            "product_id", "prod_1");
    return harness_call(&rig->serve, "upstream.balance", "{s:s, s:s, s:i}", "customer_id", "cus_1",
                        "product_id", "prod_1", "timeout", timeout);
}

json_t *rig_deduct(struct rig *rig, int timeout)
{
    return harness_call(&rig->serve, "upstream.transaction", "{s:s, s:s, s:s, s:i, s:s, s:s, s:i}",
                        "customer_id", "cus_1", "product_id", "prod_1", "type", "deduct", "amount",
                        5000, "push_id", "psh_a_1_7", "idempotency_key", "psh_a_1_7.1", "timeout",
                        timeout > 0 ? timeout : 20000);
}

void rig_expect(const json_t *answer, const char *expected, const char *what)
{
    json_t *wanted = json_loads(expected, 0, NULL);
    char *got = json_dumps(answer, JSON_COMPACT);
    const char *key;
    json_t *value;

    cr_assert_not_null(wanted, "%s", expected);
    json_object_foreach(wanted, key, value)
        cr_expect(json_equal(json_object_get(answer, key), value), "%s: %s of %s", what, key, got);
    free(got);
    json_decref(wanted);
}
