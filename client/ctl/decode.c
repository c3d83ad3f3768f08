/*
 * Captured messages, one after the other, as lines of JSON. What it reads was not checked by
 * anybody: the frame scanner bounds it before it is unpacked. Sessions are hidden, for captures are
 * passed around.
 */
#include "ctl.h"
#include "value.h"
#include <errno.h>
#include <msgpack.h>
#include <proto/frame.h>
#include <proto/methods.h>
#include <stdlib.h>
#include <string.h>

#define INPUT_MAX (256u * 1024 * 1024)

static int read_all(FILE *file, msgpack_sbuffer *buffer)
{
    char chunk[64 * 1024];
    size_t n;

    while ((n = fread(chunk, 1, sizeof chunk, file)) > 0)
        if (buffer->size > INPUT_MAX || msgpack_sbuffer_write(buffer, chunk, n) < 0)
            return -ENOMEM;
    return ferror(file) ? -EIO : 0;
}

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

static int decode(const struct ctl *ctl, const msgpack_sbuffer *buffer)
{
    struct frame_scanner scanner;
    size_t offset = 0, length;

    frame_scanner_init(&scanner, INPUT_MAX);
    while (offset < buffer->size) {
        enum frame_result result = frame_scan(&scanner, (const uint8_t *)buffer->data + offset,
                                              buffer->size - offset, &length);

        if (result != FRAME_COMPLETE) {
            fflush(stdout);
            fprintf(stderr, "creditctl: the message at byte %zu: %s\n", offset,
                    result == FRAME_MORE ? "cut off" : frame_result_text(result));
            return EXIT_REFUSED;
        }
        if (print_message(ctl, buffer->data + offset, length) != EXIT_DONE)
            return EXIT_REFUSED;
        offset += length;
    }
    return EXIT_DONE;
}

int run_decode(struct ctl *ctl)
{
    const char *path = ctl->argument_count > 0 ? ctl->arguments[0] : "-";
    FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
    msgpack_sbuffer buffer;
    int r;

    if (!file)
        return ctl_usage(ctl, "%s: %s", path, strerror(errno));
    msgpack_sbuffer_init(&buffer);
    r = read_all(file, &buffer);
    if (r == 0)
        r = decode(ctl, &buffer);
    else
        r = ctl_usage(ctl, "%s: %s", path, strerror(-r));
    msgpack_sbuffer_destroy(&buffer);
    if (file != stdin)
        fclose(file);
    return r;
}
