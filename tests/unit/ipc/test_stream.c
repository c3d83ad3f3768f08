/* A stream over a socket pair, whose other end does as it likes. */
#include "splitmix.h"
#include "stream_private.h"
#include "world.h"
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

/* A stream, and what has happened to it. What it does with a message is told by the fields. */
struct subject {
    struct world world;
    struct ipc_stream *stream;
    int peer;
    unsigned messages, protocol_errors, ends, idles, closed;
    unsigned depth; /* of on_message: must not nest */
    unsigned drained;
    uint32_t last_msgid;
    enum ipc_close_reason reason;
    struct ipc_protocol_error error;

    bool answer;        /* each message with a result */
    bool check_quiet;   /* nothing is written while messages are dispatched */
    bool keep_idle;     /* on_idle says no */
    unsigned pause_at;  /* pauses at that message */
    unsigned resume_at; /* resumes within that message */
    unsigned close_at;  /* closes at that message */
    unsigned drain_at;
};

static void answer(struct subject *subject, uint32_t msgid)
{
    msgpack_sbuffer *buffer = ipc_stream_output(subject->stream);
    msgpack_packer packer;

    msgpack_packer_init(&packer, buffer, msgpack_sbuffer_write);
    cr_assert_eq(message_pack_result(buffer, msgid), 0);
    pack_nil(&packer);
    ipc_stream_flush(subject->stream);
}

static void on_message(struct ipc_stream *stream, const struct message *message, void *userdata)
{
    struct subject *subject = userdata;

    cr_assert_eq(subject->closed, 0, "a message after the end");
    cr_assert_eq(subject->depth++, 0, "a message within a message");
    subject->messages++;
    subject->last_msgid = message->msgid;
    if (subject->answer)
        answer(subject, message->msgid);
    if (subject->check_quiet)
        cr_assert(peer_is_quiet(subject->peer));
    if (subject->messages == subject->pause_at)
        ipc_stream_pause(stream);
    if (subject->messages == subject->resume_at) {
        ipc_stream_pause(stream);
        ipc_stream_resume(stream);
    }
    if (subject->messages == subject->close_at)
        ipc_stream_close(stream);
    if (subject->messages == subject->drain_at)
        ipc_stream_drain(stream);
    subject->depth--;
}

static void on_protocol_error(struct ipc_stream *stream, const struct ipc_protocol_error *error,
                              void *userdata)
{
    struct subject *subject = userdata;

    subject->protocol_errors++;
    subject->error = *error;
    cr_assert_eq(message_pack_error(ipc_stream_output(stream), error->msgid,
                                    PROTO_ERROR_INVALID_REQUEST, error->reason, NULL, NULL),
                 0);
}

static bool on_idle(struct ipc_stream *stream, void *userdata)
{
    struct subject *subject = userdata;

    (void)stream;
    subject->idles++;
    return !subject->keep_idle;
}

static void on_end(struct ipc_stream *stream, void *userdata)
{
    struct subject *subject = userdata;

    (void)stream;
    subject->ends++;
}

static void on_drained(struct ipc_stream *stream, void *userdata)
{
    struct subject *subject = userdata;

    cr_assert_eq(ipc_stream_queued(stream), 0);
    subject->drained++;
}

static void on_closed(struct ipc_stream *stream, enum ipc_close_reason reason, void *userdata)
{
    struct subject *subject = userdata;

    /* Still allowed, to no effect. */
    ipc_stream_close(stream);
    ipc_stream_flush(stream);
    ipc_stream_resume(stream);
    subject->closed++;
    subject->reason = reason;
}

static void subject_init_with(struct subject *subject, const struct ipc_stream_options *options,
                              const struct ipc_stream_callbacks *callbacks)
{
    int fds[2];

    memset(subject, 0, sizeof(*subject));
    world_init(&subject->world);
    pair_new(fds);
    subject->peer = fds[1];
    cr_assert_eq(
        ipc_stream_new(&subject->world.loop, fds[0], options, callbacks, subject, &subject->stream),
        0);
}

