/*
 * A request's head, before anything else is made of it: what could be read in two ways is refused,
 * and its connection closed. A proxy in front may have read it in the other way, and take the rest
 * for somebody else's request, or a header for one that it does not know.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct MHD_Connection;

struct head {
    unsigned lengths, encodings, hosts, cookies, authorizations; /* how many headers of each */
    bool is_passed_on;                                           /* a proxy says so */
    bool has_wrong_authorization;                                /* bytes in it that no token has */
    const char *wrong; /* why it is refused, a literal; NULL: it is not */
};

/* `version` as libmicrohttpd has it: HTTP/1.1. */
void head_read(struct MHD_Connection *connection, const char *version, struct head *ret_head);
/* One header more. Pure. */
void head_add(struct head *head, const char *name, size_t name_length, const char *value,
              size_t value_length);
/* After the last one. Pure. */
void head_judge(struct head *head, const char *version);
