/*
 * What is known, as JSON. Objects are made in the snake_case of the present server; the other
 * spellings, envelopes, list and error forms are put over them at the end, in one place.
 */
#pragma once

#include "billing.h"
#include "faults.h"
#include "model.h"
#include "request.h"
#include "text.h"

#define VIEW_TIME_SIZE 32

/* ISO 8601 in UTC with milliseconds. */
void view_time(int64_t ms, char ret_text[VIEW_TIME_SIZE]);
/* New references; NULL when out of memory. */
json_t *view_customer(const struct customer *customer);
json_t *view_product(const struct product *product, bool units_fields);
json_t *view_balance(const struct balance *balance);
json_t *view_transaction(const struct transaction *transaction);
json_t *view_subscription(const struct subscription *subscription);
json_t *view_payment(const struct payment *payment);
json_t *view_refund(const struct refund *refund);
/* The same objects written straight into a text, for dumps of 100,000; with the idempotency key. */
void view_transaction_text(const struct transaction *transaction, struct text *text);
void view_balance_text(const struct balance *balance, struct text *text);
void view_customer_text(const struct customer *customer, struct text *text);

/* A copy with camelCase names; what is below "metadata" belongs to the caller and stays. */
json_t *view_camel(const json_t *value);
/* Makes the body of what the endpoint put into the reply, unless it has one. */
int view_finish(struct reply *reply, const struct faults *faults, bool old);
