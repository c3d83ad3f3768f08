/* Decoding hook.run: see request.h. */
#include "request.h"
#include "settings.h"

#include <errno.h>
#include <jansson.h>
#include <proto/message.h>
#include <stdlib.h>
#include <string.h>
#include <util/macros.h>
#include <web/json.h>

static int id_get(const msgpack_object *map, const char *key, char ret_id[PROTO_ID_MAX + 1])
{
    const char *text;
    size_t length;

    if (map_get_text(map, key, &text, &length) != 1 || !proto_id_valid(text, length))
        return -EBADMSG;
    memcpy(ret_id, text, length);
    ret_id[length] = '\0';
    return 0;
}

static int event_get(const msgpack_object *event, struct request *request)
{
    json_t *json;

    if (!event || event->type != MSGPACK_OBJECT_MAP || id_get(event, "id", request->id) < 0 ||
        id_get(event, "type", request->type) < 0 ||
        map_get_int(event, "sequence", &request->sequence) != 1)
        return -EBADMSG;
    json = web_json(event);
    if (!json)
        return -EBADMSG;
    request->json = json_dumps(json, JSON_COMPACT);
    json_decref(json);
    return request->json ? 0 : -ENOMEM;
}

static int hook_get(const msgpack_object *params, enum hook_number *ret_hook)
{
    const char *name;
    size_t length;

    if (map_get_text(params, "hook", &name, &length) != 1)
        return -EBADMSG;
    return hook_find(name, length, ret_hook) < 0 ? -EBADMSG : 0;
}

int request_decode(const msgpack_object *params, struct request *ret_request,
                   const char **ret_parameter)
{
    struct request request = {0};
    int r;

    *ret_parameter = "hook";
    if (hook_get(params, &request.hook) < 0)
        return -EBADMSG;
    *ret_parameter = "attempt";
    if (map_get_int(params, "attempt", &request.attempt) != 1 || request.attempt < 1)
        return -EBADMSG;
    *ret_parameter = "event";
    r = event_get(map_find(params, "event"), &request);
    if (r < 0)
        return r;
    *ret_request = request;
    return 0;
}

void request_deinit(struct request *request)
{
    free(request->json);
    *request = (struct request){0};
}
