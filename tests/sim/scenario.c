/* See scenario.h. */
#include "scenario.h"

#include <string.h>

static unsigned sometimes(struct prng *prng, unsigned often, unsigned most)
{
    return prng_chance(prng, often) ? (unsigned)prng_range(prng, 1, most) : 0;
}

static int64_t one_of(struct prng *prng, const int64_t *values, size_t count)
{
    return values[prng_below(prng, count)];
}
#define ONE_OF(prng, ...)                                                                          \
    one_of(prng, (const int64_t[]){__VA_ARGS__},                                                   \
           sizeof((const int64_t[]){__VA_ARGS__}) / sizeof(int64_t))

static void draw_policy(struct core_policy *policy, struct prng *prng)
{
    *policy = (struct core_policy){
        .push_interval = ONE_OF(prng, 200, 1000, 1000, 5000),
        .refresh_interval = ONE_OF(prng, 5000, 60000, 60000, 300000),
        .in_doubt_delay = ONE_OF(prng, 5000, 30000, 120000, 120000),
        .max_offline_spend = ONE_OF(prng, -1, -1, -1, 50, 10000),
        .max_offline_time = ONE_OF(prng, -1, -1, -1, 60000, 600000),
        .requests_per_minute = ONE_OF(prng, 0, 0, 0, 15),
        .thresholds = {ONE_OF(prng, 0, 10, 100)},
        .threshold_count = 1,
        .unknown_ttl = 60000,
        .retention = -1,
        .dedupe_keys_per_user = ONE_OF(prng, 30, 1000, 100000),
        .dedupe_clients_per_user = ONE_OF(prng, 3, 100),
        .dedupe_stamps_per_user = 1000000,
        .turns_per_user = ONE_OF(prng, 5, 60, 60, 60),
        .turns_per_customer = ONE_OF(prng, 5, 60, 60, 60),
        .link_unverified_email = prng_chance(prng, 200),
        .trust_customer_id = prng_chance(prng, 200),
    };
}

static void draw_pace(struct scenario *s, struct prng *prng)
{
    s->client_every = ONE_OF(prng, 10, 100, 1000, 1000, 5000);
    s->sync_every = ONE_OF(prng, 2, 10, 200);
    s->crash_every = prng_chance(prng, 700) ? s->client_every * ONE_OF(prng, 20, 100, 500) : 0;
    s->helper_every = prng_chance(prng, 400) ? ONE_OF(prng, 3000, 30000, 120000) : 0;
    s->operator_every = prng_chance(prng, 600) ? ONE_OF(prng, 5000, 60000, 300000) : 0;
    s->elsewhere_every = prng_chance(prng, 350) ? ONE_OF(prng, 2000, 20000, 60000) : 0;
    s->checkpoint_every = prng_chance(prng, 700) ? s->client_every * ONE_OF(prng, 10, 100) : 0;
    s->weather_every = prng_chance(prng, 500) ? ONE_OF(prng, 20000, 120000) : 0;
    s->jump_every = prng_chance(prng, 150) ? s->client_every * 200 : 0;
    s->space_every = prng_chance(prng, 200) ? s->client_every * 50 : 0;
    s->probe_every = 3 * s->client_every;
}

static void draw_clients(struct scenario *s, struct prng *prng)
{
    s->customers = (int)prng_range(prng, 1, SIM_CUSTOMERS_MAX);
    s->products = (int)prng_range(prng, 1, SIM_PRODUCTS_MAX);
    s->clients = (int)prng_range(prng, 1, 6);
    s->users = (int)prng_range(prng, 1, 3);
    s->repeat_chance = sometimes(prng, 800, 400);
    s->reuse_chance = sometimes(prng, 500, 200);
    s->forget_chance = sometimes(prng, 600, 300);
    s->late_load_chance = sometimes(prng, 500, 500);
    s->stamp_chance = (unsigned)prng_range(prng, 0, 700);
    s->key_chance = (unsigned)prng_range(prng, 0, 300);
    s->stranger_chance = sometimes(prng, 400, 100);
    s->grant_max = ONE_OF(prng, 10, 1000, 100000, INT64_C(1) << 34, INT64_C(1) << 45);
    s->spend_max = 1 + s->grant_max / ONE_OF(prng, 10, 100, 1000, 100000);
    s->hold_chance = sometimes(prng, 600, 400);
    s->give_chance = sometimes(prng, 600, 200);
    s->ttl_max = ONE_OF(prng, 2000, 60000, 600000, CORE_TTL_MAX);
    s->persons = prng_chance(prng, 600) ? (int)prng_range(prng, 1, SIM_PERSONS_MAX) : 0;
    s->person_every = s->client_every * ONE_OF(prng, 1, 5, 20);
    s->relinked = prng_chance(prng, 300);
}

