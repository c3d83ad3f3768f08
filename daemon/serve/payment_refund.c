/* See payment_refund.h. */
#include "payment_refund.h"
#include "object_compare.h"
#include "object_load.h"
#include "objects.h"
#include "serve.h"
#include "writes.h"
#include <errno.h>
#include <proto/message.h>
#include <stdlib.h>
#include <string.h>
#include <util/log.h>

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
    r = objects_unpack(&zone, object->body, object->body_length, &map);
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

static int write_row(struct serve *serve, struct core_text payment,
                     const struct payment_refund *refund)
{
    char buffer[KEY_SIZE];
    msgpack_sbuffer body;
    msgpack_packer packer;
    uint64_t sequence;
    int r = -ENOMEM;

    msgpack_sbuffer_init(&body);
    msgpack_packer_init(&packer, &body, msgpack_sbuffer_write);
    pack_map(&packer, 2);
    pack_kv_text(&packer, "refund_id", refund->refund_id);
    pack_kv_bool(&packer, "failed", refund->failed);
    if (!pack_failed(&packer))
        r = core_object_put(serve->core, TABLE_REFUND, row_key(payment, buffer), body.data,
                            body.size, serve_now(serve), &sequence);
    msgpack_sbuffer_destroy(&body);
    return r;
}

/* --- noting --- */

struct note {
    struct serve *serve;
    struct payment_refund refund;
    size_t payment_length;
    char payment[PROTO_ID_MAX];
};

/* One that has not failed stays: what comes in of another is late, or was made elsewhere. */
static int note_now(const struct note *note)
{
    struct core_text payment = {note->payment, note->payment_length};
    struct payment_refund known;
    int r = payment_refund_get(note->serve, payment, &known);

    if (r == CORE_LOAD || r < 0)
        return r;
    if (r == CORE_OK && !known.failed && strcmp(known.refund_id, note->refund.refund_id) != 0)
        return 0;
    return write_row(note->serve, payment, &note->refund);
}

static void note_end(struct note *note, int r)
{
    if (r < 0)
        log_error("keeping which refund gave a payment back: %s", strerror(-r));
    free(note);
}

static void on_loaded(void *userdata)
{
    note_end(userdata, note_now(userdata));
}

void payment_refund_note(struct serve *serve, struct core_text payment, struct core_text refund_id,
                         bool failed)
{
    struct note *note = calloc(1, sizeof(*note));
    char buffer[KEY_SIZE];
    int r = -ENOMEM;

    if (note != NULL) {
        note->serve = serve;
        note->refund.failed = failed;
        note->payment_length = payment.length;
        memcpy(note->payment, payment.data, payment.length);
        memcpy(note->refund.refund_id, refund_id.data, refund_id.length);
        r = note_now(note);
    }
    if (r == CORE_LOAD) {
        r = object_load_then(serve, TABLE_REFUND, row_key(payment, buffer), on_loaded, note);
        if (r == 0)
            return; /* note is the load's */
    }
    note_end(note, r);
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
