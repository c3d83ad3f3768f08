/*
 * SIGTERM ends creditd in order: status 0, what was acknowledged is there at the next start, the
 * journal ends with a clean stop, and applications that go on meanwhile notice a pause alone.
 */
#include "house.h"
#include <criterion/criterion.h>
#include <dirent.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#define BALANCE 1000000000LL

static struct house house;

static void teardown(void)
{
    house_deinit(&house);
}

TestSuite(stop, .fini = teardown, .timeout = 500);

#define BLOCK 4096L

struct last_batch {
    uint64_t sequence;
    uint32_t flags;
    long left; /* blocks of the segment behind it */
};

/* The last batch, as store/FORMAT.md has them: the one with the highest sequence, for segments are
 * prepared ahead. */
static void find_last_batch(const char *segment, struct last_batch *last)
{
    FILE *file = fopen(segment, "re");
    char block[BLOCK];
    uint64_t sequence;
    uint32_t length;
    long size;

    cr_assert_not_null(file, "%s", segment);
    fseek(file, 0, SEEK_END);
    size = ftell(file);
    rewind(file);
    for (long at = 0; fread(block, sizeof(block), 1, file) == 1; at += BLOCK) {
        memcpy(&sequence, block + 16, sizeof(sequence));
        if (memcmp(block, "CRDB", 4) != 0 || sequence < last->sequence)
            continue;
        memcpy(&length, block + 12, sizeof(length));
        last->sequence = sequence;
        memcpy(&last->flags, block + 28, sizeof(last->flags));
        last->left = (size - at) / BLOCK - ((long)length + BLOCK - 1) / BLOCK;
    }
    fclose(file);
}

static void check_clean_journal(void)
{
    char path[512];
    struct dirent *entry;
    struct last_batch last = {.sequence = 0};
    DIR *directory;

    snprintf(path, sizeof(path), "%s/journal", house.state);
    directory = opendir(path);
    cr_assert_not_null(directory);
    while ((entry = readdir(directory)) != NULL) {
        if (strstr(entry->d_name, ".journal") == NULL)
            continue;
        snprintf(path, sizeof(path), "%s/journal/%.200s", house.state, entry->d_name);
        find_last_batch(path, &last);
    }
    closedir(directory);
    /* The last block is the seal's: a segment that is full but for that one goes without. */
    cr_assert((last.flags & 2) || last.left == 1, "the last batch is no clean stop");
}

/* What the daemon knew before it was stopped it knows at once when it is back. */
Test(stop, a_restart_sees_everything)
{
    struct spender spender;
    int64_t balance;

    house_start(&house, 1, BALANCE, "push_interval = 1h\n");
    spender_start(&spender, &house, "cus_0", 5000, 16, 3);
    spender_wait(&spender);
    balance = house_balance(&house, "cus_0", "balance");
    cr_assert_eq(balance, BALANCE - spender.credits);
    house_stop_creditd(&house);
    check_clean_journal();
    sandbox_order(&house.sandbox, "{\"down\": true}"); /* it must not need to ask */
    house_start_creditd(&house);
    cr_assert_eq(house_status(&house, "pending.credits"), spender.credits);
    cr_assert_eq(house_status(&house, "pending.balances"), 1);
    cr_assert_eq(house_balance(&house, "cus_0", "balance"), balance);
    cr_assert_eq(house_balance(&house, "cus_0", "pending"), spender.credits);
    house_deinit(&house);
}

/* Nobody needs to hear of what goes as it should. */
Test(stop, an_orderly_stop_says_little)
{
    char *path, *log;

    house_start(&house, 1, BALANCE, "push_interval = 1h\n");
    house_wait_true(&house, "upstream.helper", true);
    path = strdup(house.creditd.log_path);
    house_stop_creditd(&house);
    log = harness_read_file(path);
    cr_expect_not_null(strstr(log, "creditd-serve: stopping"), "%s", log);
    cr_expect_null(strstr(log, "is gone"), "%s", log);
    free(log);
    free(path);
    house_deinit(&house);
}

Test(stop, applications_that_spend_meanwhile_lose_nothing)
{
    struct spender spenders[4];
    long long credits = 0;

    house_start(&house, 2, BALANCE, "push_interval = 50ms\nin_doubt_delay = 300ms\n");
    for (int i = 0; i < 4; i++)
        spender_start(&spenders[i], &house, i % 2 ? "cus_1" : "cus_0", 0, i < 2 ? 1 : 16, 3);
    for (int i = 0; i < 5; i++) {
        house_wait_true(&house, "upstream.helper", true);
        pause_ms(100);
        house_stop_creditd(&house);
        check_clean_journal();
        house_start_creditd(&house);
    }
    for (int i = 0; i < 4; i++)
        spender_stop(&spenders[i]);
    for (int i = 0; i < 4; i++) {
        spender_wait(&spenders[i]);
        credits += spenders[i].credits;
    }
    cr_assert_eq(2 * BALANCE - house_balance(&house, "cus_0", "balance") -
                     house_balance(&house, "cus_1", "balance"),
                 credits);
    house_converge(&house);
    cr_assert_eq(house_judge(&house).credits, credits);
    house_deinit(&house);
}
