/* Whatever a peer sends: an error or a new connection, never a crash, and always an end for the
 * call. */
#include "fake.h"
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static struct fake fake;
static struct creditd *c;
static int runs, status;

static void setup(void)
{
    fake_init(&fake);
    runs = 0;
    cr_assert_eq(engine_open(&c, "/nowhere", 0, &fake_io, &fake), 0);
}

static void teardown(void)
{
    c = creditd_close(c);
    fake_deinit(&fake);
}

TestSuite(garbage, .init = setup, .fini = teardown);

static void done(struct creditd *connection, const struct creditd_reply *reply, void *data)
{
    struct creditd_consume_result result;
    struct creditd_object object;
    struct creditd_list list;

    (void)connection;
    (void)data;
    runs++;
    status = creditd_read_consume(reply, &result);
    /* Whatever the shape: read or refused, and nothing leaks. */
    if (creditd_read_object(reply, &object) == 0)
        creditd_object_clear(&object);
    if (creditd_read_list(reply, &list) == 0)
        creditd_list_clear(&list);
}

static void ask(void)
{
    struct creditd_consume_request request = {
        .who = {.user_id = "u"}, .product_id = "p", .raw_amount = 1};

    cr_assert_eq(creditd_consume_async(c, &request, done, NULL), 0);
    fake_turn(&fake, c);
    fake_take(&fake);
}

static void answer(const void *bytes, size_t length)
{
    fake_answer_bytes(&fake, bytes, length);
    fake_turn(&fake, c);
}

struct bad {
    const char *name, *bytes;
    size_t length;
};

#define BAD(name, bytes)                                                                           \
    {                                                                                              \
        name, bytes, sizeof(bytes) - 1                                                             \
    }

static const struct bad bads[] = {
    BAD("never used byte", "\xc1"),
    BAD("no array", "\xa3yes"),
    BAD("empty array", "\x90"),
    BAD("a request to us", "\x94\x00\x01\xa4ping\x90"),
    BAD("an answer to nobody", "\x94\x01\x00\xc0\xc0"),
    BAD("an answer to an id never used", "\x94\x01\xce\xff\xff\xff\xff\xc0\xc0"),
    BAD("an error that is text", "\x94\x01\x01\xa3no!\xc0"),
    BAD("an array of 2^32-1", "\xdd\xff\xff\xff\xff"),
    BAD("a text of 4 GiB", "\x94\x01\x01\xc0\xdb\xff\xff\xff\xff"),
    BAD("too deep", "\x94\x01\x01\xc0\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91"
                    "\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91"),
    BAD("an extension", "\x94\x01\x01\xc0\xd4\x01\x00"),
};

Test(garbage, ends_the_connection_and_the_call_goes_on_with_its_stamp)
{
    for (size_t i = 0; i < sizeof bads / sizeof bads[0]; i++) {
        size_t first = fake.count;

        ask();
        answer(bads[i].bytes, bads[i].length);
        cr_assert_eq(fake.closes, (int)i + 1, "%s", bads[i].name);
        cr_assert_eq(runs, (int)i);
        fake.now += ENGINE_DELAY_MAX;
        fake_turn(&fake, c);
        fake_take(&fake);
        cr_assert_eq(fake.count, first + 2, "%s", bads[i].name);
        cr_assert_arr_eq(&fake.requests[first].stamp, &fake.requests[first + 1].stamp, 24);
        fake_answer_consume(&fake, &fake.requests[first + 1], 1, true);
        fake_turn(&fake, c);
        cr_assert_eq(runs, (int)i + 1);
        cr_assert_eq(status, 0);
    }
}

Test(garbage, an_answer_twice_ends_the_connection)
{
    ask();
    fake_answer_nil(&fake, &fake.requests[0]);
    fake_answer_nil(&fake, &fake.requests[0]);
    fake_turn(&fake, c);
    cr_assert_eq(runs, 1);
    cr_assert_eq(fake.closes, 1);
}

Test(garbage, an_answer_of_another_shape_is_told_to_its_call_alone)
{
    ask();
    fake_answer_nil(&fake, &fake.requests[0]);
    fake_turn(&fake, c);
    cr_assert_eq(status, -EPROTO);
    cr_assert_neq(fake.fd, -1);
}

Test(garbage, a_result_without_a_member_is_none)
{
    msgpack_packer p;

    ask();
    message_pack_result(&fake.answers, fake.requests[0].msgid);
    msgpack_packer_init(&p, &fake.answers, msgpack_sbuffer_write);
    msgpack_pack_map(&p, 1);
    pack_kv_int(&p, "balance", 1);
    fake_turn(&fake, c);
    cr_assert_eq(status, -EPROTO);
}

