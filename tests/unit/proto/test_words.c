/* The tables of words: errors and outcomes. */
#include <criterion/criterion.h>
#include <proto/errors.h>
#include <proto/upstream.h>
#include <string.h>

Test(words, errors_go_there_and_back)
{
    for (int i = 1; i < PROTO_ERROR_COUNT_; i++) {
        const char *code = proto_error_code((enum proto_error)i);
        cr_assert_not_null(code);
        cr_expect_eq((int)proto_error_from_code(code, strlen(code)), i, "%s", code);
        cr_expect_gt(strlen(proto_error_meaning((enum proto_error)i)), 5);
        cr_expect_eq(proto_error_from_code(code, strlen(code) - 1), PROTO_ERROR_NONE, "%s cut",
                     code);
    }
}

Test(words, unknown_errors_are_none)
{
    cr_expect_null(proto_error_code(PROTO_ERROR_NONE));
    cr_expect_null(proto_error_code(PROTO_ERROR_COUNT_));
    cr_expect_eq(proto_error_from_code("", 0), PROTO_ERROR_NONE);
    cr_expect_eq(proto_error_from_code("Busy", 4), PROTO_ERROR_NONE);
    cr_expect_eq(proto_error_from_code("busyx", 5), PROTO_ERROR_NONE);
    cr_expect_eq(proto_error_from_code("busyx", 4), PROTO_ERROR_BUSY);
}

Test(words, some_errors_may_be_tried_again)
{
    cr_expect(proto_error_is_retryable(PROTO_ERROR_BUSY));
    cr_expect(proto_error_is_retryable(PROTO_ERROR_UPSTREAM_UNAVAILABLE));
    cr_expect_not(proto_error_is_retryable(PROTO_ERROR_OUTCOME_UNKNOWN));
    cr_expect_not(proto_error_is_retryable(PROTO_ERROR_NONE));
}

Test(words, outcomes_go_there_and_back)
{
    for (int i = 0; i < UPSTREAM_OUTCOME_COUNT_; i++) {
        const char *word = upstream_outcome_word((enum upstream_outcome)i);
        cr_assert_not_null(word);
        cr_expect_eq((int)upstream_outcome_from_word(word, strlen(word)), i, "%s", word);
    }
}

Test(words, P2_an_unknown_outcome_proves_nothing)
{
    cr_expect_eq(upstream_outcome_from_word("", 0), UPSTREAM_UNANSWERED);
    cr_expect_eq(upstream_outcome_from_word("okay", 4), UPSTREAM_UNANSWERED);
    cr_expect_eq(upstream_outcome_from_word("o", 1), UPSTREAM_UNANSWERED);
    cr_expect_str_eq(upstream_outcome_word(UPSTREAM_OUTCOME_COUNT_), "unanswered");
}
