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

TestSuite(stop, .fini = teardown, .timeout = 120);

/* The flags of the last batch, as store/FORMAT.md has them: the one with the highest sequence, for
 * segments are prepared ahead. */
static void find_last_batch(const char *segment, uint64_t *last, uint32_t *flags)
{
    FILE *file = fopen(segment, "re");
    char block[4096];
    uint64_t sequence;

    cr_assert_not_null(file, "%s", segment);
    while (fread(block, sizeof(block), 1, file) == 1) {
        memcpy(&sequence, block + 16, sizeof(sequence));
        if (memcmp(block, "CRDB", 4) != 0 || sequence < *last)
            continue;
        *last = sequence;
        memcpy(flags, block + 28, sizeof(*flags));
    }
    fclose(file);
}

static void check_clean_journal(void)
{
    char path[512];
    struct dirent *entry;
    uint64_t last = 0;
    uint32_t flags = 0;
    DIR *directory;

    snprintf(path, sizeof(path), "%s/journal", house.state);
    directory = opendir(path);
    cr_assert_not_null(directory);
    while ((entry = readdir(directory)) != NULL) {
        if (strstr(entry->d_name, ".journal") == NULL)
            continue;
        snprintf(path, sizeof(path), "%s/journal/%.200s", house.state, entry->d_name);
        find_last_batch(path, &last, &flags);
    }
    closedir(directory);
    cr_assert(flags & 2, "the last batch is no clean stop");
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
    house_converge(&house, 60);
    cr_assert_eq(house_judge(&house).credits, credits);
    house_deinit(&house);
}
