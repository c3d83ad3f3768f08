#include "options.h"

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <util/macros.h>

static int wrong(const char *format, ...) PRINTF_LIKE(1, 2);

static int wrong(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    fputs("creditd-sandbox: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    return OPTIONS_WRONG;
}

static void help_print(void)
{
    puts("Usage: creditd-sandbox [OPTION]…\n"
         "A local StellarTools for development and tests, in memory, with faults to order.\n"
         "\n"
         "  --listen 127.0.0.1:PORT  where to listen, on the loopback alone; port 0, the default,\n"
         "                           lets the kernel choose. The first line of output names it\n"
         "  --seed FILE              JSON: products, customers, generate, balances,\n"
         "                           subscriptions, payments\n"
         "  --fault NAME=VALUE       order a fault; any number of times\n"
         "  --random-seed N          of the probabilities; the same N gives the same faults\n"
         "  --api-key KEY            the only key that is accepted (else any sk_test_…)\n"
         "  --help, --version\n"
         "\n"
         "Faults, also while it runs by POST /_sandbox/faults {\"NAME\": VALUE}\n"
         "(P is a probability from 0 to 1, N a whole number):\n");
    faults_print_help(stdout);
}

static int port_parse(const char *text, in_port_t *ret_port)
{
    char *end;
    unsigned long port;

    if (*text < '0' || *text > '9')
        return -EINVAL;
    errno = 0;
    port = strtoul(text, &end, 10);
    if (errno != 0 || *end != '\0' || port > UINT16_MAX)
        return -EINVAL;
    *ret_port = htons((uint16_t)port);
    return 0;
}

int address_parse(const char *text, struct sockaddr_storage *ret_address, socklen_t *ret_length)
{
    const char *colon = strrchr(text, ':');
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    char host[64];
    in_port_t port;

    if (!colon || (size_t)(colon - text) >= sizeof(host) || port_parse(colon + 1, &port) < 0)
        return -EINVAL;
    memcpy(host, text, (size_t)(colon - text));
    host[colon - text] = '\0';
    memset(ret_address, 0, sizeof(*ret_address));
    if (strcmp(host, "[::1]") == 0) {
        v6.sin6_port = port;
        memcpy(ret_address, &v6, sizeof(v6));
        *ret_length = sizeof(v6);
        return 0;
    }
    if (inet_pton(AF_INET, strcmp(host, "localhost") == 0 ? "127.0.0.1" : host, &v4.sin_addr) != 1)
        return -EINVAL;
    if (ntohl(v4.sin_addr.s_addr) >> 24 != 127)
        return -EINVAL;
    v4.sin_port = port;
    memcpy(ret_address, &v4, sizeof(v4));
    *ret_length = sizeof(v4);
    return 0;
}

static int random_seed_parse(const char *text, uint64_t *ret_seed)
{
    char *end;

    if (*text < '0' || *text > '9')
        return -EINVAL;
    errno = 0;
    *ret_seed = strtoull(text, &end, 0);
    return errno != 0 || *end != '\0' ? -EINVAL : 0;
}

static int fault_option(struct options *options, const char *text)
{
    CLEANUP(cleanup_free) char *reason = NULL;

    if (faults_order_text(&options->faults, text, &reason) < 0)
        return wrong("--fault: %s", reason ? reason : "out of memory");
    return 0;
}

static int option_take(struct options *options, int option, const char *value)
{
    switch (option) {
    case 'l':
        if (address_parse(value, &options->address, &options->address_length) < 0)
            return wrong("--listen: %s is not a loopback address; write 127.0.0.1:PORT", value);
        return 0;
    case 's':
        options->seed = value;
        return 0;
    case 'f':
        return fault_option(options, value);
    case 'r':
        if (random_seed_parse(value, &options->random_seed) < 0)
            return wrong("--random-seed: %s is not a whole number", value);
        return 0;
    case 'k':
        options->api_key = value;
        return 0;
    case 'h':
        help_print();
        return OPTIONS_DONE;
    case 'v':
        puts("creditd-sandbox " CREDITD_VERSION);
        return OPTIONS_DONE;
    default: /* getopt has said what was wrong */
        return OPTIONS_WRONG;
    }
}

int options_parse(struct options *options, int argc, char **argv)
{
    static const struct option known[] = {
        {"listen", required_argument, NULL, 'l'},  {"seed", required_argument, NULL, 's'},
        {"fault", required_argument, NULL, 'f'},   {"random-seed", required_argument, NULL, 'r'},
        {"api-key", required_argument, NULL, 'k'}, {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, 'v'},       {NULL, 0, NULL, 0},
    };
    int option, r;

    memset(options, 0, sizeof(*options));
    faults_init(&options->faults);
    address_parse("127.0.0.1:0", &options->address, &options->address_length);
    while ((option = getopt_long(argc, argv, "", known, NULL)) != -1) {
        r = option_take(options, option, optarg);
        if (r != 0)
            return r;
    }
    if (optind < argc)
        return wrong("%s is not expected; see --help", argv[optind]);
    return 0;
}