static void draw_upstream(struct scenario *s, struct prng *prng)
{
    s->latency = ONE_OF(prng, 1, 50, 300);
    s->timeout = ONE_OF(prng, 5000, 30000);
    s->requests_per_minute = ONE_OF(prng, 0, 0, 20, 20, 100);
    s->rate_headers = prng_chance(prng, 700);
    s->retry_after = prng_chance(prng, 500);
    s->others_use_rate = prng_chance(prng, 100);
    s->skew = prng_chance(prng, 600) ? prng_range(prng, -900000, 900000) : 0;
    s->no_date_chance = (unsigned)ONE_OF(prng, 0, 0, 0, 200, 1000);
    s->page_limit = ONE_OF(prng, 100, 100, 7, 20);
    s->keys_honoured = prng_chance(prng, 600);
    s->product_endpoint = prng_chance(prng, 800);
    s->wrong_units = prng_chance(prng, 80);
    s->answers_without_balance = prng_chance(prng, 200);
    s->refund_lowers_consumed = prng_chance(prng, 500);
    s->filter_ignored = prng_chance(prng, 300);
    s->customer_page = ONE_OF(prng, 2, 5, 100);
    if (s->wrong_units) /* what a gift moves could not be told then */
        s->give_chance = 0;
}

static void draw_faults(struct scenario *s, struct prng *prng)
{
    unsigned most = (unsigned)ONE_OF(prng, 50, 150, 400);
    s->not_sent = sometimes(prng, 400, most);
    s->lost_before = sometimes(prng, 400, most);
    s->lost_after = sometimes(prng, 400, most);
    s->error_before = sometimes(prng, 400, most);
    s->error_after = sometimes(prng, 400, most);
    s->stuck_lock = sometimes(prng, 300, most);
    s->late = sometimes(prng, 400, most);
    s->twice = sometimes(prng, 300, most);
    s->read_lost = sometimes(prng, 400, most);
    s->read_failed = sometimes(prng, 400, most);
    s->refused = sometimes(prng, 80, 50);
    if (prng_chance(prng, 100)) {
        s->row_alone = sometimes(prng, 500, 200);
        s->balance_alone = sometimes(prng, 500, 200);
        s->overwritten = s->balance_alone == 0 ? sometimes(prng, 500, 200) : 0;
    }
    s->late_beyond = s->late > 0 && prng_chance(prng, 250);
    s->outages = prng_chance(prng, 500);
    s->fivehundreds = prng_chance(prng, 400);
    s->unauthorized = prng_chance(prng, 300);
    s->forbidden = prng_chance(prng, 150);
}

void scenario_draw(struct scenario *scenario, struct prng *prng)
{
    *scenario = (struct scenario){0};
    scenario->steps = prng_range(prng, 300, 2500);
    draw_policy(&scenario->policy, prng);
    draw_pace(scenario, prng);
    draw_clients(scenario, prng);
    draw_upstream(scenario, prng);
    if (!prng_chance(prng, 100))
        draw_faults(scenario, prng);
}

void scenario_draw_side(struct scenario *s, struct prng *prng)
{
    s->object_every = prng_chance(prng, 700) ? s->client_every * ONE_OF(prng, 1, 5, 20) : 0;
}

