/* A listener on a socket in a directory of its own. */
#include "world.h"
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <ipc/listener.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include <util/fd.h>

#define KEPT 300

struct place {
    struct world world;
    char directory[64], path[80];
    struct ipc_quota *quota;
    struct ipc_listener *listener;
    int listening;
    unsigned connections, refused, closed;
    uid_t refused_uid;
    int refused_error;
    int fds[KEPT];
    struct ipc_charge charges[KEPT];
    bool close_at_once;
};

static void on_connection(struct ipc_listener *listener, int fd, struct ipc_charge *charge,
                          void *userdata)
{
    struct place *place = userdata;

    cr_assert_lt(place->connections, KEPT);
    cr_assert(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    cr_assert(fcntl(fd, F_GETFL) & O_NONBLOCK);
    place->fds[place->connections] = fd;
    ipc_charge_move(charge, &place->charges[place->connections++]);
    if (place->close_at_once)
        ipc_listener_close(listener);
}

static void on_refused(struct ipc_listener *listener, uid_t uid, int error, void *userdata)
{
    struct place *place = userdata;

    (void)listener;
    place->refused++;
    place->refused_uid = uid;
    place->refused_error = error;
}

static void on_closed(struct ipc_listener *listener, void *userdata)
{
    struct place *place = userdata;

    ipc_listener_close(listener);
    place->closed++;
}

static void place_init(struct place *place, const struct ipc_quota_limits *limits)
{
    struct ipc_listener_callbacks callbacks = {
        .on_connection = on_connection, .on_refused = on_refused, .on_closed = on_closed};

    memset(place, 0, sizeof(*place));
    world_init(&place->world);
    strcpy(place->directory, "/tmp/ipc-listener-XXXXXX");
    cr_assert_not_null(mkdtemp(place->directory));
    snprintf(place->path, sizeof(place->path), "%s/socket", place->directory);
    cr_assert_eq(fd_listen_unix(place->path, 0600, 400, &place->listening), 0);
    if (limits != NULL)
        cr_assert_eq(ipc_quota_new(limits, &place->quota), 0);
    cr_assert_eq(ipc_listener_new(&place->world.loop, place->listening, place->quota, &callbacks,
                                  place, &place->listener),
                 0);
}

static void place_deinit(struct place *place)
{
    if (place->closed == 0) {
        ipc_listener_close(place->listener);
        ipc_listener_close(place->listener);
    }
    world_until(&place->world, &place->closed, 1);
    cr_expect_eq(fcntl(place->listening, F_GETFD), -1, "the listening descriptor is open");
    for (unsigned i = 0; i < place->connections; i++) {
        close(place->fds[i]);
        ipc_charge_deinit(&place->charges[i]);
    }
    ipc_quota_free(place->quota);
    unlink(place->path);
    rmdir(place->directory);
    world_deinit(&place->world);
    cr_expect_eq(place->closed, 1);
}

static int place_connect(const struct place *place)
{
    int fd = -1;

    cr_assert_eq(fd_connect_unix(place->path, &fd), 0);
    return fd;
}

/* Whether the other end has closed. */
static bool is_at_end(int fd)
{
    char byte;

    return recv(fd, &byte, 1, MSG_DONTWAIT) == 0;
}

Test(listener, connections_are_handed_over)
{
    struct place place;
    int fds[200];

    place_init(&place, NULL);
    for (int i = 0; i < 200; i++)
        fds[i] = place_connect(&place);
    world_until(&place.world, &place.connections, 200);
    for (int i = 0; i < 200; i++) {
        char byte = 0;
        cr_assert_eq(send(fds[i], "x", 1, MSG_NOSIGNAL), 1);
        cr_expect_eq(recv(place.fds[i], &byte, 1, 0), 1);
        close(fds[i]);
    }
    place_deinit(&place);
}

Test(listener, a_user_over_the_quota_is_refused)
{
    struct ipc_quota_limits limits = {.user = {2, 0, 0}};
    struct place place;
    int fds[3], again;

    place_init(&place, &limits);
    for (int i = 0; i < 3; i++)
        fds[i] = place_connect(&place);
    world_until(&place.world, &place.refused, 1);
    cr_expect_eq(place.connections, 2);
    cr_expect_eq(place.refused_error, -EDQUOT);
    cr_expect_eq(place.refused_uid, getuid());
    cr_expect(is_at_end(fds[2]));
    cr_expect_eq(ipc_quota_used(place.quota, getuid(), IPC_RESOURCE_CONNECTIONS), 2);
    /* One goes, another may come. */
    ipc_charge_deinit(&place.charges[0]);
    again = place_connect(&place);
    world_until(&place.world, &place.connections, 3);
    cr_expect_eq(place.refused, 1);
    close(again);
    for (int i = 0; i < 3; i++)
        close(fds[i]);
    place_deinit(&place);
}

static void on_connection_drop(struct ipc_listener *listener, int fd, struct ipc_charge *charge,
                               void *userdata)
{
    struct place *place = userdata;

    (void)listener;
    (void)charge;
    close(fd);
    place->refused++;
}

Test(listener, a_charge_that_is_not_taken_is_undone)
{
    struct ipc_listener_callbacks callbacks = {.on_connection = on_connection_drop};
    struct ipc_quota_limits limits = {.user = {2, 0, 0}};
    struct ipc_listener *second;
    struct place place;
    char path[90];
    int fd, client;

    place_init(&place, &limits);
    snprintf(path, sizeof(path), "%s/second", place.directory);
    cr_assert_eq(fd_listen_unix(path, 0600, 10, &fd), 0);
    cr_assert_eq(ipc_listener_new(&place.world.loop, fd, place.quota, &callbacks, &place, &second),
                 0);
    cr_assert_eq(fd_connect_unix(path, &client), 0);
    world_until(&place.world, &place.refused, 1);
    cr_expect_eq(ipc_quota_used_total(place.quota, IPC_RESOURCE_CONNECTIONS), 0);
    close(client);
    ipc_listener_close(second);
    unlink(path);
    place_deinit(&place);
}

Test(listener, without_descriptors_a_peer_is_closed_and_not_kept_waiting)
{
    struct rlimit limit, tight;
    struct place place;
    int fds[3], spare, after;

    place_init(&place, NULL);
    for (int i = 0; i < 3; i++)
        fds[i] = place_connect(&place);
    /* The next descriptor would have this number: from here on there is none. */
    spare = dup(place.listening);
    cr_assert_geq(spare, 0);
    close(spare);
    cr_assert_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    tight = limit;
    tight.rlim_cur = (rlim_t)spare;
    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &tight), 0);
    world_until(&place.world, &place.refused, 3);
    cr_expect_eq(place.connections, 0);
    cr_expect_eq(place.refused_error, -EMFILE);
    for (int i = 0; i < 3; i++) {
        cr_expect(is_at_end(fds[i]));
        close(fds[i]);
    }
    /* And when there are some again, it goes on. */
    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
    after = place_connect(&place);
    world_until(&place.world, &place.connections, 1);
    close(after);
    place_deinit(&place);
}

Test(listener, closing_from_within_a_connection)
{
    struct place place;
    int fds[3];

    place_init(&place, NULL);
    place.close_at_once = true;
    for (int i = 0; i < 3; i++)
        fds[i] = place_connect(&place);
    world_until(&place.world, &place.closed, 1);
    cr_expect_eq(place.connections, 1);
    for (int i = 0; i < 3; i++)
        close(fds[i]);
    place_deinit(&place);
}

Test(listener, what_cannot_be_watched_stays_the_callers)
{
    struct ipc_listener_callbacks callbacks = {.on_connection = on_connection};
    struct ipc_listener *listener = NULL;
    struct world world;

    world_init(&world);
    cr_expect_eq(ipc_listener_new(&world.loop, -1, NULL, &callbacks, NULL, &listener), -EBADF);
    cr_expect_null(listener);
    ipc_listener_close(NULL);
    world_deinit(&world);
}
