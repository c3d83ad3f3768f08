/* Queue and turns of exchanges: see driver.h. */
#include "driver.h"
#include "answer.h"
#include "exchange.h"
#include "session_driver.h"
#include "webhook.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <util/clock.h>
#include <util/macros.h>
#include <web/http.h>

TAILQ_HEAD(task_queue, task);

struct driver {
    uv_loop_t *loop;
    struct http *http;
    struct session_driver *sessions;
    struct settings *settings;
    driver_answer_fn *answer;
    void *data;
    struct task_queue waiting, running;
    unsigned running_count;
};

struct task {
    TAILQ_ENTRY(task) link;
    struct driver *driver;
    uint32_t msgid;
    const struct exchange_kind *kind;
    struct exchange_args args;
    uint64_t deadline;         /* by the loop's clock */
    struct settings *settings; /* those that it began with */
};

static struct task *task_free(struct task *task)
{
    if (!task)
        return NULL;
    settings_unref(task->settings);
    exchange_args_deinit(&task->args);
    free(task);
    return NULL;
}

static void sbuffer_cleanup(msgpack_sbuffer *buffer)
{
    msgpack_sbuffer_destroy(buffer);
}

/* Frees the task. `end` NULL: there was no exchange, and `outcome` and `message` say why. */
static void task_answer(struct task *task, const struct http_end *end,
                        enum upstream_outcome outcome, const char *message)
{
    CLEANUP(sbuffer_cleanup) msgpack_sbuffer buffer;
    const struct driver *driver = task->driver;
    uint32_t msgid = task->msgid;
    int r;

    msgpack_sbuffer_init(&buffer);
    if (end)
        r = answer_pack(task->kind, &task->args, end, task->settings->api_key, &buffer);
    else
        r = answer_pack_plain(outcome, message, &buffer);
    task_free(task);
    driver->answer(driver->data, msgid, r == 0 ? &buffer : NULL);
}

static void driver_advance(struct driver *driver);

static void on_http_done(void *data, const struct http_end *end)
{
    struct task *task = data;
    struct driver *driver = task->driver;

    TAILQ_REMOVE(&driver->running, task, link);
    driver->running_count--;
    task_answer(task, end, UPSTREAM_UNANSWERED, NULL);
    driver_advance(driver);
}

static int task_start(struct task *task, uint64_t left)
{
    const struct settings *settings = task->settings;
    struct request request = {0};
    int r = task->kind->build(&task->args, settings->target.url, &request);
    const struct http_header headers[] = {
        {"Accept", "application/json"},
        {"x-api-key", settings->api_key},
        {"StellarTools-Version", settings->api_version},
        {"Idempotency-Key", request.idempotency_key},
    };

    if (r < 0)
        return r;
    r = http_start(task->driver->http,
                   &(struct http_request){
                       .url = request.url,
                       .body = request.body,
                       .is_put = request.is_put,
                       .headers = headers,
                       .header_count = ARRAY_SIZE(headers),
                       .is_https = settings->target.is_https,
                       .is_loopback = settings->target.is_loopback,
                       .connect_timeout = settings->connect_timeout,
                       .timeout = (int64_t)left,
                   },
                   on_http_done, task);
    request_deinit(&request);
    return r;
}

/* The task's turn has come: it is started, or answered at once. */
static void task_begin(struct task *task)
{
    struct driver *driver = task->driver;
    uint64_t now = uv_now(driver->loop);

    task->settings = settings_ref(driver->settings);
    if (!task->settings->api_key) {
        task_answer(task, NULL, UPSTREAM_UNAUTHORIZED, driver->settings->key_problem);
        return;
    }
    /* A reload has come in between; serve hears of it. */
    if ((task->args.present & ARGUMENT_UPSTREAM) &&
        strcmp(task->args.upstream, task->settings->upstream) != 0) {
        task_answer(task, NULL, UPSTREAM_NOT_SENT, "creditd-sync is set to another upstream");
        return;
    }
    if (now >= task->deadline) {
        task_answer(task, NULL, UPSTREAM_NOT_SENT, "its time was over before its turn came");
        return;
    }
    if (task_start(task, task->deadline - now) < 0) {
        task_answer(task, NULL, UPSTREAM_NOT_SENT, "the request could not be built");
        return;
    }
    TAILQ_INSERT_TAIL(&driver->running, task, link);
    driver->running_count++;
}

