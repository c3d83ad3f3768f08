/* Values packed: the same bytes as msgpack-c's own functions make, and no memory at every byte. */
#include <criterion/criterion.h>
#include <proto/pack.h>
#include <string.h>

struct packed {
    msgpack_sbuffer ours, theirs;
    msgpack_packer mine, reference;
};

static void packed_init(struct packed *packed)
{
    msgpack_sbuffer_init(&packed->ours);
    msgpack_sbuffer_init(&packed->theirs);
    msgpack_packer_init(&packed->mine, &packed->ours, msgpack_sbuffer_write);
    msgpack_packer_init(&packed->reference, &packed->theirs, msgpack_sbuffer_write);
}

/* What was packed since the last time; forgets it. */
static void expect_same(struct packed *packed, const char *what, unsigned long long value)
{
    cr_assert_eq(packed->ours.size, packed->theirs.size, "%s %llu: %zu bytes, not %zu", what, value,
                 packed->ours.size, packed->theirs.size);
    cr_assert_arr_eq(packed->ours.data, packed->theirs.data, packed->theirs.size, "%s %llu", what,
                     value);
    packed->ours.size = packed->theirs.size = 0;
}

static void packed_deinit(struct packed *packed)
{
    cr_expect_not(pack_failed(&packed->mine));
    msgpack_sbuffer_destroy(&packed->ours);
    msgpack_sbuffer_destroy(&packed->theirs);
}

/* Every power of two, and what lies beside it, with either sign. */
Test(pack, numbers)
{
    struct packed packed;

    packed_init(&packed);
    for (unsigned bit = 0; bit < 64; bit++) {
        for (int beside = -3; beside <= 3; beside++) {
            uint64_t bits = (UINT64_C(1) << bit) + (uint64_t)beside;

            pack_int(&packed.mine, (int64_t)bits);
            pack_int(&packed.mine, (int64_t)-bits);
            msgpack_pack_int64(&packed.reference, (int64_t)bits);
            msgpack_pack_int64(&packed.reference, (int64_t)-bits);
            expect_same(&packed, "number", bits);
        }
    }
    packed_deinit(&packed);
}

static const size_t lengths[] = {0,   1,   15,  16,    17,    30,    31,    32,
                                 254, 255, 256, 65534, 65535, 65536, 100000};

Test(pack, counts)
{
    struct packed packed;

    packed_init(&packed);
    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        pack_array(&packed.mine, lengths[i]);
        pack_map(&packed.mine, lengths[i]);
        msgpack_pack_array(&packed.reference, lengths[i]);
        msgpack_pack_map(&packed.reference, lengths[i]);
        expect_same(&packed, "count", lengths[i]);
    }
    packed_deinit(&packed);
}

Test(pack, texts)
{
    static char text[100001];
    struct packed packed;

    memset(text, 'x', sizeof(text) - 1);
    packed_init(&packed);
    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        const char *end = text + sizeof(text) - 1 - lengths[i];

        pack_text_n(&packed.mine, end, lengths[i]);
        pack_key(&packed.mine, end);
        pack_text(&packed.mine, end);
        for (int times = 0; times < 3; times++) {
            msgpack_pack_str(&packed.reference, lengths[i]);
            msgpack_pack_str_body(&packed.reference, end, lengths[i]);
        }
        expect_same(&packed, "text of", lengths[i]);
    }
    packed_deinit(&packed);
}

Test(pack, the_rest)
{
    struct packed packed;

    packed_init(&packed);
    pack_text(&packed.mine, NULL);
    pack_text_n(&packed.mine, NULL, 0);
    pack_bool(&packed.mine, 2);
    pack_bool(&packed.mine, 0);
    msgpack_pack_nil(&packed.reference);
    msgpack_pack_str(&packed.reference, 0);
    msgpack_pack_true(&packed.reference);
    msgpack_pack_false(&packed.reference);
    expect_same(&packed, "value", 0);
    packed_deinit(&packed);
}

static int no_memory(void *data, const char *bytes, size_t length)
{
    const msgpack_sbuffer *buffer = data;

    return buffer->alloc - buffer->size < length ? -1 : msgpack_sbuffer_write(data, bytes, length);
}

static void pack_some(msgpack_packer *packer)
{
    pack_map(packer, 3);
    pack_kv_int(packer, "a", 70000);
    pack_kv_text(packer, "b", "a text of more than thirty-one bytes");
    pack_kv_bool(packer, "c", 1);
}

/* Room for so many bytes and no memory for more: whole values up to there, and nothing behind. */
Test(pack, a_packer_that_failed_takes_nothing_more)
{
    char whole[64], bytes[64];
    msgpack_sbuffer buffer = {.data = whole, .alloc = sizeof(whole)};
    msgpack_packer packer;

    msgpack_packer_init(&packer, &buffer, no_memory);
    pack_some(&packer);
    cr_assert_not(pack_failed(&packer));
    const size_t size = buffer.size - 2; /* all but the last values, each of one byte */
    for (size_t room = 0; room < size; room++) {
        buffer = (msgpack_sbuffer){.data = bytes, .alloc = room};
        msgpack_packer_init(&packer, &buffer, no_memory);
        pack_some(&packer);
        cr_assert(pack_failed(&packer), "with room for %zu", room);
        cr_assert_leq(buffer.size, room);
        cr_assert_arr_eq(bytes, whole, buffer.size);
        buffer.alloc = sizeof(bytes);
        const size_t packed = buffer.size;
        pack_kv_int(&packer, "d", 1);
        pack_text_n(&packer, bytes, 40);
        cr_assert_eq(buffer.size, packed, "with room for %zu", room);
    }
}

Test(pack, broken_on_purpose)
{
    struct packed packed;

    packed_init(&packed);
    pack_nil(&packed.mine);
    pack_break(&packed.mine);
    pack_nil(&packed.mine);
    cr_expect(pack_failed(&packed.mine));
    cr_expect_eq(packed.ours.size, 1);
    cr_expect_eq(msgpack_pack_nil(&packed.mine), -1, "msgpack-c's functions are refused too");
    msgpack_sbuffer_destroy(&packed.ours);
}