static void subject_init(struct subject *subject, const struct ipc_stream_options *options)
{
    struct ipc_stream_callbacks callbacks = {.on_message = on_message,
                                             .on_protocol_error = on_protocol_error,
                                             .on_idle = on_idle,
                                             .on_drained = on_drained,
                                             .on_closed = on_closed};

    subject_init_with(subject, options, &callbacks);
}

static void subject_deinit(struct subject *subject)
{
    if (subject->closed == 0) {
        ipc_stream_close(subject->stream);
        world_until(&subject->world, &subject->closed, 1);
    }
    world_settle(&subject->world);
    cr_assert_eq(subject->closed, 1, "on_closed came %u times", subject->closed);
    if (subject->peer >= 0)
        close(subject->peer);
    world_deinit(&subject->world);
}

static void send_pings(struct subject *subject, unsigned count)
{
    msgpack_sbuffer buffer;

    msgpack_sbuffer_init(&buffer);
    for (unsigned i = 0; i < count; i++)
        pack_ping(&buffer, i, 10);
    peer_send(subject->peer, buffer.data, buffer.size);
    msgpack_sbuffer_destroy(&buffer);
}

Test(stream, a_message_may_come_a_byte_at_a_time)
{
    msgpack_sbuffer buffer;
    struct subject subject;

    subject_init(&subject, NULL);
    msgpack_sbuffer_init(&buffer);
    pack_ping(&buffer, 77, 10);
    for (size_t i = 0; i < buffer.size; i++) {
        cr_expect_eq(subject.messages, 0);
        peer_send(subject.peer, buffer.data + i, 1);
        world_settle(&subject.world);
    }
    cr_expect_eq(subject.messages, 1);
    cr_expect_eq(subject.last_msgid, 77);
    msgpack_sbuffer_destroy(&buffer);
    subject_deinit(&subject);
}

Test(stream, many_messages_in_one_read_are_answered_with_one_write)
{
    struct subject subject;
    size_t length;
    uint8_t *data;
    bool end;

    subject_init(&subject, NULL);
    subject.answer = subject.check_quiet = true;
    send_pings(&subject, 100);
    world_until(&subject.world, &subject.messages, 100);
    data = peer_read(subject.peer, &length, &end);
    cr_expect_eq(length, 100 * 5, "%zu bytes", length);
    cr_expect_eq(data[5 * 99 + 2], 99);
    cr_expect_not(end);
    free(data);
    subject_deinit(&subject);
}

Test(stream, a_pause_holds_what_was_received)
{
    struct subject subject;

    subject_init(&subject, NULL);
    subject.pause_at = 2;
    send_pings(&subject, 5);
    world_until(&subject.world, &subject.messages, 2);
    world_settle(&subject.world);
    cr_expect_eq(subject.messages, 2);
    ipc_stream_resume(subject.stream);
    cr_expect_eq(subject.messages, 2, "dispatched from within resume");
    world_until(&subject.world, &subject.messages, 5);
    cr_expect_eq(subject.last_msgid, 4);
    subject_deinit(&subject);
}

Test(stream, a_paused_stream_reads_nothing)
{
    struct subject subject;
    int unread = 0;

    subject_init(&subject, NULL);
    ipc_stream_pause(subject.stream);
    send_pings(&subject, 3);
    world_settle(&subject.world);
    cr_expect_eq(subject.messages, 0);
    cr_assert_eq(uv_fileno((uv_handle_t *)&subject.stream->pipe, &unread), 0);
    cr_assert_eq(ioctl(unread, FIONREAD, &unread), 0);
    cr_expect_gt(unread, 0);
    ipc_stream_resume(subject.stream);
    ipc_stream_pause(subject.stream);
    world_settle(&subject.world);
    cr_expect_eq(subject.messages, 0, "resumed and paused is paused");
    ipc_stream_resume(subject.stream);
    world_until(&subject.world, &subject.messages, 3);
    subject_deinit(&subject);
}

Test(stream, a_resume_within_a_message_does_not_nest)
{
    struct subject subject;

    subject_init(&subject, NULL);
    subject.resume_at = 2;
    send_pings(&subject, 5);
    world_until(&subject.world, &subject.messages, 5);
    subject_deinit(&subject);
}

