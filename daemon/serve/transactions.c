/* See transactions.h. */
#include "transactions.h"
#include "connection.h"
#include "methods.h"
#include "serve.h"
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <util/log.h>
#include <util/macros.h>

#define ADMITTED_PER_CONNECTION 4u
#define ADMITTED_MAX 64u
#define RUNNING_MAX 2u

/* What only a search has: histories are many, and charged by their size. */
struct search {
    struct hash128 key; /* who waits for it */
    struct found found;
};

struct history_job {
    struct list of_connection, of_queue;
    struct transactions *transactions;
    struct connection *connection; /* NULL: it has ended */
    uv_work_t work;
    bool admitted, running;
    atomic_bool cancelled;
    uint32_t msgid;
    uint64_t reveals;
    struct history_query query;
    char names[2 * PROTO_ID_MAX];
    msgpack_sbuffer answer;
    int result;
    struct search *search; /* owned; NULL: a history */
    uint64_t *open;        /* for the query; owned; NULL: none */
};

void transactions_init(struct transactions *transactions, struct serve *serve)
{
    memset(transactions, 0, sizeof(*transactions));
    transactions->serve = serve;
    list_init(&transactions->askers);
    list_init(&transactions->admitted);
    list_init(&transactions->running);
}

void asked_init(struct asked *asked)
{
    list_init(&asked->waiting);
    list_init(&asked->admitted);
    list_init(&asked->of_askers);
    asked->admitted_count = 0;
}

static struct history_job *first_of_connection(struct list *list)
{
    return list_is_empty(list) ? NULL : CONTAINER_OF(list->next, struct history_job, of_connection);
}

/* In line for admission, if there is something to admit. */
static void line_up(struct transactions *transactions, struct asked *asked)
{
    if (list_is_empty(&asked->of_askers) && !list_is_empty(&asked->waiting) &&
        asked->admitted_count < ADMITTED_PER_CONNECTION)
        list_append(&transactions->askers, &asked->of_askers);
}

/* The job belongs to its connection no longer. */
static void job_detach(struct history_job *job)
{
    struct connection *connection = job->connection;

    list_remove(&job->of_connection);
    job->connection = NULL;
    if (connection == NULL)
        return;
    connection_uncharge(connection, sizeof(*job));
    if (job->admitted) {
        connection->asked.admitted_count--;
        line_up(job->transactions, &connection->asked);
    }
}

static void job_free(struct history_job *job)
{
    struct transactions *transactions = job->transactions;

    job_detach(job);
    list_remove(&job->of_queue);
    transactions->count--;
    transactions->admitted_count -= job->admitted;
    transactions->running_count -= job->running;
    msgpack_sbuffer_destroy(&job->answer);
    free(job->open);
    free(job->search);
    free(job);
}

static int pack_refusal(struct history_job *job, int error)
{
    msgpack_sbuffer_clear(&job->answer);
    if (error == -ECANCELED)
        return message_pack_error(&job->answer, job->msgid, PROTO_ERROR_SHUTTING_DOWN,
                                  "creditd is stopping", NULL, NULL);
    log_error("reading a history: %s", strerror(-error));
    return message_pack_error(&job->answer, job->msgid, PROTO_ERROR_INTERNAL,
                              "the history cannot be read; creditd's log says more", NULL, NULL);
}

/* Gives what was found to the request that waits for it. */
static void search_end(struct history_job *job, int r)
{
    struct serve *serve = job->transactions->serve;
    const struct list *waits = waiting_find(&serve->waiting, job->search->key);
    struct found *found;

    (void)serve_now(serve); /* something to do: the end of the turn */
    if (r < 0 && r != -ESRCH && r != -ENOENT && r != -ECANCELED)
        log_error("looking for a deduction: %s", strerror(-r));
    if (waits != NULL && !list_is_empty(waits) && (found = malloc(sizeof(*found))) != NULL) {
        struct parked *parked = CONTAINER_OF(waits->next, struct parked, of_target);

        job->search->found.result = r;
        *found = job->search->found;
        free(parked->found);
        parked->found = found;
    }
    waiting_wake(&serve->waiting, job->search->key);
}

/* Answers with what the walk has packed, or a refusal. */
static void job_end(struct history_job *job, int r)
{
    struct connection *connection = job->connection;

    list_remove(&job->of_queue);
    job_detach(job); /* answering may end the connection */
    if (job->search != NULL) {
        search_end(job, r);
    } else if (connection != NULL) {
        if (r < 0)
            r = pack_refusal(job, r);
        if (r == 0)
            connection_reply(connection, job->answer.data, job->answer.size, 0);
        else
            ipc_stream_close(connection->stream);
    }
    job_free(job);
}

/* --- walks --- */

static int job_read(void *userdata, uint64_t place, uint8_t *buffer, struct record *ret_record)
{
    return store_read_record(userdata, place, buffer, ret_record);
}

