/* The typed calls of reservations. What ends or extends one names it by its id, so that a
 * repetition is answered with what was done before: no stamp is needed. */
#include "typed.h"

#define RESERVATION struct creditd_reservation
#define SETTLED struct creditd_settle_result
#define RELEASED struct creditd_release_result

static const struct field reservation_fields[] = {
    FIELD(TEXT, RESERVATION, reservation_id),
    FIELD(TEXT, RESERVATION, customer_id),
    FIELD(TEXT, RESERVATION, product_id),
    FIELD(INT, RESERVATION, credits_held),
    FIELD(INT, RESERVATION, held),
    FIELD(INT, RESERVATION, balance),
    FIELD(INT, RESERVATION, expires_at),
    FIELD(INT, RESERVATION, synced_at),
    FIELD(BOOL, RESERVATION, stale),
    FIELD(BOOL, RESERVATION, replayed),
};

TYPED_READ(reservation, RESERVATION, reservation_fields)

static int build_reserve(struct creditd *c, const void *argument,
                         struct creditd_call_options *options)
{
    const struct creditd_reserve_request *request = argument;
    int r;

    options->timeout = request->timeout;
    if ((r = put_who(c, &request->who)) < 0 ||
        (r = put_id(c, "product_id", request->product_id)) < 0 ||
        (r = put_amount(c, "raw_amount", request->raw_amount)) < 0 ||
        (r = put_count(c, "ttl", request->ttl)) < 0 || (r = put_metadata(c, request->metadata)) < 0)
        return r;
    return put_once(c, request->idempotency_key, request->stamp, options);
}

TYPED_CALL(reserve, "credits.reserve", struct creditd_reserve_request, RESERVATION, reservation)

/* Whose, and which. */
static int put_reservation(struct creditd *c, const struct creditd_who *who, const char *id)
{
    int r = put_who(c, who);

    return r < 0 ? r : put_id(c, "reservation_id", id);
}

static int build_extend(struct creditd *c, const void *argument,
                        struct creditd_call_options *options)
{
    const struct creditd_extend_request *request = argument;
    int r = put_reservation(c, &request->who, request->reservation_id);

    options->timeout = request->timeout;
    return r < 0 ? r : put_count(c, "ttl", request->ttl);
}

TYPED_CALL(extend, "credits.extend", struct creditd_extend_request, RESERVATION, reservation)

static int build_settle(struct creditd *c, const void *argument,
                        struct creditd_call_options *options)
{
    const struct creditd_settle_request *request = argument;
    int r;

    options->timeout = request->timeout;
    if ((r = put_reservation(c, &request->who, request->reservation_id)) < 0 ||
        (r = put_amount(c, "raw_amount", request->raw_amount)) < 0)
        return r;
    return put_metadata(c, request->metadata);
}

static const struct field settle_fields[] = {
    FIELD(TEXT, SETTLED, transaction_id),  FIELD(TEXT, SETTLED, reservation_id),
    FIELD(INT, SETTLED, credits_deducted), FIELD(INT, SETTLED, billed_units),
    FIELD(INT, SETTLED, shortfall),        FIELD(INT, SETTLED, balance),
    FIELD(INT, SETTLED, pending),          FIELD(BOOL, SETTLED, replayed),
};

TYPED_CALL_AND_READ(settle, "credits.settle", struct creditd_settle_request, SETTLED, settle_fields)

static int build_release(struct creditd *c, const void *argument,
                         struct creditd_call_options *options)
{
    const struct creditd_release_request *request = argument;

    options->timeout = request->timeout;
    return put_reservation(c, &request->who, request->reservation_id);
}

static const struct field release_fields[] = {
    FIELD(TEXT, RELEASED, reservation_id),
    FIELD(INT, RELEASED, balance),
    FIELD(INT, RELEASED, held),
    FIELD(BOOL, RELEASED, released),
};

TYPED_CALL_AND_READ(release, "credits.release", struct creditd_release_request, RELEASED,
                    release_fields)
