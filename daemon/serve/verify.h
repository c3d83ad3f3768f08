/*
 * creditd-serve --verify: reads a ledger that nobody has open, whole, and says what it saw.
 */
#pragma once

/* What it saw, a line each of a name and a number, on standard output: 0. What is wrong in one line
 * on standard error: 1. */
int verify_run(const char *directory);
