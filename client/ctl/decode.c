/*
 * Captured messages as lines of JSON: requests, answers and notifications alike, as they come. What
 * it reads was not checked by anybody: the frame scanner bounds it before it is unpacked. Sessions
 * are hidden, for captures are passed around.
 *
 * Each message is printed as soon as it is there whole, so that a pipe from a running connection
 * shows it live.
 */
#include "ctl.h"
#include "value.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <json_value.h>
#include <msgpack.h>
#include <proto/frame.h>
#include <proto/methods.h>
#include <string.h>
#include <unistd.h>

#define MESSAGE_MAX (256u * 1024 * 1024)

struct decoder {
    const struct ctl *ctl;
    struct frame_scanner scanner;
    msgpack_sbuffer buffer; /* from the first byte that is not printed yet */
    uint64_t passed;        /* bytes before it */
};

static bool is_secret(const char *key)
{
    for (int i = 0; i < PROTO_PARAMETER_COUNT_; i++)
        if (proto_parameter_type((enum proto_parameter)i) == PROTO_TYPE_SECRET &&
            strcmp(key, proto_parameter_name((enum proto_parameter)i)) == 0)
            return true;
    return false;
}

static void hide_secrets(json_t *value)
{
    const char *key;
    json_t *member;
    void *next;
    size_t i;

    json_array_foreach(value, i, member) hide_secrets(member);
    json_object_foreach_safe(value, next, key, member)
    {
        if (is_secret(key))
            json_object_set_new(value, key, json_string("(hidden)"));
        else
            hide_secrets(member);
    }
}

static int print_message(const struct ctl *ctl, const char *bytes, size_t length)
{
    msgpack_zone zone;
    msgpack_object object;
    size_t offset = 0;
    json_t *document;
    int r = EXIT_REFUSED;

    if (!msgpack_zone_init(&zone, MSGPACK_ZONE_CHUNK_SIZE))
        return r;
    if (msgpack_unpack(bytes, length, &offset, &zone, &object) == MSGPACK_UNPACK_SUCCESS) {
        document = json_from_value(value_of(&object));
        if (!ctl->options[OPTION_SECRETS])
            hide_secrets(document);
        r = ctl_print_document(document, true);
        json_decref(document);
    }
    msgpack_zone_destroy(&zone);
    return r;
}

/* EXIT_REFUSED after a message. */
static int refuse(const struct decoder *decoder, const char *reason)
{
    fflush(stdout);
    fprintf(stderr, "creditctl: the message at byte %" PRIu64 ": %s\n", decoder->passed, reason);
    return EXIT_REFUSED;
}

/* Prints what is whole, and keeps the rest. */
static int print_messages(struct decoder *decoder)
{
    msgpack_sbuffer *buffer = &decoder->buffer;
    size_t start = 0;
    int r = EXIT_DONE;

    while (r == EXIT_DONE && start < buffer->size) {
        const char *bytes = buffer->data + start;
        size_t length;
        enum frame_result result =
            frame_scan(&decoder->scanner, (const uint8_t *)bytes, buffer->size - start, &length);

        if (result == FRAME_MORE)
            break;
        if (result != FRAME_COMPLETE)
            return refuse(decoder, frame_result_text(result));
        r = print_message(decoder->ctl, bytes, length);
        start += length;
        decoder->passed += length;
    }
    memmove(buffer->data, buffer->data + start, buffer->size - start);
    buffer->size -= start;
    return fflush(stdout) == 0 ? r : EXIT_REFUSED;
}

static int decode(struct decoder *decoder, int fd, const char *path)
{
    char chunk[64 * 1024];
    ssize_t n;

    while ((n = read(fd, chunk, sizeof chunk)) > 0) {
        if (msgpack_sbuffer_write(&decoder->buffer, chunk, (size_t)n) < 0)
            return refuse(decoder, "no memory");
        if (print_messages(decoder) != EXIT_DONE)
            return EXIT_REFUSED;
    }
    if (n < 0)
        return ctl_usage(decoder->ctl, "%s: %s", path, strerror(errno));
    return decoder->buffer.size > 0 ? refuse(decoder, "cut off") : EXIT_DONE;
}

int run_decode(struct ctl *ctl)
{
    const char *path = ctl->argument_count > 0 ? ctl->arguments[0] : "-";
    struct decoder decoder = {.ctl = ctl};
    int fd = strcmp(path, "-") == 0 ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC), r;

    if (fd < 0)
        return ctl_usage(ctl, "%s: %s", path, strerror(errno));
    frame_scanner_init(&decoder.scanner, MESSAGE_MAX);
    r = decode(&decoder, fd, path);
    msgpack_sbuffer_destroy(&decoder.buffer);
    if (fd != STDIN_FILENO)
        close(fd);
    return r;
}
