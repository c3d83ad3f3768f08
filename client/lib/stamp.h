/*
 * Stamps: (client id, counter), drawn when a change is first sent.
 *
 * The daemon remembers the last PROTO_IN_FLIGHT_DEFAULT counters of a client id, and refuses what
 * it cannot remember. So a counter that may still be asked for — sent and unanswered, or handed to
 * the application as in doubt — must not fall out of that window: before it would, the source goes
 * on under a new id, whose window is empty. And the daemon forgets whole ids with time, so that an
 * id is used for some hours only, by either clock: the daemon reads its age from the wall clock
 * that it embeds.
 */
#pragma once

#include "io.h"
#include <creditd.h>
#include <proto/limits.h>

#define STAMP_AGE_MAX (UINT64_C(12) * 3600 * 1000)
#define STAMP_WINDOW PROTO_IN_FLIGHT_DEFAULT
/* The daemon keeps a window for each id: new ones for the window's sake come no faster than this.
 */
#define STAMP_TURN_MIN 1000

struct stamp_source {
    bool valid;
    unsigned char id[PROTO_CLIENT_ID_SIZE];
    uint64_t counter;       /* the last that was drawn */
    uint64_t floor;         /* the lowest that is in doubt; 0: none */
    uint64_t drawn, walled; /* when the id was drawn, by clock and wall */
};

/* A new stamp. `oldest` is the oldest one that is sent and unanswered, NULL if there is none.
 * 0, -EAGAIN where the window forbids it for `*ret_wait` ms, or what the randomness said. */
int stamp_draw(struct stamp_source *source, const struct client_io *io, void *context,
               const struct creditd_stamp *oldest, struct creditd_stamp *ret_stamp,
               uint64_t *ret_wait);
/* The application has it, and may ask with it again. */
void stamp_in_doubt(struct stamp_source *source, const struct creditd_stamp *stamp);
/* The next draw begins a new id: after a fork, or where the daemon does not know this one (any
 * more). */
void stamp_retire(struct stamp_source *source);
bool stamp_is_from(const struct stamp_source *source, const struct creditd_stamp *stamp);
uint64_t stamp_counter(const struct creditd_stamp *stamp);
