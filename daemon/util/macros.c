/*
 * The functions behind the cleanup attributes.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <util/macros.h>

void cleanup_free(void *pointer_to_pointer)
{
    void *pointer;

    /* Copied, since a `char **` may not be read through a `void **`. */
    memcpy(&pointer, pointer_to_pointer, sizeof(pointer));
    free(pointer);
}

void cleanup_fd(int *fd)
{
    int saved = errno;

    if (*fd >= 0)
        close(*fd);
    errno = saved;
}
