/* Deliveries under way: see driver.h. */
#include "driver.h"
#include "program.h"
#include "request.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <util/clock.h>
#include <util/log.h>
#include <util/macros.h>
#include <web/http.h>
#include <web/signature.h>

#define CONNECT_TIMEOUT_MS INT64_C(10000)

LIST_HEAD(delivery_list, delivery);

struct driver {
    uv_loop_t *loop;
    struct http *http; /* NULL: the driver ends with its last delivery */
    struct settings *settings;
    driver_answer_fn *answer;
    void *data;
    struct delivery_list running;
};

struct delivery {
    LIST_ENTRY(delivery) link;
    struct driver *driver;
    uint32_t msgid;
    struct request request;
    struct settings *settings; /* those that it began with */
    struct program *program;   /* NULL: it is posted */
};

static struct delivery *delivery_free(struct delivery *delivery)
{
    if (!delivery)
        return NULL;
    settings_unref(delivery->settings);
    request_deinit(&delivery->request);
    free(delivery);
    return NULL;
}

static void delivery_cleanup(struct delivery **delivery)
{
    delivery_free(*delivery);
}

static void driver_free_if_ended(struct driver *driver)
{
    if (driver->http || !LIST_EMPTY(&driver->running))
        return;
    settings_unref(driver->settings);
    free(driver);
}

static void answer(const struct delivery *delivery, const struct outcome *outcome)
{
    const struct driver *driver = delivery->driver;
    const struct request *request = &delivery->request;

    if (!driver->http)
        return;
    if (outcome->message[0] != '\0')
        log_warning("%s %s, attempt %" PRId64 ": %s", hook_name(request->hook), request->id,
                    request->attempt, outcome->message);
    driver->answer(driver->data, delivery->msgid, outcome);
}

/* Answers and frees it. */
static void finish(struct delivery *delivery, const struct outcome *outcome)
{
    struct driver *driver = delivery->driver;

    LIST_REMOVE(delivery, link);
    answer(delivery, outcome);
    delivery_free(delivery);
    driver_free_if_ended(driver);
}

static void on_program_done(void *data, const struct program_end *end)
{
    struct delivery *delivery = data;
    struct outcome outcome;

    outcome_of_program(end, delivery->settings->timeout, &outcome);
    finish(delivery, &outcome);
}

static void on_http_done(void *data, const struct http_end *end)
{
    struct outcome outcome;

    outcome_of_http(end, &outcome);
    finish(data, &outcome);
}

static int post(struct delivery *delivery, const char *signature)
{
    const struct settings *settings = delivery->settings;
    const struct request *request = &delivery->request;
    const struct target *target = &settings->hooks[request->hook].target;
    char attempt[24];
    const struct http_header headers[] = {
        {"X-Creditd-Hook", hook_name(request->hook)}, {"X-Creditd-Event-Id", request->id},
        {"X-Creditd-Event-Type", request->type},      {"X-Creditd-Attempt", attempt},
        {"X-Creditd-Signature", signature},
    };

    snprintf(attempt, sizeof attempt, "%" PRId64, request->attempt);
    return http_start(delivery->driver->http,
                      &(struct http_request){
                          .url = target->url,
                          .body = request->json,
                          .is_body_dropped = true,
                          .headers = headers,
                          .header_count = ARRAY_SIZE(headers),
                          .is_https = target->is_https,
                          .is_loopback = target->is_loopback,
                          .connect_timeout = settings->timeout < CONNECT_TIMEOUT_MS
                                                 ? settings->timeout
                                                 : CONNECT_TIMEOUT_MS,
                          .timeout = settings->timeout,
                      },
                      on_http_done, delivery);
}

/* 0, or *ret_reason says why it did not begin. What is to be signed is not sent without. */
static int post_signed(struct delivery *delivery, const char **ret_reason)
{
    const struct settings *settings = delivery->settings;
    const char *body = delivery->request.json;
    char signature[SIGNATURE_TEXT_SIZE];
    int r = 0;

    if (settings->is_signed && !settings->secret) {
        *ret_reason = settings->secret_problem;
        return -ENOKEY;
    }
    if (settings->is_signed)
        r = signature_make(settings->secret, body, strlen(body), clock_wall_ms() / 1000, signature);
    if (r == 0)
        r = post(delivery, settings->is_signed ? signature : NULL);
    if (r < 0)
        *ret_reason = strerror(-r);
    return r;
}

static void begin(struct delivery *delivery)
{
    struct driver *driver = delivery->driver;
    const struct hook *hook = &delivery->settings->hooks[delivery->request.hook];
    struct outcome outcome;
    const char *reason = NULL;
    int r = 0;

    LIST_INSERT_HEAD(&driver->running, delivery, link);
    if (hook->program && delivery->settings->identity.is_unnamed_root) {
        r = -EPERM;
        reason = IDENTITY_UNNAMED_ROOT;
    } else if (hook->program) {
        r = program_start(driver->loop, &delivery->request, delivery->settings, on_program_done,
                          delivery, &delivery->program);
        reason = strerror(-r);
    } else if (hook->target.url) {
        r = post_signed(delivery, &reason);
    } else {
        outcome_unconfigured(&outcome);
        finish(delivery, &outcome);
        return;
    }
    if (r < 0) {
        outcome_failed(reason, &outcome);
        finish(delivery, &outcome);
    }
}

int driver_submit(struct driver *driver, uint32_t msgid, const msgpack_object *params,
                  const char **ret_parameter)
{
    CLEANUP(delivery_cleanup) struct delivery *delivery = calloc(1, sizeof *delivery);
    int r = -ENOMEM;

    if (delivery)
        r = request_decode(params, &delivery->request, ret_parameter);
    if (r < 0)
        return r;
    delivery->driver = driver;
    delivery->msgid = msgid;
    delivery->settings = settings_ref(driver->settings);
    begin(TAKE_PTR(delivery));
    return 0;
}

void driver_set_settings(struct driver *driver, struct settings *settings)
{
    settings_unref(driver->settings);
    driver->settings = settings;
}

int driver_new(uv_loop_t *loop, struct settings *settings, driver_answer_fn *answer_function,
               void *data, struct driver **ret_driver)
{
    struct driver *driver = calloc(1, sizeof *driver);
    int r = driver ? http_new(loop, &driver->http) : -ENOMEM;

    if (r < 0) {
        free(driver);
        settings_unref(settings);
        return r;
    }
    driver->loop = loop;
    driver->settings = settings;
    driver->answer = answer_function;
    driver->data = data;
    LIST_INIT(&driver->running);
    *ret_driver = driver;
    return 0;
}

void driver_end(struct driver *driver)
{
    struct delivery *delivery, *next;

    driver->http = http_free(driver->http);
    for (delivery = LIST_FIRST(&driver->running); delivery; delivery = next) {
        next = LIST_NEXT(delivery, link);
        if (delivery->program) {
            program_stop(delivery->program);
            continue;
        }
        LIST_REMOVE(delivery, link);
        delivery_free(delivery);
    }
    driver_free_if_ended(driver);
}
