/*
 * The configuration as the engine and the store are told it.
 */
#pragma once

#include <core/engine.h>
#include <store/store.h>
#include <util/config.h>

void policy_from_config(const struct config *config, struct core_policy *ret_policy);
/* Without directory and callbacks. */
void policy_store_options(const struct config *config, struct store_options *ret_options);
/* Tells the engine the units of [products], and of what stood there before (may be NULL) and no
 * longer does; and the thresholds of [low_thresholds]. 0 or -errno of the ledger. */
int policy_configure_products(struct core *core, const struct config *config,
                              const struct config *before, int64_t now);
