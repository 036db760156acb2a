#include "stop_watch.h"

#include <stdio.h>

#define LOOK_US 1000000

static bool is_self(const struct lam_holder *holder, const struct lam_holder *self)
{
    return holder->pid == self->pid && holder->started == self->started && holder->pid_namespace == self->pid_namespace && !strcmp(holder->boot, self->boot);
}

static bool is_asked(const struct lam_engine *engine, const struct lam_holder *holder)
{
    char path[LAM_PATH_MAX];
    struct stat st;

    return snprintf(path, sizeof path, "%s/runs/%s/stop", engine->job->store.path, holder->run) < (int)sizeof path && !engine->fs->ops->stat(engine->fs->arg, path, &st);
}

/* Storage thread: it has the log, and a folder that does not answer must not hold the main thread. */
static void look(struct lam_work *work, unsigned worker)
{
    struct lam_stop_watch *watch = (struct lam_stop_watch *)work;
    const struct lam_state *state = lam_commitlog_peek(watch->engine->commits);
    struct lam_holder self;
    struct lam_error err;

    (void)worker;
    if (lam_holder_self(&self, "", "", &err))
        return;
    for (int layer = 0; layer < LAM_TERMS && !watch->seen; layer++) {
        const struct lam_holder *holder = &state->terms[layer].holder;

        watch->seen = state->terms[layer].number && is_self(holder, &self) && is_asked(watch->engine, holder);
    }
}

static void looked(struct lam_work *work)
{
    struct lam_stop_watch *watch = (struct lam_stop_watch *)work;

    watch->busy = false;
    watch->found = watch->seen;
    if (watch->found && !atomic_exchange(&watch->engine->stop, 1)) {
        lam_log_info(&watch->engine->log, "job", "asked to stop by `lamina stop`");
        lam_wake_signal(&watch->engine->wake);
    }
}

void lam_stop_watch_step(struct lam_stop_watch *watch, struct lam_engine *engine)
{
    int64_t now = lam_mono_us(engine->clock);

    if (watch->busy || watch->found || now < watch->next_us)
        return;
    watch->next_us = now + LOOK_US;
    watch->engine = engine;
    watch->work = (struct lam_work){look, looked};
    watch->busy = lam_work_submit(engine->storage, &watch->work);
}
