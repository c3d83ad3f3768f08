/* See steps.h. */
#include "steps.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

void sandbox_begin(struct sandbox *sandbox)
{
    struct balance *balance;

    sandbox_init(sandbox, 1);
    cr_assert(model_balance_open(&sandbox->model, "cus_a", "prod_a", 1000, &balance) == 0);
    balance->balance = balance->granted = 100;
}

void sandbox_faults_order(struct sandbox *sandbox, const char *orders)
{
    CLEANUP(cleanup_free) char *copy = strdup(orders);
    CLEANUP(cleanup_free) char *error = NULL;

    for (char *save, *word = strtok_r(copy, " ", &save); word; word = strtok_r(NULL, " ", &save))
        cr_assert(faults_order_text(&sandbox->faults, word, &error) == 0, "%s", error);
}

void step_serve(struct sandbox *sandbox, const struct step *step, struct reply *reply)
{
    struct request request;

    cr_assert(request_init(&request, step->method, step->target) == 0);
    request.api_key = "sk_test_1";
    request.key = step->key;
    request.body = step->body;
    request.length = step->body ? strlen(step->body) : 0;
    request_parse_body(&request);
    reply_init(reply);
    sandbox_serve(sandbox, &request, reply);
    request_deinit(&request);
}

void steps_run(const struct step *steps, size_t count)
{
    struct sandbox sandbox;

    sandbox_begin(&sandbox);
    for (size_t i = 0; i < count; i++) {
        CLEANUP(cleanup_free) char *body = NULL;
        struct reply reply;
        int64_t balance;

        if (steps[i].faults)
            sandbox_faults_order(&sandbox, steps[i].faults);
        step_serve(&sandbox, &steps[i], &reply);
        body = strndup(reply.body ? reply.body : "", reply.length);
        balance = model_balance(&sandbox.model, "cus_a", "prod_a")->balance;
        cr_assert(reply.dropped == (steps[i].status == 0), "step %zu", i);
        cr_assert(reply.dropped || reply.status == steps[i].status, "step %zu: %u %s", i,
                  reply.status, body);
        cr_assert(!steps[i].part || strstr(body, steps[i].part), "step %zu: %s", i, body);
        cr_assert(balance == steps[i].balance, "step %zu leaves %lld", i, (long long)balance);
        reply_deinit(&reply);
    }
    cr_assert(sandbox.counts.writes == 0);
    sandbox_deinit(&sandbox);
}
