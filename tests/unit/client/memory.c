/*
 * No memory, at every single allocation in turn: an error for the call, or a new try, and never a
 * second deduction. The linker's --wrap hands the library's allocations to this file.
 */
#include "fake.h"
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *memory, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *memory, size_t size);

static long countdown = -1; /* the allocation that fails; -1: none */

static bool fails(void)
{
    return countdown >= 0 && countdown-- == 0;
}

void *__wrap_malloc(size_t size)
{
    return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return fails() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *memory, size_t size)
{
    return fails() ? NULL : __real_realloc(memory, size);
}

static struct fake fake;
static size_t answered;

/* The fake's own memory never fails. */
static void serve(struct fake *f)
{
    long left = countdown;

    countdown = -1;
    fake_take(f);
    for (; answered < f->count; answered++) {
        bool is_known = false;

        for (size_t i = 0; i < answered; i++)
            is_known |= memcmp(&f->requests[i].stamp, &f->requests[answered].stamp, 24) == 0;
        cr_assert_eq(is_known, answered > 0, "another stamp for the same call");
        fake_answer_consume(f, &f->requests[answered], 1, is_known);
    }
    countdown = left;
}

static int scenario(void)
{
    struct creditd_consume_request request = {
        .who = {.user_id = "u"}, .product_id = "p", .raw_amount = 1};
    struct creditd_consume_result result;
    struct creditd_object object;
    struct creditd_map *map;
    struct creditd *c;
    int r = engine_open(&c, "/nowhere", 0, &fake_io, &fake);

    if (r < 0)
        return r;
    map = creditd_map_new();
    if (map)
        creditd_map_text(map, "model", "large");
    request.metadata = map;
    r = map ? creditd_consume(c, &request, &result) : -ENOMEM;
    if (r == 0 && result.balance != 1)
        r = -EIO;
    /* Any map is an object. */
    if (r == 0)
        r = creditd_read_object(creditd_last(c), &object);
    if (r == 0)
        creditd_object_clear(&object);
    creditd_map_free(map);
    creditd_close(c);
    return r;
}

Test(memory, each_failing_allocation_is_an_error_or_a_new_try)
{
    int errors = 0, r;
    long left;

    for (long at = 0;; at++) {
        fake_init(&fake);
        fake.on_wait = serve;
        /* The fake's buffers are there before. */
        msgpack_sbuffer_write(&fake.sent, "x", 1);
        msgpack_sbuffer_write(&fake.answers, "x", 1);
        answered = 0;
        countdown = at;
        r = scenario();
        left = countdown;
        countdown = -1;
        cr_assert(r == 0 || r == -ENOMEM, "allocation %ld: %d", at, r);
        errors += r == -ENOMEM;
        fake_deinit(&fake);
        if (left >= 0)
            break;
        cr_assert_lt(at, 1000);
    }
    cr_assert_eq(r, 0);
    cr_assert_geq(errors, 4);
}

#define EVENTS 4

/* A daemon with so many events, which are sent behind each answer. */
static void serve_events(struct fake *f)
{
    long left = countdown;

    countdown = -1;
    fake_take(f);
    for (; answered < f->count; answered++) {
        const struct fake_request *request = &f->requests[answered];
        int64_t after = request->after < 0 ? 0 : request->after;

        if (request->connection != f->connections)
            continue;
        if (strcmp(request->method, "event.ack") == 0) {
            fake_answer_acked(f, request);
            continue;
        }
        fake_answer_subscribed(f, request, after, EVENTS);
        for (int64_t i = after + 1; i <= EVENTS; i++)
            fake_event(f, i, "credits.low");
    }
    countdown = left;
}

/* 0: each event was given once, in order. */
static int watch(void)
{
    static const char *const types[] = {"credits.*", NULL};
    struct creditd_subscribe_request request = {.subscriber = "s", .types = types};
    struct creditd_event event;
    struct creditd *c;
    int r = engine_open(&c, "/nowhere", 0, &fake_io, &fake);

    if (r < 0)
        return r;
    r = creditd_subscribe(c, &request);
    for (int64_t i = 1; r == 0 && i <= EVENTS; i++) {
        r = creditd_event_next(c, &event, -1);
        cr_assert_eq(r, 0, "%d: %s", r, creditd_reply_message(creditd_last(c)));
        cr_assert_eq(event.sequence, i);
    }
    creditd_close(c);
    return r;
}

Test(memory, no_event_is_lost_or_given_twice)
{
    int errors = 0, r;
    long left;

    for (long at = 0;; at++) {
        fake_init(&fake);
        fake.on_wait = serve_events;
        msgpack_sbuffer_write(&fake.sent, "x", 1);
        msgpack_sbuffer_write(&fake.answers, "x", 1);
        fake.sent.size = 0; /* it is looked at before there is a connection */
        answered = 0;
        countdown = at;
        r = watch();
        left = countdown;
        countdown = -1;
        cr_assert(r == 0 || r == -ENOMEM, "allocation %ld: %d", at, r);
        errors += r == -ENOMEM;
        fake_deinit(&fake);
        if (left >= 0)
            break;
        cr_assert_lt(at, 1000);
    }
    cr_assert_eq(r, 0);
    cr_assert_geq(errors, 2);
}
