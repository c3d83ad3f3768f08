#include "scratch.h"
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include <util/macros.h>
#include <util/service.h>

static void set_number(const char *name, long number)
{
    char text[32];

    snprintf(text, sizeof(text), "%ld", number);
    setenv(name, text, 1);
}

/* Runs `check` in a child whose descriptors 3, 4, … are real sockets, as a service finds them; its
 * answer is 0. */
static void in_service(int count, const char *names, long pid_off, int (*check)(void))
{
    pid_t child = fork();
    int status;

    if (!child) {
        for (int fd = 3; fd < 3 + count; fd++) {
            int source = socket(AF_UNIX, SOCK_STREAM, 0);

            if (source != fd && (dup2(source, fd) < 0 || (source >= 3 + count && close(source))))
                _exit(100);
        }
        set_number("LISTEN_PID", getpid() + pid_off);
        set_number("LISTEN_FDS", count);
        if (names)
            setenv("LISTEN_FDNAMES", names, 1);
        else
            unsetenv("LISTEN_FDNAMES");
        _exit(check());
    }
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert(WIFEXITED(status));
    cr_assert_eq(WEXITSTATUS(status), 0, "check failed at line %d (of 256)", WEXITSTATUS(status));
}

/* In a child, an assertion is an exit status: the line, as far as it fits. */
#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition))                                                                          \
            return __LINE__ & 0xff ? __LINE__ & 0xff : 1;                                          \
    } while (0)

static int check_each_once(void)
{
    CHECK(service_take_fd(SERVICE_FD_SYNC) == 4);
    CHECK(fcntl(4, F_GETFD) == FD_CLOEXEC);
    CHECK(service_take_fd(SERVICE_FD_CLIENT) == 3);
    CHECK(service_take_fd(SERVICE_FD_HOOK) == 5);
    CHECK(service_take_fd(SERVICE_FD_SYNC) == -ENOENT);
    CHECK(service_take_fd(SERVICE_FD_CLIENT) == -ENOENT);
    CHECK(service_take_fd(SERVICE_FD_HOOK) == -ENOENT);
    CHECK(service_take_fd("") == -ENOENT);
    return 0;
}

Test(service, each_descriptor_by_name_once)
{
    in_service(3, "client:sync:hook", 0, check_each_once);
}

static int check_same_name(void)
{
    CHECK(service_take_fd(SERVICE_FD_CLIENT) == 3);
    CHECK(service_take_fd(SERVICE_FD_CLIENT) == 5);
    CHECK(service_take_fd(SERVICE_FD_CLIENT) == -ENOENT);
    return 0;
}

Test(service, two_of_one_name_come_one_after_the_other)
{
    in_service(3, "client:client2:client", 0, check_same_name);
}

static int check_none(void)
{
    CHECK(service_take_fd(SERVICE_FD_CLIENT) == -ENOENT);
    return 0;
}

Test(service, descriptors_for_another_process_are_not_ours)
{
    in_service(1, "client", 1, check_none);
}

Test(service, descriptors_without_names_or_past_the_count)
{
    in_service(1, NULL, 0, check_none);
    in_service(1, "other:client", 0, check_none);
    in_service(0, "client", 0, check_none);
}

static int bind_datagram(const char *path, size_t length)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    memcpy(address.sun_path, path, length);
    cr_assert_eq(bind(fd, (struct sockaddr *)&address,
                      (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length)),
                 0);
    return fd;
}

static void notify_and_receive(int fd)
{
    char text[64] = "";
    pid_t child = fork();

    if (!child)
        _exit(service_notify("READY=1\nSTATUS=here") ? 1 : 0);
    cr_assert_eq(recv(fd, text, sizeof(text) - 1, 0), 19);
    cr_assert_str_eq(text, "READY=1\nSTATUS=here");
    cr_assert_eq(waitpid(child, NULL, 0), child);
}

Test(service, notify_reaches_a_socket_in_the_file_system)
{
    char *directory = scratch_make(), *path = scratch_path(directory, "notify");
    int fd = bind_datagram(path, strlen(path));

    setenv("NOTIFY_SOCKET", path, 1);
    notify_and_receive(fd);
    close(fd);
    free(path);
    scratch_remove(directory);
}

Test(service, notify_reaches_an_abstract_socket)
{
    char name[64];
    int fd;

    snprintf(name, sizeof(name), "@creditd-test-%d", getpid());
    setenv("NOTIFY_SOCKET", name, 1);
    name[0] = '\0';
    fd = bind_datagram(name, 1 + strlen(name + 1));
    notify_and_receive(fd);
    close(fd);
}

Test(service, notify_without_a_listener)
{
    char path[200];

    unsetenv("NOTIFY_SOCKET");
    cr_assert_eq(service_notify("READY=1"), 0);
    setenv("NOTIFY_SOCKET", "/nonexistent/notify", 1);
    cr_assert_eq(service_notify("READY=1"), -ENOENT);
    setenv("NOTIFY_SOCKET", "vsock:2:1234", 1);
    cr_assert_eq(service_notify("READY=1"), -EAFNOSUPPORT);
    memset(path, 'x', sizeof(path) - 1);
    path[0] = '/', path[sizeof(path) - 1] = '\0';
    setenv("NOTIFY_SOCKET", path, 1);
    cr_assert_eq(service_notify("READY=1"), -ENAMETOOLONG);
}

Test(service, watchdog)
{
    static const struct {
        const char *usec;
        int interval;
    } cases[] = {
        {"30000000", 15000},
        {"1000", 1},
        {"0", 0},
        {"", 0},
        {"-5", 0},
        {"10x", 0},
        {"x", 0},
        {"99999999999999999999999", 0},
        {"9000000000000000000", 2147483647},
    };

    unsetenv("WATCHDOG_PID");
    unsetenv("WATCHDOG_USEC");
    cr_assert_eq(service_watchdog_interval_ms(), 0);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        setenv("WATCHDOG_USEC", cases[i].usec, 1);
        cr_assert_eq(service_watchdog_interval_ms(), cases[i].interval, "%s", cases[i].usec);
    }
    setenv("WATCHDOG_USEC", "30000000", 1);
    set_number("WATCHDOG_PID", getpid());
    cr_assert_eq(service_watchdog_interval_ms(), 15000);
    set_number("WATCHDOG_PID", getpid() + 1);
    cr_assert_eq(service_watchdog_interval_ms(), 0);
}

Test(service, credential_path)
{
    char *directory = scratch_make(), *file = scratch_write(directory, "api_key", "ke", 2);
    char *without = scratch_write(directory, "webhook_secret", "\n", 1);
    CLEANUP(cleanup_free) char *found = NULL;

    unsetenv("CREDENTIALS_DIRECTORY");
    cr_assert_null(service_credential_path("api_key"));
    setenv("CREDENTIALS_DIRECTORY", directory, 1);
    found = service_credential_path("api_key");
    cr_assert_str_eq(found, file);
    cr_assert_null(service_credential_path("other"));
    cr_assert_null(service_credential_path("webhook_secret"));
    free(without);
    free(file);
    scratch_remove(directory);
}

Test(service, protected_memory_is_not_dumped)
{
    struct rlimit limit;

    cr_assert_eq(service_protect_memory(), 0);
    cr_assert_eq(prctl(PR_GET_DUMPABLE), 0);
    cr_assert_eq(getrlimit(RLIMIT_CORE, &limit), 0);
    cr_assert_eq(limit.rlim_cur, 0);
    cr_assert_eq(limit.rlim_max, 0);
}
