/*
 * Which events a new balance raises: credits.low at each threshold once, recovered when it has
 * risen above one that was told, and what a reload with other thresholds makes of it.
 */
#include "stage.h"

#include <core/event.h>
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

static struct stage stage;
static size_t looked_at; /* records whose events have been looked at */

static void set_up(void)
{
    stage_init(&stage, NULL);
    looked_at = 0;
}

static void tear_down(void)
{
    stage_deinit(&stage);
}

TestSuite(threshold, .init = set_up, .fini = tear_down);

static const char *name_of(enum core_event_type type)
{
    switch (type) {
    case CORE_EVENT_CREDITS_LOW:
        return "low";
    case CORE_EVENT_CREDITS_RECOVERED:
        return "recovered";
    case CORE_EVENT_CREDITS_EXHAUSTED:
        return "exhausted";
    case CORE_EVENT_CREDITS_OVERDRAWN:
        return "overdrawn";
    default:
        return "other";
    }
}

/* The events since the last look, like "low 10, exhausted". */
static const char *news(void)
{
    static char text[400];
    size_t used = 0;
    text[0] = '\0';
    for (; looked_at < stage.count; looked_at++) {
        struct record record;
        struct record_image image;
        struct core_event event;
        cr_assert_eq(
            record_decode(stage.records[looked_at].bytes, stage.records[looked_at].size, &record),
            0);
        for (size_t position = 0; record_next_image(&record, &position, &image);) {
            if (image.table != TABLE_EVENT)
                continue;
            cr_assert_eq(core_event_decode(image.key, image.key_length, image.value,
                                           image.value_length, &event),
                         0);
            used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%s", used ? ", " : "",
                                     name_of(event.type));
            if (event.type <= CORE_EVENT_CREDITS_RECOVERED)
                used += (size_t)snprintf(text + used, sizeof(text) - used, " %lld",
                                         (long long)event.value);
        }
    }
    return text;
}

#define expect_news(text) cr_expect_str_eq(news(), text, "step %zu: %s", i, text)

enum step_kind {
    SPEND,
    READ,    /* upstream says that so much is available */
    RELOAD,  /* with these thresholds */
    PRODUCT, /* these for the product */
    RESTART,
    HOLD,
};

struct step {
    enum step_kind kind;
    int64_t amount;
    int64_t list[4];
    size_t count;
    const char *news;
};

static void read_available(int64_t available)
{
    struct core_balance balance = stage_balance(&stage, "cus_a", "prod_a");
    cr_assert_eq(core_balance_refresh(stage.core, balance.slot, STAGE_UID, stage.now), CORE_OK);
    struct exchange exchange = stage_next(&stage, EXCHANGE_BALANCE);
    stage_end_balance(&stage, &exchange, available + balance.pending + balance.held, 0);
    cr_assert_eq(stage_balance(&stage, "cus_a", "prod_a").available, available);
}

static void hold(int64_t amount)
{
    struct core_consume command = stage_command("cus_a", "prod_a", amount);
    struct core_reserved reserved;
    cr_assert_eq(core_reserve(stage.core, &command, 60000, stage.now, &reserved), CORE_OK);
}

static void take_step(const struct step *step)
{
    struct core_policy policy = stage.options.policy;
    switch (step->kind) {
    case SPEND:
        stage_spend(&stage, "cus_a", "prod_a", step->amount);
        break;
    case READ:
        read_available(step->amount);
        break;
    case RELOAD:
        memcpy(policy.thresholds, step->list, sizeof(step->list));
        policy.threshold_count = step->count;
        stage.options.policy = policy; /* also for the next start */
        core_set_policy(stage.core, &policy, stage.now);
        break;
    case PRODUCT:
        core_thresholds_reset(stage.core);
        cr_assert_eq(core_thresholds_set(stage.core, stage_text("prod_a"), step->list, step->count),
                     CORE_OK);
        break;
    case RESTART:
        stage_restart(&stage);
        break;
    case HOLD:
        hold(step->amount);
        break;
    }
}

static void play(int64_t balance, const struct step *steps, size_t count)
{
    stage_know(&stage, "cus_a", "prod_a", 1, balance);
    for (size_t i = 0; i < count; i++) {
        take_step(&steps[i]);
        expect_news(steps[i].news);
    }
}
#define PLAY(balance, ...)                                                                         \
    play(balance, (const struct step[]){__VA_ARGS__},                                              \
         sizeof((const struct step[]){__VA_ARGS__}) / sizeof(struct step))

Test(threshold, one_is_told_once_until_the_balance_has_risen_above_it)
{
    PLAY(20, {SPEND, 9, {0}, 0, ""}, {SPEND, 1, {0}, 0, "low 10"}, {SPEND, 1, {0}, 0, ""},
         {READ, 10, {0}, 0, ""}, {SPEND, 1, {0}, 0, ""}, {READ, 11, {0}, 0, "recovered 10"},
         {SPEND, 1, {0}, 0, "low 10"});
}

