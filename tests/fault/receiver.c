/*
 * A hook program that fails, hangs and is killed, as a seed says. What reached it stands in the
 * file `arrivals` in its own directory, a line each:
 *
 *     b NUMBER CUSTOMER      an event has come
 *     d NUMBER CUSTOMER      … and was dealt with
 *
 * The file `odds` there has the seed, and per mille how often it fails, hangs and is killed.
 */
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char directory[PATH_MAX];

static int open_beside(const char *name, int flags)
{
    char path[PATH_MAX + 32];

    snprintf(path, sizeof(path), "%s/%s", directory, name);
    return open(path, flags | O_CLOEXEC, 0644);
}

/* One write: lines of programs that run side by side do not mix. */
static void note(char what, const char *number, const char *customer)
{
    int fd = open_beside("arrivals", O_WRONLY | O_APPEND | O_CREAT);
    char line[256];
    int length = snprintf(line, sizeof(line), "%c %s %s\n", what, number, customer);

    if (fd < 0 || write(fd, line, (size_t)length) != length)
        _exit(99);
    close(fd);
}

static void read_event(char *ret_customer, size_t size)
{
    static char event[256 * 1024];
    static const char key[] = "\"customer_id\":";
    size_t length = 0;
    ssize_t n;
    char *at;

    while ((n = read(STDIN_FILENO, event + length, sizeof(event) - 1 - length)) > 0)
        length += (size_t)n;
    at = strstr(event, key);
    if (at == NULL || (at = strchr(at + sizeof(key) - 1, '"')) == NULL)
        _exit(98);
    at++;
    snprintf(ret_customer, size, "%.*s", (int)strcspn(at, "\""), at);
}

static uint64_t mix(uint64_t x)
{
    x += UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

int main(void)
{
    const char *number = getenv("CREDITD_EVENT_SEQUENCE"), *attempt = getenv("CREDITD_ATTEMPT");
    unsigned long long seed, fails, hangs, dies, dice;
    char customer[130], odds[128] = "";
    ssize_t length = readlink("/proc/self/exe", directory, sizeof(directory) - 1);

    if (length < 0 || number == NULL || attempt == NULL)
        return 97;
    directory[length] = '\0';
    *strrchr(directory, '/') = '\0';
    int fd = open_beside("odds", O_RDONLY);
    if (fd < 0 || read(fd, odds, sizeof(odds) - 1) < 0 ||
        sscanf(odds, "%llu %llu %llu %llu", &seed, &fails, &hangs, &dies) != 4)
        return 96;
    close(fd);
    read_event(customer, sizeof(customer));
    note('b', number, customer);
    dice = mix(mix(seed ^ strtoull(number, NULL, 10)) + strtoull(attempt, NULL, 10));
    bool late = dice >> 32 & 1; /* after it has been dealt with: nobody here can know */
    dice %= 1000;
    if (late)
        note('d', number, customer);
    if (dice < fails)
        return 1;
    if (dice < fails + hangs)
        pause();
    if (dice < fails + hangs + dies)
        raise(SIGKILL);
    if (!late)
        note('d', number, customer);
    return 0;
}
