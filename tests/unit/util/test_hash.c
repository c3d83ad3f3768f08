#include "hash_private.h"
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <util/hash.h>
#include <util/macros.h>

/* vectors_sip128 of the reference implementation: key 00 01 … 0f, message n is 00 01 … n-1. */
static const char *const siphash_vectors[] = {
    "a3817f04ba25a8e66df67214c7550293", "da87c1d86b99af44347659119b22fc45",
    "8177228da4a45dc7fca38bdef60affe4", "9c70b60c5267a94e5f33b6b02985ed51",
    "f88164c12d9c8faf7d0f6e7c7bcd5579", "1368875980776f8854527a07690e9627",
    "14eeca338b208613485ea0308fd7a15e", "a1f1ebbed8dbc153c0b84aa61ff08239",
    "3b62a9ba6258f5610f83e264f31497b4", "264499060ad9baabc47f8b02bb6d71ed",
    "00110dc378146956c95447d3f3d0fbba", "0151c568386b6677a2b4dc6f81e5dc18",
    "d626b266905ef35882634df68532c125", "9869e247e9c08b10d029934fc4b952f7",
    "31fcefac66d7de9c7ec7485fe4494902", "5493e99933b0a8117e08ec0f97cfc3d9",
    "6ee2a4ca67b054bbfd3315bf85230577", "473d06e8738db89854c066c47ae47740",
    "a426e5e423bf4885294da481feaef723", "78017731cf65fab074d5208952512eb1",
    "9e25fc833f2290733e9344a5e83839eb", "568e495abe525a218a2214cd3e071d12",
    "4a29b54552d16b9a469c10528eff0aae", "c9d184ddd5a9f5e0cf8ce29a9abf691c",
    "2db479ae78bd50d8882a8a178a6132ad", "8ece5f042d5e447b5051b9eacb8d8f6f",
    "9c0b53b4b3c307e87eaee08678141f66", "abf248af69a6eae4bfd3eb2f129eeb94",
    "0664da1668574b88b935f3027358aef4", "aa4b9dc4bf337de90cd4fd3c467c6ab7",
    "ea5c7f471faf6bde2b1ad7d4686d2287", "2939b0183223fafc1723de4f52c43d35",
    "7c3956ca5eeafc3e363e9d556546eb68", "77c6077146f01c32b6b69d5f4ea9ffcf",
    "37a6986cb8847edf0925f0f1309b54de", "a705f0e69da9a8f907241a2e923c8cc8",
    "3dc47d1f29c448461e9e76ed904f6711", "0d62bf01e6fc0e1a0d3c4751c5d3692b",
    "8c03468bca7c669ee4fd5e084bbee7b5", "528a5bb93baf2c9c4473cce5d0d22bd9",
    "df6a301e95c95dad97ae0cc8c6913bd8", "801189902c857f39e73591285e70b6db",
    "e617346ac9c231bb3650ae34ccca0c5b", "27d93437efb721aa401821dcec5adf89",
    "89237d9ded9c5e78d8b1c9b166cc7342", "4a6d8091bf5e7d651189fa94a250b14c",
    "0e33f96055e7ae893ffc0e3dcf492902", "e61c432b720b19d18ec8d84bdc63151b",
    "f7e5aef549f782cf379055a608269b16", "438d030fd0b7a54fa837f2ad201a6403",
    "a590d3ee4fbf04e3247e0d27f286423f", "5fe2c1a172fe93c4b15cd37caef9f538",
    "2c97325cbd06b36eb2133dd08b3a017c", "92c814227a6bca949ff0659f002ad39e",
    "dce850110bd8328cfbd50841d6911d87", "67f14984c7da791248e32bb5922583da",
    "1938f2cf72d54ee97e94166fa91d2a36", "74481e9646ed49fe0f6224301604698e",
    "57fca5de98a9d6d8006438d0583d8a1d", "9fecde1cefdc1cbed4763674d9575359",
    "e3040c00eb28f15366ca73cbd872e740", "7697009a6a831dfecca91c5993670f7a",
    "5853542321f567a005d547a4f04759bd", "5150d1772f50834a503e069a973fbd7c",
};

static const struct hash_key reference_key = {
    {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}};

static void format_hash(struct hash128 hash, char *text)
{
    uint64_t words[2] = {hash.low, hash.high};

    for (unsigned i = 0; i < 16; i++)
        sprintf(text + 2 * i, "%02x", (unsigned)(words[i / 8] >> (8 * (i % 8))) & 0xff);
}

