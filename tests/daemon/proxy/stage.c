/* See stage.h. */
#include "stage.h"
#include <criterion/criterion.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define SECRET "a secret of the app, 32 characters or more"

/* --- the example's files, with the places of this machine --- */

char *stage_read_example(const char *name)
{
    char path[512], *text;

    snprintf(path, sizeof path, "%s/%s", EXAMPLE_DIRECTORY, name);
    text = harness_read_file(path);
    cr_assert_not_null(text, "%s", path);
    return text;
}

/* `from` stands there once: what the page says and what is tested cannot drift apart. */
static void put(char **text, const char *from, const char *to)
{
    char *at = strstr(*text, from), *changed;

    cr_assert_not_null(at, "the example has no \"%s\"", from);
    cr_assert_null(strstr(at + strlen(from), from), "the example has \"%s\" twice", from);
    cr_assert_gt(asprintf(&changed, "%.*s%s%s", (int)(at - *text), *text, to, at + strlen(from)),
                 0);
    free(*text);
    *text = changed;
}

static void write_config(struct stage *stage)
{
    char *text = stage_read_example("creditd.conf"), *all, path[HARNESS_PATH_MAX], uid[32];
    const struct fixture *fixture = &stage->fixture;

    harness_path(&fixture->directory, "better_auth_secret", path);
    harness_write_file(path, SECRET "\n");
    put(&text, "/etc/creditd/better_auth_secret", path);
    put(&text, "http://127.0.0.1:3000", stage->app.url);
    put(&text, "/run/creditd/http.sock", stage->http_socket);
    put(&text, "/run/creditd/http-local.sock", stage->local_socket);
    snprintf(uid, sizeof uid, "consume = %u\n", geteuid());
    put(&text, "consume = app creditd-http\n", uid);
    cr_assert_gt(asprintf(&all,
                          "%s\n[paths]\nstate_directory = %s\nsync_socket = %s\n"
                          "[ledger]\nsegment_size = 1MiB\nmap_size = 64MiB\n"
                          "[credits]\npush_interval = 20ms\ncold_timeout = 25s\n"
                          "[limits]\nupstream_turns_per_customer = 1000\n"
                          "[stellartools]\nbase_url = %s\n",
                          text, fixture->state, fixture->sync_path, stage->sandbox.url),
                 0);
    harness_write_file(fixture->config, all);
    free(all);
    free(text);
}

static void write_nginx_config(struct stage *stage, const char *path)
{
    char *text = stage_read_example("nginx.conf"), *all, listen[HARNESS_PATH_MAX + 32], key[128];
    const char *directory = stage->fixture.directory.path;

    snprintf(key, sizeof key, "%s/key.pem", directory);
    browser_make_certificate("app.example.com", stage->certificate, key);
    snprintf(listen, sizeof listen, "listen unix:%s ssl;", stage->nginx_socket);
    put(&text, "listen 443 ssl;", listen);
    put(&text, "/etc/ssl/app.example.com/fullchain.pem", stage->certificate);
    put(&text, "/etc/ssl/app.example.com/privkey.pem", key);
    put(&text, "/run/creditd/http.sock", stage->http_socket);
    put(&text, "127.0.0.1:3000", stage->app.url + strlen("http://"));
    /* What an administrator could also write: all there is, and no word of who asks. */
    put(&text, "    location / {",
        "    location /bare/ {\n        proxy_pass http://creditd/;\n    }\n    location / {");
    /* One process, which ends with the test, and writes nowhere else. */
    cr_assert_gt(asprintf(&all,
                          "daemon off; master_process off; pid %s/nginx.pid; error_log stderr;\n"
                          "events { worker_connections 64; }\n"
                          "http {\naccess_log off;\nclient_body_temp_path %s/body;\n"
                          "proxy_temp_path %s/proxy;\nfastcgi_temp_path %s/fastcgi;\n"
                          "uwsgi_temp_path %s/uwsgi;\nscgi_temp_path %s/scgi;\n%s}\n",
                          directory, directory, directory, directory, directory, directory, text),
                 0);
    harness_write_file(path, all);
    free(all);
    free(text);
}

/* --- the processes --- */

static const char *start_app(struct stage *stage)
{
    char program[512], socket[HARNESS_PATH_MAX + 32];
    const char *environment[] = {"BETTER_AUTH_SECRET=" SECRET,
                                 "BETTER_AUTH_URL=" STAGE_ORIGIN,
                                 "BETTER_AUTH_TELEMETRY=0",
                                 "PORT=0",
                                 socket,
                                 NULL};

    snprintf(program, sizeof program, "%s/app.mjs", EXAMPLE_DIRECTORY);
    snprintf(socket, sizeof socket, "CREDITD_HTTP=%s", stage->local_socket);
    return better_auth_start_program(&stage->app, program, environment);
}

