/* See same.h. Objects are compared as msgpack-c packs them: NaN is then the same as NaN. */
#include "same.h"
#include <msgpack.h>
#include <proto/unpack.h>
#include <string.h>

static void repack(msgpack_sbuffer *buffer, const msgpack_object *object)
{
    msgpack_packer packer;

    msgpack_packer_init(&packer, buffer, msgpack_sbuffer_write);
    msgpack_pack_object(&packer, *object);
}

bool unpacks_as_msgpack(const void *data, size_t length)
{
    msgpack_zone *zone = msgpack_zone_new(1024);
    msgpack_sbuffer ours, theirs;
    msgpack_object object, reference;
    size_t offset = 0;
    bool same = false;

    msgpack_sbuffer_init(&ours);
    msgpack_sbuffer_init(&theirs);
    if (msgpack_unpack(data, length, &offset, zone, &reference) == MSGPACK_UNPACK_SUCCESS &&
        offset == length && unpack(zone, data, length, &object) == 0) {
        repack(&ours, &object);
        repack(&theirs, &reference);
        same = object.type == reference.type && ours.size == theirs.size &&
               memcmp(ours.data, theirs.data, ours.size) == 0;
    }
    msgpack_sbuffer_destroy(&ours);
    msgpack_sbuffer_destroy(&theirs);
    msgpack_zone_free(zone);
    return same;
}
