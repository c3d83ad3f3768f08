/* Ordering faults, drawing them, and the promise that help and man page name every one. */
#include "faults.h"
#include "billing.h"
#include "plan.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <util/macros.h>

static void faults_with(struct faults *faults, const char *text)
{
    CLEANUP(cleanup_free) char *error = NULL;
    CLEANUP(cleanup_free) char *copy = strdup(text);

    faults_init(faults);
    for (char *save, *word = strtok_r(copy, " ", &save); word; word = strtok_r(NULL, " ", &save))
        cr_assert(faults_order_text(faults, word, &error) == 0, "%s: %s", word, error);
}

Test(sandbox_faults, orders_are_taken_or_explained)
{
    static const struct {
        const char *text;
        const char *error; /* NULL: taken */
        enum fault fault;
        double value;
    } rows[] = {
        {"latency=250", NULL, FAULT_LATENCY, 250},
        {"hang=0.5", NULL, FAULT_HANG, 0.5},
        {"down=true", NULL, FAULT_DOWN, 1},
        {"down=1", NULL, FAULT_DOWN, 1},
        {"hang_commits=off", NULL, FAULT_HANG_COMMITS, 0},
        {"envelope=data", NULL, FAULT_ENVELOPE, ENVELOPE_DATA},
        {"business_status=404", NULL, FAULT_BUSINESS_STATUS, 2},
        {"only=deduct", NULL, FAULT_ONLY, KIND_DEDUCT},
        {"only=customer", NULL, FAULT_ONLY, KIND_CUSTOMER},
        {"only=subscription", NULL, FAULT_ONLY, KIND_SUBSCRIPTION},
        {"only=payment", NULL, FAULT_ONLY, KIND_PAYMENT},
        {"only=refund_payment", NULL, FAULT_ONLY, KIND_REFUND_PAYMENT},
        {"only=access", NULL, FAULT_ONLY, KIND_ACCESS},
        {"only_method=PUT", NULL, FAULT_ONLY_METHOD, 3},
        {"refund_status=failed", NULL, FAULT_REFUND_STATUS, REFUND_FAILED},
        {"only=", NULL, FAULT_ONLY, 0},
        {"hang", "write NAME=VALUE", 0, 0},
        {"hung=1", "there is no fault named hung", 0, 0},
        {"hang=1.5", "hang=1.5 is not allowed; write a number from 0 to 1", 0, 0},
        {"hang=-1", "a number from 0 to 1", 0, 0},
        {"hang=nan", "a number from 0 to 1", 0, 0},
        {"hang=", "a number from 0 to 1", 0, 0},
        {"latency=1.5", "a whole number, 0 or more", 0, 0},
        {"latency=1s", "a whole number, 0 or more", 0, 0},
        {"down=maybe", "true or false", 0, 0},
        {"envelope=dat", "object|data", 0, 0},
        {"only=deducts", "|deduct|", 0, 0},
        {"only_method=get", "|GET|", 0, 0},
        {"refund_status=", "pending|succeeded|failed", 0, 0},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        CLEANUP(cleanup_free) char *error = NULL;
        struct faults faults;
        int r;

        faults_init(&faults);
        r = faults_order_text(&faults, rows[i].text, &error);
        cr_assert(r == (rows[i].error ? -EINVAL : 0), "%s: %d", rows[i].text, r);
        cr_assert(!rows[i].error || strstr(error, rows[i].error), "%s: %s", rows[i].text, error);
        cr_assert(rows[i].error || faults.values[rows[i].fault] == rows[i].value, "%s",
                  rows[i].text);
    }
}

static int order_json(struct faults *faults, const char *text)
{
    CLEANUP(cleanup_free) char *error = NULL;
    json_t *orders = json_loads(text, JSON_DECODE_ANY, NULL);
    int r = faults_order_json(faults, orders, &error);

    cr_assert((r < 0) == (error != NULL), "%s", text);
    json_decref(orders);
    return r;
}

