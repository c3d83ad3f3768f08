/*
 * Typed calls. One is: a function that builds the request's map, a table of the result's fields,
 * and one line of TYPED_CALL. See credits.c.
 */
#pragma once

#include "engine.h"

/* Checks an argument and puts it; what is wrong is kept in the connection's refusal. Each returns 0
 * or -EINVAL (-EMSGSIZE), and leaves out what is NULL or 0 unless it is needed. */
int put_who(struct creditd *c, const struct creditd_who *who);
int put_id(struct creditd *c, const char *key, const char *id);     /* needed */
int put_amount(struct creditd *c, const char *key, int64_t amount); /* needed */
int put_count(struct creditd *c, const char *key, int64_t count);
int put_text(struct creditd *c, const char *key, const char *text, size_t size_max);
int put_metadata(struct creditd *c, const struct creditd_map *metadata);
void put_flag(struct creditd *c, const char *key, bool flag);
int put_choice(struct creditd *c, const char *key, enum creditd_choice choice);
/* Of a change that is to be done once: the application's key, or else a stamp. */
int put_once(struct creditd *c, const char *key, const struct creditd_stamp *stamp,
             struct creditd_call_options *options);
/* Of a change that may carry a key and no stamp: without one it is sent once. */
int put_key(struct creditd *c, const char *key, struct creditd_call_options *options);
int typed_refuse(struct creditd *c, int error, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

enum field_kind { FIELD_TEXT, FIELD_TEXT_CUT, FIELD_INT, FIELD_BOOL };

/* A member of the result's map, or of a map `group` in it. */
struct field {
    const char *group, *key;
    size_t offset, size;
    enum field_kind kind;
    bool is_optional; /* absent or nil: "", -1 or false */
};

#define FIELD_(kind_, type, group_, member, path, optional_)                                       \
    {                                                                                              \
        .group = group_, .key = #member, .offset = offsetof(type, path),                           \
        .size = sizeof(((type *)0)->path), .kind = FIELD_##kind_, .is_optional = optional_         \
    }
#define FIELD(kind, type, member) FIELD_(kind, type, NULL, member, member, false)
#define FIELD_OPTIONAL(kind, type, member) FIELD_(kind, type, NULL, member, member, true)
#define FIELD_IN(kind, type, group, member) FIELD_(kind, type, #group, member, group.member, true)

/* Fills a zeroed struct. 0 or -EPROTO. */
int read_fields(const msgpack_object *map, const struct field *fields, size_t count, void *record);
#define READ_FIELDS(map, fields, record)                                                           \
    read_fields(map, fields, sizeof(fields) / sizeof(fields)[0], record)

/* A list {data: [map…], has_more}. */
struct list {
    void *data;
    size_t count;
    bool has_more;
};
/* `record_size` zeroed bytes for each element, filled from `fields`; free(data). 0, -EPROTO,
 * -ENOMEM. */
int read_list(const msgpack_object *result, const struct field *fields, size_t field_count,
              size_t record_size, struct list *ret_list);
/* The elements that a list was read from, in the same order. */
const msgpack_object *list_elements(const msgpack_object *result);

typedef int (*build_function)(struct creditd *c, const void *request,
                              struct creditd_call_options *options);

int typed_submit(struct creditd *c, const char *method, build_function build, const void *request,
                 creditd_callback callback, void *data);

/* creditd_NAME_async() and creditd_NAME() over build_NAME() and creditd_read_READER(). */
#define TYPED_CALL(name, method, request_type, result_type, reader)                                \
    int creditd_##name##_async(struct creditd *c, const request_type *request,                     \
                               creditd_callback callback, void *data)                              \
    {                                                                                              \
        return typed_submit(c, method, build_##name, request, callback, data);                     \
    }                                                                                              \
    int creditd_##name(struct creditd *c, const request_type *request, result_type *ret_result)    \
    {                                                                                              \
        int r = blocking_begin(c);                                                                 \
                                                                                                   \
        if (r < 0)                                                                                 \
            return r;                                                                              \
        r = blocking_finish(c, creditd_##name##_async(c, request, blocking_done, NULL));           \
        return r != 0 ? r : creditd_read_##reader(&c->last, ret_result);                           \
    }

/* The same, for a method whose result no other has. */
#define TYPED_CALL_AND_READ(name, method, request_type, result_type, fields)                       \
    TYPED_READ(name, result_type, fields)                                                          \
    TYPED_CALL(name, method, request_type, result_type, name)

/* creditd_read_NAME() over a table of fields. */
#define TYPED_READ(name, result_type, fields)                                                      \
    int creditd_read_##name(const struct creditd_reply *reply, result_type *ret_result)            \
    {                                                                                              \
        result_type result = {0};                                                                  \
        int r = reply->status;                                                                     \
                                                                                                   \
        if (r == 0)                                                                                \
            r = READ_FIELDS(&reply->result, fields, &result);                                      \
        if (r == 0)                                                                                \
            *ret_result = result;                                                                  \
        return r;                                                                                  \
    }

/* The same for a method without parameters. */
#define TYPED_CALL_PLAIN(name, method, result_type)                                                \
    int creditd_##name##_async(struct creditd *c, creditd_callback callback, void *data)           \
    {                                                                                              \
        return typed_submit(c, method, NULL, NULL, callback, data);                                \
    }                                                                                              \
    int creditd_##name(struct creditd *c, result_type *ret_result)                                 \
    {                                                                                              \
        int r = blocking_begin(c);                                                                 \
                                                                                                   \
        if (r < 0)                                                                                 \
            return r;                                                                              \
        r = blocking_finish(c, creditd_##name##_async(c, blocking_done, NULL));                    \
        return r != 0 ? r : creditd_read_##name(&c->last, ret_result);                             \
    }
