/* See payment_refund.h. */
#include "payment_refund.h"
#include "object_compare.h"
#include "object_load.h"
#include "objects.h"
#include "serve.h"
#include "writes.h"
#include <errno.h>
#include <proto/message.h>
#include <proto/unpack.h>
#include <string.h>

#define PREFIX "payment/" /* no id has a slash */
#define KEY_SIZE (sizeof(PREFIX) + PROTO_ID_MAX)

static struct core_text row_key(struct core_text payment, char buffer[KEY_SIZE])
{
    memcpy(buffer, PREFIX, sizeof(PREFIX) - 1);
    memcpy(buffer + sizeof(PREFIX) - 1, payment.data, payment.length);
    return (struct core_text){buffer, sizeof(PREFIX) - 1 + payment.length};
}

/* --- the row --- */

static int read_row(const struct core_object *object, struct payment_refund *ret_refund)
{
    struct core_text id;
    msgpack_object map;
    msgpack_zone zone;
    int r;

    if (!msgpack_zone_init(&zone, 512))
        return -ENOMEM;
    r = unpack(&zone, object->body, object->body_length, &map);
    if (r == 0) {
        id = object_id(&map, "refund_id");
        memcpy(ret_refund->refund_id, id.data, id.length);
        ret_refund->refund_id[id.length] = '\0';
        ret_refund->failed = object_is_true(&map, "failed");
    }
    msgpack_zone_destroy(&zone);
    return r;
}

int payment_refund_get(struct serve *serve, struct core_text payment,
                       struct payment_refund *ret_refund)
{
    char buffer[KEY_SIZE];
    struct core_object object;
    int r = core_object_get(serve->core, TABLE_REFUND, row_key(payment, buffer), &object);

    return r == CORE_OK ? read_row(&object, ret_refund) : r;
}

int payment_refund_load(struct request *request, struct core_text payment)
{
    char buffer[KEY_SIZE];

    return objects_load(request, TABLE_REFUND, row_key(payment, buffer), WAIT_OTHER);
}

void payment_row_init(struct payment_row *row)
{
    row->key_length = 0;
    msgpack_sbuffer_init(&row->body);
}

void payment_row_deinit(struct payment_row *row)
{
    msgpack_sbuffer_destroy(&row->body);
}

static int pack_row(const struct payment_refund *refund, msgpack_sbuffer *body)
{
    msgpack_packer packer;

    msgpack_packer_init(&packer, body, msgpack_sbuffer_write);
    pack_map(&packer, 2);
    pack_kv_text(&packer, "refund_id", refund->refund_id);
    pack_kv_bool(&packer, "failed", refund->failed);
    return pack_failed(&packer) ? -ENOMEM : CORE_OK;
}

/* One that has not failed stays: what comes in of another is late, or was made elsewhere. */
static bool is_news(const struct payment_refund *known, const struct payment_refund *refund)
{
    bool same = strcmp(known->refund_id, refund->refund_id) == 0;

    return same ? known->failed != refund->failed : known->failed;
}

int payment_row_make(struct serve *serve, struct core_text payment, struct core_text refund_id,
                     bool failed, struct payment_row *row)
{
    struct payment_refund known, refund = {.failed = failed};
    struct core_text key = row_key(payment, row->key);
    int r = payment_refund_get(serve, payment, &known);

    if (r == CORE_LOAD)
        row->key_length = key.length;
    if (r == CORE_LOAD || (r < 0 && r != -EBADMSG)) /* which is as good as none */
        return r;
    memcpy(refund.refund_id, refund_id.data, refund_id.length);
    if (r == CORE_OK && !is_news(&known, &refund))
        return CORE_OK;
    row->key_length = key.length;
    return pack_row(&refund, &row->body);
}

/* --- intents --- */

struct core_text payment_of_intent(const struct serve *serve, const struct core_intent *intent)
{
    return intent->kind == CORE_INTENT_REFUND ? write_payload_text(serve, intent, "payment_id")
                                              : (struct core_text){"", 0};
}

bool payment_find_intent(struct serve *serve, struct core_text payment,
                         struct core_intent *ret_intent)
{
    struct payment_refund known = {.failed = false};
    bool failed = payment_refund_get(serve, payment, &known) == CORE_OK && known.failed;
    struct core_intent intent;
    size_t position = 0;

    while (core_next_intent(serve->core, &position, &intent)) {
        struct core_text own = payment_of_intent(serve, &intent);

        if (own.length != payment.length || memcmp(own.data, payment.data, own.length) != 0 ||
            intent.state == CORE_INTENT_REFUSED ||
            (failed && strcmp(known.refund_id, intent.object_id) == 0))
            continue;
        *ret_intent = intent;
        return true;
    }
    return false;
}
