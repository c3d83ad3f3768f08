/*
 * See house.h: the processes and their status.
 */
#include "house.h"
#include <criterion/criterion.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <util/clock.h>
#include <util/fd.h>

void pause_ms(int ms)
{
    poll(NULL, 0, ms);
}

int64_t now_ms(void)
{
    return clock_monotonic_ns() / 1000000;
}

void tell(const char *format, ...)
{
    const char *path = getenv("FAULT_TELL"); /* see main.c */
    char line[512];
    size_t length;
    va_list values;
    int fd;

    va_start(values, format);
    vsnprintf(line, sizeof(line) - 1, format, values);
    va_end(values);
    length = strlen(line);
    line[length] = '\n';
    fd = open(path ? path : "/dev/stderr", O_WRONLY | O_APPEND | O_CLOEXEC);
    if (fd < 0)
        return;
    fd_write_all(fd, line, length + 1);
    close(fd);
}

int scaled(int full, int least)
{
    const char *text = getenv("CREDITD_FAULT_SCALE");
    long percent = text ? strtol(text, NULL, 10) : 100;
    long long size = (long long)full * percent / 100;

    return size > least ? (int)size : least;
}

uint64_t random_seed(void)
{
    const char *text = getenv("CREDITD_FAULT_SEED");
    uint64_t seed = text ? strtoull(text, NULL, 10) : (uint64_t)clock_wall_ms();

    tell("CREDITD_FAULT_SEED=%llu", (unsigned long long)seed);
    return seed;
}

uint32_t random_next(uint64_t *state)
{
    uint64_t x = (*state += UINT64_C(0x9e3779b97f4a7c15)); /* splitmix64 */

    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (uint32_t)(x >> 32);
}

int random_below(uint64_t *state, int limit)
{
    return (int)(random_next(state) % (uint32_t)limit);
}

void house_configure(struct house *house, const char *settings)
{
    static const char section[] = "[hooks]\n";
    CLEANUP(cleanup_free) char *text = NULL, *user = harness_hooks_user();
    const char *hooks = strstr(settings, section);
    int before = hooks ? (int)(hooks - settings + (int)sizeof section - 1) : 0;

    cr_assert(asprintf(&text,
                       "[stellartools]\nbase_url = %s\napi_key_file = %s\n"
                       "connect_timeout = 1s\nrequest_timeout = 2s\n"
                       "[paths]\nstate_directory = %s\n"
                       "[ledger]\nsegment_size = 1MiB\nmap_size = 256MiB\n"
                       "checkpoint_interval = 500ms\n"
                       "[credits]\n%.*s%s%s",
                       house->sandbox.url, house->key, house->state, before, settings,
                       hooks ? user : "", settings + before) > 0);
    harness_write_file(house->config, text);
}

void house_start_creditd(struct house *house)
{
    const char *const arguments[] = {"--config", house->config, "--socket", house->socket, NULL};
    static const char *const environment[] = {"CREDITD_RESTART_DELAYS=1ms,10ms,30s", NULL};

    harness_process_start(&house->creditd, &(struct harness_start){.program = "creditd",
                                                                   .arguments = arguments,
                                                                   .environment = environment,
                                                                   .directory = &house->directory});
    harness_process_wait_ready(&house->creditd);
}

static void start_sandbox(struct house *house, int customers, long long balance)
{
    char path[HARNESS_PATH_MAX];
    const char *const arguments[] = {"--seed", path, NULL};
    CLEANUP(cleanup_free) char *seed = NULL;

    harness_path(&house->directory, "seed.json", path);
    cr_assert(asprintf(&seed,
                       "{\"products\": [{\"id\": \"" HOUSE_PRODUCT "\", \"units_per_credit\": 1}],"
                       " \"generate\": {\"customers\": %d, \"product_id\": \"" HOUSE_PRODUCT "\","
                       " \"balance\": %lld}}",
                       customers, balance) > 0);
    harness_write_file(path, seed);
    sandbox_process_start(&house->sandbox, arguments);
}

void house_start(struct house *house, int customers, long long balance, const char *settings)
{
    memset(house, 0, sizeof(*house));
    harness_directory_init(&house->directory);
    harness_path(&house->directory, "creditd.conf", house->config);
    harness_path(&house->directory, "state", house->state);
    harness_path(&house->directory, "creditd.sock", house->socket);
    harness_path(&house->directory, "api_key", house->key);
    harness_write_file(house->key, "sk_test_1\n");
    start_sandbox(house, customers, balance);
    house_configure(house, settings);
    house_start_creditd(house);
}

