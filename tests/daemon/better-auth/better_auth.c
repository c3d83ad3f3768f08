/* See better_auth.h. */
#include "better_auth.h"
#include "better_auth_install.h"

#include <criterion/criterion.h>
#include <curl/curl.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define PASSWORD "correct horse battery staple"

/* --- the process --- */

static void child_exec(const char *directory, int input, int output, const char *program,
                       const char *const *environment)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    dup2(input, STDIN_FILENO);
    dup2(output, STDOUT_FILENO);
    setenv("NODE_ENV", "test", 1);
    unsetenv("COOKIE_CACHE");
    for (; *environment; environment++)
        putenv((char *)(uintptr_t)*environment);
    if (chdir(directory) == 0)
        execlp("node", "node", program, (char *)NULL);
    _exit(127);
}

/* The first line that it says; NULL where it ends without one. */
static void read_url(int output, char url[64])
{
    static const char words[] = "listening on ";
    char line[256];
    size_t length = 0;

    while (length + 1 < sizeof line && !memchr(line, '\n', length)) {
        struct pollfd poller = {.fd = output, .events = POLLIN};
        ssize_t n;

        cr_assert_eq(poll(&poller, 1, HARNESS_TIMEOUT_MS), 1, "the server does not start");
        n = read(output, line + length, sizeof line - 1 - length);
        cr_assert_gt(n, 0, "the server ended");
        length += (size_t)n;
    }
    line[length] = '\0';
    line[strcspn(line, "\n")] = '\0';
    cr_assert_eq(strncmp(line, words, strlen(words)), 0, "%s", line);
    cr_assert_lt(snprintf(url, 64, "%s", line + strlen(words)), 64);
}

static void start(struct better_auth *app, const char *directory, const char *program,
                  const char *const *environment)
{
    int input[2], output[2];

    cr_assert_eq(pipe2(input, O_CLOEXEC), 0);
    cr_assert_eq(pipe2(output, O_CLOEXEC), 0);
    app->pid = fork();
    cr_assert_geq(app->pid, 0);
    if (app->pid == 0)
        child_exec(directory, input[0], output[1], program, environment);
    close(input[0]);
    close(output[1]);
    app->input = input[1];
    read_url(output[0], app->url);
    close(output[0]);
}

const char *better_auth_start(struct better_auth *app, const char *secret, const char *strategy)
{
    char *directory = NULL, given_secret[256], given_strategy[64];
    const char *environment[] = {given_secret, strategy ? given_strategy : NULL, NULL};
    const char *missing = better_auth_install(&directory);

    *app = (struct better_auth){.input = -1};
    if (missing)
        return missing;
    snprintf(given_secret, sizeof given_secret, "BETTER_AUTH_SECRET=%s", secret);
    snprintf(given_strategy, sizeof given_strategy, "COOKIE_CACHE=%s", strategy ? strategy : "");
    start(app, directory, "server.mjs", environment);
    free(directory);
    return NULL;
}

/* What it imports is looked for from where it lies; once it listens it has been read. */
const char *better_auth_start_program(struct better_auth *app, const char *path,
                                      const char *const *environment)
{
    char *directory = NULL, *copy = NULL, *text = harness_read_file(path);
    const char *missing = better_auth_install(&directory);

    *app = (struct better_auth){.input = -1};
    cr_assert_not_null(text, "%s", path);
    if (!missing) {
        cr_assert_gt(asprintf(&copy, "%s/program-%d.mjs", directory, getpid()), 0);
        harness_write_file(copy, text);
        start(app, directory, copy, environment);
        unlink(copy);
    }
    free(copy);
    free(directory);
    free(text);
    return missing;
}

void better_auth_stop(struct better_auth *app)
{
    if (app->pid <= 0)
        return;
    close(app->input);
    kill(app->pid, SIGTERM);
    waitpid(app->pid, NULL, 0);
    *app = (struct better_auth){.input = -1};
}

/* --- a browser --- */

struct answer {
    char cookie[BETTER_AUTH_COOKIE_MAX];
    char signed_token[256];
    char body[16384];
    size_t length;
};

