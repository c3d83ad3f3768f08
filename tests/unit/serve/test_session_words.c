/*
 * auth.session's answers: what is not understood is no verdict.
 */
#include "json_words.h"
#include "session_words.h"
#include <criterion/criterion.h>
#include <string.h>

#define USER "\"user\": {\"id\": \"u_1\", \"email\": \"a@b.c\", \"email_verified\": true}"
#define HASH "bin:000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"

Test(session_words, what_is_not_understood_is_no_verdict)
{
    static const struct {
        const char *text;
        enum session_state state;
    } cases[] = {
        {"{\"verdict\": \"valid\", \"valid_for\": 60, " USER "}", SESSION_VALID},
        {"{\"verdict\": \"invalid\"}", SESSION_INVALID},
        {"{\"verdict\": \"unavailable\"}", SESSION_UNAVAILABLE},
        {"{\"verdict\": \"splendid\", \"valid_for\": 60, " USER "}", SESSION_UNAVAILABLE},
        {"{\"verdict\": 1}", SESSION_UNAVAILABLE},
        {"{}", SESSION_UNAVAILABLE},
        {"[]", SESSION_UNAVAILABLE},
        {"null", SESSION_UNAVAILABLE},
        {"{\"verdict\": \"valid\", " USER "}", SESSION_UNAVAILABLE},
        {"{\"verdict\": \"valid\", \"valid_for\": \"60\", " USER "}", SESSION_UNAVAILABLE},
        {"{\"verdict\": \"valid\", \"valid_for\": 60}", SESSION_UNAVAILABLE},
        {"{\"verdict\": \"valid\", \"valid_for\": 60, \"user\": []}", SESSION_UNAVAILABLE},
        {"{\"verdict\": \"valid\", \"valid_for\": 60, \"user\": {}}", SESSION_UNAVAILABLE},
        {"{\"verdict\": \"valid\", \"valid_for\": 60, \"user\": {\"id\": \"..\"}}",
         SESSION_UNAVAILABLE},
        {"{\"verdict\": \"valid\", \"valid_for\": 60, \"user\": {\"id\": \"a/b\"}}",
         SESSION_UNAVAILABLE},
        {"{\"verdict\": \"valid\", \"valid_for\": 60, \"user\": {\"id\": 5}}", SESSION_UNAVAILABLE},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct session_answer answer;
        struct json_words words;

        json_words_init(&words, cases[i].text);
        session_read_answer(&words.object, &answer);
        cr_assert_eq(answer.state, cases[i].state, "%s", cases[i].text);
        json_words_deinit(&words);
    }
}

Test(session_words, what_a_session_says_is_believed_as_far_as_it_is_well_formed)
{
    struct session_answer answer;
    struct json_words words;

    json_words_init(&words, "{\"verdict\": \"valid\", \"valid_for\": 60, \"offline\": true, "
                            "\"http_status\": 0, \"token_hash\": \"" HASH "\", \"user\": {\"id\": "
                            "\"u_1\", \"email\": 7, \"email_verified\": \"yes\", \"name\": "
                            "[], \"stellartools_customer_id\": \"../x\"}}");
    session_read_answer(&words.object, &answer);
    cr_assert_eq(answer.state, SESSION_VALID);
    cr_assert(answer.offline);
    cr_assert_not(answer.asked);
    cr_assert_not_null(answer.token_hash);
    cr_assert_eq(answer.token_hash[31], 31);
    cr_assert_eq(answer.valid_for, 60);
    cr_assert_eq(answer.user.user_id.length, 3);
    cr_assert_eq(answer.user.email.length, 0);
    cr_assert_not(answer.user.email_verified);
    cr_assert_eq(answer.user.name.length, 0);
    cr_assert_eq(answer.user.claimed_customer.length, 0);
    json_words_deinit(&words);
    json_words_init(&words, "{\"verdict\": \"invalid\", \"http_status\": 200, \"token_hash\": "
                            "\"bin:0001\", \"message\": \"over\"}");
    session_read_answer(&words.object, &answer);
    cr_assert(answer.asked);
    cr_assert_null(answer.token_hash);
    cr_assert_eq(answer.message.length, 4);
    json_words_deinit(&words);
}
