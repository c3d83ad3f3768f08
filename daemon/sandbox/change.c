/* One transaction: what it costs, what it makes of the balance, and its row. */
#include "model.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <util/macros.h>

static const char *const type_names[] = {
    [TRANSACTION_DEDUCT] = "deduct",
    [TRANSACTION_REFUND] = "refund",
    [TRANSACTION_GRANT] = "grant",
};

const char *transaction_type_name(enum transaction_type type)
{
    return type_names[type];
}

bool transaction_type_parse(const char *name, enum transaction_type *ret_type)
{
    for (unsigned i = 0; i < ARRAY_SIZE(type_names); i++) {
        if (strcmp(name, type_names[i]) == 0) {
            *ret_type = (enum transaction_type)i;
            return true;
        }
    }
    return false;
}

int credits_from_amount(double amount, int64_t units_per_credit, int64_t *ret_credits)
{
    int64_t units, credits;

    amount = floor(amount);
    if (!(fabs(amount) <= 0x1p53))
        return -ERANGE;
    units = (int64_t)amount;
    if (units_per_credit <= 0)
        units_per_credit = 1;
    credits = units / units_per_credit;
    if (units % units_per_credit > 0)
        credits++;
    if (credits > CREDITS_MAX || credits < -(int64_t)CREDITS_MAX - 1)
        return -ERANGE;
    *ret_credits = credits;
    return 0;
}

void change_read(struct balance *balance, enum transaction_type type, int64_t credits,
                 struct change *ret_change)
{
    bool deducts = type == TRANSACTION_DEDUCT;
    int64_t consumed = deducts ? credits : type == TRANSACTION_REFUND ? -credits : 0;

    *ret_change = (struct change){
        .balance = balance,
        .type = type,
        .credits = credits,
        .before = balance->balance,
        .after = balance->balance + (deducts ? -credits : credits),
        .consumed = balance->consumed + consumed,
        .granted = balance->granted + (type == TRANSACTION_GRANT ? credits : 0),
        .sufficient = balance->balance >= credits,
    };
}

/* NULL stays NULL; *failed is set when out of memory. */
static char *text_copy(const char *text, bool *failed)
{
    char *copy = text ? strdup(text) : NULL;

    if (text && !copy)
        *failed = true;
    return copy;
}

static int row_add(struct model *model, const struct change *change, const struct change_note *note,
                   int64_t now_ms, struct transaction **ret_row)
{
    struct transaction *row = calloc(1, sizeof(*row));
    bool failed = !row;

    if (row) {
        row->number = model->transactions.count + 1;
        row->balance = change->balance;
        row->type = change->type;
        row->amount = change->credits;
        row->before = change->before;
        row->after = change->after;
        row->created_ms = now_ms;
        row->reason = text_copy(note->reason, &failed);
        row->metadata = text_copy(note->metadata, &failed);
        row->key = text_copy(note->key, &failed);
    }
    if (failed || list_add(&model->transactions, row) < 0) {
        if (row) {
            free(row->reason);
            free(row->metadata);
            free(row->key);
        }
        free(row);
        return -ENOMEM;
    }
    row->previous = change->balance->customer->last;
    change->balance->customer->last = row;
    *ret_row = row;
    return 0;
}

int change_write(struct model *model, const struct change *change, const struct change_note *note,
                 int64_t now_ms, struct transaction **ret_transaction)
{
    struct balance *balance = change->balance;
    struct transaction *row = NULL;
    int r;

    if (!note->skip_row) {
        r = row_add(model, change, note, now_ms, &row);
        if (r < 0)
            return r;
    }
    if (!note->skip_balance) {
        balance->balance = change->after;
        balance->consumed = change->consumed;
        balance->granted = change->granted;
        balance->updated_ms = now_ms;
    }
    if (ret_transaction)
        *ret_transaction = row;
    return 0;
}
