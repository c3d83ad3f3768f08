/* See session_driver.h. */
#include "session_driver.h"
#include "session_verdict.h"

#include <errno.h>
#include <proto/message.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <util/clock.h>
#include <util/fd.h>
#include <util/macros.h>

#define TIMEOUT_MAX_MS (INT64_C(10) * 60 * 1000)
#define QUERY "?disableCookieCache=true&disableRefresh=true"

TAILQ_HEAD(check_queue, check);

struct session_driver {
    uv_loop_t *loop;
    struct http *http;
    driver_answer_fn *answer;
    void *data;
    struct check_queue waiting, running;
    unsigned running_count;
};

/* One session to be checked. */
struct check {
    TAILQ_ENTRY(check) link;
    struct session_driver *driver;
    uint32_t msgid;
    struct credential credential;
    bool is_fresh;
    uint64_t deadline; /* by the loop's clock */
    struct settings *settings;
};

static struct check *check_free(struct check *check)
{
    if (!check)
        return NULL;
    credential_deinit(&check->credential);
    settings_unref(check->settings);
    free(check);
    return NULL;
}

static void check_cleanup(struct check **check)
{
    check_free(*check);
}

/* Frees the check. */
static void check_answer(struct check *check, const struct session_verdict *verdict)
{
    const struct session_driver *driver = check->driver;
    uint32_t msgid = check->msgid;
    msgpack_sbuffer buffer;
    int r;

    msgpack_sbuffer_init(&buffer);
    r = session_verdict_pack(verdict, check->credential.token, &buffer);
    check_free(check);
    driver->answer(driver->data, msgid, r == 0 ? &buffer : NULL);
    msgpack_sbuffer_destroy(&buffer);
}

static void answer_plain(struct check *check, enum session_verdict_kind kind, const char *message)
{
    struct session_verdict verdict;

    session_verdict_plain(kind, message, &verdict);
    check_answer(check, &verdict);
}

static void driver_advance(struct session_driver *driver);

static void on_http_done(void *data, const struct http_end *end)
{
    struct check *check = data;
    struct session_driver *driver = check->driver;
    struct session_verdict verdict;

    TAILQ_REMOVE(&driver->running, check, link);
    driver->running_count--;
    session_judge_answer(&check->credential, end, clock_wall_ms(),
                         check->settings->better_auth.session_ttl, &verdict);
    check_answer(check, &verdict);
    driver_advance(driver);
}

static int check_start(struct check *check, uint64_t left)
{
    const struct settings *settings = check->settings;
    const struct target *target = &settings->better_auth.target;
    CLEANUP(secret_cleanup) char *cookie = NULL;
    CLEANUP(secret_cleanup) char *authorization = NULL;
    CLEANUP(cleanup_free) char *url = NULL;
    int r =
        credential_cookie_header(&check->credential, settings->better_auth.cookie_prefix, &cookie);

    if (r == 0)
        r = credential_authorization_header(&check->credential, &authorization);
    if (r == 0 && asprintf(&url, "%s" SESSION_PATH QUERY, target->url) < 0) {
        url = NULL;
        r = -ENOMEM;
    }
    const struct http_header headers[] = {
        {"Accept", "application/json"},
        {"Cookie", cookie},
        {"Authorization", authorization},
    };

    if (r < 0)
        return r;
    return http_start(check->driver->http,
                      &(struct http_request){
                          .url = url,
                          .headers = headers,
                          .header_count = ARRAY_SIZE(headers),
                          .is_https = target->is_https,
                          .is_loopback = target->is_loopback,
                          .connect_timeout = settings->connect_timeout,
                          .timeout = (int64_t)left,
                      },
                      on_http_done, check);
}

static void check_begin(struct check *check)
{
    struct session_driver *driver = check->driver;
    uint64_t now = uv_now(driver->loop);

    if (now >= check->deadline) {
        answer_plain(check, SESSION_UNAVAILABLE, "its time was over before its turn came");
        return;
    }
    if (check_start(check, check->deadline - now) < 0) {
        answer_plain(check, SESSION_UNAVAILABLE, "the request could not be built");
        return;
    }
    TAILQ_INSERT_TAIL(&driver->running, check, link);
    driver->running_count++;
}

static void driver_advance(struct session_driver *driver)
{
    struct check *check;

    while (driver->running_count < SESSIONS_MAX && (check = TAILQ_FIRST(&driver->waiting))) {
        TAILQ_REMOVE(&driver->waiting, check, link);
        check_begin(check);
    }
}

