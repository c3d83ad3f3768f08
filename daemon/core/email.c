/*
 * Emails as upstream has them: by its own rules another case is another customer, by everybody
 * else's it is the same address.
 */
#include "intent.h"

static unsigned lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (unsigned)(c - 'A' + 'a') : (unsigned char)c;
}

bool email_is_same(const struct exchange_object *row, struct core_text email, bool exact)
{
    if (row->email_length != email.length)
        return false;
    for (size_t i = 0; i < row->email_length; i++) {
        char a = row->email[i], b = email.data[i];
        if (exact ? a != b : lower(a) != lower(b))
            return false;
    }
    return true;
}
