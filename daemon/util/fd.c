/*
 * Unix sockets, secrets and whole reads and writes, with the ends of each spelled out: interrupted
 * calls go on, short reads and writes go on, everything else is told.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <util/fd.h>
#include <util/macros.h>

static int fd_unix_address(const char *path, struct sockaddr_un *ret_address)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    if (!*path)
        return -EINVAL;
    if (strlen(path) >= sizeof(address.sun_path))
        return -ENAMETOOLONG;
    memcpy(address.sun_path, path, strlen(path) + 1);
    *ret_address = address;
    return 0;
}

static int fd_unix_socket(int flags)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);

    return fd < 0 ? -errno : fd;
}

/* connect() that was interrupted goes on in the kernel on other systems; on Linux an AF_UNIX one
 * can be repeated. */
static int fd_connect(int fd, const struct sockaddr_un *address)
{
    int r;

    do
        r = connect(fd, (const struct sockaddr *)address, sizeof(*address));
    while (r < 0 && errno == EINTR);
    return r < 0 ? -errno : 0;
}

static int fd_connect_path(const char *path, int flags, int *ret_fd)
{
    struct sockaddr_un address;
    CLEANUP(cleanup_fd) int fd = -1;
    int r = fd_unix_address(path, &address);

    if (r < 0)
        return r;
    fd = fd_unix_socket(flags);
    if (fd < 0)
        return fd;
    r = fd_connect(fd, &address);
    if (r < 0)
        return r;
    *ret_fd = TAKE_FD(fd);
    return 0;
}

int fd_connect_unix(const char *path, int *ret_fd)
{
    return fd_connect_path(path, 0, ret_fd);
}

int fd_try_connect_unix(const char *path, int *ret_fd)
{
    return fd_connect_path(path, SOCK_NONBLOCK, ret_fd);
}

/* Makes room at `path`: removes a socket that nobody listens on, and nothing else. */
static int fd_remove_stale_socket(const char *path, const struct sockaddr_un *address)
{
    CLEANUP(cleanup_fd) int fd = -1;
    struct stat status;
    int r;

    if (lstat(path, &status) < 0)
        return errno == ENOENT ? 0 : -errno;
    if (!S_ISSOCK(status.st_mode))
        return -EEXIST;
    fd = fd_unix_socket(SOCK_NONBLOCK);
    if (fd < 0)
        return fd;
    r = fd_connect(fd, address);
    if (r == -ECONNREFUSED)
        return unlink(path) < 0 && errno != ENOENT ? -errno : 0;
    if (r == -ENOENT)
        return 0;
    /* Connected, a full backlog (EAGAIN) or a socket of another type (EPROTOTYPE): somebody lives
     * there. */
    return r == 0 || r == -EAGAIN || r == -EPROTOTYPE ? -EADDRINUSE : r;
}

int fd_listen_unix(const char *path, mode_t mode, int backlog, int *ret_fd)
{
    struct sockaddr_un address;
    CLEANUP(cleanup_fd) int fd = -1;
    int r = fd_unix_address(path, &address);

    if (r < 0)
        return r;
    fd = fd_unix_socket(0);
    if (fd < 0)
        return fd;
    r = fd_remove_stale_socket(path, &address);
    if (r < 0)
        return r;
    /* The inode takes its mode from the socket's, less the umask: nobody may connect in the moment
     * before chmod. */
    if (fchmod(fd, mode) < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
        return -errno;
    if (chmod(path, mode) < 0 || listen(fd, backlog) < 0) {
        r = -errno;
        unlink(path);
        return r;
    }
    *ret_fd = TAKE_FD(fd);
    return 0;
}

int fd_peer_credentials(int fd, uid_t *ret_uid, gid_t *ret_gid, pid_t *ret_pid)
{
    struct ucred credentials;
    socklen_t length = sizeof(credentials);

    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &length) < 0)
        return -errno;
    *ret_uid = credentials.uid;
    *ret_gid = credentials.gid;
    *ret_pid = credentials.pid;
    return 0;
}