/* Judges without asking, or puts it in the queue. */
static void check_judge(struct check *check)
{
    const struct settings *settings = check->settings;
    struct session_verdict verdict;

    session_judge(&check->credential, settings->better_auth.secret, check->is_fresh,
                  clock_wall_ms(), settings->better_auth.session_ttl, &verdict);
    if (verdict.kind != SESSION_ASK) {
        check_answer(check, &verdict);
    } else if (!settings->better_auth.target.url) {
        answer_plain(check, SESSION_UNAVAILABLE,
                     "the app would have to be asked, and no [better_auth] url is configured");
    } else {
        TAILQ_INSERT_TAIL(&check->driver->waiting, check, link);
        driver_advance(check->driver);
    }
}

/* --- parameters --- */

static int session_get(const msgpack_object *params, struct span *ret_session)
{
    const msgpack_object *object = map_find(params, "session");
    struct span span;

    if (object && object->type == MSGPACK_OBJECT_STR)
        span = (struct span){object->via.str.ptr, object->via.str.size};
    else if (object && object->type == MSGPACK_OBJECT_BIN)
        span = (struct span){object->via.bin.ptr, object->via.bin.size};
    else
        return -EBADMSG;
    if (span.length == 0 || span.length > CREDENTIAL_SIZE_MAX)
        return -EBADMSG;
    *ret_session = span;
    return 0;
}

struct check_params {
    struct span session;
    int is_fresh;
    int64_t timeout; /* 0: none */
};

static int params_decode(const msgpack_object *params, struct check_params *ret,
                         const char **ret_parameter)
{
    struct check_params decoded = {0};
    int r;

    *ret_parameter = "session";
    if (session_get(params, &decoded.session) < 0)
        return -EBADMSG;
    *ret_parameter = "fresh";
    if (map_get_bool(params, "fresh", &decoded.is_fresh) < 0)
        return -EBADMSG;
    *ret_parameter = "timeout";
    r = map_get_int(params, "timeout", &decoded.timeout);
    if (r < 0 || (r == 1 && (decoded.timeout < 1 || decoded.timeout > TIMEOUT_MAX_MS)))
        return -EBADMSG;
    *ret = decoded;
    return 0;
}

int session_driver_submit(struct session_driver *driver, uint32_t msgid,
                          const msgpack_object *params, struct settings *settings,
                          const char **ret_parameter)
{
    CLEANUP(check_cleanup) struct check *check = NULL;
    struct check_params decoded;
    int r = params_decode(params, &decoded, ret_parameter);

    if (r < 0)
        return r;
    check = calloc(1, sizeof *check);
    if (!check)
        return -ENOMEM;
    check->driver = driver;
    check->msgid = msgid;
    check->is_fresh = decoded.is_fresh;
    check->settings = settings_ref(settings);
    check->deadline = uv_now(driver->loop) +
                      (uint64_t)(decoded.timeout > 0 ? decoded.timeout : settings->request_timeout);
    r = credential_parse(decoded.session, settings->better_auth.cookie_prefix, &check->credential);
    if (r == -EBADMSG)
        answer_plain(TAKE_PTR(check), SESSION_INVALID, "there is no signed session in it");
    else if (r < 0)
        return r;
    else
        check_judge(TAKE_PTR(check));
    return 0;
}

int session_driver_new(uv_loop_t *loop, struct http *http, driver_answer_fn *answer, void *data,
                       struct session_driver **ret_driver)
{
    struct session_driver *driver = calloc(1, sizeof *driver);

    if (!driver)
        return -ENOMEM;
    driver->loop = loop;
    driver->http = http;
    driver->answer = answer;
    driver->data = data;
    TAILQ_INIT(&driver->waiting);
    TAILQ_INIT(&driver->running);
    *ret_driver = driver;
    return 0;
}

static void queue_free(struct check_queue *queue)
{
    struct check *check;

    while ((check = TAILQ_FIRST(queue))) {
        TAILQ_REMOVE(queue, check, link);
        check_free(check);
    }
}

struct session_driver *session_driver_free(struct session_driver *driver)
{
    if (!driver)
        return NULL;
    queue_free(&driver->running);
    queue_free(&driver->waiting);
    free(driver);
    return NULL;
}
