/*
 * A bad configuration, for creditd and for each role alone: one line that names the file, the line,
 * the option and what is allowed, and exit status 2.
 */
#include "house.h"
#include <criterion/criterion.h>
#include <string.h>

struct mistake {
    const char *text;
    const char *place;   /* "3: [section] option", or what stands for it */
    const char *allowed; /* a part of what it says to do */
};

static const struct mistake mistakes[] = {
    {"[credits]\npush_interval = soon\n", ":2: [credits] push_interval: ", "500ms, 60s"},
    {"[credits]\n\nrefresh_interval = -1s\n", ":3: [credits] refresh_interval: ", "60s"},
    {"[credits]\nmax_offline_spend = many\n", ":2: [credits] max_offline_spend: ", "no limit"},
    {"[ledger]\ndurability = sometimes\n", ":2: [ledger] durability: ", "always"},
    {"[ledger]\nsegment_size = 1KiB\n", ":2: [ledger] segment_size: ", "512KiB"},
    {"[ledger]\nretention = 1s\nretention = for ever\n", ":3: [ledger] retention: ", "line 2"},
    {"[limits]\nin_flight = 0\n", ":2: [limits] in_flight: ", "allowed is 1 to"},
    {"[limits]\nconnections = 99999999999999999999\n", ":2: [limits] connections: ", "allowed is"},
    {"[stellartools]\nbase_url = gopher://x\n", ":2: [stellartools] base_url: ", "https://"},
    {"[products]\nprod_a = 0\n", ":2: [products] prod_a: ", "allowed is 1 to"},
    {"[products]\nno such id = 1\n", ":2: [products] ", "A-Z a-z 0-9 _ - ."},
    {"[access]\nconsume = nobody-has-that-name\n", ":2: [access] consume: ", "user"},
    {"[credits]\npush_intervall = 1s\n", ":2: [credits] push_intervall: ", "creditd.conf(5)"},
    {"[kredits]\npush_interval = 1s\n", ":1: there is no section [kredits]", "creditd.conf(5)"},
    {"push_interval = 1s\n", ":1: push_interval", "section"},
    {"[credits\n", ":1: ", ""},
};

static void check(const struct harness_directory *directory, const char *program,
                  const char *config, const struct mistake *mistake)
{
    const char *const arguments[] = {"--config", config, NULL};
    char place[HARNESS_PATH_MAX + 64];
    struct outcome outcome;
    const char *end;

    harness_write_file(config, mistake->text);
    outcome_init(&outcome, directory, program, arguments, NULL);
    snprintf(place, sizeof(place), "%s%s", config, mistake->place);
    cr_expect_eq(outcome.status, 2, "%s ended with %d on: %s", program, outcome.status,
                 mistake->text);
    cr_expect_not_null(strstr(outcome.errors, place), "%s: %s", program, outcome.errors);
    cr_expect_not_null(strstr(outcome.errors, mistake->allowed), "%s: %s", program, outcome.errors);
    end = strchr(outcome.errors, '\n');
    cr_expect(end != NULL && end[1] == '\0', "%s: not one line: %s", program, outcome.errors);
    cr_expect_str_eq(outcome.output, "");
    outcome_deinit(&outcome);
}

Test(config, a_mistake_is_told_in_one_line_with_status_2, .timeout = 500)
{
    static const char *const programs[] = {"creditd", "creditd-serve", "creditd-sync",
                                           "creditd-hook"};
    struct harness_directory directory;
    char config[HARNESS_PATH_MAX];

    harness_directory_init(&directory);
    harness_path(&directory, "creditd.conf", config);
    for (size_t i = 0; i < ARRAY_SIZE(mistakes); i++)
        for (size_t j = 0; j < ARRAY_SIZE(programs); j++)
            check(&directory, programs[j], config, &mistakes[i]);
    harness_directory_deinit(&directory);
}

Test(config, a_file_that_is_not_there_is_named, .timeout = 500)
{
    static const char *const programs[] = {"creditd", "creditd-serve", "creditd-sync",
                                           "creditd-hook"};
    static const char *const arguments[] = {"--config", "/nonexistent/creditd.conf", NULL};
    struct harness_directory directory;

    harness_directory_init(&directory);
    for (size_t j = 0; j < ARRAY_SIZE(programs); j++) {
        struct outcome outcome;

        outcome_init(&outcome, &directory, programs[j], arguments, NULL);
        cr_expect_eq(outcome.status, 2, "%s: %d", programs[j], outcome.status);
        cr_expect_not_null(strstr(outcome.errors, "/nonexistent/creditd.conf"), "%s",
                           outcome.errors);
        outcome_deinit(&outcome);
    }
    harness_directory_deinit(&directory);
}