Test(stream, a_slow_reader_is_cut_off)
{
    struct ipc_stream_options options = {.write_limit = 100000};
    struct subject subject;
    unsigned rounds = 0;

    subject_init(&subject, &options);
    while (subject.closed == 0 && rounds++ < 1000) {
        pack_ping(ipc_stream_output(subject.stream), 1, 10000);
        ipc_stream_flush(subject.stream);
        cr_assert_leq(ipc_stream_queued(subject.stream), options.write_limit);
        world_settle(&subject.world);
    }
    world_until(&subject.world, &subject.closed, 1);
    cr_expect_eq(subject.reason, IPC_CLOSED_SLOW);
    cr_expect_gt(rounds, 10, "before the limit");
    subject_deinit(&subject);
}

/* Reads until nothing is queued; how much it was. */
static size_t catch_up(struct subject *subject)
{
    size_t received = 0, length;
    bool end = false;

    do {
        world_settle(&subject->world);
        free(peer_read(subject->peer, &length, &end));
        received += length;
        cr_assert_eq(subject->closed, 0);
        cr_assert_not(end);
    } while (length > 0 || ipc_stream_queued(subject->stream) > 0);
    return received;
}

Test(stream, a_reader_that_catches_up_is_not)
{
    struct ipc_stream_options options = {.write_limit = 1000000};
    struct subject subject;
    size_t sent = 0, received = 0;

    subject_init(&subject, &options);
    for (int i = 0; i < 200; i++) {
        size_t before = ipc_stream_output(subject.stream)->size;

        pack_ping(ipc_stream_output(subject.stream), 1, 30000);
        sent += ipc_stream_output(subject.stream)->size - before;
        ipc_stream_flush(subject.stream);
        if (i % 16 == 15)
            received += catch_up(&subject);
    }
    received += catch_up(&subject);
    cr_expect_eq(received, sent);
    subject_deinit(&subject);
}

/* Once each time, and not where the socket took everything at once. */
Test(stream, an_owner_that_waits_is_told_when_all_is_written)
{
    struct ipc_stream_options options = {.write_limit = 10000000};
    struct subject subject;

    subject_init(&subject, &options);
    for (unsigned round = 1; round <= 3; round++) {
        pack_ping(ipc_stream_output(subject.stream), 1, 100);
        ipc_stream_flush(subject.stream);
        world_settle(&subject.world);
        cr_expect_eq(subject.drained, round - 1);
        pack_ping(ipc_stream_output(subject.stream), 1, 900000);
        ipc_stream_flush(subject.stream);
        cr_assert_gt(ipc_stream_queued(subject.stream), 0);
        (void)catch_up(&subject);
        cr_expect_eq(subject.drained, round);
    }
    subject_deinit(&subject);
}

Test(stream, the_peer_closes)
{
    struct subject subject;

    subject_init(&subject, NULL);
    send_pings(&subject, 3);
    close(subject.peer);
    subject.peer = -1;
    world_until(&subject.world, &subject.closed, 1);
    cr_expect_eq(subject.messages, 3);
    cr_expect_eq(subject.reason, IPC_CLOSED_PEER);
    subject_deinit(&subject);
}

Test(stream, the_peer_closes_in_the_middle_of_a_message)
{
    struct subject subject;

    subject_init(&subject, NULL);
    peer_send(subject.peer, "\x94\x00\x01\xa4pi", 6);
    close(subject.peer);
    subject.peer = -1;
    world_until(&subject.world, &subject.closed, 1);
    cr_expect_eq(subject.messages, 0);
    cr_expect_eq(subject.reason, IPC_CLOSED_TRUNCATED);
    subject_deinit(&subject);
}

