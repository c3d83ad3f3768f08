/* See proto/events.h. */
#include <errno.h>
#include <proto/events.h>
#include <string.h>

static const char *const types[PROTO_EVENT_COUNT_] = {
#define X(name, text, meaning) [PROTO_EVENT_##name] = text,
    PROTO_EVENTS(X)
#undef X
};

_Static_assert(PROTO_EVENT_COUNT_ <= 32, "a filter is 32 bits");

const char *proto_event_type(unsigned event)
{
    return event < PROTO_EVENT_COUNT_ ? types[event] : NULL;
}

int proto_event_find(const char *type, size_t length, enum proto_event *ret_event)
{
    for (unsigned i = 0; i < PROTO_EVENT_COUNT_; i++)
        if (strlen(types[i]) == length && memcmp(types[i], type, length) == 0) {
            *ret_event = (enum proto_event)i;
            return 0;
        }
    return -ENOENT;
}

/* "credits.*" matches what begins with "credits."; "*" what begins with nothing. */
unsigned proto_event_filter(const char *filter, size_t length)
{
    enum proto_event event;
    unsigned mask = 0;

    if (proto_event_find(filter, length, &event) == 0)
        return 1u << event;
    if (length == 0 || filter[length - 1] != '*' || (length > 1 && filter[length - 2] != '.'))
        return 0;
    for (unsigned i = 0; i < PROTO_EVENT_COUNT_; i++)
        if (strncmp(types[i], filter, length - 1) == 0)
            mask |= 1u << i;
    return mask;
}
