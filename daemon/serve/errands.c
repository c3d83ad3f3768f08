/* See errands.h. */
#include "errands.h"
#include "command.h"
#include "objects.h"
#include "serve.h"
#include <errno.h>
#include <proto/message.h>
#include <proto/upstream.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <util/log.h>
#include <util/macros.h>

#define PAGE_LIMIT 100
#define PAGES_MAX 100u
#define LIST_BYTES_MAX (8u * 1024u * 1024u)

struct errand {
    uint64_t id;     /* ours, what is waited for; the engine's changes with each page */
    uint64_t number; /* the engine's */
    struct errand_order order;
    struct errand_params params;
    bool is_refresh;
    char names[2 * PROTO_ID_MAX];
    /* a list: */
    msgpack_sbuffer rows;
    size_t row_count;
    unsigned pages;
    char cursor[PROTO_ID_MAX + 1];
};

/* --- parameters --- */

void errand_params_init(struct errand_params *params)
{
    msgpack_sbuffer_init(&params->members);
    msgpack_packer_init(&params->packer, &params->members, msgpack_sbuffer_write);
    params->count = 0;
}

void errand_params_deinit(struct errand_params *params)
{
    msgpack_sbuffer_destroy(&params->members);
    msgpack_sbuffer_init(&params->members);
}

/* The packer knows where its buffer is: a struct that has moved needs a new one. */
static msgpack_packer *params_key(struct errand_params *params, const char *key)
{
    params->packer.data = &params->members;
    pack_key(&params->packer, key);
    params->count++;
    return &params->packer;
}

void errand_param_text(struct errand_params *params, const char *key, struct core_text text)
{
    if (text.length > 0)
        pack_text_n(params_key(params, key), text.data, text.length);
}

void errand_param_int(struct errand_params *params, const char *key, int64_t value)
{
    pack_int(params_key(params, key), value);
}

void errand_param_bool(struct errand_params *params, const char *key, bool value)
{
    pack_bool(params_key(params, key), value);
}

void errand_param_object(struct errand_params *params, const char *key, const msgpack_object *value)
{
    msgpack_packer *packer = params_key(params, key);

    if (msgpack_pack_object(packer, *value) != 0)
        pack_break(packer);
}

void errand_param_given(struct errand_params *params, const struct request *request,
                        enum proto_parameter parameter)
{
    if (request_has(request, UINT64_C(1) << parameter))
        errand_param_object(params, proto_parameter_name(parameter),
                            request->params.values[parameter].object);
}

/* --- answers --- */

struct errand_answer *errand_answer_new(enum exchange_outcome outcome, const char *message,
                                        const void *body, size_t length)
{
    struct errand_answer *answer = calloc(1, sizeof(*answer) + length);

    if (answer == NULL)
        return NULL;
    answer->refs = 1;
    answer->outcome = outcome;
    snprintf(answer->message, sizeof(answer->message), "%s", message != NULL ? message : "");
    answer->length = length;
    if (length > 0)
        memcpy(answer->body, body, length);
    return answer;
}

struct errand_answer *errand_answer_unref(struct errand_answer *answer)
{
    if (answer != NULL && --answer->refs == 0)
        free(answer);
    return NULL;
}

void errand_attach(struct serve *serve, struct hash128 key, struct errand_answer *answer)
{
    struct list *waits = waiting_find(&serve->waiting, key);

    if (waits != NULL && answer != NULL)
        for (struct list *link = waits->next; link != waits; link = link->next) {
            struct parked *parked = CONTAINER_OF(link, struct parked, of_target);

            errand_answer_unref(parked->answer);
            parked->answer = answer;
            answer->refs++;
        }
}

void errand_tell(struct serve *serve, struct hash128 key, struct errand_answer *answer)
{
    errand_attach(serve, key, answer);
    waiting_wake(&serve->waiting, key);
}

const struct errand_answer *request_errand_answer(const struct request *request, unsigned stage)
{
    const struct parked *parked = request->parked;

    return parked != NULL && parked->stage == stage ? parked->answer : NULL;
}

/* --- under way --- */

void serve_errands_init(struct errands *errands, struct serve *serve)
{
    memset(errands, 0, sizeof(*errands));
    errands->serve = serve;
    map_init(&errands->by_number);
    map_init(&errands->by_object);
}

static struct hash128 number_key(uint64_t number)
{
    return (struct hash128){number, 0};
}

static struct errand *find(const struct errands *errands, uint64_t number)
{
    const uint64_t *found = map_get(&errands->by_number, number_key(number));

    return found != NULL ? (struct errand *)(uintptr_t)*found : NULL;
}

static void errand_free(struct errands *errands, struct errand *errand)
{
    if (errand->is_refresh)
        map_remove(&errands->by_object, objects_key(errands->serve->core, errand->order.table,
                                                    errand->order.customer, errand->order.product));
    map_remove(&errands->by_number, number_key(errand->number));
    errand_params_deinit(&errand->params);
    msgpack_sbuffer_destroy(&errand->rows);
    free(errand);
}

