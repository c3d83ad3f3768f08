/* See access.h. */
#include <errno.h>
#include <ipc/access.h>
#include <stdlib.h>
#include <sys/socket.h>

#define ALL_ROLES (~0u)

int access_peer_groups(int fd, gid_t **ret_groups, size_t *ret_count)
{
    socklen_t size = 64 * sizeof(gid_t);

    for (;;) {
        gid_t *groups = malloc(size);
        socklen_t length = size;

        if (groups == NULL)
            return -ENOMEM;
        if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &length) == 0) {
            *ret_groups = groups;
            *ret_count = length / sizeof(gid_t);
            return 0;
        }
        free(groups);
        if (errno != ERANGE || length <= size) /* the kernel tells the size that it needs */
            return -errno;
        size = length;
    }
}

static bool peer_in_group(const struct access_peer *peer, uint32_t gid)
{
    if (peer->gid == gid)
        return true;
    for (size_t i = 0; i < peer->group_count; i++)
        if (peer->groups[i] == gid)
            return true;
    return false;
}

static bool access_contains(const struct config_access *access, const struct access_peer *peer)
{
    for (size_t i = 0; i < access->count; i++) {
        const struct config_principal *principal = &access->principals[i];

        if (principal->is_group ? peer_in_group(peer, principal->id) : principal->id == peer->uid)
            return true;
    }
    return false;
}

unsigned access_roles(const struct config *config, const struct access_peer *peer, uint32_t own_uid)
{
    unsigned roles = 1u << PROTO_ROLE_NONE;

    if (peer->uid == 0 || peer->uid == own_uid)
        return ALL_ROLES;
    if (access_contains(&config->access.read, peer))
        roles |= 1u << PROTO_ROLE_READ;
    if (access_contains(&config->access.consume, peer))
        roles |= 1u << PROTO_ROLE_CONSUME;
    if (access_contains(&config->access.refund, peer))
        roles |= 1u << PROTO_ROLE_REFUND;
    if (access_contains(&config->access.admin, peer))
        roles |= 1u << PROTO_ROLE_ADMIN;
    return roles;
}

static int refuse(struct refusal *ret_refusal, enum proto_error error, const char *text,
                  const char *data_key, const char *data_value)
{
    *ret_refusal = (struct refusal){error, text, data_key, data_value};
    return (int)error;
}

static int access_require(enum proto_role role, unsigned roles, struct refusal *ret_refusal)
{
    static const char *const texts[] = {
        [PROTO_ROLE_READ] = "this user may not read others' credits: list it under [access] read",
        [PROTO_ROLE_CONSUME] =
            "this user may not spend others' credits: list it under [access] consume",
        [PROTO_ROLE_REFUND] =
            "this user may not refund others' payments: list it under [access] refund",
        [PROTO_ROLE_ADMIN] = "this user is no operator: list it under [access] admin",
    };

    if (role == PROTO_ROLE_NONE || (roles & (1u << role)) != 0)
        return 0;
    return refuse(ret_refusal, PROTO_ERROR_PERMISSION_DENIED, texts[role], "role",
                  proto_role_name(role));
}

/* Giving credits back is the app's decision, not its user's, who would only have to ask. */
static bool session_suffices(enum proto_method method)
{
    const struct proto_method_spec *spec = proto_method_spec(method);

    return method != PROTO_METHOD_CREDITS_REFUND && spec->role != PROTO_ROLE_ADMIN;
}

int access_check(enum proto_method method, const struct proto_params *params, unsigned roles,
                 enum identity_kind *ret_kind, struct refusal *ret_refusal)
{
    const struct proto_method_spec *spec = proto_method_spec(method);
    uint64_t given = params->present & PROTO_IDENTITY;
    int r = 0;

    /* Where not each of the three can be given, they are plain parameters. */
    if ((spec->known & PROTO_IDENTITY) != PROTO_IDENTITY) {
        r = access_require(spec->role, roles, ret_refusal);
        if (r == 0)
            *ret_kind = IDENTITY_NONE;
        return r;
    }
    if (given == 0 || (given & (given - 1)) != 0)
        return refuse(ret_refusal, PROTO_ERROR_INVALID_PARAMETER,
                      "exactly one of session, user_id and customer_id must say who it is for",
                      "parameter", "customer_id");
    if (given != PROTO_BIT(SESSION) || !session_suffices(method))
        r = access_require(spec->role, roles, ret_refusal);
    if (r == 0)
        *ret_kind = given == PROTO_BIT(SESSION)   ? IDENTITY_SESSION
                    : given == PROTO_BIT(USER_ID) ? IDENTITY_USER
                                                  : IDENTITY_CUSTOMER;
    return r;
}
