/* lamina serve: the serving layer alone, over a store that other jobs write. */
#include <stdio.h>

#include "cmd_frame.h"
#include "serve_job.h"

#define GRACE_MS 2000 /* what a stop gives requests that are under way */

static int run(struct lam_cli *cli);

extern const struct lam_verb lam_verb_serve;
const struct lam_verb lam_verb_serve = {
    .name = "serve",
    .arguments = "JOB",
    .summary = "answer queries over HTTP, from what other jobs put into the store",
    .details = "Serves the store of the job at serve.listen and follows it: a new view, and what the speed layer archives,\n"
               "are taken up within about a second. Ends by SIGINT or SIGTERM.\n\n"
               "  lamina serve jobs/quickstart.json\n"
               "  curl http://127.0.0.1:8080/v1/status\n",
    .min_args = 1,
    .max_args = 1,
    .takes_job = true,
    .takes_ranks = true,
    .run = run,
};

/* With another identity than the store's it is a job of another store. */
static int check_identity(const struct lam_engine *engine, struct lam_error *err)
{
    const struct lam_state *state = lam_engine_state((struct lam_engine *)(uintptr_t)engine);
    struct lam_job_change change;
    int rc = 0;

    if (state->job.identity)
        rc = lam_job_compare(engine->job, lam_sv_of(state->job.identity), lam_sv_of(state->job.analysis), &change, err);
    lam_state_unref(state);
    return rc;
}

static void tell(const struct lam_cli *cli, const struct lam_session *session, const struct lam_serve_job *serve)
{
    if (cli->json)
        printf("{\"url\":\"%s\",\"port\":%u}\n", lam_serve_job_url(serve), lam_serve_job_port(serve));
    else
        printf("%s answers from %s\n", lam_serve_job_url(serve), session->job->store.path);
    fflush(stdout);
}

struct serve_verb {
    struct lam_frame *frame;
    struct lam_serve_job serve;
};

static int init(void *arg, struct lam_frame *frame, struct lam_error *err)
{
    struct serve_verb *verb = arg;
    int rc = check_identity(&frame->session.engine, err);

    verb->frame = frame;
    if (rc || frame->session.engine.rank > 0)
        return rc;
    return lam_serve_job_start(&verb->serve, &frame->session.engine, NULL, true, err);
}

static int begin(void *arg, struct lam_error *err)
{
    struct serve_verb *verb = arg;

    (void)err;
    tell(verb->frame->session.cli, &verb->frame->session, &verb->serve);
    return 0;
}

static void step(void *arg)
{
    struct lam_session *session = &((struct serve_verb *)arg)->frame->session;

    if (session->engine.rank == 0 && lam_session_stopping(session))
        lam_session_bye(session, LAM_EXIT_DONE);
}

static void end(void *arg) { lam_serve_job_stop(&((struct serve_verb *)arg)->serve, GRACE_MS); }
static void release(void *arg) { (void)arg; }

static int run(struct lam_cli *cli)
{
    static const struct lam_frame_ops ops = {LAM_RANKS_SERVE, 250, init, begin, step, end, release};
    struct serve_verb verb = {0};

    return lam_frame_run(cli, &ops, &verb);
}