void serve_errands_deinit(struct errands *errands)
{
    const struct map_entry *entry;
    size_t position = 0;

    while ((entry = map_next(&errands->by_number, &position)) != NULL) {
        struct errand *errand = (struct errand *)(uintptr_t)entry->value;

        errand_params_deinit(&errand->params);
        msgpack_sbuffer_destroy(&errand->rows);
        free(errand);
    }
    map_deinit(&errands->by_number);
    map_deinit(&errands->by_object);
}

static int take_turn(struct errands *errands, struct errand *errand)
{
    struct serve *serve = errands->serve;
    const struct errand_order *order = &errand->order;
    uint64_t number;
    int r = core_errand(serve->core, order->is_write, order->customer, order->uid, serve_now(serve),
                        &number);

    if (r != CORE_OK)
        return r;
    errand->number = number;
    r = map_put(&errands->by_number, number_key(number), (uint64_t)(uintptr_t)errand);
    if (r < 0)
        (void)core_errand_cancel(serve->core, number);
    return r;
}

static void keep_names(struct errand *errand, const struct errand_order *order)
{
    char *product = errand->names + order->customer.length;

    memcpy(errand->names, order->customer.data, order->customer.length);
    if (order->product.length > 0)
        memcpy(product, order->product.data, order->product.length);
    errand->order.customer = (struct core_text){errand->names, order->customer.length};
    errand->order.product = (struct core_text){product, order->product.length};
}

static int begin(struct errands *errands, const struct errand_order *order,
                 struct errand_params *params, struct errand **ret_errand)
{
    struct errand *errand = NULL;
    int r = pack_failed(&params->packer) ? -ENOMEM : 0;

    if (r == 0 && (errand = calloc(1, sizeof(*errand))) == NULL)
        r = -ENOMEM;
    if (r < 0) {
        errand_params_deinit(params);
        return r;
    }
    errand->id = ++errands->last;
    errand->order = *order;
    keep_names(errand, order);
    errand->params = *params; /* owned from here on */
    errand_params_init(params);
    msgpack_sbuffer_init(&errand->rows);
    r = take_turn(errands, errand);
    if (r != CORE_OK) {
        errand_params_deinit(&errand->params);
        free(errand);
        return r;
    }
    *ret_errand = errand;
    return CORE_OK;
}

int errands_begin(struct errands *errands, const struct errand_order *order,
                  struct errand_params *params, struct hash128 *ret_key)
{
    struct errand *errand;
    int r = begin(errands, order, params, &errand);

    if (r == CORE_OK)
        *ret_key = waiting_errand_key(errand->id);
    return r;
}

static void refresh_order(enum record_table table, struct errand_order *order,
                          struct errand_params *params)
{
    errand_param_text(params, "customer_id", order->customer);
    switch (table) {
    case TABLE_SUBSCRIPTIONS:
        order->method = UPSTREAM_METHOD_SUBSCRIPTIONS;
        order->member = "subscriptions";
        order->is_list = true;
        errand_param_int(params, "limit", PAGE_LIMIT);
        break;
    case TABLE_ACCESS:
        order->method = UPSTREAM_METHOD_ACCESS;
        order->member = "access";
        errand_param_text(params, "product_id", order->product);
        break;
    default:
        order->method = UPSTREAM_METHOD_CUSTOMER;
        order->member = "customer";
        break;
    }
}

int errands_refresh(struct errands *errands, enum record_table table, struct core_text customer,
                    struct core_text product, uint32_t uid, struct hash128 *ret_key)
{
    struct hash128 object = objects_key(errands->serve->core, table, customer, product);
    const uint64_t *found = map_get(&errands->by_object, object);
    struct errand_order order = {
        .table = table, .customer = customer, .product = product, .uid = uid};
    struct errand_params params;
    struct errand *errand;
    int r;

    if (found != NULL) {
        *ret_key = waiting_errand_key(((struct errand *)(uintptr_t)*found)->id);
        return CORE_OK;
    }
    errand_params_init(&params);
    refresh_order(table, &order, &params);
    r = begin(errands, &order, &params, &errand);
    if (r != CORE_OK)
        return r;
    errand->is_refresh = map_put(&errands->by_object, object, (uint64_t)(uintptr_t)errand) == 0;
    *ret_key = waiting_errand_key(errand->id);
    return CORE_OK;
}

void errands_overtake(struct errands *errands, enum record_table table, struct core_text customer)
{
    struct hash128 object =
        objects_key(errands->serve->core, table, customer, (struct core_text){"", 0});
    const uint64_t *found = map_get(&errands->by_object, object);

    if (found != NULL)
        ((struct errand *)(uintptr_t)*found)->order.overtaken = true;
}

bool errands_cancel(struct errands *errands, struct hash128 key)
{
    const struct map_entry *entry;
    size_t position = 0;

    while ((entry = map_next(&errands->by_number, &position)) != NULL) {
        struct errand *errand = (struct errand *)(uintptr_t)entry->value;
        struct hash128 own = waiting_errand_key(errand->id);

        if (own.low != key.low || own.high != key.high)
            continue;
        if (!core_errand_cancel(errands->serve->core, errand->number))
            return false;
        errand_free(errands, errand);
        return true;
    }
    return false;
}

