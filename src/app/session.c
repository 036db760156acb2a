#include "session.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "comm/agree.h"
#include "comm/check.h"

enum { MSG_BYE = 0x0010, MSG_STOP, MSG_STATS };

#define CLOSE_MS 20000
#define TICK_US 1000000

static struct lam_engine *signalled; /* of the one session of a process */

static void on_signal(int number)
{
    (void)number;
    if (signalled) {
        atomic_store(&signalled->stop, 1);
        lam_wake_signal(&signalled->wake);
    }
}

static void on_message(void *arg, int src, uint16_t type, struct lam_sv bytes)
{
    struct lam_session *session = arg;
    int32_t code = 0;

    if (type == MSG_BYE && bytes.len == sizeof code) {
        memcpy(&code, bytes.ptr, sizeof code);
        session->bye = true;
        session->code = code;
    } else if (type == MSG_STOP) {
        atomic_store(&session->engine.stop, 1);
    } else if (type == MSG_STATS && bytes.len == sizeof *session->engine.ranks && session->engine.ranks) {
        struct lam_rank_stats *stats = &session->engine.ranks[src], old = *stats;

        memcpy(stats, bytes.ptr, sizeof *stats);
        stats->documents = old.documents;
        stats->events = old.events;
    }
}

int lam_session_agree(struct lam_session *session, int rc, struct lam_error *err)
{
    struct lam_agree agree;
    struct lam_error mine = {0};

    if (rc)
        mine = *err;
    if ((rc = lam_comm_agree_start(&agree, session->comm, &mine, session->job->deadline_us / 1000, err)))
        return rc;
    while ((rc = lam_comm_agree_test(&agree, err)) == LAM_PENDING) {
        lam_comm_wait(session->comm, &session->engine.wake, 50);
        if ((rc = lam_comm_poll(session->comm, NULL, NULL, err)))
            return rc;
    }
    return rc;
}

static int check_store(struct lam_session *session, struct lam_error *err)
{
    const char *roots[64];
    struct lam_check *check;
    size_t count = 0;
    int rc;

    for (size_t i = 0; i < session->job->source_count && count < 64; i++)
        roots[count++] = session->job->sources[i].root;
    rc = lam_check_start(&check, session->comm, &lam_fs_system, session->job->store.path, roots, count, session->job->store.visibility_us / 1000, err);
    if (rc)
        return rc;
    while ((rc = lam_check_test(check, err)) == LAM_PENDING) {
        lam_comm_wait(session->comm, &session->engine.wake, 20);
        if ((rc = lam_comm_poll(session->comm, NULL, NULL, err)))
            break;
    }
    lam_check_free(check);
    return rc;
}

static void catch_signals(struct lam_session *session)
{
    struct sigaction action = {.sa_handler = on_signal};

    signalled = &session->engine;
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGUSR1, &action, NULL);
    action.sa_handler = SIG_IGN;
    sigaction(SIGPIPE, &action, NULL);
}

static struct lam_roles roles_of(const struct lam_job *job, enum lam_layout_of_ranks layout, int size)
{
    switch (layout) {
    case LAM_RANKS_BATCH:
        return lam_roles_single(size, LAM_ROLE_BATCH);
    case LAM_RANKS_SPEED:
        return lam_roles_single(size, LAM_ROLE_SPEED);
    case LAM_RANKS_SERVE:
        return lam_roles_single(size, LAM_ROLE_SERVE);
    default:
        return lam_roles_run(size, job->stream ? (int)job->roles.speed : 0);
    }
}

void lam_session_refuse(struct lam_session *session, int rc, const struct lam_error *err)
{
    session->failure = *err;
    session->code = rc == LAM_E_INVALID ? LAM_EXIT_USAGE : LAM_EXIT_FAILED;
}

