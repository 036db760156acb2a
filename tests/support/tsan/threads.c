/*
 * C11 threads by way of POSIX ones, for builds with ThreadSanitizer: it knows nothing of glibc's thrd_create and mtx_lock, which librdkafka
 * uses, and crashes in the first thread that it did not see begin. Linked into a program, these take the place of glibc's.
 */
#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <threads.h>

_Static_assert(sizeof(mtx_t) >= sizeof(pthread_mutex_t) && sizeof(cnd_t) >= sizeof(pthread_cond_t), "glibc's are the same bytes");

struct begin {
    thrd_start_t run;
    void *arg;
};

static void *run(void *arg)
{
    struct begin begin = *(struct begin *)arg;

    free(arg);
    return (void *)(intptr_t)begin.run(begin.arg);
}

static int code_of(int rc) { return rc == 0 ? thrd_success : rc == ENOMEM ? thrd_nomem : rc == EBUSY ? thrd_busy : rc == ETIMEDOUT ? thrd_timedout : thrd_error; }

int thrd_create(thrd_t *thread, thrd_start_t start, void *arg)
{
    struct begin *begin = malloc(sizeof *begin);

    if (!begin)
        return thrd_nomem;
    *begin = (struct begin){start, arg};
    return code_of(pthread_create(thread, NULL, run, begin));
}

int thrd_join(thrd_t thread, int *result)
{
    void *value;
    int rc = pthread_join(thread, &value);

    if (!rc && result)
        *result = (int)(intptr_t)value;
    return code_of(rc);
}

int thrd_detach(thrd_t thread) { return code_of(pthread_detach(thread)); }
thrd_t thrd_current(void) { return pthread_self(); }

int mtx_init(mtx_t *mutex, int type)
{
    pthread_mutexattr_t attr;
    int rc;

    pthread_mutexattr_init(&attr);
    pthread_mutexattr_settype(&attr, type & mtx_recursive ? PTHREAD_MUTEX_RECURSIVE : PTHREAD_MUTEX_NORMAL);
    rc = pthread_mutex_init((pthread_mutex_t *)mutex, &attr);
    pthread_mutexattr_destroy(&attr);
    return code_of(rc);
}

int mtx_lock(mtx_t *mutex) { return code_of(pthread_mutex_lock((pthread_mutex_t *)mutex)); }
int mtx_trylock(mtx_t *mutex) { return code_of(pthread_mutex_trylock((pthread_mutex_t *)mutex)); }
int mtx_unlock(mtx_t *mutex) { return code_of(pthread_mutex_unlock((pthread_mutex_t *)mutex)); }
void mtx_destroy(mtx_t *mutex) { pthread_mutex_destroy((pthread_mutex_t *)mutex); }
int cnd_init(cnd_t *cond) { return code_of(pthread_cond_init((pthread_cond_t *)cond, NULL)); }
int cnd_signal(cnd_t *cond) { return code_of(pthread_cond_signal((pthread_cond_t *)cond)); }
int cnd_broadcast(cnd_t *cond) { return code_of(pthread_cond_broadcast((pthread_cond_t *)cond)); }
int cnd_wait(cnd_t *cond, mtx_t *mutex) { return code_of(pthread_cond_wait((pthread_cond_t *)cond, (pthread_mutex_t *)mutex)); }
void cnd_destroy(cnd_t *cond) { pthread_cond_destroy((pthread_cond_t *)cond); }

int cnd_timedwait(cnd_t *restrict cond, mtx_t *restrict mutex, const struct timespec *restrict until)
{
    return code_of(pthread_cond_timedwait((pthread_cond_t *)cond, (pthread_mutex_t *)mutex, until));
}

/* librdkafka's reference counts are atomics that ThreadSanitizer does not see, so what it frees looks like a race. Our code in its callbacks is still watched. */
const char *__tsan_default_options(void);
const char *__tsan_default_options(void) { return "ignore_noninstrumented_modules=1"; }
