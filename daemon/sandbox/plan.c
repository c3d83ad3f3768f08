/*
 * Drawing the plan of a request. Faults that end a request exclude one another; where several are
 * drawn, the first of the list below wins, and it lists those first that keep the request from
 * being executed.
 */
#include "plan.h"

#include <string.h>
#include <util/macros.h>

uint64_t prng_next(struct prng *prng)
{
    uint64_t z = (prng->state += 0x9e3779b97f4a7c15u);

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

double prng_unit(struct prng *prng)
{
    return (double)(prng_next(prng) >> 11) * 0x1.0p-53;
}

const char *kind_name(enum kind kind)
{
    static const char *const names[KIND_COUNT] = {
        [KIND_OTHER] = "other",
        [KIND_DEDUCT] = "deduct",
        [KIND_REFUND] = "refund",
        [KIND_GRANT] = "grant",
        [KIND_BALANCE] = "balance",
        [KIND_HISTORY] = "history",
        [KIND_PRODUCT] = "product",
        [KIND_CUSTOMER] = "customer",
        [KIND_SUBSCRIPTION] = "subscription",
        [KIND_PAYMENT] = "payment",
        [KIND_REFUND_PAYMENT] = "refund_payment",
        [KIND_ACCESS] = "access",
        [KIND_TRANSACTION] = "other",
    };

    return names[kind];
}

static bool fault_may_strike(const struct faults *faults, const struct target *target)
{
    static const char *const methods[] = {NULL, "GET", "POST", "PUT"}; /* as only_method */
    int64_t only = faults_number(faults, FAULT_ONLY), times = faults_number(faults, FAULT_TIMES);
    const char *method = methods[faults_number(faults, FAULT_ONLY_METHOD)];

    if (only != 0 && only != (int64_t)target->kind)
        return false;
    if (method && strcmp(method, target->method) != 0)
        return false;
    return times == 0 || faults->fired_of_times < (uint64_t)times;
}

/* A probability is drawn even where it cannot strike, so that `only` and `times` do not shift later
 * draws. */
static bool fault_strikes(struct faults *faults, struct prng *prng, enum fault fault,
                          const struct target *target)
{
    double probability = faults->values[fault];

    if (probability <= 0 || prng_unit(prng) >= probability)
        return false;
    return fault_may_strike(faults, target);
}

static void fault_struck(struct faults *faults, enum fault fault)
{
    faults->fired[fault]++;
    faults->fired_of_times++;
}

static const struct {
    enum fault fault;
    enum ending ending;
    bool commit;
} endings[] = {
    {FAULT_STUCK_LOCK, ENDING_ERROR, false},  {FAULT_ERROR_BEFORE_COMMIT, ENDING_ERROR, false},
    {FAULT_RESET_BEFORE, ENDING_DROP, false}, {FAULT_HANG, ENDING_HANG, true},
    {FAULT_HTML, ENDING_HTML, true},          {FAULT_ERROR_AFTER_COMMIT, ENDING_ERROR, true},
    {FAULT_RESET_AFTER, ENDING_DROP, true},   {FAULT_EMPTY, ENDING_EMPTY, true},
    {FAULT_GARBAGE, ENDING_GARBAGE, true},
};

static void plan_draw_ending(struct plan *plan, struct faults *faults, struct prng *prng,
                             const struct target *target)
{
    bool ended = false;

    for (size_t i = 0; i < ARRAY_SIZE(endings); i++) {
        enum fault fault = endings[i].fault;
        bool strikes = fault_strikes(faults, prng, fault, target);

        if (!strikes || ended || (fault == FAULT_STUCK_LOCK && !target->has_key))
            continue;
        ended = true;
        fault_struck(faults, fault);
        plan->ending = endings[i].ending;
        plan->commit = endings[i].commit;
        plan->keep_lock = fault == FAULT_STUCK_LOCK;
        if (fault == FAULT_HANG)
            plan->commit = faults_on(faults, FAULT_HANG_COMMITS);
        if (fault == FAULT_HTML)
            plan->commit = faults_on(faults, FAULT_HTML_COMMITS);
    }
}

static void plan_draw_halves(struct plan *plan, struct faults *faults, struct prng *prng,
                             const struct target *target)
{
    enum kind kind = target->kind;

    if (kind != KIND_DEDUCT && kind != KIND_REFUND && kind != KIND_GRANT)
        return;
    if (fault_strikes(faults, prng, FAULT_ROW_WITHOUT_BALANCE, target)) {
        fault_struck(faults, FAULT_ROW_WITHOUT_BALANCE);
        plan->skip_balance = true;
    } else if (fault_strikes(faults, prng, FAULT_BALANCE_WITHOUT_ROW, target)) {
        fault_struck(faults, FAULT_BALANCE_WITHOUT_ROW);
        plan->skip_row = true;
    }
}

/* Deducts, unless `only` names another kind: of that what is sent by POST. */
static bool plan_is_late(const struct faults *faults, const struct target *target)
{
    bool fits = faults_on(faults, FAULT_ONLY) ? strcmp(target->method, "POST") == 0
                                              : target->kind == KIND_DEDUCT;

    return fits && faults_on(faults, FAULT_LATE_COMMIT) && fault_may_strike(faults, target);
}

void plan_draw(struct plan *plan, struct faults *faults, struct prng *prng,
               const struct target *target)
{
    int64_t jitter = faults_number(faults, FAULT_LATENCY_JITTER);

    *plan = (struct plan){
        .commit = true,
        .latency_ms = faults_number(faults, FAULT_LATENCY),
        .slow_ms = faults_number(faults, FAULT_SLOW_READ_WRITE),
    };
    if (jitter > 0)
        plan->latency_ms += (int64_t)(prng_unit(prng) * (double)(jitter + 1));
    plan_draw_ending(plan, faults, prng, target);
    if (plan->ending == ENDING_ANSWER && plan_is_late(faults, target)) {
        fault_struck(faults, FAULT_LATE_COMMIT);
        plan->late_ms = faults_number(faults, FAULT_LATE_COMMIT);
        plan->ending = ENDING_DROP;
    }
    if (plan->commit)
        plan_draw_halves(plan, faults, prng, target);
}
