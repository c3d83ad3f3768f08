#include <criterion/criterion.h>
#include <string.h>
#include <util/hex.h>

Test(hex, every_byte)
{
    static const char digits[] = "0123456789abcdef", capitals[] = "0123456789ABCDEF";

    for (int i = 0; i < 256; i++) {
        const char *at = i ? strchr(digits, i) : NULL, *capital = i ? strchr(capitals, i) : NULL;
        int value = at ? (int)(at - digits) : capital ? (int)(capital - capitals) : -1;

        cr_assert_eq(hex_digit((char)i), value, "byte %d", i);
    }
}
