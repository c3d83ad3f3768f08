/*
 * What store_open does with a journal: judge it (J5), make its tail durable (J4), replay it (S3).
 */
#pragma once

#include "walk.h"

/* What the store says of itself: where the journal must at least reach. */
struct recovery_from {
    uint64_t sequence, place;
    bool begun; /* a journal was made before: an empty directory is damage */
};

struct recovery {
    bool fresh;                  /* there is no journal yet */
    struct walk_position begin;  /* where the check began */
    struct walk_position replay; /* before the batch of the first record that is not in the store */
    struct walk_position tail;   /* where the journal ends, and goes on */
    uint64_t durable_end;        /* the place before which everything is known to be durable */
    uint64_t first_number, last_number;
};

/* Changes nothing. -EUCLEAN or -EPROTONOSUPPORT with *ret_error. */
int recovery_check(const struct files *files, const struct recovery_from *from,
                   struct recovery *ret_recovery, char **ret_error);
/* Makes the first segment where there is none; otherwise the tail durable, and what follows it
 * zero. */
int recovery_repair(const struct files *files, struct recovery *recovery, uint64_t segment_size);
int recovery_replay(const struct files *files, const struct recovery *recovery,
                    uint64_t stored_sequence, store_replay_function replay, void *userdata);