static void start_sandbox(struct stage *stage)
{
    char seed[HARNESS_PATH_MAX];
    const char *arguments[] = {"--seed", seed, NULL};

    harness_path(&stage->fixture.directory, "seed.json", seed);
    harness_write_file(seed, "{\"products\": [{\"id\": \"prod_1\", \"units_per_credit\": 10}]}");
    sandbox_process_start(&stage->sandbox, arguments);
}

static void start_role(struct stage *stage, struct harness_process *process, const char *program,
                       const char *socket)
{
    const char *environment[] = {socket ? NULL : "STELLAR_TOOLS_API_KEY=sk_test_1", NULL};
    const char *arguments[] = {"--config", stage->fixture.config, socket ? "--socket" : NULL,
                               socket, NULL};
    const struct harness_start start = {
        .program = program,
        .arguments = arguments,
        .environment = environment,
        .directory = &stage->fixture.directory,
    };

    harness_process_start(process, &start);
    harness_process_wait_ready(process);
}

void stage_start_http(struct stage *stage)
{
    start_role(stage, &stage->http, "creditd-http", stage->fixture.client_path);
}

static bool answers(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool is_there;

    cr_assert_geq(fd, 0);
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    is_there = connect(fd, (struct sockaddr *)&address, sizeof address) == 0;
    close(fd);
    return is_there;
}

static const char *find_nginx(void)
{
    static const char *const places[] = {"/usr/sbin/nginx", "/usr/local/sbin/nginx",
                                         "/usr/bin/nginx", "/usr/local/bin/nginx"};

    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++)
        if (access(places[i], X_OK) == 0)
            return places[i];
    return NULL;
}

static void start_nginx(struct stage *stage)
{
    char config[HARNESS_PATH_MAX];
    const char *arguments[] = {"-p", stage->fixture.directory.path, "-c", config, NULL};
    const struct harness_start start = {
        .program = find_nginx(), .arguments = arguments, .directory = &stage->fixture.directory};

    harness_path(&stage->fixture.directory, "nginx.conf", config);
    write_nginx_config(stage, config);
    harness_process_start(&stage->nginx, &start);
    for (int waited = 0; !answers(stage->nginx_socket); waited += 10) {
        char *log = harness_process_log(&stage->nginx);

        cr_assert_lt(waited, HARNESS_TIMEOUT_MS, "nginx does not listen: %s", log);
        free(log);
        poll(NULL, 0, 10); /* it does not say when */
    }
}

const char *stage_start(struct stage *stage)
{
    struct fixture *fixture = &stage->fixture;
    const char *missing;

    memset(stage, 0, sizeof *stage);
    if (!find_nginx())
        return "nginx is not installed";
    fixture_init(fixture, NULL);
    harness_path(&fixture->directory, "http.sock", stage->http_socket);
    harness_path(&fixture->directory, "http-local.sock", stage->local_socket);
    harness_path(&fixture->directory, "nginx.sock", stage->nginx_socket);
    harness_path(&fixture->directory, "certificate.pem", stage->certificate);
    missing = start_app(stage);
    if (missing) {
        fixture_deinit(fixture);
        return missing;
    }
    start_sandbox(stage);
    write_config(stage);
    fixture_start_serve(fixture);
    start_role(stage, &stage->sync, "creditd-sync", NULL);
    stage_start_http(stage);
    start_nginx(stage);
    fixture_connect(fixture, &fixture->client);
    stage->browser = (struct browser){
        .socket = stage->nginx_socket, .origin = STAGE_ORIGIN, .certificate = stage->certificate};
    return NULL;
}

void stage_stop_http(struct stage *stage)
{
    cr_assert_eq(harness_process_stop(&stage->http, SIGTERM), 0);
}

void stage_stop(struct stage *stage)
{
    cr_assert_eq(harness_process_stop(&stage->nginx, SIGTERM), 0);
    stage_stop_http(stage);
    harness_connection_deinit(&stage->fixture.client);
    cr_assert_eq(harness_process_stop(&stage->fixture.serve, SIGTERM), 0);
    cr_assert_eq(harness_process_wait(&stage->sync), 0, "sync ends when serve does");
    cr_assert_eq(sandbox_process_stop(&stage->sandbox), 0);
    better_auth_stop(&stage->app);
    fixture_deinit(&stage->fixture);
}

void stage_deinit(struct stage *stage)
{
    harness_process_deinit(&stage->nginx);
    harness_process_deinit(&stage->http);
    harness_process_deinit(&stage->sync);
    sandbox_process_deinit(&stage->sandbox);
    better_auth_stop(&stage->app);
    fixture_deinit(&stage->fixture);
}
