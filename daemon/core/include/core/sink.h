/*
 * Where the engine's records go. The engine encodes straight into the open batch of whoever keeps
 * the ledger: the journal in creditd-serve, a vector in the simulation.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct core_sink {
    void *userdata;
    /* Makes room for one record of `size` bytes and gives it its sequence (one more than the last)
     * and its place (opaque, growing with the sequence, never 0). The record counts as appended
     * when this returns: the engine must fill it in before anything else happens. 0, -ENOSPC (only
     * the reserve is left; asked with reserve = 0), or another negative errno: nothing was
     * appended. */
    int (*append)(void *userdata, size_t size, int use_reserve, uint8_t **ret_buffer,
                  uint64_t *ret_sequence, uint64_t *ret_place);
};
