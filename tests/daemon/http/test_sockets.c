/*
 * Where HTTP is served: everybody's addresses, where nobody has a role, and the socket for local
 * programs; sockets that are passed, and addresses that cannot be opened.
 */
#include "http_fixture.h"
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <netinet/in.h>
#include <proto/methods.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include <util/config.h>
#include <util/fd.h>
#include <util/macros.h>

static struct http_fixture fixture;

static void teardown(void)
{
    http_fixture_deinit(&fixture);
}

TestSuite(sockets, .fini = teardown, .timeout = 100);

#define SOCKET_TEST(name) HTTP_TEST(sockets, name, &fixture, NULL, NULL)
#define BALANCE "{\"product_id\": \"prod_1\"}"
#define BALANCE_OF_CUSTOMER "{\"product_id\": \"prod_1\", \"customer_id\": \"cus_2\"}"

/* --- who is somebody where --- */

typedef void (*ask_function)(const struct http_fixture *fixture, struct http_answer *ret_answer,
                             const char *method, const char *target, const char *headers,
                             const char *body);

/* Although we are the daemon's own user, or root, and no header says that anybody passed it on. */
static void check_no_roles(ask_function ask)
{
    struct http_answer answer;

    for (unsigned i = 0; i < PROTO_METHOD_COUNT_; i++) {
        const struct proto_method_spec *spec = proto_method_spec(i);
        bool takes_session = (spec->known & PROTO_BIT(SESSION)) != 0;
        char target[128];

        if (i == PROTO_METHOD_EVENT_SUBSCRIBE || spec->role == PROTO_ROLE_NONE)
            continue;
        snprintf(target, sizeof(target), "/v1/%s", spec->name);
        ask(&fixture, &answer, "POST", target, JSON,
            takes_session ? "{\"customer_id\": \"cus_1\"}" : "{}");
        http_check(&answer, takes_session ? 401 : 403,
                   takes_session ? "unauthenticated" : "permission_denied");
    }
    ask(&fixture, &answer, "GET", "/v1/events", NULL, NULL);
    http_check(&answer, 403, "permission_denied");
    ask(&fixture, &answer, "POST", "/v1/credits.balance", BEARER("u_1") JSON, BALANCE);
    http_check(&answer, 200, NULL);
    ask(&fixture, &answer, "POST", "/v1/status", NULL, NULL);
    http_check(&answer, 200, NULL);
}

SOCKET_TEST(over_tcp_nothing_without_a_session)
{
    check_no_roles(http_ask_tcp);
}

SOCKET_TEST(at_everyones_socket_nothing_without_a_session)
{
    check_no_roles(http_ask_everyone);
}

static void check_balance(int fd, unsigned status, const char *code)
{
    struct http_answer answer;

    http_send_request(fd, "POST", "/v1/credits.balance", JSON, BALANCE_OF_CUSTOMER);
    http_receive(fd, false, &answer);
    http_check(&answer, status, code);
}

/* The numbers of descriptors are used again, by connections of the other kind. */
SOCKET_TEST(each_connection_is_of_its_own_socket)
{
    enum { COUNT = 20 };
    int fds[COUNT];

    for (int round = 0; round < 4; round++) {
        for (int i = 0; i < COUNT; i++)
            fds[i] = (i + round) % 2 ? http_connect(&fixture) : http_connect_everyone(&fixture);
        for (int i = 0; i < COUNT; i++)
            check_balance(fds[i], (i + round) % 2 ? 200 : 401,
                          (i + round) % 2 ? NULL : "unauthenticated");
        for (int i = 0; i < COUNT; i++)
            close(fds[i]);
    }
}

/* --- sockets that are passed --- */

static void start_with(int everyone, int tcp, int local)
{
    const char *arguments[] = {"--config", fixture.config, "--socket", fixture.serve.client_path,
                               NULL};
    const struct harness_start start = {
        .program = "creditd-http",
        .arguments = arguments,
        .fds = {{"http", everyone}, {"http-local", tcp}, {"http-local", local}},
        .fd_count = 3,
        .directory = &fixture.serve.directory};

    harness_process_start(&fixture.http, &start);
    harness_process_wait_ready(&fixture.http);
    close(everyone);
    close(tcp);
    close(local);
}

static int listen_tcp(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    cr_assert_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    cr_assert_eq(listen(fd, 8), 0);
    return fd;
}

