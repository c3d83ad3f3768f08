/*
 * Packing MessagePack values, one after the other, straight into an sbuffer. msgpack-c's own
 * functions hand each value over in two writes or more; an answer has some thirty values, and those
 * writes were half of what it cost.
 *
 * The packer is one made by msgpack_packer_init() over an sbuffer with msgpack_sbuffer_write;
 * msgpack-c's functions may be used on it in between. After the first value that does not go in (no
 * memory) it takes nothing more: check once, at the end.
 */
#pragma once

#include <msgpack.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define PACK_FIXSTR 0xa0u
#define PACK_FIXSTR_MAX 31u

/* Stands in for the write function of a packer that has failed: nothing comes behind a gap. */
int pack_refuse(void *data, const char *bytes, size_t length);
/* pack_room(), where there is none yet. */
char *pack_grow(msgpack_packer *packer, size_t length);

static inline int pack_failed(const msgpack_packer *packer)
{
    return packer->callback == pack_refuse;
}

/* Makes it so: for who writes past these helpers, and fails. */
static inline void pack_break(msgpack_packer *packer)
{
    packer->callback = pack_refuse;
}

/* Appends `length` bytes, at most 1 + PACK_FIXSTR_MAX, for the caller to fill in; NULL: the packer
 * has failed. */
static inline char *pack_room(msgpack_packer *packer, size_t length)
{
    msgpack_sbuffer *buffer = packer->data;

    if (buffer->alloc - buffer->size < length || pack_failed(packer))
        return pack_grow(packer, length);
    buffer->size += length;
    return buffer->data + buffer->size - length;
}

void pack_array(msgpack_packer *packer, size_t count);
void pack_map(msgpack_packer *packer, size_t count);
void pack_int(msgpack_packer *packer, int64_t value);
void pack_bool(msgpack_packer *packer, int value);
void pack_nil(msgpack_packer *packer);
void pack_text(msgpack_packer *packer, const char *text); /* NULL packs nil */
void pack_text_n(msgpack_packer *packer, const char *text, size_t length);

/* Keys are literals: inline, they are a few stores of constants. */
static inline void pack_key(msgpack_packer *packer, const char *key)
{
    size_t length = strlen(key);
    char *to;

    if (length > PACK_FIXSTR_MAX) {
        pack_text_n(packer, key, length);
        return;
    }
    to = pack_room(packer, 1 + length);
    if (to == NULL)
        return;
    *to = (char)(PACK_FIXSTR | length);
    memcpy(to + 1, key, length);
}

static inline void pack_kv_text(msgpack_packer *packer, const char *key, const char *text)
{
    pack_key(packer, key);
    pack_text(packer, text);
}

static inline void pack_kv_int(msgpack_packer *packer, const char *key, int64_t value)
{
    pack_key(packer, key);
    pack_int(packer, value);
}

static inline void pack_kv_bool(msgpack_packer *packer, const char *key, int value)
{
    pack_key(packer, key);
    pack_bool(packer, value);
}

static inline void pack_kv_nil(msgpack_packer *packer, const char *key)
{
    pack_key(packer, key);
    pack_nil(packer);
}
