#include "work.h"

static void run(void *arg, unsigned worker)
{
    struct lam_work *work = arg;

    work->run(work, worker);
}

bool lam_work_submit(struct lam_pool *pool, struct lam_work *work) { return lam_pool_submit(pool, run, work); }

bool lam_work_reap(struct lam_pool *pool)
{
    void *arg;
    bool any = false;

    while (lam_pool_take(pool, &arg)) {
        struct lam_work *work = arg;

        any = true;
        work->done(work);
    }
    return any;
}
