/*
 * What tests of the real executables share: temporary directories, processes with inherited
 * descriptors that say when they are ready, and a plain client of the protocol whose parameters and
 * results are JSON, so that a test reads like a transcript.
 *
 * Everything here asserts (Criterion) on what must not fail in a test; waits end after
 * HARNESS_TIMEOUT_MS. The executables are found below $CREDITD_BUILD_ROOT, which meson sets.
 *
 * Text of the form "bin:HEX" stands for bytes in parameters and results (json_words.h).
 */
#pragma once

#include <jansson.h>
#include <msgpack.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define HARNESS_TIMEOUT_MS 120000 /* beyond what anything takes: it costs nothing until then */
#define HARNESS_FDS_MAX 4
#define HARNESS_PATH_MAX 100 /* short enough for the address of a Unix socket */

/* --- directories and files --- */

struct harness_directory {
    char path[HARNESS_PATH_MAX];
};

void harness_directory_init(struct harness_directory *directory);
void harness_directory_deinit(struct harness_directory *directory); /* rm -r */
/* "DIRECTORY/name" into a buffer of HARNESS_PATH_MAX. */
void harness_path(const struct harness_directory *directory, const char *name, char *ret_path);
void harness_write_file(const char *path, const char *text);
/* A line for [hooks]: programs run as whoever runs the test, also where that is root. To be freed.
 */
char *harness_hooks_user(void);
/* The whole file, NUL-terminated; NULL where there is none. The caller frees it. */
char *harness_read_file(const char *path);
/* A listening Unix socket at `path`, close-on-exec. The caller closes it. */
int harness_listen(const char *path);

/* --- processes --- */

struct harness_process {
    pid_t pid;      /* 0: not running */
    int notify_fd;  /* NOTIFY_SOCKET's other end */
    char *log_path; /* its standard error */
    char *notify_path;
};

struct harness_start {
    const char *program;          /* "creditd-serve", "creditd-sync", …, or a path with a slash */
    const char *const *arguments; /* without argv[0]; NULL-terminated; may be NULL */
    const char *const *environment; /* "NAME=value" beside our own; NULL-terminated; may be NULL */
    struct {
        const char *name; /* as in LISTEN_FDNAMES */
        int fd;           /* stays the caller's */
    } fds[HARNESS_FDS_MAX];
    size_t fd_count;
    const struct harness_directory *directory; /* for the log and the notify socket */
};

void harness_process_start(struct harness_process *process, const struct harness_start *start);
/* Waits for READY=1. */
void harness_process_wait_ready(struct harness_process *process);
/* Waits for the end: the status as of waitpid. Frees what belongs to it. */
int harness_process_wait(struct harness_process *process);
/* Sends a signal and waits for the end. */
int harness_process_stop(struct harness_process *process, int signal);
/* Kills and reaps if it is running: for a test's fixture. */
void harness_process_deinit(struct harness_process *process);
/* What it has written to standard error so far. The caller frees it. */
char *harness_process_log(const struct harness_process *process);
/* Waits until that stands in its log. */
void harness_process_wait_log(const struct harness_process *process, const char *text);
/* The ends of the logs of what was started last, for what a failing test says. Owned here. */
const char *harness_logs(void);
/* The path of one of our executables. The caller frees it. */
char *harness_program_path(const char *program);

/* --- the protocol --- */

struct harness_connection {
    int fd;
    uint32_t last_msgid;
    uint8_t *input;
    size_t begin, end, capacity;
};

struct harness_message {
    int type; /* 0 request, 1 response, 2 notification */
    uint32_t msgid;
    char method[64];
    json_t *params; /* request, notification */
    json_t *error;  /* response: NULL for nil */
    json_t *result; /* response: NULL for nil */
};

void harness_connect(struct harness_connection *connection, const char *path);
/* Takes the descriptor over. */
void harness_connection_init(struct harness_connection *connection, int fd);
void harness_connection_deinit(struct harness_connection *connection);
void harness_send_bytes(struct harness_connection *connection, const void *data, size_t length);
/* Sends a request without waiting; the parameters as for json_pack(). Answers its msgid. */
uint32_t harness_send(struct harness_connection *connection, const char *method, const char *format,
                      ...);
/* Starts a helper with one end of a socket pair as its connection to serve, waits until it is
 * ready, and receives what it greets serve with: the notification `hello`. The other end is
 * `ret_serve`. */
void harness_helper_start(struct harness_process *process, const struct harness_start *start,
                          const char *hello, struct harness_connection *ret_serve);
/* Sends a response (of a helper). */
void harness_answer(struct harness_connection *connection, uint32_t msgid, json_t *result);
void harness_answer_error(struct harness_connection *connection, uint32_t msgid, const char *code);
void harness_notify(struct harness_connection *connection, const char *method);
/* With parameters, which it takes. */
void harness_notify_with(struct harness_connection *connection, const char *method, json_t *params);
/* The next message: true; false at the connection's end. Fails the test after the timeout. */
bool harness_receive(struct harness_connection *connection, struct harness_message *ret_message);
/* The same, but false (with *ret_timeout) if nothing whole came within `timeout_ms`. */
bool harness_receive_within(struct harness_connection *connection, int timeout_ms,
                            struct harness_message *ret_message, bool *ret_timeout);
void harness_message_deinit(struct harness_message *message);
/* Sends and waits for that answer (dropping others): its result, a new reference; the test fails on
 * an error. */
json_t *harness_call(struct harness_connection *connection, const char *method, const char *format,
                     ...);
/* The same for a call that must be refused: the error's map. */
json_t *harness_call_error(struct harness_connection *connection, const char *method,
                           const char *format, ...);

/* Members of a map; the test fails where they are missing or of another type. */
int64_t harness_int(const json_t *map, const char *key);
bool harness_bool(const json_t *map, const char *key);
const char *harness_text(const json_t *map, const char *key);
