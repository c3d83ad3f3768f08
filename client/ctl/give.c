/* The commands that give: grant, refund credits, refund payment; and access, which was paid for. */
#include "ctl.h"

static void print_pending(int64_t credits)
{
    if (credits > 0)
        printf("%s of them can be spent when StellarTools has confirmed them\n",
               human_count(credits).bytes);
}

int run_grant(struct ctl *ctl)
{
    struct creditd_grant_request request = {.reason = ctl->options[OPTION_REASON]};
    struct creditd_grant_result result;
    struct creditd_stamp stamp;
    int r = ctl_once(ctl, &request.idempotency_key, &stamp, &request.stamp);

    if (r == 0)
        r = ctl_begin_purchase(ctl, &request.who, &request.product_id, &request.raw_amount);
    if (r != 0)
        return r;
    if (creditd_grant(ctl->connection, &request, &result) != 0)
        return ctl_fail(ctl);
    if (ctl_print_json(ctl))
        return EXIT_DONE;
    printf("%s %s credits, %s available (%s)\n",
           result.replayed ? "had already granted" : "granted",
           human_count(result.credits_granted).bytes, human_count(result.balance).bytes,
           result.grant_id);
    print_pending(result.pending_confirmation);
    return EXIT_DONE;
}

int run_refund_credits(struct ctl *ctl)
{
    struct creditd_credit_refund_request request = {.product_id = ctl->arguments[0],
                                                    .transaction_id = ctl->arguments[1],
                                                    .reason = ctl->options[OPTION_REASON]};
    struct creditd_credit_refund_result result;
    int r = ctl_number(ctl, "--amount", ctl->options[OPTION_AMOUNT], 1, &request.raw_amount);

    if (r == 0)
        r = ctl_begin(ctl, &request.who);
    if (r != 0)
        return r;
    if (creditd_credit_refund(ctl->connection, &request, &result) != 0)
        return ctl_fail(ctl);
    if (ctl_print_json(ctl))
        return EXIT_DONE;
    printf("%s %s credits, %s available (%s)\n",
           result.replayed ? "had already given back" : "gave back",
           human_count(result.credits_refunded).bytes, human_count(result.balance).bytes,
           result.transaction_id);
    print_pending(result.pending_confirmation);
    return EXIT_DONE;
}

int run_refund_payment(struct ctl *ctl)
{
    struct creditd_refund_create_request request = {.payment_id = ctl->arguments[0],
                                                    .reason = ctl->options[OPTION_REASON],
                                                    .idempotency_key = ctl->options[OPTION_KEY]};
    struct creditd_map *metadata;
    struct creditd_object refund;
    int r = ctl_metadata(ctl, &metadata);

    request.metadata = metadata;
    if (r == 0)
        r = ctl_begin(ctl, &request.who);
    if (r == 0)
        r = ctl_finish_object(ctl, creditd_refund_create(ctl->connection, &request, &refund),
                              &refund);
    creditd_map_free(metadata);
    return r;
}

/* "by subscription sub_1, active" */
static void print_grant(const struct creditd_access_result *result)
{
    if (!result->grant.type[0])
        return;
    printf(" by %s", result->grant.type);
    if (result->grant.subscription_id[0] || result->grant.payment_id[0])
        printf(" %s%s", result->grant.subscription_id, result->grant.payment_id);
    if (result->grant.status[0])
        printf(", %s", result->grant.status);
}

int run_access(struct ctl *ctl)
{
    struct creditd_access_check_request request = {.product_id = ctl->arguments[0],
                                                   .fresh = ctl->options[OPTION_FRESH] != NULL};
    struct creditd_access_result result;
    int r = ctl_begin(ctl, &request.who);

    if (r != 0)
        return r;
    if (creditd_access_check(ctl->connection, &request, &result) != 0)
        return ctl_fail(ctl);
    if (ctl_print_json(ctl))
        return EXIT_DONE;
    fputs(result.has_access ? "access" : "no access", stdout);
    print_grant(&result);
    putchar('\n');
    ctl_note_staleness(result.stale, result.synced_at);
    return EXIT_DONE;
}
