/*
 * Criterion with --tap gives the tests, and itself, no standard error: what tests have measured is
 * told through this one's.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    struct criterion_test_set *tests;
    char path[64];
    int status = 0;

    snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)getpid(), dup(STDERR_FILENO));
    setenv("FAULT_TELL", path, 1);
    tests = criterion_initialize();
    if (criterion_handle_args(argc, argv, true))
        status = !criterion_run_all_tests(tests);
    criterion_finalize(tests);
    return status;
}