static void driver_advance(struct driver *driver)
{
    struct task *task;

    while (driver->running_count < DRIVER_EXCHANGES_MAX && (task = TAILQ_FIRST(&driver->waiting))) {
        TAILQ_REMOVE(&driver->waiting, task, link);
        task_begin(task);
    }
}

static bool is_method(const char *method, size_t length, const char *other)
{
    return length == strlen(other) && memcmp(method, other, length) == 0;
}

/* Answered at once: nobody has to be asked. */
static int submit_webhook(struct driver *driver, uint32_t msgid, const msgpack_object *params,
                          const char **ret_parameter)
{
    CLEANUP(sbuffer_cleanup) msgpack_sbuffer buffer;
    int r;

    msgpack_sbuffer_init(&buffer);
    r = webhook_verify(params, driver->settings, clock_wall_ms(), &buffer, ret_parameter);
    if (r == 0)
        driver->answer(driver->data, msgid, &buffer);
    return r;
}

int driver_submit(struct driver *driver, uint32_t msgid, const char *method, size_t method_length,
                  const msgpack_object *params, const char **ret_parameter)
{
    const struct exchange_kind *kind = exchange_find(method, method_length);
    struct task *task;
    int64_t timeout;
    int r;

    if (!kind && is_method(method, method_length, WEBHOOK_METHOD_VERIFY))
        return submit_webhook(driver, msgid, params, ret_parameter);
    if (!kind && is_method(method, method_length, AUTH_METHOD_SESSION))
        return session_driver_submit(driver->sessions, msgid, params, driver->settings,
                                     ret_parameter);
    if (!kind)
        return -ENOENT;
    task = calloc(1, sizeof *task);
    if (!task)
        return -ENOMEM;
    task->driver = driver;
    task->msgid = msgid;
    task->kind = kind;
    r = exchange_decode(kind, params, &task->args, ret_parameter);
    if (r < 0) {
        task_free(task);
        return r;
    }
    timeout = task->args.timeout ? task->args.timeout : driver->settings->request_timeout;
    task->deadline = uv_now(driver->loop) + (uint64_t)timeout;
    TAILQ_INSERT_TAIL(&driver->waiting, task, link);
    driver_advance(driver);
    return 0;
}

void driver_set_settings(struct driver *driver, struct settings *settings)
{
    settings_unref(driver->settings);
    driver->settings = settings;
}

int driver_new(uv_loop_t *loop, struct settings *settings, driver_answer_fn *answer, void *data,
               struct driver **ret_driver)
{
    struct driver *driver = calloc(1, sizeof *driver);
    int r = driver ? http_new(loop, &driver->http) : -ENOMEM;

    if (r == 0)
        r = session_driver_new(loop, driver->http, answer, data, &driver->sessions);
    if (r < 0) {
        if (driver)
            http_free(driver->http);
        free(driver);
        settings_unref(settings);
        return r;
    }
    driver->loop = loop;
    driver->settings = settings;
    driver->answer = answer;
    driver->data = data;
    TAILQ_INIT(&driver->waiting);
    TAILQ_INIT(&driver->running);
    *ret_driver = driver;
    return 0;
}

static void queue_free(struct task_queue *queue)
{
    struct task *task;

    while ((task = TAILQ_FIRST(queue))) {
        TAILQ_REMOVE(queue, task, link);
        task_free(task);
    }
}

struct driver *driver_free(struct driver *driver)
{
    if (!driver)
        return NULL;
    http_free(driver->http);
    session_driver_free(driver->sessions);
    queue_free(&driver->running);
    queue_free(&driver->waiting);
    settings_unref(driver->settings);
    free(driver);
    return NULL;
}
