/* See troubles.h. */
#include "troubles.h"
#include <stdio.h>
#include <util/log.h>

#define SAID_MAX 200 /* of what stands in a line */

static void tell_paused(const struct exchange_answer *answer, const char *said, size_t length)
{
    char status[32] = "";

    if (answer->http_status > 0)
        snprintf(status, sizeof(status), "HTTP %d: ", answer->http_status);
    log_error("the API key is refused (%s%.*s): nothing is pushed, and no balance is read, until "
              "there is one that is taken; put it in place, then reload creditd-sync, or start it "
              "again where its key is a credential of systemd's",
              status, (int)length, said);
}

static void tell_unanswered(const struct exchange_answer *answer)
{
    if (answer->http_status > 0)
        log_warning("StellarTools does not answer well (HTTP %d): nothing is pushed until it does; "
                    "deductions go on against what is known",
                    answer->http_status);
    else
        log_warning("StellarTools does not answer: nothing is pushed until it does; deductions go "
                    "on against what is known");
}

static bool is_doubtful(const struct exchange *exchange, const struct exchange_answer *answer)
{
    return exchange->kind == EXCHANGE_PUSH &&
           (answer->outcome == EXCHANGE_UNANSWERED || answer->outcome == EXCHANGE_FAILED ||
            answer->outcome == EXCHANGE_ERROR);
}

void troubles_tell_doubt(const struct exchange *exchange, const struct exchange_answer *answer)
{
    if (is_doubtful(exchange, answer))
        log_notice("push %s of customer %.*s, product %.*s: whether it was done is not known; it "
                   "is looked up before anything is sent again",
                   exchange->push_id, (int)exchange->customer_length, exchange->customer,
                   (int)exchange->product_length, exchange->product);
}

void troubles_tell(struct troubles *troubles, const struct core *core,
                   const struct exchange_answer *answer, const char *said, size_t said_length)
{
    bool unanswered = core_is_unanswered(core), paused = core_is_paused(core);

    if (paused && (!troubles->paused || troubles->anew)) {
        tell_paused(answer, said != NULL ? said : "",
                    said_length < SAID_MAX ? said_length : SAID_MAX);
        troubles->paused = true;
        troubles->anew = false;
    } else if (!paused && troubles->paused && answer->outcome == EXCHANGE_OK) {
        log_notice("the API key is taken again: pushes go on");
        troubles->paused = false;
    }
    if (unanswered && !troubles->unanswered)
        tell_unanswered(answer);
    else if (!unanswered && troubles->unanswered)
        log_notice("StellarTools answers again: pushes go on");
    troubles->unanswered = unanswered;
}

void troubles_reload(struct troubles *troubles)
{
    troubles->anew = true;
}
