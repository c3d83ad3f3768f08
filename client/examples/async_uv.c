/*
 * Many purchases at once, on a libuv loop: they leave together, and each answer comes when it
 * comes.
 *
 *     async_uv CUSTOMER PRODUCT COUNT
 */
#include <creditd.h>
#include <creditd_uv.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

struct shop {
    struct creditd_uv *adapter;
    int waiting, sold, refused;
    int64_t spent;
};

static void on_reply(struct creditd *connection, const struct creditd_reply *reply, void *data)
{
    struct shop *shop = data;
    struct creditd_consume_result result;

    (void)connection;
    if (creditd_read_consume(reply, &result) == 0) {
        shop->sold++;
        shop->spent += result.credits_deducted;
    } else {
        shop->refused++;
        fprintf(stderr, "%s\n", creditd_reply_message(reply));
    }
    if (--shop->waiting == 0)
        creditd_uv_close(shop->adapter);
}

int main(int argc, char **argv)
{
    uv_loop_t *loop = uv_default_loop();
    struct shop shop = {0};
    struct creditd *connection;
    int count;

    if (argc != 4) {
        fprintf(stderr, "usage: %s CUSTOMER PRODUCT COUNT\n", argv[0]);
        return 2;
    }
    struct creditd_consume_request request = {
        .who = {.customer_id = argv[1]}, .product_id = argv[2], .raw_amount = 1};

    count = (int)strtol(argv[3], NULL, 10);
    if (creditd_open(&connection, NULL, 0) < 0)
        return 1;
    if (creditd_uv_attach(&shop.adapter, loop, connection) < 0) {
        creditd_close(connection);
        return 1;
    }
    for (int i = 0; i < count; i++)
        if (creditd_consume_async(connection, &request, on_reply, &shop) == 0)
            shop.waiting++;
    if (shop.waiting == 0)
        creditd_uv_close(shop.adapter);
    uv_run(loop, UV_RUN_DEFAULT);
    printf("%d sold for %" PRId64 " credits, %d refused\n", shop.sold, shop.spent, shop.refused);
    return uv_loop_close(loop) == 0 && shop.sold == count ? 0 : 1;
}
