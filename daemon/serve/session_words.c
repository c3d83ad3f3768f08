/* See session_words.h. */
#include "session_words.h"
#include <errno.h>
#include <proto/limits.h>
#include <proto/message.h>
#include <string.h>

/* Text for which there is room; what has none (an image can be a picture itself) is left out. */
static struct core_text read_text(const msgpack_object *map, const char *key)
{
    struct core_text text = {"", 0};

    if (map_get_text(map, key, &text.data, &text.length) != 1 || text.length > PROTO_TEXT_MAX ||
        !proto_text_valid(text.data, text.length))
        return (struct core_text){"", 0};
    return text;
}

static struct core_text read_id(const msgpack_object *map, const char *key)
{
    struct core_text id = read_text(map, key);

    return proto_id_valid(id.data, id.length) ? id : (struct core_text){"", 0};
}

static bool read_bool(const msgpack_object *map, const char *key)
{
    int value = 0;

    return map_get_bool(map, key, &value) == 1 && value;
}

static const uint8_t *read_hash(const msgpack_object *map)
{
    const msgpack_object *hash = map_find(map, "token_hash");

    if (hash == NULL || hash->type != MSGPACK_OBJECT_BIN || hash->via.bin.size != SESSION_HASH_SIZE)
        return NULL;
    return (const uint8_t *)hash->via.bin.ptr;
}

static int read_valid(const msgpack_object *map, struct session_answer *answer)
{
    const msgpack_object *user = map_find(map, "user");

    if (user == NULL || user->type != MSGPACK_OBJECT_MAP ||
        map_get_int(map, "valid_for", &answer->valid_for) != 1)
        return -EBADMSG;
    answer->offline = read_bool(map, "offline");
    answer->user = (struct core_user){
        .user_id = read_id(user, "id"),
        .email = read_text(user, "email"),
        .name = read_text(user, "name"),
        .image = read_text(user, "image"),
        .claimed_customer = read_id(user, "stellartools_customer_id"),
        .email_verified = read_bool(user, "email_verified"),
    };
    return answer->user.user_id.length > 0 ? 0 : -EBADMSG;
}

void session_read_answer(const msgpack_object *map, struct session_answer *ret_answer)
{
    static const char *const words[] = {
        [SESSION_VALID] = "valid",
        [SESSION_INVALID] = "invalid",
        [SESSION_UNAVAILABLE] = "unavailable",
    };
    struct session_answer answer = {.state = SESSION_UNAVAILABLE, .message = {"", 0}};
    struct core_text word;
    int64_t status = 0;

    if (map->type == MSGPACK_OBJECT_MAP) {
        word = read_text(map, "verdict");
        for (unsigned i = 0; i < sizeof(words) / sizeof(words[0]); i++)
            if (strlen(words[i]) == word.length && memcmp(words[i], word.data, word.length) == 0)
                answer.state = (enum session_state)i;
        answer.message = read_text(map, "message");
        answer.asked = map_get_int(map, "http_status", &status) == 1 && status > 0;
        answer.token_hash = read_hash(map);
        if (answer.state == SESSION_VALID && read_valid(map, &answer) < 0)
            answer.state = SESSION_UNAVAILABLE;
    }
    *ret_answer = answer;
}
