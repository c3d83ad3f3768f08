/*
 * creditd as a target: credits.consume with a stamp, as libcreditd sends it (so each is remembered
 * and would be answered again), or credits.balance.
 */
#include "load.h"

#include <endian.h>
#include <proto/frame.h>
#include <proto/message.h>
#include <proto/methods.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

/* Where a prepared request has what is filled in: both numbers are packed at their full width, and
 * the stamp comes last. */
#define MSGID_AT 3
#define COUNTER_SIZE 8
#define STAMP_SIZE (16 + 1 + COUNTER_SIZE) /* client id, and the counter with its first byte */

struct creditd {
    bool consume;
    struct prepared *requests; /* by balance */
    struct frame_scanner *scanners;
    uint8_t (*client_ids)[16];
};

static int prepare(struct creditd *creditd, unsigned balance)
{
    struct prepared *request = &creditd->requests[balance];
    msgpack_sbuffer buffer;
    msgpack_packer packer;
    char customer[32];

    msgpack_sbuffer_init(&buffer);
    msgpack_packer_init(&packer, &buffer, msgpack_sbuffer_write);
    snprintf(customer, sizeof(customer), "cus_%u", balance);
    message_pack_request(&buffer, UINT32_MAX,
                         creditd->consume ? "credits.consume" : "credits.balance");
    pack_map(&packer, creditd->consume ? 4 : 2);
    pack_kv_text(&packer, "customer_id", customer);
    pack_kv_text(&packer, "product_id", "prod_tokens");
    if (creditd->consume) {
        pack_kv_int(&packer, "raw_amount", 1);
        pack_key(&packer, "stamp");
        pack_array(&packer, 2);
        msgpack_pack_bin(&packer, 16);
        msgpack_pack_bin_body(&packer, creditd->client_ids[0], 16);
        pack_int(&packer, INT64_MAX);
    }
    bool fits = !pack_failed(&packer) && buffer.size <= sizeof(request->bytes);
    if (fits) {
        memcpy(request->bytes, buffer.data, buffer.size);
        request->length = buffer.size;
    }
    msgpack_sbuffer_destroy(&buffer);
    return fits ? 0 : -1;
}

static size_t request(void *userdata, unsigned connection, uint64_t number, unsigned balance,
                      uint8_t *out)
{
    const struct creditd *creditd = userdata;
    const struct prepared *request = &creditd->requests[balance];
    uint32_t msgid = htobe32((uint32_t)number);
    uint64_t counter = htobe64(number + 1);
    uint8_t *end = out + request->length;

    memcpy(out, request->bytes, request->length);
    memcpy(out + MSGID_AT, &msgid, sizeof(msgid));
    if (creditd->consume) {
        memcpy(end - STAMP_SIZE, creditd->client_ids[connection], 16);
        memcpy(end - COUNTER_SIZE, &counter, COUNTER_SIZE);
    }
    return request->length;
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

static int draw_client_ids(struct creditd *creditd, unsigned clients)
{
    struct timespec time;

    clock_gettime(CLOCK_REALTIME, &time);
    int64_t ms = (int64_t)time.tv_sec * 1000 + time.tv_nsec / 1000000;
    for (unsigned i = 0; i < clients; i++) {
        if (getrandom(creditd->client_ids[i], 16, 0) != 16)
            return -1;
        for (int byte = 0; byte < 6; byte++)
            creditd->client_ids[i][byte] = (uint8_t)(ms >> (8 * (5 - byte)));
    }
    return 0;
}

const struct load_target *target_creditd(bool consume, unsigned clients, unsigned balances)
{
    static struct creditd creditd;
    static struct load_target target = {
        .request = request, .answers = answers, .userdata = &creditd};

    creditd.consume = consume;
    creditd.requests = calloc(balances, sizeof(*creditd.requests));
    creditd.scanners = calloc(clients, sizeof(*creditd.scanners));
    creditd.client_ids = calloc(clients, sizeof(*creditd.client_ids));
    if (!creditd.requests || !creditd.scanners || !creditd.client_ids ||
        draw_client_ids(&creditd, clients) < 0)
        return NULL;
    for (unsigned i = 0; i < clients; i++)
        frame_scanner_init(&creditd.scanners[i], PROTO_MESSAGE_SIZE_DEFAULT);
    for (unsigned i = 0; i < balances; i++)
        if (prepare(&creditd, i) < 0)
            return NULL;
    return &target;
}
