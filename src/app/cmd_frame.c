#include "cmd_frame.h"

#include "process/work.h"

/* A rank that cannot begin ends all of them: the others would wait for work that never comes. */
static int begin(struct lam_frame *frame, const struct lam_frame_ops *ops, void *job)
{
    struct lam_session *session = &frame->session;
    struct lam_error err;
    int rc = ops->init(job, frame, &err);

    if ((rc = lam_session_agree(session, rc, &err))) {
        lam_session_refuse(session, rc, &err);
        return rc;
    }
    if (session->engine.rank > 0 || !ops->begin || !(rc = ops->begin(job, &err)))
        return 0;
    lam_session_refuse(session, rc, &err);
    lam_session_bye(session, session->code);
    return rc;
}

int lam_frame_run(const struct lam_cli *cli, const struct lam_frame_ops *ops, void *job)
{
    struct lam_frame frame = {0};
    struct lam_session *session = &frame.session;
    int rc = lam_session_open(session, cli, ops->ranks);

    if (rc)
        return rc;
    session->engine.wait_for_term = lam_cli_option(cli, "wait") != NULL;
    session->engine.take_over_term = lam_cli_option(cli, "take-over") != NULL;
    lam_progress_init(&frame.progress, session, lam_cli_option(cli, "quiet") != NULL);
    rc = begin(&frame, ops, job);
    while (!rc && lam_session_turn(session, ops->turn_ms)) {
        lam_work_reap(session->engine.storage);
        if (session->engine.rank == 0)
            lam_stop_watch_step(&frame.stop, &session->engine);
        ops->step(job);
    }
    lam_progress_end(&frame.progress);
    if (ops->end)
        ops->end(job);
    lam_engine_quiesce(&session->engine);
    ops->release(job);
    return lam_session_close(session);
}