Test(sandbox_faults, json_orders_are_merged_whole_or_not_at_all)
{
    struct faults faults;

    faults_init(&faults);
    cr_assert(order_json(&faults,
                         "{\"latency\": 5, \"down\": true, \"hang\": 0.25, \"envelope\": \"data\","
                         " \"business_status\": 400}") == 0);
    cr_assert(order_json(&faults, "{\"latency\": 6}") == 0);
    cr_assert(faults_number(&faults, FAULT_LATENCY) == 6);
    cr_assert(faults_on(&faults, FAULT_DOWN));
    cr_assert(faults_business_status(&faults) == 400);
    cr_assert(order_json(&faults, "{\"latency\": 7, \"hang\": 2}") == -EINVAL);
    cr_assert(order_json(&faults, "{\"latency\": 7, \"nothing\": 2}") == -EINVAL);
    cr_assert(order_json(&faults, "[]") == -EINVAL);
    cr_assert(faults_number(&faults, FAULT_LATENCY) == 6);
    cr_assert(order_json(&faults, "{\"latency\": 8, \"reset\": true}") == 0);
    cr_assert(faults_number(&faults, FAULT_LATENCY) == 8);
    cr_assert(!faults_on(&faults, FAULT_DOWN));
    cr_assert(faults_number(&faults, FAULT_RATE_WINDOW) == 60000);
}

Test(sandbox_faults, what_is_told_can_be_ordered_again)
{
    CLEANUP(cleanup_free) char *error = NULL;
    struct faults faults, again;
    json_t *told;

    faults_with(&faults,
                "hang=0.125 latency=3 only=history envelope=data down=true units_fields=false");
    faults_init(&again);
    told = faults_to_json(&faults);
    cr_assert(json_object_size(told) == FAULT_COUNT);
    cr_assert(faults_order_json(&again, told, &error) == 0, "%s", error);
    json_decref(told);
    cr_assert(memcmp(faults.values, again.values, sizeof(faults.values)) == 0);
}

static struct plan drawn(const char *orders, enum kind kind, bool has_key)
{
    const struct target target = {kind, kind == KIND_BALANCE ? "GET" : "POST", has_key};
    struct faults faults;
    struct prng prng = {.state = 1};
    struct plan plan;

    faults_with(&faults, orders);
    plan_draw(&plan, &faults, &prng, &target);
    return plan;
}

static const struct target deduct = {KIND_DEDUCT, "POST", false};

