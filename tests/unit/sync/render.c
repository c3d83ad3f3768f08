/* See render.h. */
#include "render.h"
#include "json_words.h"

#include <criterion/criterion.h>
#include <proto/message.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *print(const msgpack_object *object, const char *otherwise)
{
    char *text = NULL;
    size_t size = 0;
    FILE *stream;

    if (!object)
        return strdup(otherwise);
    stream = open_memstream(&text, &size);
    msgpack_object_print(stream, *object);
    fclose(stream);
    return text;
}

char *render_member(const msgpack_sbuffer *buffer, const char *name)
{
    msgpack_unpacked unpacked;
    size_t offset = 0;
    char *text;
    int whole;

    msgpack_unpacked_init(&unpacked);
    whole = msgpack_unpack_next(&unpacked, buffer->data, buffer->size, &offset) ==
                MSGPACK_UNPACK_SUCCESS &&
            offset == buffer->size;
    if (!whole)
        text = strdup("(not one object)");
    else if (!name)
        text = print(&unpacked.data, "");
    else
        text = print(map_find(&unpacked.data, name), "(missing)");
    msgpack_unpacked_destroy(&unpacked);
    return text;
}

char *render(const msgpack_sbuffer *buffer)
{
    return render_member(buffer, NULL);
}

void render_unpack(const char *json, msgpack_unpacked *ret)
{
    json_t *value = json_loads(json, JSON_DECODE_ANY, NULL);
    msgpack_sbuffer buffer;
    msgpack_packer packer;
    char *bytes;

    cr_assert_not_null(value, "%s", json);
    msgpack_sbuffer_init(&buffer);
    msgpack_packer_init(&packer, &buffer, msgpack_sbuffer_write);
    json_words_pack(&packer, value);
    /* Texts point into the bytes, which therefore go with the zone. */
    msgpack_unpacked_init(ret);
    ret->zone = msgpack_zone_new(buffer.size);
    bytes = msgpack_zone_malloc(ret->zone, buffer.size);
    memcpy(bytes, buffer.data, buffer.size);
    cr_assert_eq(msgpack_unpack(bytes, buffer.size, NULL, ret->zone, &ret->data),
                 MSGPACK_UNPACK_SUCCESS);
    msgpack_sbuffer_destroy(&buffer);
    json_decref(value);
}