Test(stream, a_peer_that_only_reads_on_gets_its_answers)
{
    struct ipc_stream_callbacks callbacks = {
        .on_message = on_message, .on_end = on_end, .on_closed = on_closed};
    struct subject subject;
    size_t length;
    bool end;

    subject_init_with(&subject, NULL, &callbacks);
    send_pings(&subject, 3);
    shutdown(subject.peer, SHUT_WR);
    world_until(&subject.world, &subject.ends, 1);
    world_settle(&subject.world);
    ipc_stream_pause(subject.stream);
    ipc_stream_resume(subject.stream);
    world_settle(&subject.world);
    cr_expect_eq(subject.ends, 1);
    answer(&subject, 7);
    ipc_stream_drain(subject.stream);
    world_until(&subject.world, &subject.closed, 1);
    free(peer_read(subject.peer, &length, &end));
    cr_expect_eq(length, 5);
    cr_expect(end);
    subject_deinit(&subject);
}

/* Bytes, the id that the error is for (-1: none), words of the reason. */
static const struct {
    const char *bytes;
    size_t length;
    int64_t msgid;
    const char *reason;
} refused[] = {
    {"\xc1", 1, -1, "MessagePack"},
    {"GET / HTTP/1.1\r\n\r\n", 18, -1, "not an array"},
    {"\x91\xdb\xff\xff\xff\xff", 6, -1, "size limit"},
    {"\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91", 17, -1, "deep"},
    {"\x94\x00\x05\xc0\x91\x80", 6, 5, "method"},
    {"\x94\x00\x05\xa4ping\x91\xc0", 10, 5, "map"},
};

Test(stream, malformed_bytes_get_one_error_and_the_end)
{
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        struct subject subject;
        uint8_t *data;
        size_t length;
        bool end;

        subject_init(&subject, NULL);
        send_pings(&subject, 2);
        peer_send(subject.peer, refused[i].bytes, refused[i].length);
        send_pings(&subject, 2);
        world_until(&subject.world, &subject.closed, 1);
        cr_expect_eq(subject.messages, 2);
        cr_expect_eq(subject.protocol_errors, 1);
        cr_expect_eq(subject.reason, IPC_CLOSED_PROTOCOL);
        cr_expect_eq(subject.error.has_msgid, refused[i].msgid >= 0);
        cr_expect_not_null(strstr(subject.error.reason, refused[i].reason), "%s",
                           subject.error.reason);
        data = peer_read(subject.peer, &length, &end);
        cr_expect_gt(length, 20, "no error was sent");
        cr_expect_eq(data[2], refused[i].msgid >= 0 ? refused[i].msgid : 0);
        cr_expect(end);
        free(data);
        subject_deinit(&subject);
    }
}

Test(stream, a_message_over_the_streams_own_limit)
{
    struct ipc_stream_options options = {.message_size = 1000};
    msgpack_sbuffer buffer;
    struct subject subject;

    subject_init(&subject, &options);
    msgpack_sbuffer_init(&buffer);
    pack_ping(&buffer, 1, 900);
    pack_ping(&buffer, 2, 1000);
    peer_send(subject.peer, buffer.data, buffer.size);
    world_until(&subject.world, &subject.closed, 1);
    cr_expect_eq(subject.messages, 1);
    cr_expect_eq(subject.reason, IPC_CLOSED_PROTOCOL);
    msgpack_sbuffer_destroy(&buffer);
    subject_deinit(&subject);
}

Test(stream, closing_within_a_message_ends_the_messages)
{
    struct subject subject;

    subject_init(&subject, NULL);
    subject.answer = true;
    subject.close_at = 2;
    send_pings(&subject, 5);
    world_until(&subject.world, &subject.closed, 1);
    cr_expect_eq(subject.messages, 2);
    cr_expect_eq(subject.reason, IPC_CLOSED_LOCAL);
    subject_deinit(&subject);
}

Test(stream, closing_twice_is_closing_once)
{
    struct subject subject;

    subject_init(&subject, NULL);
    ipc_stream_close(subject.stream);
    ipc_stream_close(subject.stream);
    ipc_stream_drain(subject.stream);
    ipc_stream_pause(subject.stream);
    ipc_stream_resume(subject.stream);
    ipc_stream_flush_soon(subject.stream);
    pack_ping(ipc_stream_output(subject.stream), 1, 10);
    ipc_stream_flush(subject.stream);
    cr_expect_eq(subject.closed, 0, "on_closed from within close");
    world_until(&subject.world, &subject.closed, 1);
    subject_deinit(&subject);
}

