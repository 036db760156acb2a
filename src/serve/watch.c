#include "watch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define TICK_MS 250 /* deadlines are kept to within this; without connections the thread sleeps */

static void wait_tick(struct lam_watch *watch)
{
    struct timespec until;

    if (!watch->entries) {
        pthread_cond_wait(&watch->changed, &watch->lock);
        return;
    }
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += TICK_MS * 1000000L;
    if (until.tv_nsec >= 1000000000L) {
        until.tv_nsec -= 1000000000L;
        until.tv_sec++;
    }
    pthread_cond_timedwait(&watch->changed, &watch->lock, &until);
}

static void *run(void *arg)
{
    struct lam_watch *watch = arg;

    pthread_mutex_lock(&watch->lock);
    while (!watch->stop) {
        int64_t now_us = lam_mono_us(watch->clock);

        for (struct lam_watch_entry *entry = watch->entries; entry; entry = entry->next)
            if (entry->deadline_us <= now_us) {
                shutdown(entry->fd, SHUT_RDWR);
                entry->deadline_us = LAM_WATCH_NEVER;
            }
        wait_tick(watch);
    }
    pthread_mutex_unlock(&watch->lock);
    return NULL;
}

int lam_watch_start(struct lam_watch *watch, const struct lam_clock *clock, struct lam_error *err)
{
    pthread_condattr_t attr;
    int rc;

    *watch = (struct lam_watch){.clock = clock};
    pthread_mutex_init(&watch->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&watch->changed, &attr);
    pthread_condattr_destroy(&attr);
    if (!(rc = pthread_create(&watch->thread, NULL, run, watch)))
        return 0;
    pthread_cond_destroy(&watch->changed);
    pthread_mutex_destroy(&watch->lock);
    return LAM_FAIL(err, LAM_E_MEMORY, "no thread to watch connections: %s", strerror(rc));
}

void lam_watch_stop(struct lam_watch *watch)
{
    pthread_mutex_lock(&watch->lock);
    watch->stop = true;
    pthread_cond_signal(&watch->changed);
    pthread_mutex_unlock(&watch->lock);
    pthread_join(watch->thread, NULL);
    pthread_cond_destroy(&watch->changed);
    pthread_mutex_destroy(&watch->lock);
}

static int64_t deadline(const struct lam_watch *watch, unsigned timeout_ms)
{
    return timeout_ms ? lam_mono_us(watch->clock) + (int64_t)timeout_ms * 1000 : LAM_WATCH_NEVER;
}

struct lam_watch_entry *lam_watch_add(struct lam_watch *watch, int fd, unsigned timeout_ms)
{
    struct lam_watch_entry *entry = calloc(1, sizeof *entry);

    if (!entry)
        return NULL;
    entry->fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    if (entry->fd < 0) {
        free(entry);
        return NULL;
    }
    entry->deadline_us = deadline(watch, timeout_ms);
    pthread_mutex_lock(&watch->lock);
    entry->next = watch->entries;
    if (entry->next)
        entry->next->before = entry;
    else
        pthread_cond_signal(&watch->changed); /* the first one: the thread slept */
    watch->entries = entry;
    watch->count++;
    pthread_mutex_unlock(&watch->lock);
    return entry;
}

void lam_watch_remove(struct lam_watch *watch, struct lam_watch_entry *entry)
{
    if (!entry)
        return;
    pthread_mutex_lock(&watch->lock);
    if (entry->before)
        entry->before->next = entry->next;
    else
        watch->entries = entry->next;
    if (entry->next)
        entry->next->before = entry->before;
    watch->count--;
    pthread_mutex_unlock(&watch->lock);
    close(entry->fd);
    free(entry);
}

void lam_watch_set(struct lam_watch *watch, struct lam_watch_entry *entry, unsigned timeout_ms)
{
    int64_t deadline_us = deadline(watch, timeout_ms);

    if (!entry)
        return;
    pthread_mutex_lock(&watch->lock);
    entry->deadline_us = deadline_us;
    pthread_mutex_unlock(&watch->lock);
}

void lam_watch_end_all(struct lam_watch *watch)
{
    pthread_mutex_lock(&watch->lock);
    for (struct lam_watch_entry *entry = watch->entries; entry; entry = entry->next)
        shutdown(entry->fd, SHUT_RDWR);
    pthread_mutex_unlock(&watch->lock);
}

unsigned lam_watch_count(struct lam_watch *watch)
{
    unsigned count;

    pthread_mutex_lock(&watch->lock);
    count = watch->count;
    pthread_mutex_unlock(&watch->lock);
    return count;
}
