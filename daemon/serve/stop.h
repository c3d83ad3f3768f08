/*
 * The orderly end, in three steps: nothing new is taken, and what was acknowledged goes out; then
 * connections drain; then the loop's handles close. Each step waits for something that can be seen,
 * and none for ever.
 */
#pragma once

struct serve;

/* Goes on as far as it can: at the end of each turn. */
void stop_advance(struct serve *serve);