Test(sandbox_faults, each_fault_makes_its_plan)
{
    static const struct {
        const char *orders;
        enum kind kind;
        bool has_key, commit, keep_lock;
        enum ending ending;
    } rows[] = {
        {"", KIND_DEDUCT, true, true, false, ENDING_ANSWER},
        {"error_before_commit=1", KIND_DEDUCT, true, false, false, ENDING_ERROR},
        {"error_after_commit=1", KIND_DEDUCT, true, true, false, ENDING_ERROR},
        {"reset_before=1", KIND_DEDUCT, true, false, false, ENDING_DROP},
        {"reset_after=1", KIND_DEDUCT, true, true, false, ENDING_DROP},
        {"hang=1", KIND_DEDUCT, true, true, false, ENDING_HANG},
        {"hang=1 hang_commits=false", KIND_DEDUCT, true, false, false, ENDING_HANG},
        {"html=1", KIND_DEDUCT, true, false, false, ENDING_HTML},
        {"html=1 html_commits=true", KIND_DEDUCT, true, true, false, ENDING_HTML},
        {"empty=1", KIND_DEDUCT, true, true, false, ENDING_EMPTY},
        {"garbage=1", KIND_DEDUCT, true, true, false, ENDING_GARBAGE},
        {"stuck_lock=1", KIND_DEDUCT, true, false, true, ENDING_ERROR},
        {"stuck_lock=1", KIND_DEDUCT, false, true, false, ENDING_ANSWER},
        {"error_before_commit=1 garbage=1", KIND_DEDUCT, true, false, false, ENDING_ERROR},
        {"reset_after=1 only=deduct", KIND_DEDUCT, true, true, false, ENDING_DROP},
        {"reset_after=1 only=deduct", KIND_GRANT, true, true, false, ENDING_ANSWER},
        {"reset_after=1 only=balance", KIND_BALANCE, false, true, false, ENDING_DROP},
        {"reset_after=1 only=access", KIND_ACCESS, false, true, false, ENDING_DROP},
        {"reset_after=1 only=customer only_method=POST", KIND_CUSTOMER, true, true, false,
         ENDING_DROP},
        {"reset_after=1 only=customer only_method=PUT", KIND_CUSTOMER, true, true, false,
         ENDING_ANSWER},
        {"reset_after=1 only_method=GET", KIND_DEDUCT, true, true, false, ENDING_ANSWER},
        {"reset_after=1 only_method=GET", KIND_BALANCE, false, true, false, ENDING_DROP},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct plan plan = drawn(rows[i].orders, rows[i].kind, rows[i].has_key);

        cr_assert(plan.commit == rows[i].commit, "row %zu", i);
        cr_assert(plan.keep_lock == rows[i].keep_lock, "row %zu", i);
        cr_assert(plan.ending == rows[i].ending, "row %zu", i);
    }
}

Test(sandbox_faults, halves_and_waits_are_planned)
{
    struct plan plan;

    plan = drawn("row_without_balance=1", KIND_GRANT, false);
    cr_assert(plan.skip_balance && !plan.skip_row);
    plan = drawn("balance_without_row=1", KIND_DEDUCT, false);
    cr_assert(!plan.skip_balance && plan.skip_row);
    plan = drawn("balance_without_row=1", KIND_BALANCE, false);
    cr_assert(!plan.skip_balance && !plan.skip_row);
    plan = drawn("late_commit=50", KIND_DEDUCT, false);
    cr_assert(plan.late_ms == 50 && plan.commit && plan.ending == ENDING_DROP);
    plan = drawn("late_commit=50", KIND_GRANT, false);
    cr_assert(plan.late_ms == 0 && plan.ending == ENDING_ANSWER);
    plan = drawn("late_commit=50 only=subscription", KIND_DEDUCT, false);
    cr_assert(plan.late_ms == 0 && plan.ending == ENDING_ANSWER);
    plan = drawn("late_commit=50 only=subscription", KIND_SUBSCRIPTION, false);
    cr_assert(plan.late_ms == 50 && plan.commit && plan.ending == ENDING_DROP);
    plan = drawn("late_commit=50 only=balance", KIND_BALANCE, false);
    cr_assert(plan.late_ms == 0 && plan.ending == ENDING_ANSWER);
    plan = drawn("latency=10 latency_jitter=5 slow_read_write=7", KIND_DEDUCT, false);
    cr_assert(plan.latency_ms >= 10 && plan.latency_ms <= 15 && plan.slow_ms == 7);
}

Test(sandbox_faults, times_ends_the_strikes_until_it_is_ordered_anew)
{
    CLEANUP(cleanup_free) char *error = NULL;
    struct faults faults;
    struct prng prng = {.state = 1};
    int dropped = 0;

    faults_with(&faults, "reset_after=1 times=3");
    for (int i = 0; i < 10; i++) {
        struct plan plan;

        plan_draw(&plan, &faults, &prng, &deduct);
        dropped += plan.ending == ENDING_DROP;
    }
    cr_assert(dropped == 3);
    cr_assert(faults.fired[FAULT_RESET_AFTER] == 3);
    cr_assert(faults_order_text(&faults, "times=1", &error) == 0);
    for (int i = 0; i < 10; i++) {
        struct plan plan;

        plan_draw(&plan, &faults, &prng, &deduct);
        dropped += plan.ending == ENDING_DROP;
    }
    cr_assert(dropped == 4);
}