int fd_is_listening(int fd)
{
    int value = 0;
    socklen_t length = sizeof(value);

    if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &value, &length) < 0)
        return -errno;
    return value != 0;
}

int fd_set_nonblocking(int fd)
{
    int flags = fcntl(fd, F_GETFL);

    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
        return -errno;
    return 0;
}

int fd_read_all(int fd, void *data, size_t length)
{
    char *position = data;

    while (length) {
        ssize_t n = read(fd, position, length);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? -errno : -ENODATA;
        position += n;
        length -= (size_t)n;
    }
    return 0;
}

int fd_write_all(int fd, const void *data, size_t length)
{
    const char *position = data;

    while (length) {
        ssize_t n = write(fd, position, length);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        position += n;
        length -= (size_t)n;
    }
    return 0;
}

/* As much as there is, at most `length`; the number of bytes read. */
static ssize_t fd_read_most(int fd, char *data, size_t length)
{
    size_t done = 0;

    while (done < length) {
        ssize_t n = read(fd, data + done, length - done);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (!n)
            break;
        done += (size_t)n;
    }
    return (ssize_t)done;
}

/* The length of the first line in `data`, which was read up to `size` bytes. */
static ssize_t fd_secret_length(const char *data, size_t size, size_t limit)
{
    const char *newline = memchr(data, '\n', size);
    size_t length = newline ? (size_t)(newline - data) : size;

    if (length && data[length - 1] == '\r')
        length--;
    if (length > limit)
        return -E2BIG;
    if (memchr(data, '\0', length))
        return -EBADMSG;
    return length ? (ssize_t)length : -ENODATA;
}

int fd_read_secret_file(const char *path, size_t limit, char **ret_secret)
{
    CLEANUP(cleanup_fd) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    size_t capacity = limit + 2; /* a carriage return and a newline more */
    ssize_t size, length;
    char *buffer;
    int r = 0;

    if (fd < 0)
        return -errno;
    buffer = calloc(1, capacity + 1);
    if (!buffer)
        return -ENOMEM;
    size = fd_read_most(fd, buffer, capacity);
    length = size < 0 ? size : fd_secret_length(buffer, (size_t)size, limit);
    if (length < 0) {
        r = (int)length;
    } else {
        /* A copy of its own size: secret_free wipes up to the end of the string, and nothing may
         * lie behind that. */
        char *secret = strndup(buffer, (size_t)length);

        if (secret)
            *ret_secret = secret;
        else
            r = -ENOMEM;
    }
    explicit_bzero(buffer, capacity);
    free(buffer);
    return r;
}

char *secret_free(char *secret)
{
    if (secret)
        explicit_bzero(secret, strlen(secret));
    free(secret);
    return NULL;
}

void secret_cleanup(char **secret)
{
    *secret = secret_free(*secret);
}

static int fd_make_one_directory(const char *path, mode_t mode)
{
    struct stat status;

    if (mkdir(path, mode) == 0)
        /* mkdir lets the umask take bits away; what was asked for is what there shall be. */
        return chmod(path, mode) < 0 ? -errno : 0;
    if (errno != EEXIST)
        return -errno;
    if (stat(path, &status) < 0)
        return -errno;
    return S_ISDIR(status.st_mode) ? 0 : -ENOTDIR;
}

int fd_make_directory(const char *path, mode_t mode)
{
    CLEANUP(cleanup_free) char *copy = strdup(path);
    size_t length;

    if (!copy)
        return -ENOMEM;
    length = strlen(copy);
    while (length > 1 && copy[length - 1] == '/')
        copy[--length] = '\0';
    if (!length)
        return -EINVAL;
    for (char *slash = strchr(copy + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        int r;

        *slash = '\0';
        r = fd_make_one_directory(copy, 0755);
        *slash = '/';
        if (r < 0)
            return r;
    }
    return fd_make_one_directory(copy, mode);
}

void random_bytes(void *data, size_t length)
{
    char *position = data;

    while (length) {
        ssize_t n = getrandom(position, length, 0);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            abort();
        position += n;
        length -= (size_t)n;
    }
}
