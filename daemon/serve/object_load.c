/* See object_load.h. */
#include "object_load.h"
#include "serve.h"
#include <core/link.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <util/log.h>

struct object_loading {
    struct serve *serve;
    uv_work_t work;
    enum record_table table;
    struct hash128 waits;
    void (*then)(void *userdata); /* NULL: those who wait are woken */
    void *userdata;
    char key[OBJECT_KEY_MAX];
    size_t key_length, length;
    int result;
    uint8_t value[RECORD_SIZE_MAX];
};

struct core_text object_key(enum record_table table, struct core_text id, struct core_text product,
                            char buffer[OBJECT_KEY_MAX])
{
    memcpy(buffer, id.data, id.length);
    if (table != TABLE_ACCESS)
        return (struct core_text){buffer, id.length};
    buffer[id.length] = '/';
    memcpy(buffer + id.length + 1, product.data, product.length);
    return (struct core_text){buffer, id.length + 1 + product.length};
}

struct hash128 object_waits(const struct core *core, enum record_table table, struct core_text key)
{
    char scope[32];

    snprintf(scope, sizeof(scope), "/%s", record_table_name(table)); /* no id has a slash */
    return core_balance_hash(core, key, (struct core_text){scope, strlen(scope)});
}

static void load_work(uv_work_t *work)
{
    struct object_loading *load = work->data;

    load->result = store_get(load->serve->store, load->table, load->key, load->key_length,
                             load->value, sizeof(load->value), &load->length);
}

static void load_done(uv_work_t *work, int status)
{
    struct object_loading *load = work->data;
    struct serve *serve = load->serve;
    struct core_text key = {load->key, load->key_length};
    int r = status < 0 ? status : load->result;

    (void)serve_now(serve);
    serve->waiting.loads--;
    if (r == 0 || r == -ENOENT)
        r = core_object_load(serve->core, load->table, key, r == 0 ? load->value : NULL,
                             load->length);
    if (r < 0) /* those who wait ask again until their deadline */
        log_error("reading an object from the store: %s", strerror(-r));
    if (load->then != NULL)
        load->then(load->userdata);
    else
        waiting_wake(&serve->waiting, load->waits);
    free(load);
}

int object_load_then(struct serve *serve, enum record_table table, struct core_text key,
                     void (*then)(void *userdata), void *userdata)
{
    struct object_loading *load = calloc(1, sizeof(*load));
    int r;

    if (load == NULL)
        return -ENOMEM;
    load->serve = serve;
    load->work.data = load;
    load->table = table;
    load->waits = object_waits(serve->core, table, key);
    load->then = then;
    load->userdata = userdata;
    load->key_length = key.length;
    memcpy(load->key, key.data, key.length);
    r = uv_queue_work(&serve->loop, &load->work, load_work, load_done);
    if (r < 0) {
        free(load);
        return -EAGAIN;
    }
    serve->waiting.loads++;
    return 0;
}

int object_load(struct serve *serve, enum record_table table, struct core_text key)
{
    if (waiting_find(&serve->waiting, object_waits(serve->core, table, key)) != NULL)
        return 0; /* under way */
    return object_load_then(serve, table, key, NULL, NULL);
}
