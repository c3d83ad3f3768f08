/*
 * creditd-load: one measurement. tests/bench.sh runs it by turns against both servers and prints
 * the ratios.
 */
#include "load.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int usage(void)
{
    fputs(
        "usage: creditd-load --target creditd|redis --operation consume|read --socket PATH\n"
        "                    [--clients N] [--pipeline N] [--balances N] [--seconds S] [--seed N]\n"
        "Prints answers a second.\n",
        stderr);
    return 2;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"target", required_argument, NULL, 't'},
        {"operation", required_argument, NULL, 'o'},
        {"socket", required_argument, NULL, 's'},
        {"clients", required_argument, NULL, 'c'},
        {"pipeline", required_argument, NULL, 'p'},
        {"balances", required_argument, NULL, 'b'},
        {"seconds", required_argument, NULL, 'n'},
        {"seed", required_argument, NULL, 'r'},
        {0},
    };
    struct load load = {.clients = 1, .pipeline = 1, .balances = 1000, .seconds = 2, .seed = 1};
    const char *target = "", *operation = "";

    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        switch (c) {
        case 't':
            target = optarg;
            break;
        case 'o':
            operation = optarg;
            break;
        case 's':
            load.socket = optarg;
            break;
        case 'c':
            load.clients = (unsigned)strtoul(optarg, NULL, 10);
            break;
        case 'p':
            load.pipeline = (unsigned)strtoul(optarg, NULL, 10);
            break;
        case 'b':
            load.balances = (unsigned)strtoul(optarg, NULL, 10);
            break;
        case 'n':
            load.seconds = strtod(optarg, NULL);
            break;
        case 'r':
            load.seed = strtoull(optarg, NULL, 10);
            break;
        default:
            return usage();
        }
    }
    bool consume = strcmp(operation, "consume") == 0, is_redis = strcmp(target, "redis") == 0;
    if (!load.socket || !load.clients || !load.pipeline || !load.balances ||
        (!consume && strcmp(operation, "read") != 0) ||
        (!is_redis && strcmp(target, "creditd") != 0))
        return usage();
    if (is_redis && target_redis_prepare(load.socket, load.balances) < 0)
        return 1;

    const struct load_target *prepared = is_redis
                                             ? target_redis(consume, load.balances)
                                             : target_creditd(consume, load.clients, load.balances);
    if (!prepared) {
        fputs("load: out of memory\n", stderr);
        return 1;
    }
    double rate = load_run(&load, prepared);
    if (rate < 0)
        return 1;
    printf("%.0f\n", rate);
    return 0;
}
