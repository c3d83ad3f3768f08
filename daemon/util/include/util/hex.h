/* Hexadecimal digits, as signatures, URLs and forms have them. */
#pragma once

/* The value of a digit, in either case; -1 where it is none. */
int hex_digit(char digit);
