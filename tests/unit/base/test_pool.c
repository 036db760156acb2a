/* Pools: every job runs once and comes back, a full pool says so, one thread keeps the order, the end waits for what was submitted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>

#include <cmocka.h>

#include "pool.h"

enum { JOBS = 20000, OPEN = 10, THREADS = 4 };

struct job {
    int runs, taken;
    unsigned worker;
    uint64_t result;
};

static void compute(void *arg, unsigned worker)
{
    struct job *job = arg;

    for (uint64_t i = 0; i < 50; i++)
        job->result = job->result * 31 + i;
    job->worker = worker;
    job->runs++;
}

static void every_job_runs_once_and_comes_back_by_the_wake(void **state)
{
    static struct job jobs[JOBS];
    struct lam_pool *pool;
    struct lam_wake wake;
    struct lam_error err;
    int submitted = 0, taken = 0;

    (void)state;
    assert_int_equal(lam_wake_init(&wake, &err), 0);
    assert_int_equal(lam_pool_new(&pool, "test", THREADS, OPEN, &wake, &err), 0);
    assert_int_equal(lam_pool_threads(pool), THREADS);
    while (taken < JOBS) {
        void *arg;

        while (submitted < JOBS && lam_pool_submit(pool, compute, &jobs[submitted]))
            submitted++;
        assert_true(lam_pool_open_jobs(pool) <= OPEN);
        while (lam_pool_take(pool, &arg)) {
            ((struct job *)arg)->taken++;
            taken++;
        }
        if (lam_pool_open_jobs(pool))
            assert_true(lam_wake_wait(&wake, -1)); /* a lost wake hangs here */
    }
    assert_int_equal(lam_pool_open_jobs(pool), 0);
    for (int i = 0; i < JOBS; i++) {
        assert_int_equal(jobs[i].runs, 1);
        assert_int_equal(jobs[i].taken, 1);
        assert_true(jobs[i].worker < THREADS);
        assert_true(jobs[i].result == jobs[0].result);
    }
    lam_pool_free(pool);
    lam_wake_release(&wake);
}

static void a_full_pool_refuses_until_a_job_is_taken(void **state)
{
    struct job jobs[OPEN + 1] = {{0}};
    struct lam_pool *pool;
    void *arg;

    (void)state;
    assert_int_equal(lam_pool_new(&pool, "test", 1, OPEN, NULL, NULL), 0);
    for (int i = 0; i < OPEN; i++)
        assert_true(lam_pool_submit(pool, compute, &jobs[i]));
    assert_false(lam_pool_submit(pool, compute, &jobs[OPEN]));
    while (!lam_pool_take(pool, &arg))
        ;
    assert_true(lam_pool_submit(pool, compute, &jobs[OPEN]));
    lam_pool_free(pool);
}

struct note {
    int *last;
    int number, before;
};

static void write_down(void *arg, unsigned worker)
{
    struct note *note = arg;

    (void)worker;
    note->before = *note->last; /* without a lock: there is one thread */
    *note->last = note->number;
}

static void one_thread_runs_jobs_in_their_order_and_the_end_waits_for_all(void **state)
{
    static struct note notes[1000];
    struct lam_pool *pool;
    int last = -1;

    (void)state;
    assert_int_equal(lam_pool_new(&pool, "storage", 1, 1000, NULL, NULL), 0);
    for (int i = 0; i < 1000; i++) {
        notes[i] = (struct note){&last, i, -2};
        assert_true(lam_pool_submit(pool, write_down, &notes[i]));
    }
    lam_pool_free(pool);
    assert_int_equal(last, 999);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(notes[i].before, i - 1);
}

static void ask_for_signals(void *arg, unsigned worker)
{
    sigset_t *set = arg;

    (void)worker;
    pthread_sigmask(SIG_SETMASK, NULL, set);
}

static void signals_are_left_to_the_main_thread(void **state)
{
    struct lam_pool *pool;
    sigset_t theirs, mine;

    (void)state;
    assert_int_equal(lam_pool_new(&pool, "a name that is longer than the kernel's fifteen", 2, 4, NULL, NULL), 0);
    assert_true(lam_pool_submit(pool, ask_for_signals, &theirs));
    lam_pool_free(pool);
    assert_true(sigismember(&theirs, SIGTERM) && sigismember(&theirs, SIGUSR1));
    pthread_sigmask(SIG_SETMASK, NULL, &mine);
    assert_false(sigismember(&mine, SIGTERM));
    lam_pool_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_job_runs_once_and_comes_back_by_the_wake),
        cmocka_unit_test(a_full_pool_refuses_until_a_job_is_taken),
        cmocka_unit_test(one_thread_runs_jobs_in_their_order_and_the_end_waits_for_all),
        cmocka_unit_test(signals_are_left_to_the_main_thread),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
