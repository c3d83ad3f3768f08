/*
 * One line, one write: lines of several processes on the same terminal stay whole. Control
 * characters in a message are shown as '?', so that nothing that came from outside can forge a
 * second line.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <util/log.h>

#define LOG_LINE_MAX 2048

/* A process has one standard error, and so one of this; set once, before there are threads. */
static struct {
    const char *program;
    enum log_level level;
    bool journal;
} log_state = {.program = "creditd", .level = LOG_LEVEL_INFO};

/* JOURNAL_STREAM is inherited by programs whose standard error has been redirected since: it counts
 * only where it names the very file that descriptor 2 is. */
static bool log_is_journal(void)
{
    const char *stream = getenv("JOURNAL_STREAM");
    unsigned long long device, inode;
    struct stat status;

    if (!stream || sscanf(stream, "%llu:%llu", &device, &inode) != 2)
        return false;
    return !fstat(STDERR_FILENO, &status) && status.st_dev == device && status.st_ino == inode;
}

void log_init(const char *program, enum log_level level)
{
    static const struct {
        const char *name;
        enum log_level level;
    } names[] = {
        {"error", LOG_LEVEL_ERROR}, {"warning", LOG_LEVEL_WARNING}, {"notice", LOG_LEVEL_NOTICE},
        {"info", LOG_LEVEL_INFO},   {"debug", LOG_LEVEL_DEBUG},
    };
    const char *wanted = getenv("CREDITD_LOG_LEVEL");

    log_state.program = program;
    log_state.level = level;
    log_state.journal = log_is_journal();
    for (size_t i = 0; wanted && i < ARRAY_SIZE(names); i++)
        if (!strcmp(wanted, names[i].name))
            log_state.level = names[i].level;
}

static size_t log_prefix(char *line, size_t size, enum log_level level)
{
    char date[32] = "";
    struct timespec now;
    struct tm parts;
    int length;

    if (log_state.journal) {
        length = snprintf(line, size, "<%d>", (int)level);
    } else {
        clock_gettime(CLOCK_REALTIME, &now);
        if (gmtime_r(&now.tv_sec, &parts))
            strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &parts);
        length =
            snprintf(line, size, "%s.%03ldZ %s: ", date, now.tv_nsec / 1000000, log_state.program);
    }
    return length < 0 ? 0 : (size_t)length < size ? (size_t)length : size - 1;
}

void log_line(enum log_level level, const char *format, ...)
{
    char line[LOG_LINE_MAX];
    int saved = errno, length;
    size_t start, end;
    va_list arguments;

    if (level > log_state.level)
        return;
    start = log_prefix(line, sizeof(line) - 1, level);
    va_start(arguments, format);
    length = vsnprintf(line + start, sizeof(line) - 1 - start, format, arguments);
    va_end(arguments);
    if (length < 0)
        length = 0;
    end = start + (size_t)length;
    if (end > sizeof(line) - 2)
        end = sizeof(line) - 2; /* cut, and marked as cut */
    for (size_t i = start; i < end; i++)
        if ((unsigned char)line[i] < ' ' || line[i] == 0x7f)
            line[i] = '?';
    if (start + (size_t)length > end)
        memcpy(line + end - 3, "...", 3);
    line[end] = '\n';
    /* Where standard error cannot be written, there is nobody left to tell. */
    while (write(STDERR_FILENO, line, end + 1) < 0 && errno == EINTR)
        ;
    errno = saved;
}