void scenario_calm(struct scenario *s)
{
    s->crash_every = s->helper_every = s->elsewhere_every = s->weather_every = 0;
    s->jump_every = s->space_every = s->client_every = s->probe_every = s->person_every =
        s->object_every = 0;
    s->not_sent = s->lost_before = s->lost_after = s->error_before = s->error_after = 0;
    s->stuck_lock = s->late = s->twice = s->read_lost = s->read_failed = s->refused = 0;
    s->row_alone = s->balance_alone = s->overwritten = 0;
    s->others_use_rate = false;
    s->rate_headers = true; /* who is not told the limit may hit it for ever */
    s->wrong_units = false;
}

bool scenario_alone(const struct scenario *s)
{
    return s->elsewhere_every == 0 && s->row_alone == 0 && s->balance_alone == 0 &&
           s->overwritten == 0;
}

void scenario_print(const struct scenario *s, FILE *file)
{
    const struct core_policy *p = &s->policy;
    fprintf(file,
            "  customers %d products %d clients %d users %d; push %lld refresh %lld doubt %lld "
            "offline %lld/%lld rpm %lld keys %lld clients %lld turns %lld/%lld\n",
            s->customers, s->products, s->clients, s->users, (long long)p->push_interval,
            (long long)p->refresh_interval, (long long)p->in_doubt_delay,
            (long long)p->max_offline_spend, (long long)p->max_offline_time,
            (long long)p->requests_per_minute, (long long)p->dedupe_keys_per_user,
            (long long)p->dedupe_clients_per_user, (long long)p->turns_per_user,
            (long long)p->turns_per_customer);
    fprintf(file,
            "  every: client %lld sync %lld crash %lld helper %lld operator %lld elsewhere %lld "
            "checkpoint %lld weather %lld jump %lld space %lld\n",
            (long long)s->client_every, (long long)s->sync_every, (long long)s->crash_every,
            (long long)s->helper_every, (long long)s->operator_every, (long long)s->elsewhere_every,
            (long long)s->checkpoint_every, (long long)s->weather_every, (long long)s->jump_every,
            (long long)s->space_every);
    fprintf(file,
            "  upstream: latency %lld limit %lld%s%s%s skew %lld no-date %u page %lld keys %s%s%s "
            "grant %lld spend %lld\n",
            (long long)s->latency, (long long)s->requests_per_minute,
            s->rate_headers ? " headers" : "", s->retry_after ? " retry-after" : "",
            s->others_use_rate ? " shared" : "", (long long)s->skew, s->no_date_chance,
            (long long)s->page_limit, s->keys_honoured ? "honoured" : "ignored",
            s->product_endpoint ? "" : " no-product-endpoint", s->wrong_units ? " wrong-units" : "",
            (long long)s->grant_max, (long long)s->spend_max);
    fprintf(file,
            "  faults: not-sent %u lost %u/%u error %u/%u stuck %u late %u%s twice %u read %u/%u "
            "refused %u stories %u/%u/%u%s%s%s%s\n",
            s->not_sent, s->lost_before, s->lost_after, s->error_before, s->error_after,
            s->stuck_lock, s->late, s->late_beyond ? " (beyond)" : "", s->twice, s->read_lost,
            s->read_failed, s->refused, s->row_alone, s->balance_alone, s->overwritten,
            s->outages ? " outages" : "", s->fivehundreds ? " 500s" : "",
            s->unauthorized ? " 401s" : "", s->forbidden ? " 403s" : "");
    fprintf(
        file,
        "  holds %u ttl %lld, gives %u%s; persons %d every %lld, page %lld%s%s%s%s; objects every "
        "%lld\n",
        s->hold_chance, (long long)s->ttl_max, s->give_chance,
        s->refund_lowers_consumed ? " (lower consumed)" : "", s->persons,
        (long long)s->person_every, (long long)s->customer_page,
        s->filter_ignored ? " filter-ignored" : "", s->relinked ? " relinked" : "",
        p->link_unverified_email ? " unverified" : "", p->trust_customer_id ? " trusted" : "",
        (long long)s->object_every);
}
