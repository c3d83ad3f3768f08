/*
 * Ten thousand events, taken to a hook program that fails, hangs and is killed, while creditd-hook
 * and creditd-serve are killed throughout: each event arrives, for each customer in order, and
 * nobody else waits for it.
 */
#include "house.h"
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <util/fd.h>

#define CUSTOMERS 10
#define EVENTS 10000
/* A deduction of 90 credits of 1000, and their return: each takes the balance past 8 thresholds. */
#define AMOUNT "90"
#define EVENTS_OF_A_CYCLE 16
#define DEADLINE_MS "60000"

static struct house house;
static pid_t churners[CUSTOMERS];

static void teardown(void)
{
    house_deinit(&house);
}

TestSuite(arrivals, .fini = teardown, .timeout = 1000);

/* --- the parties --- */

static void copy_receiver(uint64_t seed)
{
    CLEANUP(cleanup_fd) int from = open(RECEIVER, O_RDONLY | O_CLOEXEC), to = -1;
    char path[HARNESS_PATH_MAX], text[64], buffer[65536];
    ssize_t length;

    harness_path(&house.directory, "receiver", path);
    to = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0755);
    cr_assert(from >= 0 && to >= 0);
    while ((length = read(from, buffer, sizeof(buffer))) > 0)
        cr_assert_eq(fd_write_all(to, buffer, (size_t)length), 0);
    harness_path(&house.directory, "odds", path);
    snprintf(text, sizeof(text), "%llu 40 10 20\n", (unsigned long long)seed);
    harness_write_file(path, text);
}

static void configure(void)
{
    char settings[1024], receiver[HARNESS_PATH_MAX];

    harness_path(&house.directory, "receiver", receiver);
    snprintf(settings, sizeof(settings),
             "push_interval = 1h\nrefresh_interval = 1h\n"
             "[billing]\ncredit_low_threshold = 990 980 970 960 950 940 930 920\n"
             "[hooks]\non_event = %s\ntimeout = 1s\nretry_delay = 10ms\n"
             "retry_delay_max = 100ms\npark_after = never\nconcurrency = 6\n",
             receiver);
    house_configure(&house, settings);
}

static void churner_start(int index, int cycles)
{
    char customer[16], count[16];
    const char *const arguments[] = {CHURNER, house.socket, HOUSE_PRODUCT, customer,
                                     count,   AMOUNT,       DEADLINE_MS,   NULL};

    snprintf(customer, sizeof(customer), "cus_%d", index);
    snprintf(count, sizeof(count), "%d", cycles);
    churners[index] = fork();
    cr_assert_geq(churners[index], 0);
    if (churners[index] == 0) {
        const char *told = getenv("FAULT_TELL");

        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (told != NULL) { /* see main.c */
            int fd = open(told, O_WRONLY | O_APPEND);

            dup2(fd, STDOUT_FILENO);
            dup2(fd, STDERR_FILENO);
        }
        execv(CHURNER, (char **)arguments);
        _exit(127);
    }
}

/* How many are still at it. Whoever has ended, has had all its answers in time. */
static int churners_left(void)
{
    int left = 0, status;

    for (int i = 0; i < CUSTOMERS; i++) {
        pid_t pid = churners[i] > 0 ? waitpid(churners[i], &status, WNOHANG) : 0;

        cr_assert_geq(pid, 0);
        if (pid > 0) {
            cr_assert_eq(status, 0, "churner %d ended with status %x", i, (unsigned)status);
            churners[i] = 0;
        }
        left += churners[i] > 0;
    }
    return left;
}

/* Bytes that programs have noted. */
static int64_t noted(void)
{
    char path[HARNESS_PATH_MAX];
    struct stat status;

    harness_path(&house.directory, "arrivals", path);
    return stat(path, &status) == 0 ? status.st_size : 0;
}

/* Whether most of that many events have come. */
static bool most_have_come(int64_t events)
{
    return noted() > events * 20; /* of their two lines */
}

/* At any moment, mostly; but every fourth time only after something has come since the kill before
 * it: where processes start slowly nothing would ever come. */
static void kill_role(const char *role, uint64_t *random, pid_t *last)
{
    static int64_t noted_before;
    static int kills;

    *last = house_role(&house, role, *last);
    for (int waited = 0; kills % 4 == 3 && noted() == noted_before && waited < 2000; waited += 10)
        pause_ms(10);
    kills++;
    noted_before = noted();
    pause_ms(random_below(random, 250));
    if (kill(*last, SIGKILL) < 0)
        cr_assert_eq(errno, ESRCH); /* a helper goes with serve */
}

/* --- what has come --- */