/* Under systemd: no address of the configuration's is used, and the name says whose roles count. */
SOCKET_TEST(sockets_that_are_passed_take_the_place_of_listen)
{
    char everyone[HARNESS_PATH_MAX], local[HARNESS_PATH_MAX];
    CLEANUP(cleanup_free) char *log = NULL;
    int fd;

    http_fixture_stop_http(&fixture);
    harness_path(&fixture.serve.directory, "passed.sock", everyone);
    harness_path(&fixture.serve.directory, "passed-local.sock", local);
    /* Over TCP nobody can be told whose roles could count: that one is passed over. */
    start_with(harness_listen(everyone), listen_tcp(), harness_listen(local));
    cr_assert_neq(access(fixture.socket, F_OK), 0);
    cr_assert_neq(access(fixture.everyone, F_OK), 0);
    memcpy(fixture.socket, local, sizeof(local));
    memcpy(fixture.everyone, everyone, sizeof(everyone));
    fd = http_connect(&fixture);
    check_balance(fd, 200, NULL);
    close(fd);
    fd = http_connect_everyone(&fixture);
    check_balance(fd, 401, "unauthenticated");
    close(fd);
    log = harness_process_log(&fixture.http);
    cr_assert_not_null(strstr(log, "a descriptor \"http-local\" cannot be listened on"), "%s", log);
    cr_assert_eq(harness_process_stop(&fixture.http, SIGTERM), 0);
    cr_assert_eq(access(local, F_OK), 0, "it is not ours to remove");
}

/* --- addresses --- */

static void restart_with(const char *http)
{
    char text[2048];

    http_fixture_stop_http(&fixture);
    snprintf(text, sizeof(text), "[better_auth]\nurl = http://127.0.0.1:9\n[http]\n%s", http);
    harness_write_file(fixture.config, text);
}

SOCKET_TEST(an_address_that_cannot_be_opened_takes_no_other_with_it)
{
    CLEANUP(cleanup_free) char *log = NULL;
    struct http_answer answer;
    char text[1024];

    snprintf(text, sizeof(text), "listen = %s/nowhere/x.sock 127.0.0.1:0 %s\nlocal = %s\n",
             fixture.serve.directory.path, fixture.serve.client_path, fixture.socket);
    restart_with(text);
    http_fixture_start_http(&fixture);
    http_ask_tcp(&fixture, &answer, "GET", "/readyz", NULL, NULL);
    http_check(&answer, 200, NULL);
    http_ask(&fixture, &answer, "GET", "/readyz", NULL, NULL);
    http_check(&answer, 200, NULL);
    log = harness_process_log(&fixture.http);
    cr_assert_not_null(strstr(log, "/nowhere/x.sock cannot be listened on: No such file"), "%s",
                       log);
    snprintf(text, sizeof(text), "%s cannot be listened on: Address already in use",
             fixture.serve.client_path);
    cr_assert_not_null(strstr(log, text), "%s", log);
    cr_assert_eq(access(fixture.serve.client_path, F_OK), 0, "another's socket is left alone");
}

SOCKET_TEST(there_is_room_for_all_that_the_configuration_takes)
{
    struct http_answer answer;
    char text[1024] = "listen="; /* lines have a limit, too */

    for (int i = 0; i < CONFIG_LISTEN_MAX; i++)
        strcat(text, i > 0 ? " 127.0.0.1:0" : "127.0.0.1:0");
    snprintf(text + strlen(text), sizeof(text) - strlen(text), "\nlocal = %s\n", fixture.socket);
    restart_with(text);
    http_fixture_start_http(&fixture);
    http_ask(&fixture, &answer, "GET", "/livez", NULL, NULL);
    http_check(&answer, 200, NULL);
}

static void check_fails(const char *http, const char *why)
{
    const char *arguments[] = {"--config", fixture.config, "--socket", fixture.serve.client_path,
                               NULL};
    const struct harness_start start = {
        .program = "creditd-http", .arguments = arguments, .directory = &fixture.serve.directory};
    CLEANUP(cleanup_free) char *path = NULL, *log = NULL;
    int status;

    harness_write_file(fixture.config, http);
    harness_process_start(&fixture.http, &start);
    path = strdup(fixture.http.log_path);
    status = harness_process_wait(&fixture.http);
    log = harness_read_file(path);
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 1, "%x: %s", (unsigned)status, log);
    cr_assert_not_null(strstr(log, why), "%s", log);
}

SOCKET_TEST(without_any_address_it_ends)
{
    char text[1024];

    http_fixture_stop_http(&fixture);
    check_fails("", "there is nothing to listen on: set [http] listen, or local");
    snprintf(text, sizeof(text), "[http]\nlisten = %s/nowhere/x.sock\nlocal = %s/nowhere/y.sock\n",
             fixture.serve.directory.path, fixture.serve.directory.path);
    check_fails(text, "none of the addresses can be listened on");
}

static void check_socket(const char *path, gid_t gid)
{
    struct stat info;

    cr_assert_eq(stat(path, &info), 0);
    cr_assert_eq(info.st_mode & 07777, 0660, "%o", info.st_mode);
    cr_assert_eq(info.st_gid, gid, "%u", info.st_gid);
}

SOCKET_TEST(the_unix_sockets_belong_to_the_group)
{
    gid_t gid = geteuid() == 0 ? 12345 : getegid();
    char text[1024];

    snprintf(text, sizeof(text), "listen = %s 127.0.0.1:0\nlocal = %s\ngroup = %u\n",
             fixture.everyone, fixture.socket, gid);
    restart_with(text);
    http_fixture_start_http(&fixture);
    check_socket(fixture.everyone, gid);
    check_socket(fixture.socket, gid);
}
