/*
 * Redis as a target: a script that checks, deducts and appends to the customer's history, as one
 * would write it there; or GET.
 */
#include "load.h"

#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char script[] = "local b = tonumber(redis.call('GET', KEYS[1]) or '0') "
                             "local n = tonumber(ARGV[1]) "
                             "if b < n then return redis.error_reply('insufficient credits') end "
                             "redis.call('DECRBY', KEYS[1], n) "
                             "redis.call('XADD', KEYS[2], 'MAXLEN', '~', '10000', '*', 'n', n) "
                             "return b - n";

struct redis {
    bool consume;
    char sha[48];
    struct prepared *requests; /* by balance */
};

static struct redis redis;

static void prepare(struct prepared *request, unsigned balance)
{
    char key[32], history[32], *out = (char *)request->bytes;
    int length = snprintf(key, sizeof(key), "bal:cus_%u", balance);
    int history_length = snprintf(history, sizeof(history), "his:cus_%u", balance);

    if (redis.consume)
        length = snprintf(out, sizeof(request->bytes),
                          "*6\r\n$7\r\nEVALSHA\r\n$40\r\n%s\r\n$1\r\n2\r\n$%d\r\n%s\r\n$%d\r\n%s"
                          "\r\n$1\r\n1\r\n",
                          redis.sha, length, key, history_length, history);
    else
        length =
            snprintf(out, sizeof(request->bytes), "*2\r\n$3\r\nGET\r\n$%d\r\n%s\r\n", length, key);
    request->length = (size_t)length;
}

static size_t request(void *userdata, unsigned connection, uint64_t number, unsigned balance,
                      uint8_t *out)
{
    const struct prepared *request = &redis.requests[balance];

    (void)userdata;
    (void)connection;
    (void)number;
    memcpy(out, request->bytes, request->length);
    return request->length;
}

/* An integer is ":N\r\n", a string "$N\r\n…\r\n": one or two lines. */
static long answers(void *userdata, unsigned connection, const uint8_t *data, size_t length,
                    size_t *ret_used)
{
    size_t used = 0;
    long count = 0;

    (void)userdata;
    (void)connection;
    while (used < length) {
        const uint8_t *end = memchr(data + used, '\n', length - used);
        if (end && data[used] == '$')
            end = memchr(end + 1, '\n', length - (size_t)(end + 1 - data));
        if (!end)
            break;
        if (data[used] != ':' && data[used] != '$') {
            fprintf(stderr, "load: Redis answered %.*s\n", (int)(end - data - (long)used),
                    (const char *)data + used);
            return -1;
        }
        used = (size_t)(end + 1 - data);
        count++;
    }
    *ret_used = used;
    return count;
}

int target_redis_prepare(const char *socket, unsigned balances)
{
    redisContext *context = redisConnectUnix(socket);
    int result = -1;

    if (!context || context->err) {
        fprintf(stderr, "load: cannot connect to Redis at %s\n", socket);
        redisFree(context);
        return -1;
    }
    redisReply *reply = redisCommand(context, "SCRIPT LOAD %s", script);
    if (reply && reply->type == REDIS_REPLY_STRING && strlen(reply->str) == 40) {
        memcpy(redis.sha, reply->str, 41);
        result = 0;
    }
    freeReplyObject(reply);
    for (unsigned i = 0; result == 0 && i < balances; i++) {
        reply = redisCommand(context, "SET bal:cus_%u 1000000000 NX", i);
        result = reply ? 0 : -1;
        freeReplyObject(reply);
    }
    redisFree(context);
    return result;
}

const struct load_target *target_redis(bool consume, unsigned balances)
{
    static const struct load_target target = {
        .request = request, .answers = answers, .userdata = &redis};

    redis.consume = consume;
    redis.requests = calloc(balances, sizeof(*redis.requests));
    if (!redis.requests)
        return NULL;
    for (unsigned i = 0; i < balances; i++)
        prepare(&redis.requests[i], i);
    return &target;
}