static json_t *hook_list(void)
{
    struct harness_connection connection;
    json_t *result;

    harness_connect(&connection, house.socket);
    result = harness_call(&connection, "hook.list", "{s:s}", "hook", "on_event");
    harness_connection_deinit(&connection);
    return result;
}

/* Waits until nothing is left to deliver; the number of the last event. */
static int64_t wait_for_the_rest(int seconds)
{
    int64_t end = now_ms() + seconds * 1000, events = 0, before = -1;

    for (;;) {
        json_t *list = hook_list();
        const json_t *hook = json_array_get(json_object_get(list, "hooks"), 0);
        int64_t left = harness_int(hook, "waiting") + harness_int(hook, "running") +
                       harness_int(hook, "failed");

        events = harness_int(hook, "sequence");
        cr_assert_eq(harness_int(hook, "parked"), 0);
        if (now_ms() > end)
            cr_assert_fail("%lld events are left: %s", (long long)left,
                           json_dumps(list, JSON_INDENT(1)));
        json_decref(list);
        if (left == 0 && events == before)
            return events; /* and nothing new was shown to it meanwhile */
        before = left == 0 ? events : -1;
        pause_ms(20);
    }
}

struct arrivals {
    bool *come, *done;       /* by number */
    char *customers;         /* by number: the last digit of each event's customer */
    int64_t last[CUSTOMERS]; /* the latest that has come */
    long lines, again;
};

/* An event may come again. It must not come before the customer's earlier ones are dealt with: at
 * the first coming of a later one that is what counts, and from then on they are. */
static void judge_line(struct arrivals *arrivals, const char *line, int64_t events)
{
    long long number;
    int customer;
    char what;

    cr_assert_eq(sscanf(line, "%c %lld cus_%d", &what, &number, &customer), 3, "%s", line);
    cr_assert(number >= 1 && number <= events && customer < CUSTOMERS, "%s", line);
    arrivals->lines++;
    if (what == 'd') {
        arrivals->done[number] = true;
        return;
    }
    arrivals->again += arrivals->come[number];
    if (arrivals->come[number])
        return;
    cr_assert_gt(number, arrivals->last[customer], "event %lld of cus_%d came after event %lld",
                 number, customer, (long long)arrivals->last[customer]);
    for (int64_t earlier = arrivals->last[customer]; earlier > 0 && earlier < number; earlier++)
        if (arrivals->customers[earlier] == '0' + customer)
            cr_assert(arrivals->done[earlier],
                      "event %lld of cus_%d came before event %lld was "
                      "dealt with",
                      number, customer, (long long)earlier);
    arrivals->come[number] = true;
    arrivals->customers[number] = (char)('0' + customer);
    arrivals->last[customer] = number;
}

static void judge(int64_t events)
{
    struct arrivals arrivals = {
        .come = calloc((size_t)events + 1, sizeof(bool)),
        .done = calloc((size_t)events + 1, sizeof(bool)),
        .customers = calloc((size_t)events + 1, 1),
    };
    CLEANUP(cleanup_free) char *text = NULL;
    char path[HARNESS_PATH_MAX], *save = NULL;

    harness_path(&house.directory, "arrivals", path);
    text = harness_read_file(path);
    cr_assert_not_null(text);
    for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
        judge_line(&arrivals, line, events);
    for (int64_t number = 1; number <= events; number++)
        cr_assert(arrivals.come[number] && arrivals.done[number], "event %lld has not arrived",
                  (long long)number);
    tell("%lld events arrived, %ld of them came again", (long long)events, arrivals.again);
    free(arrivals.come);
    free(arrivals.done);
    free(arrivals.customers);
}

Test(arrivals, each_event_arrives_in_order_for_its_customer_and_holds_nobody_up)
{
    uint64_t random = random_seed();
    int cycles = scaled(EVENTS, 1000) / CUSTOMERS / EVENTS_OF_A_CYCLE + 1, kills = 0;
    int64_t expected = (int64_t)cycles * CUSTOMERS * EVENTS_OF_A_CYCLE;
    pid_t serve = 0, hook = 0;
    int64_t events;

    house_start(&house, CUSTOMERS, 1000, "push_interval = 1h\nrefresh_interval = 1h\n");
    copy_receiver(random_next(&random));
    configure();
    house_stop_creditd(&house);
    house_start_creditd(&house);
    for (int i = 0; i < CUSTOMERS; i++)
        churner_start(i, cycles);
    for (; churners_left() > 0 || !most_have_come(expected); kills++)
        if (random_below(&random, 2) == 0)
            kill_role("creditd-hook", &random, &hook);
        else
            kill_role("creditd-serve", &random, &serve);
    events = wait_for_the_rest(200);
    tell("%d kills", kills);
    cr_assert_geq(events, expected);
    judge(events);
    house_deinit(&house);
}
