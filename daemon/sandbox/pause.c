#include "pause.h"

#include <errno.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <util/clock.h>

void pauses_init(struct pauses *pauses)
{
    pthread_mutex_init(&pauses->lock, NULL);
    pauses->first = NULL;
    pauses->stopped = false;
}

void pauses_deinit(struct pauses *pauses)
{
    pthread_mutex_destroy(&pauses->lock);
}

int pause_begin(struct pauses *pauses, struct pause *pause)
{
    pause->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (pause->event_fd < 0)
        return -errno;
    pthread_mutex_lock(&pauses->lock);
    pause->previous = NULL;
    pause->next = pauses->first;
    if (pause->next)
        pause->next->previous = pause;
    pauses->first = pause;
    pthread_mutex_unlock(&pauses->lock);
    return 0;
}

void pause_end(struct pauses *pauses, struct pause *pause)
{
    pthread_mutex_lock(&pauses->lock);
    if (pause->previous)
        pause->previous->next = pause->next;
    else
        pauses->first = pause->next;
    if (pause->next)
        pause->next->previous = pause->previous;
    pthread_mutex_unlock(&pauses->lock);
    close(pause->event_fd);
}

static bool pauses_stopped(struct pauses *pauses)
{
    bool stopped;

    pthread_mutex_lock(&pauses->lock);
    stopped = pauses->stopped;
    pthread_mutex_unlock(&pauses->lock);
    return stopped;
}

int pause_wait(struct pauses *pauses, struct pause *pause, int fd, int64_t timeout_ms)
{
    struct pollfd polled[2] = {{.fd = pause->event_fd, .events = POLLIN},
                               {.fd = fd, .events = POLLRDHUP}};
    eventfd_t ignored;
    int ready;

    if (pauses_stopped(pauses))
        return PAUSE_STOPPED;
    ready = poll(polled, 2,
                 timeout_ms < 0 ? -1 : (int)(timeout_ms > INT32_MAX ? INT32_MAX : timeout_ms));
    if (ready == 0)
        return PAUSE_TIME;
    if (ready > 0 && polled[1].revents)
        return PAUSE_CLIENT_GONE;
    if (ready > 0)
        eventfd_read(pause->event_fd, &ignored);
    return pauses_stopped(pauses) ? PAUSE_STOPPED : PAUSE_WOKEN;
}

void pauses_sleep(struct pauses *pauses, int64_t ms)
{
    int64_t end_ns = clock_monotonic_ns() + ms * 1000000;
    struct pause pause;

    if (ms <= 0 || pause_begin(pauses, &pause) < 0)
        return;
    for (;;) {
        int64_t left_ms = (end_ns - clock_monotonic_ns() + 999999) / 1000000;
        int result;

        if (left_ms <= 0)
            break;
        result = pause_wait(pauses, &pause, -1, left_ms);
        if (result == PAUSE_STOPPED)
            break;
    }
    pause_end(pauses, &pause);
}

void pauses_wake(struct pauses *pauses)
{
    pthread_mutex_lock(&pauses->lock);
    for (struct pause *pause = pauses->first; pause; pause = pause->next)
        eventfd_write(pause->event_fd, 1);
    pthread_mutex_unlock(&pauses->lock);
}

void pauses_stop(struct pauses *pauses)
{
    pthread_mutex_lock(&pauses->lock);
    pauses->stopped = true;
    pthread_mutex_unlock(&pauses->lock);
    pauses_wake(pauses);
}