Test(hash, siphash_reference_vectors)
{
    uint8_t message[ARRAY_SIZE(siphash_vectors)];

    for (size_t i = 0; i < ARRAY_SIZE(siphash_vectors); i++) {
        char text[33];

        format_hash(hash_bytes(&reference_key, message, i), text);
        cr_assert_str_eq(text, siphash_vectors[i], "length %zu", i);
        message[i] = (uint8_t)i;
    }
}

/* What hash_pair promises, spelled out: the length of the first in eight bytes, the first, the
 * second. */
Test(hash, pair_is_the_hash_of_length_first_second)
{
    for (size_t first = 0; first < 20; first++) {
        for (size_t second = 0; second < 20; second++) {
            uint8_t joined[8 + 40] = {(uint8_t)first};
            struct hash128 a, b;

            for (size_t i = 0; i < first + second; i++)
                joined[8 + i] = (uint8_t)(i * 7 + 1);
            a = hash_bytes(&reference_key, joined, 8 + first + second);
            b = hash_pair(&reference_key, joined + 8, first, joined + 8 + first, second);
            cr_assert(a.low == b.low && a.high == b.high, "%zu and %zu", first, second);
        }
    }
}

Test(hash, pair_knows_where_the_first_ends)
{
    struct hash128 a = hash_pair(&reference_key, "ab", 2, "c", 1);
    struct hash128 b = hash_pair(&reference_key, "a", 1, "bc", 2);

    cr_assert(a.low != b.low && a.high != b.high);
}

Test(hash, the_key_counts)
{
    struct hash_key other = reference_key;
    struct hash128 a, b;

    other.bytes[15] ^= 1;
    a = hash_bytes(&reference_key, "creditd", 7);
    b = hash_bytes(&other, "creditd", 7);
    cr_assert(a.low != b.low && a.high != b.high);
}

typedef uint32_t crc_function(uint32_t crc, const void *data, size_t length);

/* RFC 3720, B.4, and the customary check value. */
static void check_crc_vectors(crc_function *crc)
{
    static const uint8_t read_command[48] = {
        0x01, 0xc0, [16] = 0x14, [22] = 0x04, [27] = 0x14, [31] = 0x18, [32] = 0x28, [40] = 0x02};
    uint8_t data[32];

    memset(data, 0, sizeof(data));
    cr_assert_eq(crc(0, data, sizeof(data)), 0x8a9136aa);
    memset(data, 0xff, sizeof(data));
    cr_assert_eq(crc(0, data, sizeof(data)), 0x62a8ab43);
    for (uint8_t i = 0; i < sizeof(data); i++)
        data[i] = i;
    cr_assert_eq(crc(0, data, sizeof(data)), 0x46dd794e);
    for (uint8_t i = 0; i < sizeof(data); i++)
        data[i] = (uint8_t)(31 - i);
    cr_assert_eq(crc(0, data, sizeof(data)), 0x113fdb5c);
    cr_assert_eq(crc(0, read_command, sizeof(read_command)), 0xd9963a56);
    cr_assert_eq(crc(0, "123456789", 9), 0xe3069283);
    cr_assert_eq(crc(0, "", 0), 0);
}

Test(hash, crc32c_vectors)
{
    check_crc_vectors(crc32c);
}

Test(hash, crc32c_vectors_without_the_instruction)
{
    check_crc_vectors(crc32c_portable);
}

Test(hash, crc32c_both_ways_agree_at_every_length_and_alignment)
{
    uint8_t data[300];

    if (!crc32c_hardware_available())
        cr_skip("this CPU has no CRC instruction");
    for (size_t i = 0; i < sizeof(data); i++)
        data[i] = (uint8_t)(i * i + 3 * i);
    for (size_t start = 0; start < 16; start++)
        for (size_t length = 0; start + length <= sizeof(data); length++)
            cr_assert_eq(crc32c_hardware(77, data + start, length),
                         crc32c_portable(77, data + start, length));
}

Test(hash, crc32c_goes_on_from_any_point)
{
    const char text[] = "the sum of the whole is the sum of its parts, in order";
    uint32_t whole = crc32c(0, text, sizeof(text));

    for (size_t cut = 0; cut <= sizeof(text); cut++)
        cr_assert_eq(crc32c(crc32c(0, text, cut), text + cut, sizeof(text) - cut), whole);
}
