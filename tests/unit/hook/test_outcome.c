/* Ends as outcomes. */
#include "outcome.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <proto/limits.h>
#include <signal.h>
#include <string.h>
#include <util/macros.h>

Test(outcome, of_programs)
{
    static const struct {
        struct program_end end;
        const char *word;
        int64_t status;
        const char *message;
    } table[] = {
        {{0, 0, 0, false}, HOOK_OUTCOME_DONE, 0, ""},
        {{0, 1, 0, false}, HOOK_OUTCOME_FAILED, 1, "its exit code was 1"},
        {{0, 255, 0, false}, HOOK_OUTCOME_FAILED, 255, "its exit code was 255"},
        {{0, -1, SIGKILL, false}, HOOK_OUTCOME_FAILED, 137, "signal 9 ended it"},
        {{0, 0, 0, true},
         HOOK_OUTCOME_FAILED,
         0,
         "its 30000 ms were over, then its exit code was 0"},
        {{0, -1, SIGTERM, true},
         HOOK_OUTCOME_FAILED,
         143,
         "its 30000 ms were over, then signal 15 ended it"},
        {{-ENOENT, 127, 0, false},
         HOOK_OUTCOME_FAILED,
         0,
         "it cannot be run: No such file or directory"},
        {{-EPERM, 127, 0, true},
         HOOK_OUTCOME_FAILED,
         0,
         "it cannot be run: Operation not permitted"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
        struct outcome outcome;

        outcome_of_program(&table[i].end, 30000, &outcome);
        cr_expect_str_eq(outcome.word, table[i].word, "%zu", i);
        cr_expect_eq(outcome.status, table[i].status, "%zu", i);
        cr_expect_str_eq(outcome.message, table[i].message, "%zu", i);
    }
}

Test(outcome, of_urls)
{
    static const struct {
        struct http_end end;
        bool is_done;
        int64_t status;
        const char *message; /* how it begins */
    } table[] = {
        {{.kind = HTTP_ANSWERED, .status = 200}, true, 200, ""},
        {{.kind = HTTP_ANSWERED, .status = 299}, true, 299, ""},
        {{.kind = HTTP_ANSWERED, .status = 300}, false, 300, "HTTP status 300: redirects"},
        {{.kind = HTTP_ANSWERED, .status = 399}, false, 399, "HTTP status 399: redirects"},
        {{.kind = HTTP_ANSWERED, .status = 400}, false, 400, "HTTP status 400"},
        {{.kind = HTTP_ANSWERED, .status = 599}, false, 599, "HTTP status 599"},
        {{.kind = HTTP_NOT_SENT, .error = "no route"}, false, 0, "no route"},
        {{.kind = HTTP_UNANSWERED, .status = 200, .error = "late"}, false, 0, "late"},
        {{.kind = HTTP_GARBLED}, false, 0, "no answer"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
        struct outcome outcome;

        outcome_of_http(&table[i].end, &outcome);
        cr_expect_str_eq(outcome.word, table[i].is_done ? HOOK_OUTCOME_DONE : HOOK_OUTCOME_FAILED,
                         "%zu", i);
        cr_expect_eq(outcome.status, table[i].status, "%zu", i);
        cr_expect_eq(strncmp(outcome.message, table[i].message, strlen(table[i].message)), 0,
                     "%zu: %s", i, outcome.message);
    }
}

/* It goes into a message of ours, which has limits and is UTF-8. */
Test(outcome, a_reason_of_any_length)
{
    char reason[1000];
    struct outcome outcome;

    for (size_t i = 0; i + 1 < sizeof reason; i++)
        reason[i] = "\xc3\xab"[i % 2];
    reason[sizeof reason - 1] = '\0';
    for (size_t skip = 0; skip < 2; skip++) {
        char text[1002] = "ab";

        memcpy(text + skip, reason, sizeof reason);
        outcome_failed(text, &outcome);
        cr_expect_leq(strlen(outcome.message), HOOK_MESSAGE_MAX);
        cr_expect_geq(strlen(outcome.message), HOOK_MESSAGE_MAX - 2);
        cr_expect(proto_text_valid(outcome.message, strlen(outcome.message)));
    }
    outcome_unconfigured(&outcome);
    cr_expect_str_eq(outcome.word, HOOK_OUTCOME_UNCONFIGURED);
}