Test(garbage, an_oversized_answer_is_not_collected)
{
    static char chunk[1024 * 1024];
    const char head[] = "\x94\x01\x01\xc0\xdc\xff\xff"; /* 65535 elements of 64 KiB */
    const char text[] = "\xda\xff\xff";

    ask();
    answer(head, sizeof head - 1);
    memset(chunk, 'x', sizeof chunk);
    for (int i = 0; i < 600 && fake.fd >= 0; i++) {
        fake_answer_bytes(&fake, text, 3);
        fake_answer_bytes(&fake, chunk, 0xffff);
        for (int k = 0; k < 8 && fake.fd >= 0; k++)
            fake_turn(&fake, c);
        fake.answers.size = 0;
        fake.read = 0;
    }
    cr_assert_eq(fake.fd, -1);
    cr_assert_leq(c->input_size, 2 * ENGINE_ANSWER_MAX);
}

Test(garbage, notifications_are_for_later_versions)
{
    const char notification[] = "\x93\x02\xa5"
                                "event\x90";

    ask();
    answer(notification, sizeof notification - 1);
    cr_assert_neq(fake.fd, -1);
    fake_answer_consume(&fake, &fake.requests[0], 1, false);
    fake_turn(&fake, c);
    cr_assert_eq(status, 0);
}

Test(flipped, every_flipped_byte_of_an_answer_is_survived)
{
    for (size_t at = 0;; at++) {
        for (int bit = 0; bit < 8; bit++) {
            size_t size;

            setup();
            ask();
            fake_answer_consume(&fake, &fake.requests[0], 1, false);
            size = fake.answers.size;
            if (at == size) {
                teardown();
                return;
            }
            fake.answers.data[at] ^= (char)(1 << bit);
            for (int i = 0; i < 4; i++)
                fake_turn(&fake, c);
            fake.is_ended = true;
            fake_turn(&fake, c);
            fake.connect_error = -ECONNREFUSED;
            fake.now += CREDITD_TIMEOUT_DEFAULT;
            fake_turn(&fake, c);
            cr_assert_eq(runs, 1, "byte %zu, bit %d", at, bit);
            teardown();
        }
    }
}

static int look_at(struct creditd *connection, const struct creditd_event *event, void *data)
{
    struct creditd_event again;
    char text[16];

    (void)connection;
    (void)data;
    runs++;
    cr_assert_lt(strlen(event->id), sizeof event->id);
    cr_assert_lt(strlen(event->type), sizeof event->type);
    cr_assert_lt(strlen(event->customer_id), sizeof event->customer_id);
    for (size_t i = 0; i < creditd_value_count(event->object); i++)
        creditd_value_copy_text(creditd_value_at(event->object, i), text, sizeof text);
    creditd_value_count(event->previous);
    cr_assert_eq(creditd_event_open(event->value, &again), 0);
    cr_assert_eq(again.sequence, event->sequence);
    return 0;
}

/* One event with one byte of another value, and the end of the connection. */
static void send_event_with(size_t place, char byte)
{
    struct creditd_subscribe_request request = {.hooks = {.on_event = look_at}};

    cr_assert_eq(creditd_subscribe(c, &request), 0);
    fake_turn(&fake, c);
    fake_take(&fake);
    fake_answer_subscribed(&fake, &fake.requests[fake.count - 1], 0, 0);
    fake_turn(&fake, c);
    fake_event(&fake, 1, "credits.low");
    fake.answers.data[fake.read + place] = byte;
    fake_turn(&fake, c);
    fake.is_ended = true;
    fake_turn(&fake, c);
}

Test(garbage, events_of_any_shape)
{
    static const char bytes[] = {'\0',   '\x7f', '\x80', '\x8f', '\x90', '\xa0',
                                 '\xa5', '\xc0', '\xc1', '\xc3', '\xc4', '\xcb',
                                 '\xcf', '\xd9', '\xdc', '\xdf', '\xe0', '\xff'};
    size_t length;

    fake_event(&fake, 1, "credits.low");
    length = fake.answers.size;
    for (size_t i = 0; i < length; i++) {
        for (size_t k = 0; k < sizeof bytes; k++) {
            teardown();
            setup();
            send_event_with(i, bytes[k]);
        }
    }
    cr_assert_leq(runs, 1);
}
