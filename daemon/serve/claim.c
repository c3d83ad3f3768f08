/* See claim.h. */
#include "claim.h"

uint64_t claim_settle(struct claim *claim, uint64_t needed, uint64_t appended, uint64_t durable)
{
    if (durable >= claim->seen_at) {
        claim->safe = claim->seen;
        claim->seen = needed;
        claim->seen_at = appended;
    }
    if (durable >= appended)
        claim->safe = needed;
    return needed < claim->safe ? needed : claim->safe;
}
