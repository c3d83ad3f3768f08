/*
 * Log lines on standard error, for programs only: libraries and core return errors and never log.
 *
 * Under systemd (JOURNAL_STREAM names our standard error) lines carry the `<N>` priority prefix;
 * elsewhere a time and the program's name. Never pass secrets, tokens, or whole requests to these
 * functions.
 */
#pragma once

#include <util/macros.h>

enum log_level {
    LOG_LEVEL_ERROR = 3,
    LOG_LEVEL_WARNING = 4,
    LOG_LEVEL_NOTICE = 5,
    LOG_LEVEL_INFO = 6,
    LOG_LEVEL_DEBUG = 7
};

/* `program` must outlive the process's last log line (a string literal).
 * CREDITD_LOG_LEVEL=error|warning|notice|info|debug overrides `level`. */
void log_init(const char *program, enum log_level level);
void log_line(enum log_level level, const char *format, ...) PRINTF_LIKE(2, 3);

#define log_error(...) log_line(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_line(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_notice(...) log_line(LOG_LEVEL_NOTICE, __VA_ARGS__)
#define log_info(...) log_line(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) log_line(LOG_LEVEL_DEBUG, __VA_ARGS__)