/* --- the helper's side --- */

const char *errands_method(const struct errands *errands, uint64_t number)
{
    const struct errand *errand = find(errands, number);

    return errand != NULL ? errand->order.method : NULL;
}

void errands_pack(const struct errands *errands, uint64_t number, msgpack_packer *packer,
                  const struct upstream_common *common)
{
    const struct errand *errand = find(errands, number);

    pack_map(packer, errand->params.count + UPSTREAM_COMMON_MEMBERS + (errand->cursor[0] != '\0'));
    msgpack_pack_str_body(packer, errand->params.members.data, errand->params.members.size);
    if (errand->cursor[0] != '\0')
        pack_kv_text(packer, "starting_after", errand->cursor);
    upstream_pack_common(packer, common);
}

/* A page's rows join those before; 1: there is another page, 0: that was all, or -errno. */
static int take_page(struct errand *errand, const msgpack_object *page)
{
    const msgpack_object *rows = map_find(page, "rows");
    const char *next = NULL;
    size_t length = 0;
    msgpack_packer packer;
    int more = 0;

    if (rows == NULL || rows->type != MSGPACK_OBJECT_ARRAY)
        return -EBADMSG;
    msgpack_packer_init(&packer, &errand->rows, msgpack_sbuffer_write);
    for (uint32_t i = 0; i < rows->via.array.size; i++) {
        if (msgpack_pack_object(&packer, rows->via.array.ptr[i]) != 0)
            return -ENOMEM;
        errand->row_count++;
    }
    if (map_get_bool(page, "has_more", &more) != 1 || !more)
        return 0;
    if (map_get_text(page, "next", &next, &length) != 1 || length > PROTO_ID_MAX || length == 0 ||
        ++errand->pages >= PAGES_MAX || errand->rows.size > LIST_BYTES_MAX ||
        (strlen(errand->cursor) == length && memcmp(errand->cursor, next, length) == 0))
        return -EBADMSG; /* a list without an end is no list */
    memcpy(errand->cursor, next, length);
    errand->cursor[length] = '\0';
    return 1;
}

static struct errand_answer *make_list(const struct errand *errand)
{
    struct errand_answer *answer = NULL;
    msgpack_sbuffer buffer;
    msgpack_packer packer;

    msgpack_sbuffer_init(&buffer);
    msgpack_packer_init(&packer, &buffer, msgpack_sbuffer_write);
    pack_array(&packer, errand->row_count);
    if (errand->rows.size > 0)
        msgpack_pack_str_body(&packer, errand->rows.data, errand->rows.size);
    if (!pack_failed(&packer))
        answer = errand_answer_new(EXCHANGE_OK, NULL, buffer.data, buffer.size);
    msgpack_sbuffer_destroy(&buffer);
    return answer;
}

static struct errand_answer *make_object(const msgpack_object *object)
{
    struct errand_answer *answer = NULL;
    msgpack_sbuffer buffer;
    msgpack_packer packer;

    msgpack_sbuffer_init(&buffer);
    msgpack_packer_init(&packer, &buffer, msgpack_sbuffer_write);
    if (msgpack_pack_object(&packer, *object) == 0)
        answer = errand_answer_new(EXCHANGE_OK, NULL, buffer.data, buffer.size);
    msgpack_sbuffer_destroy(&buffer);
    return answer;
}

/* The answer to tell; *ret_more: none yet, the next page is under way. */
static struct errand_answer *take_answer(struct errands *errands, struct errand *errand,
                                         const msgpack_object *details, bool *ret_more)
{
    const msgpack_object *member = map_find(details, errand->order.member);
    int r;

    *ret_more = false;
    if (member == NULL || member->type != MSGPACK_OBJECT_MAP)
        return errand_answer_new(EXCHANGE_FAILED, "creditd-sync's answer is not understood", NULL,
                                 0);
    if (!errand->order.is_list)
        return make_object(member);
    r = take_page(errand, member);
    if (r > 0) {
        map_remove(&errands->by_number, number_key(errand->number));
        r = take_turn(errands, errand);
        *ret_more = r == CORE_OK;
        if (*ret_more)
            return NULL;
    }
    return r == 0 ? make_list(errand)
                  : errand_answer_new(EXCHANGE_FAILED, "the list could not be read to its end",
                                      NULL, 0);
}

void errands_done(struct errands *errands, uint64_t number, const struct exchange_answer *answer,
                  const msgpack_object *details)
{
    struct errand *errand = find(errands, number);
    struct serve *serve = errands->serve;
    struct errand_answer *told;
    struct hash128 key;
    bool more = false;

    if (errand == NULL)
        return;
    if (answer->outcome == EXCHANGE_OK && details != NULL)
        told = take_answer(errands, errand, details, &more);
    else
        told = errand_answer_new(answer->outcome, answer->message, NULL, 0);
    if (more)
        return;
    if (told != NULL && told->outcome == EXCHANGE_OK && errand->order.table != TABLE_COUNT_)
        objects_put(serve, &errand->order, told);
    key = waiting_errand_key(errand->id);
    errand_free(errands, errand);
    errand_tell(serve, key, told);
    errand_answer_unref(told);
}
