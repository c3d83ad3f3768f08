/*
 * creditd-sim: one seed, one run.
 *
 *   creditd-sim --seed N [--steps S] [--trace]     replays that run exactly
 *   creditd-sim --seeds FROM:TO [--steps S]        runs many, ends at the first that fails
 *   creditd-sim --random [--steps S]               one seed of the clock's choosing, or that of the
 *                                                  variable CREDITD_SEED, which it names
 *
 * The wall clock is used for nothing else. Exit codes: 0 all held, 1 an invariant is broken, 2
 * usage.
 */
#include "world.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static struct sim sim;

static void print_failure(void)
{
    uint64_t from = sim.trace_count > SIM_TRACE_LINES ? sim.trace_count - SIM_TRACE_LINES : 0;
    printf("seed %llu: FAILED at step %llu, time %+lld: %s\n", (unsigned long long)sim.seed,
           (unsigned long long)sim.step, (long long)(sim.now - SIM_START), sim.failure);
    scenario_print(&sim.drawn, stdout);
    for (uint64_t i = from; i < sim.trace_count && !sim.verbose; i++)
        printf("  %s\n", sim.trace[i % SIM_TRACE_LINES]);
    fflush(stdout);
}

/* An assertion within the engine: say which seed it was. */
static void on_abort(int signal_number)
{
    snprintf(sim.failure, sizeof(sim.failure), "signal %d", signal_number);
    print_failure();
    signal(signal_number, SIG_DFL);
    raise(signal_number);
}

static bool run_seed(uint64_t seed, int64_t steps, bool trace)
{
    bool held = sim_init(&sim, seed, steps, trace) && sim_run(&sim);
    if (held)
        printf("seed %llu: ok (steps %llu, crashes %llu, deductions %llu, replays %llu, refused "
               "%llu, exchanges %llu, pushes %llu, doubts %llu, parked %llu, 429s %llu, twice "
               "%llu, lost %llu)\n",
               (unsigned long long)seed, (unsigned long long)sim.step,
               (unsigned long long)sim.crashes, (unsigned long long)sim.acknowledged,
               (unsigned long long)sim.replays, (unsigned long long)sim.refused,
               (unsigned long long)sim.exchanges, (unsigned long long)sim.push_exchanges,
               (unsigned long long)sim.doubts, (unsigned long long)sim.parked,
               (unsigned long long)sim.upstream.refused_429, (unsigned long long)sim.executed_twice,
               (unsigned long long)sim.lost_credits);
    else
        print_failure();
    sim_deinit(&sim);
    return held;
}

static int usage(void)
{
    fputs("usage: creditd-sim --seed N | --seeds FROM:TO | --random [--steps S] [--trace] "
          "[--keep-going]\n",
          stderr);
    return 2;
}

static bool parse_range(const char *text, uint64_t *ret_from, uint64_t *ret_to)
{
    char *end;
    errno = 0;
    *ret_from = strtoull(text, &end, 10);
    *ret_to = *ret_from;
    if (*end == ':')
        *ret_to = strtoull(end + 1, &end, 10);
    return errno == 0 && *end == '\0' && end != text && *ret_to >= *ret_from;
}

int main(int argc, char **argv)
{
    uint64_t from = 0, to = 0, failures = 0;
    int64_t steps = 0;
    bool chosen = false, trace = false, keep_going = false;
    for (int i = 1; i < argc; i++) {
        if ((strcmp(argv[i], "--seed") == 0 || strcmp(argv[i], "--seeds") == 0) && i + 1 < argc) {
            chosen = parse_range(argv[++i], &from, &to);
        } else if (strcmp(argv[i], "--random") == 0) {
            const char *given = getenv("CREDITD_SEED");
            from = to = given != NULL ? strtoull(given, NULL, 10) : (uint64_t)time(NULL);
            chosen = true;
        } else if (strcmp(argv[i], "--steps") == 0 && i + 1 < argc) {
            steps = strtoll(argv[++i], NULL, 10);
        } else if (strcmp(argv[i], "--trace") == 0) {
            trace = true;
        } else if (strcmp(argv[i], "--keep-going") == 0) {
            keep_going = true;
        } else {
            return usage();
        }
    }
    if (!chosen)
        return usage();
    signal(SIGABRT, on_abort);
    signal(SIGSEGV, on_abort);
    for (uint64_t seed = from; seed <= to && (failures == 0 || keep_going); seed++)
        failures += !run_seed(seed, steps, trace);
    if (from != to)
        printf("%llu seeds, %llu failed\n", (unsigned long long)(to - from + 1),
               (unsigned long long)failures);
    return failures > 0;
}
