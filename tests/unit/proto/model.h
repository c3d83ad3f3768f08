/*
 * What frame_scan() should say, worked out the plain way: recursively, from the MessagePack
 * specification, over bytes that are all there. Shares nothing with the scanner but its results'
 * names and limits.
 */
#pragma once

#include <proto/frame.h>

enum frame_result model_scan(const uint8_t *data, size_t length, size_t size_limit,
                             size_t *ret_length);
