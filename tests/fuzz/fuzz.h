/* A fuzz target is one function. With clang and -Dfuzz=true libFuzzer calls it with inputs of its
 * own; in every build main.c calls it with the corpus that is kept here, as an ordinary test. */
#pragma once

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