static int job_walk(struct history_job *job, uint8_t *buffer)
{
    struct store *store = job->transactions->serve->store;
    int r;

    if (job->search != NULL)
        return history_find(job_read, store, &job->query, &job->search->found.deduction.of, buffer,
                            &job->search->found.deduction);
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

static void job_done(uv_work_t *work, int status)
{
    struct history_job *job = work->data;
    struct transactions *transactions = job->transactions;

    job_end(job, status < 0 ? status : job->result);
    transactions_advance(transactions);
}

static void job_begin(struct history_job *job)
{
    struct transactions *transactions = job->transactions;

    list_remove(&job->of_queue);
    list_append(&transactions->running, &job->of_queue);
    job->running = true;
    transactions->running_count++;
    if (uv_queue_work(&transactions->serve->loop, &job->work, job_work, job_done) < 0)
        job_end(job, -EAGAIN);
}

static void job_cancel(struct history_job *job)
{
    atomic_store(&job->cancelled, true);
    uv_cancel((uv_req_t *)&job->work); /* where no thread has begun with it */
}

/* --- turns --- */

static void admit(struct transactions *transactions)
{
    while (transactions->admitted_count < ADMITTED_MAX && !list_is_empty(&transactions->askers)) {
        struct asked *asked = CONTAINER_OF(transactions->askers.next, struct asked, of_askers);
        struct history_job *job = first_of_connection(&asked->waiting);

        list_remove(&asked->of_askers);
        list_remove(&job->of_connection);
        list_append(&asked->admitted, &job->of_connection);
        list_append(&transactions->admitted, &job->of_queue);
        job->admitted = true;
        asked->admitted_count++;
        transactions->admitted_count++;
        line_up(transactions, asked);
    }
}

static struct history_job *next_due(struct transactions *transactions)
{
    uint64_t durable = transactions->serve->marks.durable;
    struct list *link;

    for (link = transactions->admitted.next; link != &transactions->admitted; link = link->next) {
        struct history_job *job = CONTAINER_OF(link, struct history_job, of_queue);

        if (transactions->stopping || job->reveals <= durable)
            return job;
    }
    return NULL;
}

void transactions_advance(struct transactions *transactions)
{
    struct history_job *job;

    for (;;) {
        admit(transactions);
        if (!transactions->stopping && transactions->running_count >= RUNNING_MAX)
            return;
        job = next_due(transactions);
        if (job == NULL)
            return;
        if (transactions->stopping)
            job_end(job, -ECANCELED);
        else
            job_begin(job);
    }
}

void transactions_forget(struct connection *connection)
{
    struct transactions *transactions = &connection->serve->transactions;
    struct history_job *job;

    while ((job = first_of_connection(&connection->asked.waiting)) != NULL)
        job_free(job);
    while ((job = first_of_connection(&connection->asked.admitted)) != NULL) {
        if (job->running) {
            job_detach(job);
            job_cancel(job);
        } else {
            job_free(job);
        }
    }
    list_remove(&connection->asked.of_askers);
    transactions_advance(transactions);
}

void transactions_stop(struct transactions *transactions)
{
    struct list *link;

    transactions->stopping = true;
    for (link = transactions->running.next; link != &transactions->running; link = link->next)
        job_cancel(CONTAINER_OF(link, struct history_job, of_queue));
    transactions_advance(transactions);
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

/* Into `open`, if it is not NULL: how many there are. */
static size_t list_open(const struct core *core, const struct core_balance *balance, uint64_t *open)
{
    struct core_push push;
    size_t position = 0, count = 0;
    uint32_t slot;

    while (count < HISTORY_OPEN_MAX && core_next_push(core, &position, &push, &slot))
        if (is_open(&push, slot, balance)) {
            if (open != NULL)
                open[count] = push.sequence;
            count++;
        }
    return count;
}

static int keep_open(struct history_job *job, const struct core_balance *balance)
{
    const struct core *core = job->transactions->serve->core;
    size_t count = list_open(core, balance, NULL);

    if (count == 0) /* as a rule */
        return 0;
    job->open = calloc(count, sizeof(job->open[0]));
    if (job->open == NULL)
        return -ENOMEM;
    (void)list_open(core, balance, job->open);
    job->query.open = job->open;
    job->query.open_count = count;
    return 0;
}

static int job_new(struct request *request, const struct core_balance *balance,
                   struct history_job **ret_job)
{
    struct connection *connection = request->connection;
    struct transactions *transactions = &request->serve->transactions;
    struct history_job *job;
    int r = connection_charge(connection, sizeof(*job));

    if (r < 0)
        return r;
    job = calloc(1, sizeof(*job));
    if (job == NULL) {
        connection_uncharge(connection, sizeof(*job));
        return -ENOMEM;
    }
    job->transactions = transactions;
    job->connection = connection;
    job->work.data = job;
    job->msgid = request->msgid;
    job->reveals = balance->reveals;
    job->query.place = balance->last_place;
    job->query.cancelled = &job->cancelled;
    msgpack_sbuffer_init(&job->answer);
    list_init(&job->of_queue);
    list_append(&connection->asked.waiting, &job->of_connection);
    transactions->count++;
    *ret_job = job;
    return 0;
}

static void job_start(struct history_job *job)
{
    line_up(job->transactions, &job->connection->asked);
    transactions_advance(job->transactions);
}

int transactions_search(struct request *request, const struct core_balance *balance,
                        const struct core_transaction *of)
{
    struct serve *serve = request->serve;
    struct history_job *job;
    int r = job_new(request, balance, &job);

    if (r < 0)
        return r;
    job->search = calloc(1, sizeof(*job->search));
    if (job->search == NULL) {
        job_free(job);
        return -ENOMEM;
    }
    job->search->key = waiting_search_key(++serve->transactions.searches);
    job->search->found.balance =
        core_balance_hash(serve->core, balance->customer, balance->product);
    job->search->found.deduction.of = *of;
    request->wait_key = job->search->key;
    job_start(job);
    return 0;
}

static int list_begin(struct request *request, const struct core_balance *balance,
                      const struct history_query *query)
{
    struct history_job *job;
    int r = job_new(request, balance, &job);

    if (r < 0)
        return r;
    job->query.limit = query->limit;
    job->query.offset = query->offset;
    job->query.pushed = balance->pushed_total;
    keep_names(job, balance);
    r = keep_open(job, balance);
    if (r < 0) {
        job_free(job);
        return r;
    }
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
