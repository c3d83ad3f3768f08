/* The commands for reservations. */
#include "ctl.h"

static int print_reservation(const struct ctl *ctl, const struct creditd_reservation *reservation)
{
    struct table table;

    if (ctl_print_json(ctl))
        return EXIT_DONE;
    printf("%s, %s, %s%s\n", reservation->reservation_id, reservation->customer_id,
           reservation->product_id, reservation->replayed ? " (had been made before)" : "");
    table_init(&table, "<>");
    table_row(&table, "held", human_count(reservation->credits_held).bytes);
    table_row(&table, "held in all", human_count(reservation->held).bytes);
    table_row(&table, "available", human_count(reservation->balance).bytes);
    table_row(&table, "until", human_time(reservation->expires_at).bytes);
    table_print(&table, stdout);
    table_deinit(&table);
    ctl_note_staleness(reservation->stale, reservation->synced_at);
    return EXIT_DONE;
}

int run_reserve(struct ctl *ctl)
{
    struct creditd_reserve_request request = {.timeout = 0};
    struct creditd_reservation reservation;
    struct creditd_map *metadata = NULL;
    struct creditd_stamp stamp;
    int r = ctl_once(ctl, &request.idempotency_key, &stamp, &request.stamp);

    if (r == 0)
        r = ctl_duration(ctl, "--ttl", ctl->options[OPTION_TTL], &request.ttl);
    if (r == 0)
        r = ctl_metadata(ctl, &metadata);
    request.metadata = metadata;
    if (r == 0)
        r = ctl_begin_purchase(ctl, &request.who, &request.product_id, &request.raw_amount);
    if (r == 0 && creditd_reserve(ctl->connection, &request, &reservation) != 0)
        r = ctl_fail(ctl);
    else if (r == 0)
        r = print_reservation(ctl, &reservation);
    creditd_map_free(metadata);
    return r;
}

int run_extend(struct ctl *ctl)
{
    struct creditd_extend_request request = {.reservation_id = ctl->arguments[0]};
    struct creditd_reservation reservation;
    int r = ctl_duration(ctl, "--ttl", ctl->options[OPTION_TTL], &request.ttl);

    if (r == 0)
        r = ctl_begin(ctl, &request.who);
    if (r != 0)
        return r;
    if (creditd_extend(ctl->connection, &request, &reservation) != 0)
        return ctl_fail(ctl);
    return print_reservation(ctl, &reservation);
}

static int settle(const struct ctl *ctl, const struct creditd_settle_request *request)
{
    struct creditd_settle_result result;

    if (creditd_settle(ctl->connection, request, &result) != 0)
        return ctl_fail(ctl);
    if (ctl_print_json(ctl))
        return EXIT_DONE;
    printf("%s %s credits, %s left (%s)\n", result.replayed ? "had already spent" : "spent",
           human_count(result.credits_deducted).bytes, human_count(result.balance).bytes,
           result.transaction_id);
    if (result.shortfall > 0)
        printf("%s credits more were used than there are\n", human_count(result.shortfall).bytes);
    return EXIT_DONE;
}

int run_settle(struct ctl *ctl)
{
    struct creditd_settle_request request = {.reservation_id = ctl->arguments[0]};
    struct creditd_map *metadata = NULL;
    int r = ctl_number(ctl, "the amount", ctl->arguments[1], 1, &request.raw_amount);

    if (r == 0)
        r = ctl_metadata(ctl, &metadata);
    request.metadata = metadata;
    if (r == 0)
        r = ctl_begin(ctl, &request.who);
    if (r == 0)
        r = settle(ctl, &request);
    creditd_map_free(metadata);
    return r;
}

int run_release(struct ctl *ctl)
{
    struct creditd_release_request request = {.reservation_id = ctl->arguments[0]};
    struct creditd_release_result result;
    int r = ctl_begin(ctl, &request.who);

    if (r != 0)
        return r;
    if (creditd_release(ctl->connection, &request, &result) != 0)
        return ctl_fail(ctl);
    if (!ctl_print_json(ctl))
        printf("%s: %s, %s credits available\n", result.reservation_id,
               result.released ? "released" : "not released", human_count(result.balance).bytes);
    return EXIT_DONE;
}
