/* How much was asked, and how much of it at once: what the tests judge by. */
#include "sandbox.h"

#include <stdio.h>
#include <util/macros.h>

void counts_write_begin(struct counts *counts, struct balance *balance)
{
    counts->writes++;
    if (counts->writes > counts->max_writes)
        counts->max_writes = counts->writes;
    if (!balance)
        return;
    balance->writes++;
    if (balance->writes > counts->max_writes_of_balance)
        counts->max_writes_of_balance = balance->writes;
}

void counts_write_end(struct counts *counts, struct balance *balance)
{
    counts->writes--;
    if (balance)
        balance->writes--;
}

void counts_reset(struct counts *counts)
{
    *counts = (struct counts){.writes = counts->writes};
}

static json_t *by_kind_to_json(const struct counts *counts)
{
    json_t *object = json_object();

    for (unsigned i = 0; i < KIND_TRANSACTION; i++) {
        if (counts->by_kind[i] > 0)
            json_object_set_new(object, kind_name((enum kind)i),
                                json_integer((json_int_t)counts->by_kind[i]));
    }
    return object;
}

/* "POST /customers": requests that a kind would mix with others. */
static json_t *by_endpoint_to_json(const struct counts *counts)
{
    json_t *object = json_object();

    for (size_t i = 0; i < endpoint_table_length; i++) {
        char name[96];

        if (counts->by_endpoint[i] == 0)
            continue;
        snprintf(name, sizeof(name), "%s %s", endpoint_table[i].method, endpoint_table[i].path);
        json_object_set_new(object, name, json_integer((json_int_t)counts->by_endpoint[i]));
    }
    return object;
}

static json_t *by_status_to_json(const struct counts *counts)
{
    json_t *object = json_object();

    for (unsigned i = 0; i < ARRAY_SIZE(counts->by_status); i++) {
        char name[16];

        if (counts->by_status[i] == 0)
            continue;
        snprintf(name, sizeof(name), "%u", i);
        json_object_set_new(object, name, json_integer((json_int_t)counts->by_status[i]));
    }
    if (counts->dropped > 0)
        json_object_set_new(object, "dropped", json_integer((json_int_t)counts->dropped));
    return object;
}

json_t *counts_to_json(const struct counts *counts)
{
    return json_pack("{s:I, s:o, s:o, s:o, s:i, s:i}", "total", (json_int_t)counts->total,
                     "by_kind", by_kind_to_json(counts), "by_endpoint", by_endpoint_to_json(counts),
                     "by_status", by_status_to_json(counts), "max_concurrent_writes",
                     (int)counts->max_writes, "max_concurrent_writes_per_balance",
                     (int)counts->max_writes_of_balance);
}