int lam_session_open(struct lam_session *session, const struct lam_cli *cli, enum lam_layout_of_ranks layout)
{
    struct lam_error err;
    struct lam_roles roles;
    int rc;

    *session = (struct lam_session){.cli = cli, .engine = {.log = {.fd = 2, .rank = -1, .level = LAM_LOG_INFO}}};
    if ((rc = lam_cli_job(cli, cli->args[0], &session->job))) /* every rank reads the same file, and tells the same problems: rank by rank they exit alike */
        return rc;
    if (lam_comm_open(&session->comm, NULL, &err)) {
        lam_job_free(session->job);
        return err.code == LAM_E_INVALID ? lam_cli_usage(cli, "%s", err.text) : lam_cli_fail(cli, &err);
    }
    roles = roles_of(session->job, layout, lam_comm_size(session->comm));
    if (lam_comm_size(session->comm) > 1)
        session->engine.log.rank = lam_comm_rank(session->comm);
    if ((rc = lam_wake_init(&session->engine.wake, &err)) || (rc = lam_comm_on(session->comm, MSG_BYE, MSG_STATS, on_message, session, &err)))
        return lam_cli_fail(cli, &err);
    if (!(session->engine.ranks = calloc((size_t)lam_comm_size(session->comm), sizeof *session->engine.ranks)))
        rc = LAM_FAIL(&err, LAM_E_MEMORY, "no memory for a session");
    else if (lam_comm_rank(session->comm) == 0)
        rc = lam_fs_mkdirs(&lam_fs_system, session->job->store.path, &err);
    if (!(rc = lam_session_agree(session, rc, &err)) && !(rc = check_store(session, &err))) {
        lam_wake_release(&session->engine.wake);
        rc = lam_engine_open(&session->engine, session->job, session->comm, &roles, &err);
        rc = lam_session_agree(session, rc, &err);
    }
    session->started_us = lam_mono_us(&lam_clock_system);
    if (rc) {
        lam_session_refuse(session, rc, &err);
        return lam_session_close(session);
    }
    catch_signals(session);
    return 0;
}

bool lam_session_stopping(const struct lam_session *session) { return atomic_load(&((struct lam_session *)(uintptr_t)session)->engine.stop); }

static void look_for_silence(struct lam_session *session)
{
    int64_t limit_ms = session->job->deadline_us / 1000; /* a main thread never blocks: one that is silent for so long hangs */
    int silent[8], count = lam_comm_silent(session->comm, limit_ms, silent, 8);

    if (count > 0 && !session->failure.code)
        LAM_FAIL(&session->failure, LAM_E_TIMEOUT, "rank %d%s said nothing for %.1f s; the job ends, run it again to go on", silent[0], count > 1 ? " and others" : "",
                 (double)limit_ms / 1000);
}

bool lam_session_turn(struct lam_session *session, int64_t max_ms)
{
    struct lam_rank_stats *mine = &session->engine.ranks[session->engine.rank];
    struct lam_error err;
    int64_t now;
    bool told = atomic_load(&session->engine.stop);

    lam_comm_wait(session->comm, &session->engine.wake, max_ms);
    if (lam_comm_poll(session->comm, NULL, NULL, &err) && !session->failure.code)
        session->failure = err;
    now = lam_mono_us(&lam_clock_system);
    atomic_store(&session->engine.turned_us, now);
    lam_rank_stats_sample(mine, now);
    if (now >= session->next_tick_us) {
        session->next_tick_us = now + TICK_US;
        look_for_silence(session);
        if (session->engine.rank > 0)
            lam_comm_send(session->comm, 0, MSG_STATS, lam_sv((const char *)mine, sizeof *mine), &err);
        if (told && session->engine.rank > 0) /* whoever is signalled tells the one who decides, again and again: it costs nothing */
            lam_comm_send(session->comm, 0, MSG_STOP, lam_sv(NULL, 0), &err);
    }
    return !session->bye && !session->failure.code;
}

void lam_session_bye(struct lam_session *session, int code)
{
    int32_t sent = code;
    struct lam_error err;

    session->code = code;
    session->bye = true;
    if (lam_comm_send_all(session->comm, MSG_BYE, lam_sv((const char *)&sent, sizeof sent), &err))
        lam_log_error(&session->engine.log, "comm", "%s", err.text);
}

int lam_session_close(struct lam_session *session)
{
    int rank = session->comm ? lam_comm_rank(session->comm) : 0, code = session->code;
    bool failed = session->failure.code != 0;
    struct lam_error err;

    if (failed && code == LAM_EXIT_DONE)
        code = LAM_EXIT_FAILED;
    if (failed && (rank == 0 || !session->bye))
        lam_log_error(&session->engine.log, "job", "%s", session->failure.text);
    if (failed && rank == 0 && session->failure.code == LAM_E_CORRUPT)
        lam_log_info(&session->engine.log, "job", "`lamina store check %s` tells what is damaged, and what to do about it", session->job->store.path);
    signalled = NULL;
    if (session->engine.job)
        lam_engine_close(&session->engine);
    else
        lam_wake_release(&session->engine.wake);
    free(session->engine.ranks);
    if (lam_comm_close(session->comm, failed && session->failure.code == LAM_E_TIMEOUT ? 0 : CLOSE_MS, &err) && !failed) {
        lam_log_error(&session->engine.log, "comm", "%s", err.text);
        code = LAM_EXIT_FAILED;
        failed = true;
    }
    lam_job_free(session->job);
    return rank == 0 || (failed && !session->bye) ? code : LAM_EXIT_DONE;
}