void house_stop_creditd(struct house *house)
{
    CLEANUP(cleanup_free) char *log = NULL, *path = strdup(house->creditd.log_path);
    int status = harness_process_stop(&house->creditd, SIGTERM);

    log = harness_read_file(path);
    cr_assert_eq(status, 0, "creditd ended with status %x: %s", (unsigned)status, log);
}

void house_deinit(struct house *house)
{
    if (house->creditd.pid > 0 && kill(house->creditd.pid, 0) == 0)
        house_stop_creditd(house);
    sandbox_process_deinit(&house->sandbox);
    if (house->directory.path[0] != '\0')
        harness_directory_deinit(&house->directory);
}

/* What /proc tells of a process; "" where it has gone. */
static void proc_line(pid_t pid, const char *name, char *line, size_t size)
{
    char path[96];
    FILE *file;

    line[0] = '\0';
    snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
    file = fopen(path, "re");
    if (file == NULL)
        return;
    if (fgets(line, (int)size, file) == NULL)
        line[0] = '\0';
    fclose(file);
    line[strcspn(line, "\n")] = '\0';
}

static pid_t child_of(pid_t parent, const char *role)
{
    char name[64], line[512], comm[64], *next = line;

    snprintf(name, sizeof(name), "task/%d/children", (int)parent);
    proc_line(parent, name, line, sizeof(line));
    for (;;) {
        char *end;
        pid_t pid = (pid_t)strtol(next, &end, 10);

        if (end == next)
            return 0;
        proc_line(pid, "comm", comm, sizeof(comm));
        if (strcmp(comm, role) == 0)
            return pid;
        next = end;
    }
}

pid_t house_role(const struct house *house, const char *role, pid_t other)
{
    for (int waited = 0; waited < HARNESS_TIMEOUT_MS; waited++) {
        pid_t pid = child_of(house->creditd.pid, role);

        if (pid > 0 && pid != other)
            return pid;
        pause_ms(1);
    }
    cr_assert_fail("there is no %s", role);
    return 0;
}

static json_t *status_of(const struct house *house)
{
    struct harness_connection connection;
    json_t *status;

    harness_connect(&connection, house->socket);
    status = harness_call(&connection, "status", "{}");
    harness_connection_deinit(&connection);
    return status;
}

/* Borrowed from `status`. */
static const json_t *status_at(const json_t *status, const char *path)
{
    char group[32];
    const char *dot = strchr(path, '.');

    if (dot == NULL)
        return json_object_get(status, path);
    snprintf(group, sizeof(group), "%.*s", (int)(dot - path), path);
    return json_object_get(json_object_get(status, group), dot + 1);
}

int64_t house_status(const struct house *house, const char *path)
{
    json_t *status = status_of(house);
    int64_t value = json_integer_value(status_at(status, path));

    json_decref(status);
    return value;
}

bool house_status_true(const struct house *house, const char *path)
{
    json_t *status = status_of(house);
    bool value = json_is_true(status_at(status, path));

    json_decref(status);
    return value;
}

static void fail_with_status(const struct house *house, const char *what)
{
    json_t *status = status_of(house);
    CLEANUP(cleanup_free) char *text = json_dumps(status, JSON_INDENT(1));
    CLEANUP(cleanup_free) char *log = harness_process_log(&house->creditd);

    json_decref(status);
    cr_assert_fail("waited in vain for %s: %s\n%s", what, text, log);
}

void house_wait_status(const struct house *house, const char *path, int64_t value)
{
    int64_t end = now_ms() + HARNESS_TIMEOUT_MS;

    while (house_status(house, path) != value) {
        if (now_ms() > end)
            fail_with_status(house, path);
        pause_ms(10);
    }
}

void house_wait_true(const struct house *house, const char *path, bool value)
{
    int64_t end = now_ms() + HARNESS_TIMEOUT_MS;

    while (house_status_true(house, path) != value) {
        if (now_ms() > end)
            fail_with_status(house, path);
        pause_ms(10);
    }
}

int64_t house_converge(const struct house *house)
{
    int64_t began = now_ms();

    house_wait_status(house, "pending.credits", 0);
    house_wait_status(house, "pushes.open", 0);
    house_wait_status(house, "pushes.doubt", 0);
    cr_assert_eq(house_status(house, "pushes.parked"), 0);
    return now_ms() - began;
}

int64_t house_balance(const struct house *house, const char *customer, const char *member)
{
    struct harness_connection connection;
    json_t *balance;
    int64_t value;

    harness_connect(&connection, house->socket);
    balance = harness_call(&connection, "credits.balance", "{s:s, s:s}", "customer_id", customer,
                           "product_id", HOUSE_PRODUCT);
    value = harness_int(balance, member);
    json_decref(balance);
    harness_connection_deinit(&connection);
    return value;
}
