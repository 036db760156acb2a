/* Work: what is handed to a pool comes back to the thread that reaps, once, and may free itself there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <pthread.h>
#include <stdlib.h>

#include <cmocka.h>

#include "work.h"

enum { JOBS = 3000, OPEN = 8 };

struct job {
    struct lam_work work; /* first */
    int value;
    pthread_t ran_on;
};

static pthread_t owner;
static int done_count;
static int64_t sum;

static void run(struct lam_work *work, unsigned worker)
{
    struct job *job = (struct job *)work;

    assert_true(worker < 3);
    job->value *= 2;
    job->ran_on = pthread_self();
}

static void done(struct lam_work *work)
{
    struct job *job = (struct job *)work;

    assert_true(pthread_equal(pthread_self(), owner));
    assert_false(pthread_equal(job->ran_on, owner));
    sum += job->value;
    done_count++;
    free(job);
}

static struct job *job_of(int value)
{
    struct job *job = calloc(1, sizeof *job);

    assert_non_null(job);
    *job = (struct job){.work = {run, done}, .value = value};
    return job;
}

static void every_job_is_done_once_on_the_thread_that_reaps(void **state)
{
    struct lam_pool *pool;
    struct lam_wake wake;
    struct lam_error err;
    int submitted = 0;

    (void)state;
    owner = pthread_self();
    assert_int_equal(lam_wake_init(&wake, &err), 0);
    assert_int_equal(lam_pool_new(&pool, "work", 3, OPEN, &wake, &err), 0);
    assert_false(lam_work_reap(pool));
    while (done_count < JOBS) {
        while (submitted < JOBS) {
            struct job *job = job_of(submitted);

            if (!lam_work_submit(pool, &job->work)) { /* full: it is still ours */
                free(job);
                break;
            }
            submitted++;
        }
        assert_true(lam_pool_open_jobs(pool) <= OPEN);
        if (!lam_work_reap(pool))
            assert_true(lam_wake_wait(&wake, -1)); /* a lost wake hangs here */
    }
    assert_int_equal(done_count, JOBS);
    assert_int_equal(sum, (int64_t)JOBS * (JOBS - 1));
    assert_false(lam_work_reap(pool));
    lam_pool_free(pool);
    lam_wake_release(&wake);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_job_is_done_once_on_the_thread_that_reaps)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