Test(threshold, one_that_is_already_reached_is_told_by_the_first_deduction)
{
    PLAY(8, {READ, 5, {0}, 0, ""}, {SPEND, 1, {0}, 0, "low 10"}, {SPEND, 1, {0}, 0, ""});
}

Test(threshold, several_each_have_their_own_life)
{
    PLAY(200, {RELOAD, 0, {100, 50, 10}, 3, ""}, {SPEND, 100, {0}, 0, "low 100"},
         {SPEND, 49, {0}, 0, ""}, {SPEND, 1, {0}, 0, "low 50"}, {READ, 60, {0}, 0, "recovered 50"},
         {SPEND, 55, {0}, 0, "low 50, low 10"}, {RESTART, 0, {0}, 0, ""}, {SPEND, 1, {0}, 0, ""});
}

Test(threshold, one_deduction_may_cross_all_of_them_and_one_reading_too)
{
    PLAY(200, {RELOAD, 0, {100, 50, 10, 0}, 4, ""},
         {SPEND, 200, {0}, 0, "low 100, low 50, low 10, low 0, exhausted"},
         {READ, 500, {0}, 0, "recovered 0, recovered 10, recovered 50, recovered 100"},
         {SPEND, 500, {0}, 0, "low 100, low 50, low 10, low 0, exhausted"});
}

Test(threshold, a_reading_alone_tells_nothing_low)
{
    PLAY(200, {READ, 5, {0}, 0, ""}, {READ, -5, {0}, 0, "overdrawn"}, {READ, 4, {0}, 0, ""},
         {SPEND, 1, {0}, 0, "low 10"});
}

Test(threshold, what_is_held_counts_as_spent)
{
    PLAY(20, {HOLD, 10, {0}, 0, "low 10"}, {SPEND, 1, {0}, 0, ""});
}

Test(threshold, without_any_none_is_told)
{
    PLAY(20, {RELOAD, 0, {0}, 0, ""}, {SPEND, 19, {0}, 0, ""}, {SPEND, 1, {0}, 0, "exhausted"});
}

Test(threshold, a_product_has_its_own_in_place_of_the_policys)
{
    PLAY(200, {PRODUCT, 0, {100, 5}, 2, ""}, {SPEND, 100, {0}, 0, "low 100"},
         {SPEND, 90, {0}, 0, ""}, {SPEND, 5, {0}, 0, "low 5"}, {PRODUCT, 0, {0}, 0, ""},
         {SPEND, 1, {0}, 0, ""} /* known to be low */, {READ, 50, {0}, 0, "recovered 10"},
         {SPEND, 40, {0}, 0, "low 10"});
}

/* --- reloads --- */

Test(threshold, a_reload_with_the_same_changes_nothing)
{
    PLAY(20, {SPEND, 12, {0}, 0, "low 10"}, {RELOAD, 0, {10}, 1, ""}, {SPEND, 1, {0}, 0, ""},
         {READ, 30, {0}, 0, "recovered 10"});
}

Test(threshold, a_lower_one_joins_and_is_told_when_it_is_reached)
{
    PLAY(20, {SPEND, 12, {0}, 0, "low 10"}, {RELOAD, 0, {10, 5}, 2, ""}, {SPEND, 1, {0}, 0, ""},
         {SPEND, 2, {0}, 0, "low 5"}, {READ, 30, {0}, 0, "recovered 5, recovered 10"});
}

Test(threshold, a_higher_one_is_not_told_of_a_balance_that_was_told_to_be_low)
{
    PLAY(20, {SPEND, 12, {0}, 0, "low 10"}, {RELOAD, 0, {15}, 1, ""}, {SPEND, 1, {0}, 0, ""},
         {READ, 12, {0}, 0, ""}, {READ, 16, {0}, 0, "recovered 15"}, {SPEND, 1, {0}, 0, "low 15"});
}

Test(threshold, a_higher_one_is_told_of_a_balance_that_was_not)
{
    PLAY(200, {SPEND, 100, {0}, 0, ""}, {RELOAD, 0, {150}, 1, ""}, {SPEND, 1, {0}, 0, "low 150"},
         {SPEND, 1, {0}, 0, ""});
}

Test(threshold, where_the_told_one_is_gone_a_lower_one_is_not_mistaken_for_it)
{
    PLAY(200, {RELOAD, 0, {100}, 1, ""}, {SPEND, 120, {0}, 0, "low 100"}, {RELOAD, 0, {50}, 1, ""},
         {SPEND, 1, {0}, 0, ""}, {SPEND, 30, {0}, 0, "low 50"}, {RESTART, 0, {0}, 0, ""},
         {SPEND, 1, {0}, 0, ""}, {READ, 60, {0}, 0, "recovered 50"});
}

