/*
 * The output of creditd-sandbox.
 */
#include "sandbox.h"
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <util/fd.h>
#include <util/macros.h>

static const char prefix[] = "listening on http://";

void sandbox_init(struct sandbox *sandbox)
{
    *sandbox = (struct sandbox){.fd = -1};
}

void sandbox_deinit(struct sandbox *sandbox)
{
    cleanup_fd(&sandbox->fd);
    free(sandbox->url);
    sandbox_init(sandbox);
}

int sandbox_open(struct sandbox *sandbox, int *ret_output)
{
    int pair[2], r;

    if (pipe2(pair, O_CLOEXEC) < 0)
        return -errno;
    /* Ours alone must not block: the other end is the program's standard output, and that may wait.
     */
    r = fd_set_nonblocking(pair[0]);
    if (r < 0) {
        close(pair[0]);
        close(pair[1]);
        return r;
    }
    cleanup_fd(&sandbox->fd);
    sandbox->fd = pair[0];
    sandbox->length = 0;
    *ret_output = pair[1];
    return 0;
}

/* The first line is complete: take the address from it. */
static int take_first_line(struct sandbox *sandbox)
{
    size_t skip = strlen("listening on ");
    bool known = sandbox->url;

    if (known || strncmp(sandbox->line, prefix, strlen(prefix)))
        return 0;
    sandbox->url = strdup(sandbox->line + skip);
    return sandbox->url != NULL;
}

/* Adds to the first line; returns how much of the data belonged to it, with the newline. */
static size_t add_to_first_line(struct sandbox *sandbox, const char *data, size_t length)
{
    const char *newline = memchr(data, '\n', length);
    size_t part = newline ? (size_t)(newline - data) : length;
    size_t room = sizeof(sandbox->line) - 1 - sandbox->length;

    memcpy(sandbox->line + sandbox->length, data, part < room ? part : room);
    sandbox->length += part < room ? part : room;
    return newline ? part + 1 : part;
}

int sandbox_read(struct sandbox *sandbox)
{
    char data[4096];
    int known = 0;
    ssize_t n;

    while ((n = read(sandbox->fd, data, sizeof(data))) > 0 || (n < 0 && errno == EINTR)) {
        size_t length = n < 0 ? 0 : (size_t)n, taken = 0;
        bool first = sandbox->length < sizeof(sandbox->line);

        if (length && first) {
            taken = add_to_first_line(sandbox, data, length);
            if (data[taken - 1] == '\n') {
                sandbox->line[sandbox->length] = '\0';
                known |= take_first_line(sandbox);
                sandbox->length = sizeof(sandbox->line); /* there is only one */
            }
        }
        /* Where standard error is gone, so is the reader of these lines. */
        (void)fd_write_all(STDERR_FILENO, data + taken, length - taken);
    }
    if (n == 0 || errno != EAGAIN)
        close(TAKE_FD(sandbox->fd));
    return known;
}

const char *sandbox_listen(const struct sandbox *sandbox)
{
    return sandbox->url ? sandbox->url + strlen("http://") : "127.0.0.1:0";
}
