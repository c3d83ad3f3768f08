/* creditd-sandbox: a local StellarTools. Ends with 0 on SIGTERM or SIGINT. */
#include "http.h"
#include "options.h"
#include "seed.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <util/clock.h>
#include <util/macros.h>

static int listen_open(const struct options *options, int *ret_fd)
{
    CLEANUP(cleanup_fd) int fd = -1;
    int on = 1;

    fd = socket(options->address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -errno;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (bind(fd, (const struct sockaddr *)&options->address, options->address_length) < 0 ||
        listen(fd, SOMAXCONN) < 0)
        return -errno;
    *ret_fd = TAKE_FD(fd);
    return 0;
}

static int listen_tell(int fd)
{
    struct sockaddr_storage address = {0};
    socklen_t length = sizeof(address);
    char host[INET6_ADDRSTRLEN];
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)&address;
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&address;

    if (getsockname(fd, (struct sockaddr *)&address, &length) < 0)
        return -errno;
    if (address.ss_family == AF_INET6) {
        printf("listening on http://[::1]:%u\n", ntohs(v6->sin6_port));
    } else {
        inet_ntop(AF_INET, &v4->sin_addr, host, sizeof(host));
        printf("listening on http://%s:%u\n", host, ntohs(v4->sin_port));
    }
    return fflush(stdout) == 0 ? 0 : -errno;
}

static int fail(const char *what, int r)
{
    fprintf(stderr, "creditd-sandbox: %s: %s\n", what, strerror(-r));
    return EXIT_FAILURE;
}

static int sandbox_seed(struct sandbox *sandbox, const char *path)
{
    CLEANUP(cleanup_free) char *reason = NULL;
    int r;

    r = path ? seed_load_file(&sandbox->model, path, clock_wall_ms(), &reason)
             : seed_load_default(&sandbox->model, clock_wall_ms());
    if (r == 0)
        return EXIT_SUCCESS;
    if (!reason)
        return fail("--seed", r);
    fprintf(stderr, "creditd-sandbox: --seed: %s\n", reason);
    return OPTIONS_WRONG;
}

/* The signals are blocked before any thread begins, so that all of them leave the signals to us. */
static int sandbox_run(struct sandbox *sandbox, const struct options *options)
{
    CLEANUP(cleanup_fd) int fd = -1;
    struct http *http = NULL;
    sigset_t ends;
    int r, ignored;

    sigemptyset(&ends);
    sigaddset(&ends, SIGTERM);
    sigaddset(&ends, SIGINT);
    pthread_sigmask(SIG_BLOCK, &ends, NULL);
    signal(SIGPIPE, SIG_IGN);
    r = listen_open(options, &fd);
    if (r < 0)
        return fail("cannot listen", r);
    r = http_start(sandbox, fd, &http);
    if (r < 0)
        return fail("cannot start the HTTP server", r);
    r = listen_tell(fd);
    TAKE_FD(fd); /* libmicrohttpd closes it */
    if (r == 0)
        sigwait(&ends, &ignored);
    http_stop(http);
    return r < 0 ? fail("standard output", r) : EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
    struct options options;
    struct sandbox sandbox;
    int r;

    r = options_parse(&options, argc, argv);
    if (r != 0)
        return r == OPTIONS_DONE ? EXIT_SUCCESS : r;
    sandbox_init(&sandbox, options.random_seed);
    sandbox.faults = options.faults;
    sandbox.api_key = options.api_key;
    r = sandbox_seed(&sandbox, options.seed);
    if (r == EXIT_SUCCESS)
        r = sandbox_run(&sandbox, &options);
    sandbox_deinit(&sandbox);
    return r;
}
