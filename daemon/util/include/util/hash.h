/*
 * Hashes that core and store need without a library behind them: SipHash-2-4 with 128 bits of
 * output (keyed, for finding balances by strings that strangers choose), and CRC-32C (for the
 * journal).
 *
 * SipHash: https://github.com/veorq/SipHash (test vectors there). CRC-32C: RFC 3720, B.4;
 * polynomial 0x1EDC6F41.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct hash128 {
    uint64_t low, high;
};

struct hash_key {
    uint8_t bytes[16];
};

/* Both strings count, and so does where the first one ends. */
struct hash128 hash_pair(const struct hash_key *key, const void *first, size_t first_length,
                         const void *second, size_t second_length);
struct hash128 hash_bytes(const struct hash_key *key, const void *data, size_t length);

/* Start with 0; pass the last value to go on. Uses the CPU's CRC instruction where there is one. */
uint32_t crc32c(uint32_t crc, const void *data, size_t length);
