/*
 * The two ways to the same CRC-32C, each by itself, so that the tests can hold one against the
 * other.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

uint32_t crc32c_portable(uint32_t crc, const void *data, size_t length);
/* Only where crc32c_hardware_available() says so. */
uint32_t crc32c_hardware(uint32_t crc, const void *data, size_t length);
bool crc32c_hardware_available(void);
