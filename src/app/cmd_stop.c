/*
 * lamina stop: asks the jobs that write to a store to end, from anywhere that sees it.
 *
 *     runs/<run>/stop written  ──the job's rank 0 sees it, stops as by a signal──>  runs/<run>/alive gone
 */
#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "cli.h"
#include "holders.h"

#define WAIT_S 60

static int run(struct lam_cli *cli);

static const struct lam_option options[] = {
    {"wait", 'w', "SECONDS", "how long to wait for the end; 60 where it is not given, 0: not at all"},
};

extern const struct lam_verb lam_verb_stop;
const struct lam_verb lam_verb_stop = {
    .name = "stop",
    .arguments = "STORE",
    .summary = "end the jobs that write to the store, from anywhere that sees it",
    .details = "The job finishes what is in flight as after SIGTERM, and can be run again to go on (exit 75).\n"
               "Exit 0: it has ended, or none was running. Exit 1: it was asked, and had not ended in time.\n\n"
               "  lamina stop out/tickets --wait 30\n",
    .options = options,
    .option_count = sizeof options / sizeof *options,
    .min_args = 1,
    .max_args = 1,
    .run = run,
};

static int ask(struct lam_engine *engine, const char *run_id, struct lam_error *err)
{
    char path[LAM_PATH_MAX];

    if (snprintf(path, sizeof path, "%s/runs/%s/stop", lam_commitlog_root(engine->commits), run_id) >= (int)sizeof path)
        return LAM_FAIL(err, LAM_E_LIMIT, "the path of the store is too long");
    return lam_fs_replace(engine->fs, path, LAM_SV("stop\n"), err);
}

/* 0: its counter is gone, or its process; LAM_E_TIMEOUT. */
static int await(struct lam_engine *engine, const struct lam_holder *holder, long long seconds, struct lam_error *err)
{
    int64_t until = lam_mono_us(engine->clock) + seconds * 1000000;
    const struct timespec pause = {0, 100000000};
    struct lam_holder self;
    uint64_t counter;
    int rc = lam_holder_self(&self, "", "", err);

    if (rc)
        return rc;
    for (;;) {
        rc = lam_alive_read(engine->fs, lam_commitlog_root(engine->commits), holder->run, &counter, err);
        if (rc == LAM_E_NOT_FOUND || lam_holder_process(holder, &self) == LAM_PROCESS_GONE)
            return 0;
        if (rc)
            return rc;
        if (lam_mono_us(engine->clock) >= until)
            return LAM_FAIL(err, LAM_E_TIMEOUT,
                            "job %s (process %" PRIu64 " on %s) was asked to stop, and still runs after %lld s",
                            holder->job, holder->pid, holder->host, seconds);
        nanosleep(&pause, NULL);
    }
}

static int stop(const struct lam_cli *cli, struct lam_engine *engine, long long seconds, struct lam_error *err)
{
    const struct lam_state *state = lam_engine_state(engine);
    struct lam_holders holders;
    size_t asked = 0;
    int rc = lam_holders_find(engine, state, &holders, err);

    for (size_t i = 0; !rc && i < holders.count; i++)
        if (holders.items[i].life == LAM_HOLDER_ALIVE) {
            rc = ask(engine, holders.items[i].holder->run, err);
            asked++;
        }
    for (size_t i = 0; !rc && seconds && i < holders.count; i++)
        if (holders.items[i].life == LAM_HOLDER_ALIVE)
            rc = await(engine, holders.items[i].holder, seconds, err);
    if (!rc && cli->json)
        printf("{\"asked\":%zu,\"stopped\":%s}\n", asked, seconds || !asked ? "true" : "false");
    else if (!rc)
        printf(!asked ? "No job writes to this store.\n" : seconds ? "Stopped.\n" : "Asked to stop.\n");
    lam_state_unref(state);
    return rc;
}

static int run(struct lam_cli *cli)
{
    struct lam_engine engine = {0};
    struct lam_error err;
    long long seconds;
    int code;

    if (lam_cli_number(cli, "wait", 0, 86400, WAIT_S, &seconds))
        return LAM_EXIT_USAGE;
    if (!(code = lam_cli_store(cli, cli->args[0], &engine)) && stop(cli, &engine, seconds, &err))
        code = lam_cli_fail(cli, &err);
    lam_engine_close(&engine);
    return code;
}
