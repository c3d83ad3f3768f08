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
    /* A search: */
    bool searches;
    struct hash128 key; /* who waits for it */
    struct found found;
    uint64_t open[];
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

static int job_walk(struct history_job *job, uint8_t *buffer)
{
    struct store *store = job->transactions->serve->store;
    int r;

    if (job->searches)
        return history_find(job_read, store, job->query.place, &job->found.deduction.of, buffer,
                            &job->found.deduction);
    r = message_pack_result(&job->answer, job->msgid);
    return r < 0 ? r : history_pack(job_read, store, &job->query, buffer, &job->answer);
}

static void job_work(uv_work_t *work)
{
    struct history_job *job = work->data;
    uint8_t *buffer = malloc(RECORD_SIZE_MAX);

    job->result = buffer != NULL ? job_walk(job, buffer) : -ENOMEM;
    free(buffer);
}

static void search_done(struct history_job *job, int result)
{
    struct waiting *waiting = &job->transactions->serve->waiting;
    const struct list *waits = waiting_find(waiting, job->key);
    struct found *found;

    (void)serve_now(job->transactions->serve); /* something to do: the end of the turn */
    if (waits != NULL && !list_is_empty(waits) && (found = malloc(sizeof(*found))) != NULL) {
        struct parked *parked = CONTAINER_OF(waits->next, struct parked, of_target);

        job->found.result = result;
        *found = job->found;
        free(parked->found);
        parked->found = found;
    }
    waiting_wake(waiting, job->key);
}

static void list_done(struct history_job *job, int result)
{
    int r = result;

    if (r < 0) {
        msgpack_sbuffer_clear(&job->answer);
        r = message_pack_error(&job->answer, job->msgid, PROTO_ERROR_INTERNAL,
                               "the history cannot be read; creditd's log says more", NULL, NULL);
    }
    if (job->connection != NULL && r == 0)
        connection_reply(job->connection, job->answer.data, job->answer.size, 0);
    else if (job->connection != NULL)
        ipc_stream_close(job->connection->stream);
}

static void job_done(uv_work_t *work, int status)
{
    struct history_job *job = work->data;
    int r = status < 0 ? status : job->result;

    if (r < 0 && r != -ESRCH && r != -ENOENT)
        log_error("reading a history: %s", strerror(-r));
    if (job->searches)
        search_done(job, r);
    else
        list_done(job, r);
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

/* A refund or a grant of that balance that StellarTools has not confirmed. */
static bool is_open(const struct core_push *push, uint32_t slot, const struct core_balance *balance)
{
    return slot == balance->slot && push->kind != CORE_PUSH_DEDUCT &&
           push->state != CORE_PUSH_WATCHED;
}

static void keep_open(struct history_job *job, const struct core_balance *balance)
{
    const struct core *core = job->transactions->serve->core;
    struct core_push push;
    size_t position = 0;
    uint32_t slot;

    while (job->query.open_count < HISTORY_OPEN_MAX &&
           core_next_push(core, &position, &push, &slot))
        if (is_open(&push, slot, balance))
            job->open[job->query.open_count++] = push.sequence;
    job->query.open = job->open;
}

static struct history_job *job_new(struct request *request, const struct core_balance *balance)
{
    struct transactions *transactions = &request->serve->transactions;
    struct history_job *job = calloc(1, sizeof(*job) + HISTORY_OPEN_MAX * sizeof(job->open[0]));

    if (job == NULL)
        return NULL;
    job->transactions = transactions;
    job->work.data = job;
    job->reveals = balance->reveals;
    job->query.place = balance->last_place;
    msgpack_sbuffer_init(&job->answer);
    transactions->count++;
    list_init(&job->of_connection);
    list_init(&job->of_wait);
    return job;
}

static void job_start(struct history_job *job)
{
    struct transactions *transactions = job->transactions;

    if (job->reveals <= transactions->serve->marks.durable)
        job_begin(job);
    else
        list_append(&transactions->waiting, &job->of_wait);
}

int transactions_search(struct request *request, const struct core_balance *balance,
                        const struct core_transaction *of)
{
    struct serve *serve = request->serve;
    struct history_job *job = job_new(request, balance);

    if (job == NULL)
        return -ENOMEM;
    job->searches = true;
    job->key = waiting_search_key(++serve->transactions.searches);
    job->found.balance = core_balance_hash(serve->core, balance->customer, balance->product);
    job->found.deduction.of = *of;
    request->wait_key = job->key;
    job_start(job);
    return 0;
}

static int list_begin(struct request *request, const struct core_balance *balance,
                      const struct history_query *query)
{
    struct history_job *job = job_new(request, balance);

    if (job == NULL)
        return -ENOMEM;
    job->connection = request->connection;
    list_append(&request->connection->jobs, &job->of_connection);
    job->msgid = request->msgid;
    job->query.limit = query->limit;
    job->query.offset = query->offset;
    job->query.pushed = balance->pushed_total;
    keep_names(job, balance);
    keep_open(job, balance);
    job_start(job);
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

/* False: it has been refused. */
static bool get_source(struct request *request, bool *ret_upstream)
{
    const struct proto_value *source = &request->params.values[PROTO_PARAMETER_SOURCE];
    bool given = (request->params.present & PROTO_BIT(SOURCE)) != 0;

    *ret_upstream = given && source->length == 8 && memcmp(source->text, "upstream", 8) == 0;
    if (!given || *ret_upstream || (source->length == 5 && memcmp(source->text, "local", 5) == 0))
        return true;
    request_refuse(request, PROTO_ERROR_INVALID_PARAMETER,
                   "source must be \"local\" (what was deducted here) or \"upstream\"", "parameter",
                   "source");
    return false;
}

int method_transactions(struct request *request)
{
    struct history_query query = {.limit = HISTORY_LIMIT_DEFAULT};
    struct core_balance balance;
    struct serve *serve = request->serve;
    bool upstream;
    int r;

    if (!get_count(request, PROTO_PARAMETER_LIMIT, 1, HISTORY_LIMIT_MAX,
                   "limit must be from 1 to 100", &query.limit) ||
        !get_count(request, PROTO_PARAMETER_OFFSET, 0, HISTORY_OFFSET_MAX,
                   "offset must be from 0 to 10000", &query.offset) ||
        !get_source(request, &upstream))
        return REQUEST_ANSWERED;
    if (upstream)
        return transactions_upstream(request, query.limit, query.offset);
    r = core_balance_get(serve->core, request_customer(request), request_product(request),
                         request->connection->peer.uid, serve_now(serve), &balance,
                         &request->wait_slot);
    if (r == CORE_LOAD)
        return REQUEST_LOAD;
    if (r == CORE_COLD)
        return REQUEST_COLD;
    if (r == CORE_OK)
        r = list_begin(request, &balance, &query);
    if (r != 0)
        request_refuse_status(request, r);
    return REQUEST_ANSWERED;
}
