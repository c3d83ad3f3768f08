/*
 * By which refund a payment was given back. StellarTools knows no refund of a part here, so that a
 * payment is given back once, whatever idempotency keys are used: again only where its refund has
 * failed. An intent says so while it is known (a day after its end), and a small row beside the
 * refunds for ever, under a key that no refund can have.
 */
#pragma once

#include "object_load.h"
#include "request.h"
#include <core/link.h>
#include <msgpack.h>
#include <proto/limits.h>
#include <stdbool.h>

struct serve;

struct payment_refund {
    char refund_id[PROTO_ID_MAX + 1];
    bool failed;
};

/* CORE_OK; CORE_NOT_FOUND: none is known; CORE_LOAD: payment_refund_load. */
int payment_refund_get(struct serve *serve, struct core_text payment,
                       struct payment_refund *ret_refund);
/* Has it brought in: what the method is to answer. */
int payment_refund_load(struct request *request, struct core_text payment);
/* The row as it is to be, for the record that says so; no key: it says so already. */
struct payment_row {
    char key[OBJECT_KEY_MAX];
    size_t key_length;
    msgpack_sbuffer body;
};
void payment_row_init(struct payment_row *row);
void payment_row_deinit(struct payment_row *row);
/* The latest of a refund of that payment. CORE_OK; CORE_LOAD: the row of row->key is to be brought
 * in first; or -errno. */
int payment_row_make(struct serve *serve, struct core_text payment, struct core_text refund_id,
                     bool failed, struct payment_row *row);
/* The payment that an intent is to give back; empty: it is none. */
struct core_text payment_of_intent(const struct serve *serve, const struct core_intent *intent);
/* The intent that gives that payment back, or has: not one that was refused, or whose refund has
 * failed. */
bool payment_find_intent(struct serve *serve, struct core_text payment,
                         struct core_intent *ret_intent);