Test(stream, draining_within_a_message_still_answers_it)
{
    struct subject subject;
    size_t length;
    bool end;

    subject_init(&subject, NULL);
    subject.answer = true;
    subject.drain_at = 2;
    send_pings(&subject, 5);
    world_until(&subject.world, &subject.closed, 1);
    cr_expect_eq(subject.messages, 2);
    cr_expect_eq(subject.reason, IPC_CLOSED_LOCAL);
    free(peer_read(subject.peer, &length, &end));
    cr_expect_eq(length, 10);
    cr_expect(end);
    subject_deinit(&subject);
}

Test(stream, draining_writes_all_that_is_queued)
{
    struct subject subject;
    size_t expected, received = 0;
    bool end = false;

    subject_init(&subject, NULL);
    for (int i = 0; i < 40; i++)
        pack_ping(ipc_stream_output(subject.stream), 1, 50000);
    expected = ipc_stream_output(subject.stream)->size;
    ipc_stream_drain(subject.stream);
    world_settle(&subject.world);
    cr_expect_eq(subject.closed, 0);
    cr_expect_gt(ipc_stream_queued(subject.stream), 0);
    while (!end) {
        size_t length;
        free(peer_read(subject.peer, &length, &end));
        received += length;
        world_settle(&subject.world);
    }
    cr_expect_eq(received, expected);
    world_until(&subject.world, &subject.closed, 1);
    cr_expect_eq(subject.reason, IPC_CLOSED_LOCAL);
    subject_deinit(&subject);
}

Test(stream, the_first_reason_to_end_is_told)
{
    struct subject subject;

    subject_init(&subject, NULL);
    pack_ping(ipc_stream_output(subject.stream), 1, 2000000);
    ipc_stream_drain(subject.stream);
    world_settle(&subject.world);
    close(subject.peer);
    subject.peer = -1;
    world_until(&subject.world, &subject.closed, 1);
    cr_expect_eq(subject.reason, IPC_CLOSED_LOCAL);
    subject_deinit(&subject);
}

Test(stream, draining_takes_no_longer_than_it_may)
{
    struct ipc_stream_options options = {.drain_ms = 20};
    struct subject subject;

    subject_init(&subject, &options);
    pack_ping(ipc_stream_output(subject.stream), 1, 2000000);
    ipc_stream_drain(subject.stream);
    world_until(&subject.world, &subject.closed, 1);
    subject_deinit(&subject);
}

Test(stream, an_idle_stream_ends)
{
    struct ipc_stream_options options = {.idle_ms = 20};
    struct subject subject;

    subject_init(&subject, &options);
    world_until(&subject.world, &subject.closed, 1);
    cr_expect_eq(subject.reason, IPC_CLOSED_IDLE);
    cr_expect_eq(subject.idles, 1);
    subject_deinit(&subject);
}

Test(stream, an_idle_stream_stays_where_its_owner_says_so)
{
    struct ipc_stream_options options = {.idle_ms = 5};
    struct subject subject;

    subject_init(&subject, &options);
    subject.keep_idle = true;
    world_until(&subject.world, &subject.idles, 3);
    cr_expect_eq(subject.closed, 0);
    subject_deinit(&subject);
}

Test(stream, a_peer_that_never_reads_is_no_less_idle)
{
    struct ipc_stream_options options = {.idle_ms = 5};
    struct subject subject;

    subject_init(&subject, &options);
    subject.keep_idle = true;
    pack_ping(ipc_stream_output(subject.stream), 1, 1000000);
    ipc_stream_flush(subject.stream);
    world_until(&subject.world, &subject.closed, 1);
    cr_expect_eq(subject.reason, IPC_CLOSED_SLOW);
    cr_expect_eq(subject.idles, 0);
    subject_deinit(&subject);
}

Test(stream, a_paused_stream_is_not_idle)
{
    struct ipc_stream_options options = {.idle_ms = 1};
    struct subject subject;

    subject_init(&subject, &options);
    ipc_stream_pause(subject.stream);
    for (int turn = 0; turn < 5; turn++)
        uv_run(&subject.world.loop, UV_RUN_ONCE); /* its timer is all that there is */
    cr_expect_eq(subject.closed, 0);
    cr_expect_eq(subject.idles, 0);
    ipc_stream_resume(subject.stream);
    world_until(&subject.world, &subject.closed, 1);
    cr_expect_eq(subject.reason, IPC_CLOSED_IDLE);
    subject_deinit(&subject);
}

