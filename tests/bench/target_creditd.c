/*
 * creditd as a target: credits.consume with a stamp, as libcreditd sends it (so each is remembered
 * and would be answered again), or credits.balance.
 */
#include "load.h"

#include <assert.h>
#include <proto/frame.h>
#include <proto/message.h>
#include <proto/methods.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

struct creditd {
    bool consume;
    unsigned clients;
    msgpack_sbuffer buffer;
    struct frame_scanner *scanners;
    uint8_t (*client_ids)[16];
};

static size_t request(void *userdata, unsigned connection, uint64_t number, unsigned balance,
                      uint8_t *out)
{
    struct creditd *creditd = userdata;
    msgpack_packer packer;
    char customer[32];

    msgpack_sbuffer_clear(&creditd->buffer);
    msgpack_packer_init(&packer, &creditd->buffer, msgpack_sbuffer_write);
    snprintf(customer, sizeof(customer), "cus_%u", balance);
    message_pack_request(&creditd->buffer, (uint32_t)number,
                         creditd->consume ? "credits.consume" : "credits.balance");
    msgpack_pack_map(&packer, creditd->consume ? 4 : 2);
    pack_kv_text(&packer, "customer_id", customer);
    pack_kv_text(&packer, "product_id", "prod_tokens");
    if (creditd->consume) {
        pack_kv_int(&packer, "raw_amount", 1);
        pack_key(&packer, "stamp");
        msgpack_pack_array(&packer, 2);
        msgpack_pack_bin(&packer, 16);
        msgpack_pack_bin_body(&packer, creditd->client_ids[connection], 16);
        msgpack_pack_uint64(&packer, number + 1);
    }
    assert(creditd->buffer.size <= LOAD_REQUEST_MAX);
    memcpy(out, creditd->buffer.data, creditd->buffer.size);
    return creditd->buffer.size;
}

/* [1, msgid, error, …]: the error is nil (0xc0) right after the msgid, whose form its first byte
 * tells. */
static bool is_error(const uint8_t *frame, size_t length)
{
    size_t size = length > 2 && frame[2] == 0xcc   ? 2
                  : length > 2 && frame[2] == 0xcd ? 3
                  : length > 2 && frame[2] == 0xce ? 5
                                                   : 1;
    return 2 + size >= length || frame[2 + size] != 0xc0;
}

static long answers(void *userdata, unsigned connection, const uint8_t *data, size_t length,
                    size_t *ret_used)
{
    struct creditd *creditd = userdata;
    size_t used = 0, frame = 0;
    long count = 0;

    while (used < length && frame_scan(&creditd->scanners[connection], data + used, length - used,
                                       &frame) == FRAME_COMPLETE) {
        if (is_error(data + used, frame)) {
            fprintf(stderr, "load: creditd answered an error: %.*s\n", (int)frame,
                    (const char *)data + used);
            return -1;
        }
        used += frame;
        count++;
    }
    *ret_used = used;
    return count;
}

const struct load_target *target_creditd(bool consume, unsigned clients)
{
    static struct creditd creditd;
    static struct load_target target = {
        .request = request, .answers = answers, .userdata = &creditd};
    struct timespec time;

    creditd.consume = consume;
    creditd.clients = clients;
    creditd.scanners = calloc(clients, sizeof(*creditd.scanners));
    creditd.client_ids = calloc(clients, sizeof(*creditd.client_ids));
    if (!creditd.scanners || !creditd.client_ids)
        return NULL;
    msgpack_sbuffer_init(&creditd.buffer);
    clock_gettime(CLOCK_REALTIME, &time);
    int64_t ms = (int64_t)time.tv_sec * 1000 + time.tv_nsec / 1000000;
    for (unsigned i = 0; i < clients; i++) {
        frame_scanner_init(&creditd.scanners[i], PROTO_MESSAGE_SIZE_DEFAULT);
        if (getrandom(creditd.client_ids[i], 16, 0) != 16)
            return NULL;
        for (int byte = 0; byte < 6; byte++)
            creditd.client_ids[i][byte] = (uint8_t)(ms >> (8 * (5 - byte)));
    }
    return &target;
}
