/* What creditd-http counts of itself, for /metrics. */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct figures {
    uint64_t answers[6]; /* by the first digit of the status */
    uint64_t connections_total;
    unsigned connections, waiting, streams; /* now */
};

void figures_answered(struct figures *figures, unsigned status);
/* As Prometheus reads them. `is_up`: creditd-serve has answered. Into a buffer of its own, to be
 * freed; NULL: no memory. */
char *figures_text(const struct figures *figures, int is_up, size_t *ret_length);