Test(stream, flush_soon_writes_once_in_the_next_turn)
{
    struct subject subject;
    size_t length;
    bool end;

    subject_init(&subject, NULL);
    for (int i = 0; i < 3; i++) {
        pack_ping(ipc_stream_output(subject.stream), 1, 10);
        ipc_stream_flush_soon(subject.stream);
    }
    cr_expect(peer_is_quiet(subject.peer));
    uv_run(&subject.world.loop, UV_RUN_NOWAIT);
    free(peer_read(subject.peer, &length, &end));
    cr_expect_gt(length, 30);
    cr_expect_eq(ipc_stream_queued(subject.stream), 0);
    subject_deinit(&subject);
}

Test(stream, what_was_dispatched_is_wiped)
{
    struct subject subject;
    msgpack_sbuffer buffer;

    subject_init(&subject, NULL);
    msgpack_sbuffer_init(&buffer);
    pack_ping(&buffer, 1, 5000);
    pack_ping(&buffer, 2, 5000);
    peer_send(subject.peer, buffer.data, buffer.size - 1);
    world_until(&subject.world, &subject.messages, 1);
    peer_send(subject.peer, buffer.data + buffer.size - 1, 1);
    world_until(&subject.world, &subject.messages, 2);
    world_settle(&subject.world);
    cr_expect_null(memchr(subject.stream->input, 'x', subject.stream->input_alloc / 4));
    cr_expect_null(memmem(subject.stream->input, buffer.size, "padding", 7));
    msgpack_sbuffer_destroy(&buffer);
    subject_deinit(&subject);
}

Test(stream, big_buffers_are_given_back)
{
    struct subject subject;
    msgpack_sbuffer buffer;
    size_t sent = 0, length;
    bool end;

    subject_init(&subject, NULL);
    msgpack_sbuffer_init(&buffer);
    pack_ping(&buffer, 1, 900000);
    while (sent < buffer.size) {
        size_t step = buffer.size - sent < 50000 ? buffer.size - sent : 50000;
        peer_send(subject.peer, buffer.data + sent, step);
        world_settle(&subject.world);
        sent += step;
    }
    cr_expect_eq(subject.messages, 1);
    cr_expect_gt(subject.stream->input_alloc, 900000);
    cr_expect_leq(subject.stream->input_alloc, PROTO_MESSAGE_SIZE_DEFAULT + INPUT_CHUNK);
    pack_ping(ipc_stream_output(subject.stream), 1, 100000);
    ipc_stream_flush(subject.stream);
    free(peer_read(subject.peer, &length, &end));
    cr_expect_gt(subject.stream->output.alloc, 100000);
    while (subject.stream->shrink_scheduled)
        uv_run(&subject.world.loop, UV_RUN_ONCE);
    cr_expect_leq(subject.stream->input_alloc, BUFFER_BIG);
    cr_expect_leq(subject.stream->output.alloc, BUFFER_BIG);
    send_pings(&subject, 3);
    world_until(&subject.world, &subject.messages, 4);
    msgpack_sbuffer_destroy(&buffer);
    subject_deinit(&subject);
}

Test(stream, a_claim_alone_takes_no_memory)
{
    struct subject subject;

    subject_init(&subject, NULL);
    peer_send(subject.peer, "\x94\x00\x01\xdb\x00\x0f\x00\x00x", 9);
    world_settle(&subject.world);
    cr_expect_eq(subject.stream->input_alloc, INPUT_CHUNK);
    subject_deinit(&subject);
}

