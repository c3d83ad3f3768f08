/* See transactions.h. */
#include "transactions.h"
#include "connection.h"
#include "methods.h"
#include "serve.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <util/log.h>
#include <util/macros.h>

struct history_job {
    struct list of_wait, of_connection;
    struct transactions *transactions;
    struct connection *connection; /* NULL: it has ended */
    uv_work_t work;
    uint32_t msgid;
    uint64_t reveals;
    struct history_query query;
    char names[2 * PROTO_ID_MAX];
    msgpack_sbuffer answer;
    int result;
};

void transactions_init(struct transactions *transactions, struct serve *serve)
{
    transactions->serve = serve;
    transactions->count = 0;
    list_init(&transactions->waiting);
}

void transactions_forget(struct connection *connection)
{
    while (!list_is_empty(&connection->jobs)) {
        struct history_job *job =
            CONTAINER_OF(connection->jobs.next, struct history_job, of_connection);

        list_remove(&job->of_connection);
        job->connection = NULL;
    }
}

static void job_free(struct history_job *job)
{
    list_remove(&job->of_wait);
    list_remove(&job->of_connection);
    job->transactions->count--;
    msgpack_sbuffer_destroy(&job->answer);
    free(job);
}

static int job_read(void *userdata, uint64_t place, uint8_t *buffer, struct record *ret_record)
{
    return store_read_record(userdata, place, buffer, ret_record);
}

static void job_work(uv_work_t *work)
{
    struct history_job *job = work->data;
    uint8_t *buffer = malloc(RECORD_SIZE_MAX);

    job->result = buffer != NULL ? message_pack_result(&job->answer, job->msgid) : -ENOMEM;
    if (job->result == 0)
        job->result = history_pack(job_read, job->transactions->serve->store, &job->query, buffer,
                                   &job->answer);
    free(buffer);
}

static void job_done(uv_work_t *work, int status)
{
    struct history_job *job = work->data;
    int r = status < 0 ? status : job->result;

    if (r < 0) {
        log_error("reading a history: %s", strerror(-r));
        msgpack_sbuffer_clear(&job->answer);
        r = message_pack_error(&job->answer, job->msgid, PROTO_ERROR_INTERNAL,
                               "the history cannot be read; creditd's log says more", NULL, NULL);
    }
    if (job->connection != NULL && r == 0)
        connection_reply(job->connection, job->answer.data, job->answer.size, 0);
    else if (job->connection != NULL)
        ipc_stream_close(job->connection->stream);
    job_free(job);
}

static void job_begin(struct history_job *job)
{
    list_remove(&job->of_wait);
    if (uv_queue_work(&job->transactions->serve->loop, &job->work, job_work, job_done) < 0)
        job_done(&job->work, -EAGAIN);
}

void transactions_pass(struct transactions *transactions, uint64_t durable)
{
    struct list *link = transactions->waiting.next;

    while (link != &transactions->waiting) {
        struct history_job *job = CONTAINER_OF(link, struct history_job, of_wait);

        link = link->next;
        if (job->reveals <= durable)
            job_begin(job);
    }
}

/* --- the method --- */

static void keep_names(struct history_job *job, const struct core_balance *balance)
{
    char *product = job->names + balance->customer.length;

    memcpy(job->names, balance->customer.data, balance->customer.length);
    memcpy(product, balance->product.data, balance->product.length);
    job->query.customer = (struct core_text){job->names, balance->customer.length};
    job->query.product = (struct core_text){product, balance->product.length};
}

static int job_new(struct request *request, const struct core_balance *balance,
                   const struct history_query *query)
{
    struct transactions *transactions = &request->serve->transactions;
    struct history_job *job = calloc(1, sizeof(*job));

    if (job == NULL)
        return -ENOMEM;
    job->transactions = transactions;
    job->connection = request->connection;
    job->work.data = job;
    job->msgid = request->msgid;
    job->reveals = balance->reveals;
    job->query = *query;
    keep_names(job, balance);
    msgpack_sbuffer_init(&job->answer);
    transactions->count++;
    list_append(&request->connection->jobs, &job->of_connection);
    list_init(&job->of_wait);
    if (job->reveals <= request->serve->marks.durable)
        job_begin(job);
    else
        list_append(&transactions->waiting, &job->of_wait);
    return 0;
}

/* A parameter within its range; false: it has been refused. */
static bool get_count(struct request *request, enum proto_parameter parameter, int64_t least,
                      int64_t most, const char *allowed, int64_t *value)
{
    int64_t given;

    if ((request->params.present & (UINT64_C(1) << parameter)) == 0)
        return true;
    given = request->params.values[parameter].number;
    if (given < least || given > most) {
        request_refuse(request, PROTO_ERROR_INVALID_PARAMETER, allowed, "parameter",
                       proto_parameter_name(parameter));
        return false;
    }
    *value = given;
    return true;
}

static bool check_source(struct request *request)
{
    const struct proto_value *source = &request->params.values[PROTO_PARAMETER_SOURCE];

    if ((request->params.present & PROTO_BIT(SOURCE)) == 0 ||
        (source->length == 5 && memcmp(source->text, "local", 5) == 0))
        return true;
    request_refuse(request, PROTO_ERROR_INVALID_PARAMETER,
                   "source must be \"local\": what was deducted here", "parameter", "source");
    return false;
}

int method_transactions(struct request *request)
{
    struct history_query query = {.limit = HISTORY_LIMIT_DEFAULT};
    struct core_balance balance;
    struct serve *serve = request->serve;
    int r;

    if (!get_count(request, PROTO_PARAMETER_LIMIT, 1, HISTORY_LIMIT_MAX,
                   "limit must be from 1 to 100", &query.limit) ||
        !get_count(request, PROTO_PARAMETER_OFFSET, 0, HISTORY_OFFSET_MAX,
                   "offset must be from 0 to 10000", &query.offset) ||
        !check_source(request))
        return REQUEST_ANSWERED;
    r = core_balance_get(serve->core, request_customer(request), request_product(request),
                         request->connection->peer.uid, serve_now(serve), &balance,
                         &request->wait_slot);
    if (r == CORE_LOAD)
        return REQUEST_LOAD;
    if (r == CORE_COLD)
        return REQUEST_COLD;
    if (r == CORE_OK) {
        query.place = balance.last_place;
        query.pushed = balance.pushed_total;
        r = job_new(request, &balance, &query);
    }
    if (r != 0)
        request_refuse_status(request, r);
    return REQUEST_ANSWERED;
}
