/* See policy.h. */
#include "policy.h"
#include <core/event.h>
#include <string.h>

/* How long a name that StellarTools does not know is remembered as unknown (P6). */
#define UNKNOWN_TTL_MS 60000
#define CHECKPOINT_BYTES (UINT64_C(128) * 1024 * 1024) /* half of what S3 allows */

void policy_from_config(const struct config *config, struct core_policy *ret_policy)
{
    *ret_policy = (struct core_policy){
        .push_interval = config->credits.push_interval,
        .refresh_interval = config->credits.refresh_interval,
        .in_doubt_delay = config->credits.in_doubt_delay,
        .max_offline_spend = config->credits.max_offline_spend,
        .max_offline_time = config->credits.max_offline_time,
        .requests_per_minute = config->credits.requests_per_minute,
        .link_unverified_email = config->billing.link_unverified_email,
        .trust_customer_id = config->better_auth.trust_customer_id,
        .unknown_ttl = UNKNOWN_TTL_MS,
        .retention = config->ledger.retention,
        .dedupe_keys_per_user = config->limits.dedupe_keys_per_user,
        .dedupe_clients_per_user = config->limits.dedupe_clients_per_user,
        .dedupe_stamps_per_user = config->limits.dedupe_stamps_per_user,
        .turns_per_user = config->limits.upstream_turns_per_user,
        .turns_per_customer = config->limits.upstream_turns_per_customer,
        .threshold_count = config->billing.credit_low_threshold.count,
    };
    _Static_assert(CORE_THRESHOLDS_MAX == CONFIG_THRESHOLDS_MAX, "as many here as there");
    memcpy(ret_policy->thresholds, config->billing.credit_low_threshold.items,
           sizeof(ret_policy->thresholds));
}

static uint64_t unlimited(int64_t value)
{
    return value < 0 ? UINT64_MAX : (uint64_t)value;
}

void policy_store_options(const struct config *config, struct store_options *ret_options)
{
    *ret_options = (struct store_options){
        .durability = config->ledger.durability == CONFIG_DURABILITY_INTERVAL
                          ? STORE_DURABILITY_INTERVAL
                          : STORE_DURABILITY_ALWAYS,
        .interval_ms = config->ledger.interval,
        .segment_size = (uint64_t)config->ledger.segment_size & ~UINT64_C(4095),
        .map_size = (uint64_t)config->ledger.map_size,
        .retention_ms = config->ledger.retention < 0 ? INT64_MAX : config->ledger.retention,
        .retention_bytes = unlimited(config->ledger.retention_size),
        .checkpoint_interval_ms = config->ledger.checkpoint_interval,
        .checkpoint_bytes = CHECKPOINT_BYTES,
    };
}

static bool has_product(const struct config *config, const char *product_id)
{
    for (size_t i = 0; i < config->products.count; i++)
        if (strcmp(config->products.items[i].product_id, product_id) == 0)
            return true;
    return false;
}

static int configure(struct core *core, const char *product_id, int64_t units, int64_t now)
{
    struct core_text product = {product_id, strlen(product_id)};

    return core_configure_product(core, product, units, now);
}

static int set_thresholds(struct core *core, const struct config_product_thresholds *of)
{
    struct core_text product = {of->product_id, strlen(of->product_id)};

    return core_thresholds_set(core, product, of->thresholds.items, of->thresholds.count);
}

int policy_configure_products(struct core *core, const struct config *config,
                              const struct config *before, int64_t now)
{
    int r = 0;

    core_thresholds_reset(core);
    for (size_t i = 0; r == 0 && i < config->low_thresholds.count; i++)
        r = set_thresholds(core, &config->low_thresholds.items[i]);

    for (size_t i = 0; r == 0 && before != NULL && i < before->products.count; i++)
        if (!has_product(config, before->products.items[i].product_id))
            r = configure(core, before->products.items[i].product_id, 0, now);
    for (size_t i = 0; r == 0 && i < config->products.count; i++)
        r = configure(core, config->products.items[i].product_id,
                      config->products.items[i].units_per_credit, now);
    return r;
}