Test(threshold, fewer_than_were_told_do_not_silence_what_is_left)
{
    PLAY(200, {RELOAD, 0, {100, 50, 20}, 3, ""}, {SPEND, 190, {0}, 0, "low 100, low 50, low 20"},
         {RELOAD, 0, {5}, 1, ""}, {SPEND, 1, {0}, 0, ""}, {SPEND, 4, {0}, 0, "low 5"});
}

Test(threshold, none_any_more_forgets_what_was_told)
{
    PLAY(20, {SPEND, 12, {0}, 0, "low 10"}, {RELOAD, 0, {0}, 0, ""}, {SPEND, 1, {0}, 0, ""},
         {RELOAD, 0, {10}, 1, ""}, {SPEND, 1, {0}, 0, "low 10"});
}

/* --- rows from before there were several --- */

static void old_row(int64_t upstream, uint32_t flags)
{
    struct core_balance_rows rows = {
        .customer = stage_text("cus_a"),
        .product = stage_text("prod_a"),
        .row = {.upstream = upstream, .synced_at = stage.now, .id = 7, .flags = flags}};
    uint32_t slot;
    cr_assert_eq(core_configure_product(stage.core, stage_text("prod_a"), 1, stage.now), 0);
    cr_assert_eq(core_load_balance(stage.core, &rows, &slot), 0);
    looked_at = stage.count;
}

Test(threshold, an_old_row_that_was_told_is_told_again_only_after_it_has_risen)
{
    size_t i = 0;
    old_row(8, CORE_ROW_LOW);
    stage_spend(&stage, "cus_a", "prod_a", 1);
    expect_news("");
    read_available(11);
    expect_news("recovered 10");
    stage_spend(&stage, "cus_a", "prod_a", 1);
    expect_news("low 10");
}

Test(threshold, an_old_row_that_was_not_told_is)
{
    size_t i = 0;
    old_row(12, 0);
    stage_spend(&stage, "cus_a", "prod_a", 3);
    expect_news("low 10");
}

/* --- the row --- */

Test(threshold, a_row_stays_one_cache_line)
{
    cr_expect_eq(sizeof(struct core_row), 64);
}

Test(threshold, a_balance_of_which_nothing_is_told_has_no_flags_of_it)
{
    struct record record;
    struct record_image image;
    struct core_row row;
    stage_know(&stage, "cus_a", "prod_a", 1, 100);
    stage_spend(&stage, "cus_a", "prod_a", 95);
    stage_spend(&stage, "cus_a", "prod_a", 1);
    read_available(50);
    for (size_t i = 0; i < stage.count; i++) {
        size_t position = 0;
        cr_assert_eq(record_decode(stage.records[i].bytes, stage.records[i].size, &record), 0);
        while (record_next_image(&record, &position, &image))
            if (image.table == TABLE_BALANCE)
                memcpy(&row, image.value, sizeof(row));
    }
    cr_expect_eq(row.upstream, 50 + 96);
    cr_expect_eq(row.flags, 0);
}

Test(threshold, lists_that_are_none_are_refused)
{
    static const int64_t rising[] = {1, 2}, twice[] = {2, 2},
                         many[CORE_THRESHOLDS_MAX + 1] = {9, 8, 7, 6, 5, 4, 3, 2, 1};
    struct core_text product = stage_text("prod_a");
    cr_expect_lt(core_thresholds_set(stage.core, product, rising, 2), 0);
    cr_expect_lt(core_thresholds_set(stage.core, product, twice, 2), 0);
    cr_expect_lt(core_thresholds_set(stage.core, product, many, CORE_THRESHOLDS_MAX + 1), 0);
    cr_expect_eq(core_thresholds_set(stage.core, product, many, CORE_THRESHOLDS_MAX), CORE_OK);
}

Test(threshold, a_product_keeps_its_own_while_nobody_names_it)
{
    struct step spend = {SPEND, 45, {0}, 0, "low 60"};
    struct core_consumed consumed;
    struct exchange exchange;
    static const int64_t list[] = {60};
    cr_assert_eq(core_thresholds_set(stage.core, stage_text("prod_a"), list, 1), CORE_OK);
    cr_assert_eq(stage_consume(&stage, "cus_x", "prod_a", 1, &consumed), CORE_COLD);
    exchange = stage_next(&stage, EXCHANGE_PRODUCT);
    stage_end(&stage, &exchange, EXCHANGE_NOT_FOUND);
    stage_later(&stage, 120000); /* forgotten, and with it the last name of the product */
    play(100, &spend, 1);
    stage_restart(&stage); /* which knows nothing of the configuration */
    cr_expect_eq(stage_balance(&stage, "cus_a", "prod_a").available, 55);
}
