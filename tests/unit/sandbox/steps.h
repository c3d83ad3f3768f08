/* Whole exchanges without HTTP: steps against one sandbox, each with the faults ordered before it,
 * the answer that it must get and the balance that it must leave. All of it asserts. */
#pragma once

#include "sandbox.h"

#include <util/macros.h>

struct step {
    const char *faults; /* words NAME=VALUE, ordered before; NULL for none */
    const char *method, *target, *key, *body;
    unsigned status;  /* 0: dropped */
    const char *part; /* of the answer's body; NULL: not looked at */
    int64_t balance;
};

/* A sandbox where cus_a has 100 credits of prod_a. */
void sandbox_begin(struct sandbox *sandbox);
/* Words NAME=VALUE. */
void sandbox_faults_order(struct sandbox *sandbox, const char *orders);
void step_serve(struct sandbox *sandbox, const struct step *step, struct reply *reply);
void steps_run(const struct step *steps, size_t count);

#define STEPS_RUN(...)                                                                             \
    do {                                                                                           \
        static const struct step steps[] = {__VA_ARGS__};                                          \
        steps_run(steps, ARRAY_SIZE(steps));                                                       \
    } while (0)
