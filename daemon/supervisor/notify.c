/*
 * The supervisor's side of sd_notify(3).
 */
#include "notify.h"
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <util/macros.h>

int notify_init(struct notify *notify)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    socklen_t length = sizeof(sa_family_t); /* no name at all: the kernel finds a free one */
    CLEANUP(cleanup_fd) int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int on = 1, name_length;

    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) < 0 ||
        bind(fd, (struct sockaddr *)&address, length) < 0)
        return -errno;
    length = sizeof(address);
    if (getsockname(fd, (struct sockaddr *)&address, &length) < 0)
        return -errno;
    name_length = (int)(length - offsetof(struct sockaddr_un, sun_path)) - 1;
    snprintf(notify->name, sizeof(notify->name), "@%.*s", name_length, address.sun_path + 1);
    notify->fd = TAKE_FD(fd);
    return 0;
}

void notify_deinit(struct notify *notify)
{
    cleanup_fd(&notify->fd);
    notify->fd = -1;
}

static pid_t sender_of(struct msghdr *message)
{
    struct cmsghdr *header = CMSG_FIRSTHDR(message);
    struct ucred credentials;

    for (; header; header = CMSG_NXTHDR(message, header)) {
        if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_CREDENTIALS)
            continue;
        memcpy(&credentials, CMSG_DATA(header), sizeof(credentials));
        return credentials.pid;
    }
    return 0;
}

static bool has_line(char *text, const char *wanted)
{
    char *rest = text, *line;

    while ((line = strsep(&rest, "\n")))
        if (!strcmp(line, wanted))
            return true;
    return false;
}

enum notify_result notify_receive(struct notify *notify, pid_t pid)
{
    /* Room for the credentials alone: descriptors that somebody attaches are dropped by the kernel.
     */
    union {
        char bytes[CMSG_SPACE(sizeof(struct ucred))];
        struct cmsghdr aligned;
    } control;
    char text[1024];
    struct iovec part = {text, sizeof(text) - 1};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof(control)};
    ssize_t length;

    do
        length = recvmsg(notify->fd, &message, MSG_CMSG_CLOEXEC);
    while (length < 0 && errno == EINTR);
    if (length < 0)
        return NOTIFY_NOTHING;
    if (pid <= 0 || sender_of(&message) != pid)
        return NOTIFY_OTHER;
    text[length] = '\0';
    return has_line(text, "READY=1") ? NOTIFY_READY : NOTIFY_OTHER;
}
