/*
 * See pack.h. Every value takes the shortest form that MessagePack has for it, as msgpack-c packs
 * it too.
 */
#include <assert.h>
#include <endian.h>
#include <proto/pack.h>

#define NUMBER_SIZE 9u /* the longest head of a value: one byte, and eight that follow */

int pack_refuse(void *data, const char *bytes, size_t length)
{
    (void)data;
    (void)bytes;
    (void)length;
    return -1;
}

char *pack_grow(msgpack_packer *packer, size_t length)
{
    static const char blank[1 + PACK_FIXSTR_MAX];
    const msgpack_sbuffer *buffer = packer->data;

    assert(length <= sizeof(blank));
    if (packer->callback(packer->data, blank, length) != 0) {
        pack_break(packer);
        return NULL;
    }
    return buffer->data + buffer->size - length;
}

static void pack_byte(msgpack_packer *packer, unsigned byte)
{
    char *to = pack_room(packer, 1);

    if (to != NULL)
        *to = (char)byte;
}

/* `first`, and the low `size` bytes of `value`, big-endian. Room for eight is taken, so that they
 * are one store, and what is left over goes back. */
static void pack_number(msgpack_packer *packer, unsigned first, uint64_t value, unsigned size)
{
    uint64_t bytes = htobe64(value << (64 - 8 * size));
    msgpack_sbuffer *buffer = packer->data;
    char *to = pack_room(packer, NUMBER_SIZE);

    if (to == NULL)
        return;
    to[0] = (char)first;
    memcpy(to + 1, &bytes, sizeof(bytes));
    buffer->size -= NUMBER_SIZE - 1 - size;
}

/* How many bytes a number takes, as a power of two: 1, 2, 4 or 8. The heads of all kinds of values
 * are counted in these steps. */
static unsigned width(uint64_t value)
{
    if (value <= UINT8_MAX)
        return 0;
    if (value <= UINT16_MAX)
        return 1;
    return value <= UINT32_MAX ? 2 : 3;
}

static void pack_count(msgpack_packer *packer, unsigned fix, unsigned first, size_t count)
{
    if (count < 16)
        pack_byte(packer, fix | (unsigned)count);
    else if (count <= UINT16_MAX)
        pack_number(packer, first, count, 2);
    else
        pack_number(packer, first + 1, count, 4);
}

void pack_array(msgpack_packer *packer, size_t count)
{
    pack_count(packer, 0x90, 0xdc, count);
}

void pack_map(msgpack_packer *packer, size_t count)
{
    pack_count(packer, 0x80, 0xde, count);
}

void pack_int(msgpack_packer *packer, int64_t value)
{
    uint64_t bits = (uint64_t)value;
    unsigned power;

    if (value >= -32 && value < 128) {
        pack_byte(packer, bits & 0xff);
    } else if (value > 0) {
        power = width(bits);
        pack_number(packer, 0xcc + power, bits, 1u << power);
    } else {
        power = width(~bits << 1); /* one bit more, for the sign */
        pack_number(packer, 0xd0 + power, bits, 1u << power);
    }
}

void pack_bool(msgpack_packer *packer, int value)
{
    pack_byte(packer, value ? 0xc3 : 0xc2);
}

void pack_nil(msgpack_packer *packer)
{
    pack_byte(packer, 0xc0);
}

static void pack_long_text(msgpack_packer *packer, const char *text, size_t length)
{
    unsigned power = width(length);

    pack_number(packer, 0xd9 + power, length, 1u << power);
    if (packer->callback(packer->data, text, length) != 0)
        pack_break(packer);
}

void pack_text_n(msgpack_packer *packer, const char *text, size_t length)
{
    char *to;

    if (length > PACK_FIXSTR_MAX) {
        pack_long_text(packer, text, length);
        return;
    }
    to = pack_room(packer, 1 + length);
    if (to == NULL)
        return;
    *to = (char)(PACK_FIXSTR | length);
    if (length > 0)
        memcpy(to + 1, text, length);
}

void pack_text(msgpack_packer *packer, const char *text)
{
    if (text == NULL)
        pack_nil(packer);
    else
        pack_text_n(packer, text, strlen(text));
}
