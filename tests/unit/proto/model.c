#include "model.h"

struct model {
    const uint8_t *data;
    size_t length;
    size_t limit;
    size_t position;
};

struct shape {
    size_t header;     /* first byte, length or count */
    uint64_t body;     /* bytes after it */
    uint64_t children; /* values after it */
    int container, map, text, invalid;
};

static uint64_t number(const struct model *model, size_t size)
{
    uint64_t value = 0;

    for (size_t i = 1; i <= size; i++)
        value = value * 256 + model->data[model->position + i];
    return value;
}

/* 0, or 1 where the header is not all there. */
static int sized(const struct model *model, size_t size, uint64_t *ret_number)
{
    if (model->position + 1 + size > model->length)
        return 1;
    *ret_number = number(model, size);
    return 0;
}

static int shape_of(const struct model *model, struct shape *shape)
{
    uint8_t first = model->data[model->position];
    size_t size;

    *shape = (struct shape){.header = 1};
    if (first >= 0x80 && first <= 0x8f) {
        shape->container = shape->map = 1;
        shape->children = 2 * (uint64_t)(first - 0x80);
    } else if (first >= 0x90 && first <= 0x9f) {
        shape->container = 1;
        shape->children = first - 0x90;
    } else if (first >= 0xa0 && first <= 0xbf) {
        shape->text = 1;
        shape->body = first - 0xa0;
    } else if (first >= 0xc4 && first <= 0xc6) {
        size = (size_t)1 << (first - 0xc4);
        shape->header += size;
        return sized(model, size, &shape->body);
    } else if (first >= 0xd9 && first <= 0xdb) {
        size = (size_t)1 << (first - 0xd9);
        shape->text = 1;
        shape->header += size;
        return sized(model, size, &shape->body);
    } else if (first >= 0xdc && first <= 0xdf) {
        size = first % 2 == 0 ? 2 : 4;
        shape->container = 1;
        shape->map = first >= 0xde;
        shape->header += size;
        if (sized(model, size, &shape->children) != 0)
            return 1;
        shape->children *= shape->map ? 2 : 1;
    } else if (first == 0xca || first == 0xce || first == 0xd2) {
        shape->body = 4;
    } else if (first == 0xcb || first == 0xcf || first == 0xd3) {
        shape->body = 8;
    } else if (first == 0xcc || first == 0xd0) {
        shape->body = 1;
    } else if (first == 0xcd || first == 0xd1) {
        shape->body = 2;
    } else if (first >= 0xc0 && first <= 0xdf && first != 0xc0 && first != 0xc2 && first != 0xc3) {
        shape->invalid = 1;
    }
    return 0;
}

/* `after`: values that are still owed when this one is done. */
static enum frame_result value(struct model *model, unsigned depth, uint64_t after, int is_key)
{
    struct shape shape;
    int partial;

    if (model->position >= model->length)
        return FRAME_MORE;
    partial = shape_of(model, &shape);
    if (shape.invalid || (is_key && !shape.text))
        return FRAME_INVALID;
    if (partial)
        return FRAME_MORE;
    if (shape.container && depth == PROTO_DEPTH_MAX)
        return FRAME_TOO_DEEP;
    if (model->position + shape.header + shape.body + shape.children + after > model->limit)
        return FRAME_TOO_LARGE;
    model->position += shape.header + (size_t)shape.body;
    for (uint64_t i = 0; i < shape.children; i++) {
        enum frame_result result =
            value(model, depth + 1, after + shape.children - i - 1, shape.map && i % 2 == 0);
        if (result != FRAME_COMPLETE)
            return result;
    }
    return FRAME_COMPLETE;
}

enum frame_result model_scan(const uint8_t *data, size_t length, size_t size_limit,
                             size_t *ret_length)
{
    struct model model = {data, length, size_limit, 0};
    enum frame_result result = value(&model, 0, 0, 0);

    if (result != FRAME_COMPLETE)
        return result;
    if (model.position > length)
        return FRAME_MORE;
    *ret_length = model.position;
    return FRAME_COMPLETE;
}