static unsigned draw_pattern(uint64_t seed, unsigned *ret_struck)
{
    struct faults faults;
    struct prng prng = {.state = seed};
    unsigned pattern = 0;

    faults_with(&faults, "reset_after=0.3 error_before_commit=0.2");
    *ret_struck = 0;
    for (int i = 0; i < 1000; i++) {
        struct plan plan;

        plan_draw(&plan, &faults, &prng, &deduct);
        *ret_struck += plan.ending == ENDING_DROP;
        pattern = pattern * 31 + (unsigned)plan.ending;
    }
    return pattern;
}

Test(sandbox_faults, one_seed_gives_one_run)
{
    unsigned struck, again;

    cr_assert(draw_pattern(1, &struck) == draw_pattern(1, &again));
    cr_assert(draw_pattern(1, &struck) != draw_pattern(2, &again));
    /* 0.3 of the 0.8 that were not stopped before: 240 of 1,000 */
    cr_assert(struck > 180 && struck < 300, "%u", struck);
}

static char *file_read(const char *path)
{
    FILE *file = fopen(path, "r");
    char *text = NULL;
    size_t capacity = 0;

    cr_assert(file != NULL, "%s", path);
    cr_assert(getdelim(&text, &capacity, '\0', file) > 0);
    fclose(file);
    return text;
}

/* As a word of its own before `end`. */
static bool has_word(const char *text, const char *end, const char *word)
{
    for (const char *at = text; (at = strstr(at, word)) && at < end; at++) {
        if (strchr(" \n", at[-1]) && strchr(" \n", at[strlen(word)]))
            return true;
    }
    return false;
}

Test(sandbox_faults, only_and_the_man_page_name_every_kind)
{
    CLEANUP(cleanup_free) char *page = file_read(SANDBOX_MAN_PAGE);
    const char *entry = strstr(page, "\n.It Cm only Ns = Ns Ar kind\n"), *end;

    cr_assert(entry != NULL);
    end = strstr(entry + 1, "\n.It Cm ");
    for (unsigned i = 1; i < KIND_TRANSACTION; i++) {
        const char *name = kind_name((enum kind)i);
        CLEANUP(cleanup_free) char *order = NULL;
        struct faults faults;

        cr_assert(asprintf(&order, "only=%s", name) > 0);
        faults_with(&faults, order);
        cr_assert(faults_number(&faults, FAULT_ONLY) == i, "%s", order);
        cr_assert(has_word(entry, end, name), "%s is not in the man page", name);
    }
}

Test(sandbox_faults, the_man_page_has_every_fault_and_no_other)
{
    CLEANUP(cleanup_free) char *page = file_read(SANDBOX_MAN_PAGE);
    size_t documented = 0;

    for (size_t i = 0; i < FAULT_COUNT; i++) {
        char entry[96];

        snprintf(entry, sizeof(entry), "\n.It Cm %s Ns = Ns Ar ", fault_table[i].name);
        cr_assert(strstr(page, entry), "%s is not in the man page", fault_table[i].name);
    }
    for (const char *at = page; (at = strstr(at, "\n.It Cm ")); at++)
        documented++;
    cr_assert(documented == FAULT_COUNT, "%zu documented", documented);
}

Test(sandbox_faults, help_has_every_fault)
{
    char *help = NULL;
    size_t length;
    FILE *stream = open_memstream(&help, &length);

    faults_print_help(stream);
    fclose(stream);
    for (size_t i = 0; i < FAULT_COUNT; i++) {
        char entry[96];

        snprintf(entry, sizeof(entry), "  %s=", fault_table[i].name);
        cr_assert(strstr(help, entry), "%s", entry);
        cr_assert(strlen(fault_table[i].help) <= 74, "%s", entry);
    }
    free(help);
}
