/* See verify.h. */
#include "verify.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <store/store.h>
#include <string.h>
#include <util/macros.h>

static void print(const char *name, uint64_t number)
{
    printf("%-16s %" PRIu64 "\n", name, number);
}

static int print_result(const struct store_verify_result *result)
{
    print("segments", result->segments);
    print("batches", result->batches);
    print("records", result->records);
    print("first_sequence", result->first_sequence);
    print("last_sequence", result->last_sequence);
    print("stored_sequence", result->stored);
    print("rows", result->rows);
    if (fflush(stdout) == 0)
        return 0;
    fprintf(stderr, "creditd-serve: standard output: %s\n", strerror(errno));
    return 1;
}

int verify_run(const char *directory)
{
    CLEANUP(cleanup_free) char *error = NULL;
    struct store_verify_result result;
    int r = store_verify(directory, &result, &error);

    if (r == 0)
        return print_result(&result);
    fprintf(stderr, "creditd-serve: %s%s\n", error != NULL ? error : strerror(-r),
            r == -EBUSY ? "; a ledger that is in use cannot be verified: stop creditd, or verify a "
                          "copy (creditctl backup)"
                        : "");
    return 1;
}