Test(stream, the_peers_credentials)
{
    struct subject subject;
    gid_t groups[256], other = 4000000;
    int count = getgroups(256, groups);

    subject_init(&subject, NULL);
    cr_expect_eq(ipc_stream_peer(subject.stream)->uid, getuid());
    cr_expect_eq(ipc_stream_peer(subject.stream)->gid, getgid());
    cr_expect_eq(ipc_stream_peer(subject.stream)->pid, getpid());
    cr_expect_eq(ipc_stream_userdata(subject.stream), &subject);
    cr_expect_eq(ipc_stream_peer_in_group(subject.stream, getgid()), 1);
    cr_expect_eq(ipc_stream_peer_in_group(subject.stream, other), 0);
    for (int i = 0; i < count; i++)
        cr_expect_eq(ipc_stream_peer_in_group(subject.stream, groups[i]), 1);
    subject_deinit(&subject);
}

Test(stream, what_is_no_socket_stays_the_callers)
{
    struct ipc_stream_callbacks callbacks = {.on_message = on_message, .on_closed = on_closed};
    struct ipc_stream *stream = NULL;
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    struct world world;

    world_init(&world);
    cr_expect_eq(ipc_stream_new(&world.loop, fd, NULL, &callbacks, NULL, &stream), -ENOTSOCK);
    cr_expect_null(stream);
    cr_expect_eq(close(fd), 0);
    world_deinit(&world);
}

Test(stream, every_reason_has_a_text)
{
    for (int i = IPC_CLOSED_LOCAL; i <= IPC_CLOSED_ERROR; i++)
        for (int j = IPC_CLOSED_LOCAL; j < i; j++)
            cr_expect_str_neq(ipc_close_reason_text((enum ipc_close_reason)i),
                              ipc_close_reason_text((enum ipc_close_reason)j));
}

/* Messages of random sizes in random pieces, with random pauses: all of them, in order. */
Test(stream, random_pieces_and_pauses)
{
    uint64_t seed = 42;

    for (int round = 0; round < 60; round++) {
        unsigned count = 1 + (unsigned)random_below(&seed, 40);
        msgpack_sbuffer buffer;
        struct subject subject;
        size_t sent = 0;

        subject_init(&subject, NULL);
        msgpack_sbuffer_init(&buffer);
        for (unsigned i = 0; i < count; i++)
            pack_ping(&buffer, i, random_below(&seed, 8) == 0 ? random_below(&seed, 40000) : 5);
        while (sent < buffer.size) {
            size_t step = 1 + random_below(&seed, 20000);
            step = step < buffer.size - sent ? step : buffer.size - sent;
            subject.pause_at = subject.messages + 1 + (unsigned)random_below(&seed, 5);
            peer_send(subject.peer, buffer.data + sent, step);
            sent += step;
            if (random_below(&seed, 2) == 0)
                ipc_stream_pause(subject.stream);
            world_settle(&subject.world);
            ipc_stream_resume(subject.stream);
            world_settle(&subject.world);
        }
        subject.pause_at = 0;
        ipc_stream_pause(subject.stream);
        ipc_stream_resume(subject.stream);
        world_until(&subject.world, &subject.messages, count);
        cr_assert_eq(subject.last_msgid, count - 1);
        msgpack_sbuffer_destroy(&buffer);
        subject_deinit(&subject);
    }
}

/* Anything at all: an error or a closed connection. */
Test(stream, random_bytes)
{
    uint64_t seed = 99;

    for (int round = 0; round < 1000; round++) {
        struct ipc_stream_options options = {.message_size = 64 + random_below(&seed, 4000)};
        struct subject subject;
        unsigned pieces = 1 + (unsigned)random_below(&seed, 6);

        subject_init(&subject, &options);
        subject.answer = true;
        for (unsigned i = 0; i < pieces && subject.closed == 0; i++) {
            uint8_t data[512];
            size_t length = 1 + random_below(&seed, sizeof(data));
            for (size_t j = 0; j < length; j++)
                data[j] = (uint8_t)random_next(&seed);
            data[0] = random_below(&seed, 2) ? 0x94 : data[0];
            send(subject.peer, data, length, MSG_DONTWAIT | MSG_NOSIGNAL);
            world_settle(&subject.world);
        }
        cr_assert_leq(subject.protocol_errors, 1);
        close(subject.peer);
        subject.peer = -1;
        world_until(&subject.world, &subject.closed, 1);
        subject_deinit(&subject);
    }
}
