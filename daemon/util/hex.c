/* See hex.h. By hand: isxdigit() and strtol() ask the locale, and take signs and blanks. */
#include <util/hex.h>

int hex_digit(char digit)
{
    if (digit >= '0' && digit <= '9')
        return digit - '0';
    if (digit >= 'a' && digit <= 'f')
        return digit - 'a' + 10;
    return digit >= 'A' && digit <= 'F' ? digit - 'A' + 10 : -1;
}
