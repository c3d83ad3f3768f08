/*
 * Who may do what. A peer is a process at the other end of a client's connection, known by what the
 * kernel says of it (uid, gids); [access] grants it roles. Roles do not include each other; root
 * and the daemon's own user have all of them.
 *
 * serve asks this of every request. creditd-http asks it of its own peers as well: what serve sees
 * of a request that came by HTTP is creditd-http's uid, which must lend its roles to nobody.
 *
 * Pure but for access_peer_groups.
 */
#pragma once

#include <proto/limits.h>
#include <proto/methods.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <util/config.h>

struct access_peer {
    uint32_t uid, gid, pid;
    gid_t *groups; /* supplementary ones */
    size_t group_count;
};

/* The supplementary groups of the process at the other end, as of its connect(). The caller frees
 * *ret_groups. */
int access_peer_groups(int fd, gid_t **ret_groups, size_t *ret_count);

/* Roles as bits: 1 << enum proto_role. */
unsigned access_roles(const struct config *config, const struct access_peer *peer,
                      uint32_t own_uid);

/* A refusal, as the client is told it: code, text, and data {key: value} where key is not NULL. */
struct refusal {
    enum proto_error error;
    const char *text;
    const char *data_key, *data_value;
};

/* How a request says whom it is for. */
enum identity_kind {
    IDENTITY_NONE, /* the method is for nobody in particular */
    IDENTITY_CUSTOMER,
    IDENTITY_USER,
    IDENTITY_SESSION,
};

struct identity {
    enum identity_kind kind;
    const char *customer; /* not NUL-terminated; points into the request, or to `buffer` */
    size_t customer_length;
    char buffer[PROTO_ID_MAX];
};

/* Whether a peer with these roles may call the method with these parameters, and by what it says
 * whom it is for: 0 with *ret_kind, or a positive enum proto_error with *ret_refusal. A session is
 * good for its own user's reading, spending and refunds; whether it is good at all is not decided
 * here. */
int access_check(enum proto_method method, const struct proto_params *params, unsigned roles,
                 enum identity_kind *ret_kind, struct refusal *ret_refusal);