static size_t on_body(char *bytes, size_t size, size_t count, void *data)
{
    struct answer *answer = data;

    if (answer->length + size * count >= sizeof answer->body)
        return 0;
    memcpy(answer->body + answer->length, bytes, size * count);
    answer->length += size * count;
    answer->body[answer->length] = '\0';
    return size * count;
}

/* The value of a header line of that name, trimmed; NULL where it is another. */
static char *header_value(char *line, const char *name)
{
    size_t length = strlen(name);

    if (strncasecmp(line, name, length) != 0 || line[length] != ':')
        return NULL;
    line += length + 1;
    line += strspn(line, " ");
    line[strcspn(line, "\r\n")] = '\0';
    return line;
}

static size_t on_header(char *bytes, size_t size, size_t count, void *data)
{
    struct answer *answer = data;
    char line[BETTER_AUTH_COOKIE_MAX], *value;
    size_t used = strlen(answer->cookie);
    int length = snprintf(line, sizeof line, "%.*s", (int)(size * count), bytes);

    if (length < 0 || (size_t)length >= sizeof line)
        return 0;
    value = header_value(line, "set-auth-token");
    if (value)
        snprintf(answer->signed_token, sizeof answer->signed_token, "%s", value);
    value = header_value(line, "set-cookie");
    if (value) {
        value[strcspn(value, ";")] = '\0';
        snprintf(answer->cookie + used, sizeof answer->cookie - used, "%s%s", used > 0 ? "; " : "",
                 value);
    }
    return size * count;
}

static void post(const struct better_auth *app, const char *path, const char *body,
                 const char *cookie, struct answer *answer)
{
    char url[160], origin[96];
    struct curl_slist *headers = NULL;
    CURL *easy = curl_easy_init();
    long status = 0;

    *answer = (struct answer){0};
    snprintf(url, sizeof url, "%s/api/auth/%s", app->url, path);
    snprintf(origin, sizeof origin, "Origin: %s", app->url);
    headers = curl_slist_append(headers, "Content-Type: application/json");
    headers = curl_slist_append(headers, origin);
    curl_easy_setopt(easy, CURLOPT_URL, url);
    curl_easy_setopt(easy, CURLOPT_NOPROXY, "*");
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)HARNESS_TIMEOUT_MS);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, body);
    if (cookie)
        curl_easy_setopt(easy, CURLOPT_COOKIE, cookie);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, answer);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, answer);
    cr_assert_eq(curl_easy_perform(easy), CURLE_OK, "%s", url);
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    cr_assert_eq(status, 200, "%s: %ld %s", url, status, answer->body);
    curl_easy_cleanup(easy);
    curl_slist_free_all(headers);
}

static void session_of(const struct answer *answer, struct better_auth_session *ret)
{
    json_t *root = json_loads(answer->body, 0, NULL);

    cr_assert_not_null(root, "%s", answer->body);
    *ret = (struct better_auth_session){0};
    snprintf(ret->cookie, sizeof ret->cookie, "%s", answer->cookie);
    snprintf(ret->signed_token, sizeof ret->signed_token, "%s", answer->signed_token);
    snprintf(ret->token, sizeof ret->token, "%s", harness_text(root, "token"));
    snprintf(ret->user_id, sizeof ret->user_id, "%s",
             harness_text(json_object_get(root, "user"), "id"));
    json_decref(root);
}

static void enter(const struct better_auth *app, const char *path, json_t *request,
                  struct better_auth_session *ret)
{
    char *body = json_dumps(request, JSON_COMPACT);
    struct answer answer;

    post(app, path, body, NULL, &answer);
    session_of(&answer, ret);
    free(body);
    json_decref(request);
}

void better_auth_sign_up(const struct better_auth *app, const char *email, const char *name,
                         struct better_auth_session *ret_session)
{
    enter(app, "sign-up/email",
          json_pack("{s:s, s:s, s:s}", "email", email, "password", PASSWORD, "name", name),
          ret_session);
}

void better_auth_sign_in(const struct better_auth *app, const char *email,
                         struct better_auth_session *ret_session)
{
    enter(app, "sign-in/email", json_pack("{s:s, s:s}", "email", email, "password", PASSWORD),
          ret_session);
}

void better_auth_sign_out(const struct better_auth *app, const struct better_auth_session *session)
{
    struct answer answer;

    post(app, "sign-out", "{}", session->cookie, &answer);
}
