/*
 * What a seed stands for: how many of everything, how fast, and which faults can happen. Faults are
 * drawn by swarm: each kind is in some seeds and not in others, since a run in which everything
 * goes wrong at once explores less than many in which a few things do.
 */
#pragma once

#include "prng.h"
#include <core/engine.h>
#include <stdio.h>

#define SIM_CUSTOMERS_MAX 8
#define SIM_UNKNOWN_CUSTOMERS 2
#define SIM_PRODUCTS_MAX 3
#define SIM_ROWS (SIM_CUSTOMERS_MAX + SIM_UNKNOWN_CUSTOMERS)
#define SIM_COLUMNS (SIM_PRODUCTS_MAX + 1) /* one that upstream does not know */
#define SIM_PAIRS (SIM_ROWS * SIM_COLUMNS)
#define SIM_PERSONS_MAX 6

struct scenario {
    int customers, products, clients, users;
    int64_t steps;
    struct core_policy policy;

    /* pace, ms on the average; 0: never */
    int64_t client_every, sync_every, crash_every, helper_every, operator_every, elsewhere_every;
    int64_t checkpoint_every, weather_every, jump_every, space_every, probe_every;
    unsigned repeat_chance, reuse_chance, forget_chance, late_load_chance; /* per mille */
    unsigned stamp_chance, key_chance, stranger_chance;
    int64_t grant_max, spend_max;      /* credits */
    unsigned hold_chance, give_chance; /* per mille of what clients do */
    int64_t ttl_max;
    int persons; /* users who want a customer; 0: none */
    int64_t person_every, object_every;
    bool relinked; /* operators link and unlink */

    /* upstream */
    int64_t latency, timeout;
    int64_t requests_per_minute; /* 0: no limit */
    bool rate_headers, retry_after, others_use_rate;
    int64_t skew; /* its clock − ours, ms */
    unsigned no_date_chance;
    int64_t page_limit;
    bool keys_honoured;
    bool product_endpoint;
    bool wrong_units; /* it says one unit and charges by another (P4) */
    bool answers_without_balance;
    bool refund_lowers_consumed;
    bool filter_ignored; /* of the list of customers, by email */
    int64_t customer_page;

    /* faults of single exchanges, per mille */
    unsigned not_sent, lost_before, lost_after, error_before, error_after, stuck_lock, late, twice;
    unsigned read_lost, read_failed, refused;
    /* stories that do not fit (the engine is expected to park) */
    unsigned row_alone, balance_alone, overwritten;
    bool late_beyond; /* later than in_doubt_delay: the known limit */
    /* weather: periods of */
    bool outages, fivehundreds, unauthorized, forbidden;
};

/* Deterministic in the seed. */
void scenario_draw(struct scenario *scenario, struct prng *prng);
/* What does not change the rest. */
void scenario_draw_side(struct scenario *scenario, struct prng *prng);
/* No fault and no limit is left; what had been begun goes on. */
void scenario_calm(struct scenario *scenario);
void scenario_print(const struct scenario *scenario, FILE *file);
/* Nobody but us changes balances, and what upstream says of them is consistent. */
bool scenario_alone(const struct scenario *scenario);
