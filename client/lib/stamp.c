/* Stamps: see stamp.h. */
#include "stamp.h"
#include <errno.h>
#include <string.h>

static void put_big_endian(unsigned char *bytes, size_t size, uint64_t value)
{
    for (size_t i = 0; i < size; i++)
        bytes[size - 1 - i] = (unsigned char)(value >> (8 * i));
}

uint64_t stamp_counter(const struct creditd_stamp *stamp)
{
    uint64_t value = 0;

    for (size_t i = PROTO_CLIENT_ID_SIZE; i < sizeof stamp->bytes; i++)
        value = value << 8 | stamp->bytes[i];
    return value;
}

bool stamp_is_from(const struct stamp_source *source, const struct creditd_stamp *stamp)
{
    return source->valid && memcmp(source->id, stamp->bytes, sizeof source->id) == 0;
}

void stamp_retire(struct stamp_source *source)
{
    source->valid = false;
}

void stamp_in_doubt(struct stamp_source *source, const struct creditd_stamp *stamp)
{
    uint64_t counter = stamp_counter(stamp);

    if (!stamp_is_from(source, stamp))
        return;
    if (source->floor == 0 || counter < source->floor)
        source->floor = counter;
}

static bool is_old(const struct stamp_source *source, uint64_t now, uint64_t wall)
{
    return now - source->drawn >= STAMP_AGE_MAX || wall < source->walled ||
           wall - source->walled >= STAMP_AGE_MAX;
}

/* Whether drawing one more counter would push one that is still wanted out of the window. */
static bool is_full(const struct stamp_source *source, const struct creditd_stamp *oldest)
{
    uint64_t floor = source->floor;

    if (oldest && stamp_is_from(source, oldest) && (floor == 0 || stamp_counter(oldest) < floor))
        floor = stamp_counter(oldest);
    return floor > 0 && source->counter + 1 - floor >= STAMP_WINDOW;
}

static int renew(struct stamp_source *source, const struct client_io *io, void *context,
                 uint64_t now, uint64_t wall)
{
    struct stamp_source fresh = {.valid = true, .drawn = now, .walled = wall};
    int r = io->random(context, fresh.id + 6, sizeof fresh.id - 6);

    if (r < 0)
        return r;
    put_big_endian(fresh.id, 6, wall);
    *source = fresh;
    return 0;
}

int stamp_draw(struct stamp_source *source, const struct client_io *io, void *context,
               const struct creditd_stamp *oldest, struct creditd_stamp *ret_stamp,
               uint64_t *ret_wait)
{
    uint64_t now = io->clock(context), wall = io->wall(context);
    int r;

    if (source->valid && is_full(source, oldest)) {
        if (now - source->drawn < STAMP_TURN_MIN) {
            *ret_wait = STAMP_TURN_MIN - (now - source->drawn);
            return -EAGAIN;
        }
        stamp_retire(source);
    }
    if (!source->valid || is_old(source, now, wall)) {
        r = renew(source, io, context, now, wall);
        if (r < 0)
            return r;
    }
    source->counter++;
    memcpy(ret_stamp->bytes, source->id, sizeof source->id);
    put_big_endian(ret_stamp->bytes + sizeof source->id, 8, source->counter);
    return 0;
}

void creditd_stamp_to_text(const struct creditd_stamp *stamp, char text[CREDITD_STAMP_TEXT_SIZE])
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < sizeof stamp->bytes; i++) {
        text[2 * i] = digits[stamp->bytes[i] >> 4];
        text[2 * i + 1] = digits[stamp->bytes[i] & 15];
    }
    text[2 * sizeof stamp->bytes] = '\0';
}

static int digit_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int creditd_stamp_from_text(const char *text, struct creditd_stamp *ret_stamp)
{
    struct creditd_stamp stamp;
    uint64_t counter;

    if (strlen(text) != 2 * sizeof stamp.bytes)
        return -EINVAL;
    for (size_t i = 0; i < sizeof stamp.bytes; i++) {
        int high = digit_value(text[2 * i]), low = digit_value(text[2 * i + 1]);

        if (high < 0 || low < 0)
            return -EINVAL;
        stamp.bytes[i] = (unsigned char)(high << 4 | low);
    }
    counter = stamp_counter(&stamp);
    if (counter < 1 || counter > INT64_MAX)
        return -EINVAL;
    *ret_stamp = stamp;
    return 0;
}
