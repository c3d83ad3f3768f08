/*
 * Time that a test can move: preloaded into a program, this adds to the clocks that ledger time is
 * made of. Who only measures how long something takes (CLOCK_MONOTONIC) sees nothing of it, so that
 * no thread waits for an hour that has not passed. The file that TIME_SHIFT names holds the
 * milliseconds to be added, as an int64_t; the test maps it as well, and writes.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static const volatile int64_t *shift;

__attribute__((constructor)) static void map_shift(void)
{
    const char *path = getenv("TIME_SHIFT");
    int fd = path != NULL ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    void *map;

    if (fd < 0)
        return;
    map = mmap(NULL, sizeof(*shift), PROT_READ, MAP_SHARED, fd, 0);
    if (map != MAP_FAILED)
        shift = map;
    close(fd);
}

int clock_gettime(clockid_t clock, struct timespec *ret_time)
{
    int r = (int)syscall(SYS_clock_gettime, clock, ret_time);

    if (r == 0 && shift != NULL && (clock == CLOCK_BOOTTIME || clock == CLOCK_REALTIME)) {
        ret_time->tv_sec += *shift / 1000;
        ret_time->tv_nsec += *shift % 1000 * 1000000;
        if (ret_time->tv_nsec >= 1000000000) {
            ret_time->tv_sec++;
            ret_time->tv_nsec -= 1000000000;
        }
    }
    return r;
}
