/* lamina serve: the serving layer alone, over a store that other jobs write. */
#include <stdio.h>

#include "serve_job.h"
#include "session.h"

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

static int run(struct lam_cli *cli)
{
    struct lam_session session;
    struct lam_serve_job serve = {0};
    struct lam_error err;
    int rc = lam_session_open(&session, cli, LAM_RANKS_SERVE);

    if (rc)
        return rc;
    if (!(rc = check_identity(&session.engine, &err)) && session.engine.rank == 0)
        rc = lam_serve_job_start(&serve, &session.engine, NULL, true, &err);
    if ((rc = lam_session_agree(&session, rc, &err))) {
        lam_session_refuse(&session, rc, &err);
    } else if (session.engine.rank == 0) {
        tell(cli, &session, &serve);
    }
    while (!rc && lam_session_turn(&session, 250))
        if (session.engine.rank == 0 && lam_session_stopping(&session))
            lam_session_bye(&session, LAM_EXIT_DONE);
    lam_serve_job_stop(&serve, GRACE_MS);
    return lam_session_close(&session);
}
