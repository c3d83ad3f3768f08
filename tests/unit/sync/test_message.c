/* Texts from outside, made fit to be shown. */
#include "answer.h"

#include <criterion/criterion.h>
#include <proto/limits.h>
#include <string.h>
#include <util/macros.h>

Test(message, the_key_is_never_quoted)
{
    static const struct {
        const char *text, *key, *clean;
    } table[] = {
        {"all is well", "sk_test_abcdefgh", "all is well"},
        {"sk_test_abcdefgh", "sk_test_abcdefgh", "***"},
        {"key sk_test_abcdefgh: bad", "sk_test_abcdefgh", "key ***: bad"},
        {"sk_test_abcdefghsk_test_abcdefgh", "sk_test_abcdefgh", "******"},
        /* a part of it is enough; what any key begins with is not */
        {"begins sk_test_abcd...", "sk_test_abcdefgh", "begins ***..."},
        {"ends test_abcdefgh", "sk_test_abcdefgh", "ends ***"},
        {"use sk_test_ keys", "sk_test_abcdefgh", "use sk_test_ keys"},
        {"short k1", "k1", "short ***"},
        {"no key at all", NULL, "no key at all"},
        {"a\nb\tc\x7f"
         "d\x1b[0m",
         NULL, "a b c d [0m"},
        {"", "k", ""},
    };

    for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
        char clean[ANSWER_MESSAGE_MAX + 1];

        message_clean(table[i].text, table[i].key, clean);
        cr_expect_str_eq(clean, table[i].clean, "row %zu: %s", i, clean);
    }
}

Test(message, long_texts_are_cut_between_characters)
{
    for (size_t lead = 0; lead < 4; lead++) {
        char text[400], clean[ANSWER_MESSAGE_MAX + 1];

        memset(text, 'a', lead);
        text[lead] = '\0';
        while (strlen(text) < 300)
            strcat(text, "\xe2\x82\xac"); /* three bytes */
        message_clean(text, NULL, clean);
        cr_expect(strlen(clean) > ANSWER_MESSAGE_MAX - 3 && strlen(clean) <= ANSWER_MESSAGE_MAX);
        cr_expect(proto_text_valid(clean, strlen(clean)), "lead %zu", lead);
    }
}

Test(message, a_key_at_the_cut_is_not_half_shown)
{
    char text[400], clean[ANSWER_MESSAGE_MAX + 1];

    memset(text, 'a', 195);
    strcpy(text + 195, "sk_test_abcdefgh");
    message_clean(text, "sk_test_abcdefgh", clean);
    cr_expect_str_eq(clean + 195, "***");
}
